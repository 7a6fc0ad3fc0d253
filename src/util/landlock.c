/* SPDX-License-Identifier: MIT */

/*
 * Landlock: restricting which files a process may touch, without any privilege.
 *
 * Each layer only takes away from the ones before, so a child can be narrower than its master and never wider.
 * By that order processes are also kept from each other: nobody can trace, or read the memory of, a
 * process outside its own layer, which for a worker is its master and its neighbours.
 *
 * The kernel's interface grows; what the running one does not know is left out. Descriptors that are open
 * already are not affected, and what is refused is -EACCES, which no log tells but the kernel's audit (from 6.15).
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/landlock.h"
#include "util/macro.h"

/* Younger than the headers of some distributions. */
#define ACCESS_REFER    (UINT64_C(1) << 13) /* ABI 2 */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14) /* ABI 3 */
#define SCOPE_SIGNAL    (UINT64_C(1) << 1)  /* ABI 6 */

#define ACCESS_DEVICES  (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)

/* What the kernel lets be granted for a file; the rest is about directories. */
#define ACCESS_OF_FILE                                                                                      \
        (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |        \
         ACCESS_TRUNCATE)

struct ruleset {
        uint64_t fs;
        uint64_t net;
        uint64_t scoped;
};

static uint64_t rights_of(unsigned int access, int abi) {
        uint64_t rights = 0;

        if (access & LANDLOCK_READ)
                rights |= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
        if (access & LANDLOCK_EXECUTE)
                rights |= LANDLOCK_ACCESS_FS_EXECUTE;
        if (access & LANDLOCK_MODIFY)
                rights |= LANDLOCK_ACCESS_FS_WRITE_FILE | (abi >= 3 ? ACCESS_TRUNCATE : 0);
        if (access & LANDLOCK_CREATE)
                rights |= LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                          LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                          LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                          LANDLOCK_ACCESS_FS_MAKE_SYM | (abi >= 2 ? ACCESS_REFER : 0);
        if (access & LANDLOCK_BIND)
                rights |= LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE;
        return rights;
}

static int add_grant(int ruleset, const struct landlock_grant *grant, uint64_t handled, int abi) {
        struct landlock_path_beneath_attr rule = {
                .allowed_access = rights_of(grant->access, abi) & handled,
        };
        _cleanup_fd_ int fd = -1;
        struct stat st;

        fd = open(grant->path, O_PATH | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return 0;
        if (!S_ISDIR(st.st_mode))
                rule.allowed_access &= ACCESS_OF_FILE;
        if (rule.allowed_access == 0)
                return 0;
        rule.parent_fd = fd;
        return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno
                                                                                                 : 0;
}

/* The kernel has it and it is switched on; a filter of system calls may hide it. */
static int find_abi(void) {
        long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

        return abi < 1 ? -EOPNOTSUPP : (int) abi;
}

int landlock_restrict(unsigned int restricted, const struct landlock_grant *grants, size_t n) {
        struct ruleset attributes = {};
        _cleanup_fd_ int ruleset = -1;
        int abi, r;

        abi = find_abi();
        if (abi < 0)
                return abi;
        attributes.fs = rights_of(restricted, abi);
        if (restricted & LANDLOCK_CREATE)
                attributes.fs |= ACCESS_DEVICES;
        if (abi >= 6)
                attributes.scoped = SCOPE_SIGNAL;
        ruleset = (int) syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
        if (ruleset < 0)
                return -errno;
        for (size_t i = 0; i < n; i++) {
                r = add_grant(ruleset, &grants[i], attributes.fs, abi);
                if (r < 0)
                        return r;
        }
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        /* E2BIG: as deep inside other sandboxes as the kernel goes */
        if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
                return errno == E2BIG ? -EOPNOTSUPP : -errno;
        return abi;
}
