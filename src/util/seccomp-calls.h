/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The system calls that are refused, for write-seccomp.c, which makes programs for the kernel of them.
 *
 * It lists what is refused and not what is allowed: an application may use whatever the C library of tomorrow
 * uses. What the unit's own filter lets through is the other half, a list of what is allowed.
 */

/* What no process of a service does, neither muster nor an application. */
static const char *const common_calls[] = {
        /* the kernel and the machine */
        "acct",
        "bpf",
        "delete_module",
        "finit_module",
        "init_module",
        "ioperm",
        "iopl",
        "kexec_file_load",
        "kexec_load",
        "lookup_dcookie",
        "modify_ldt",
        "nfsservctl",
        "perf_event_open",
        "quotactl",
        "reboot",
        "setdomainname",
        "sethostname",
        "swapoff",
        "swapon",
        "syslog",
        "uselib",
        "userfaultfd",
        "vhangup",
        /* its clock */
        "adjtimex",
        "clock_adjtime",
        "clock_settime",
        "settimeofday",
        /* another view of the system */
        "chroot",
        "fsconfig",
        "fsmount",
        "fsopen",
        "fspick",
        "mount",
        "mount_setattr",
        "move_mount",
        "open_tree",
        "pivot_root",
        "setns",
        "umount2",
        "unshare",
        /* ways around what a path allows */
        "fanotify_init",
        "open_by_handle_at",
        /* other processes */
        "pidfd_getfd",
        "process_vm_readv",
        "process_vm_writev",
        "ptrace",
        /* the keys of the kernel */
        "add_key",
        "keyctl",
        "request_key",
        /* what is asked through a ring passes no filter */
        "io_uring_enter",
        "io_uring_register",
        "io_uring_setup",
};

/* What starts a process; where [worker] children = no. clone() is among them but for threads. */
static const char *const children_calls[] = {
        "execve",
        "execveat",
        "fork",
        "vfork",
};

/* The address families that have a use in a service: all others are refused. */
static const int socket_families[] = { AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
