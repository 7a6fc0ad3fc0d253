/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

/* A complete muster.conf: every key with its help, range and default, all commented out. */
int config_write_sample(FILE *file);

/* The keys as the scdoc fragment that muster.conf(5) includes. */
int config_write_man(FILE *file);
