/* SPDX-License-Identifier: MIT */
#pragma once

/* The program that runs a function of the module for muster_fork(). See child.c. */

int child_main(int argc, char **argv);
