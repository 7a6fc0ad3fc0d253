/* SPDX-License-Identifier: MIT */
#pragma once

/* Lets this process have as many descriptors as it is allowed (RLIMIT_NOFILE's hard limit). Programs it starts should get
 * the limit there was: the soft one is low for those that use select(). Once that is restored, nofile_raise() may be called
 * again. What fails leaves the limit as it is. */
void nofile_raise(void);

/* Async-signal-safe, for the moment before exec. */
void nofile_restore(void);
