/* SPDX-License-Identifier: MIT */
#pragma once

/* The whole life of the agent. Returns its exit status. */
int agent_main(int argc, char **argv);
