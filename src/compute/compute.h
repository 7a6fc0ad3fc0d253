/* SPDX-License-Identifier: MIT */
#pragma once

/* The program: runs until it is time to leave. Returns the exit status. */
int compute_main(int argc, char **argv);
