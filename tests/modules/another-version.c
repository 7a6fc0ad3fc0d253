/* SPDX-License-Identifier: MIT */

/* An application for an interface there is not. */

#include <muster/app.h>

extern MUSTER_PUBLIC const struct muster_application muster_application;
const struct muster_application muster_application = { .api = MUSTER_API + 1,
                                                       .size = sizeof(struct muster_application),
                                                       .name = "another-version" };
