/* SPDX-License-Identifier: MIT */
#pragma once

/* The whole life of a worker. Returns its exit status. */
int worker_main(int argc, char **argv);
