/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "ipc/heritage.h"

/* The configuration of a child. See child-config.c. Both log what is wrong. */

/* Reads what the master has left, and closes it. */
int child_config_inherit(struct config **ret, struct heritage *heritage);

/* Without a master: the same options the master takes. The heritage gets the name of the instance. */
int child_config_load(struct config **ret, struct heritage *heritage, int argc, char **argv);
