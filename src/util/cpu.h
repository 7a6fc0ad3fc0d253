/* SPDX-License-Identifier: MIT */
#pragma once

/* How many CPUs this process can really use: the least of the scheduling affinity, the online CPUs and
 * the cgroup's cpu.max (v2) or cpu.cfs_quota_us (v1), rounded up, of this cgroup and every one above it.
 * At least 1. */
unsigned int cpu_available(void);

/* The part of it that reads text: parses "QUOTA PERIOD" of a cpu.max file into CPUs rounded up.
 * 0 means no limit ("max 100000"), -EINVAL what is no such line. */
int cpu_parse_max(const char *text, unsigned int *ret);

/* The cgroup's part, in the file tree that begins at root ("" is the real one; tests bring their own).
 * 0 means no limit. */
unsigned int cpu_cgroup_limit(const char *root);
