/* SPDX-License-Identifier: MIT */

/*
 * Writes seccomp-programs.c: the filters of seccomp-calls.h as the kernel runs them.
 *
 * It runs while muster is built, so that neither the master nor a worker needs libseccomp, nor the time and
 * the memory that it takes: a process loads a constant. Everything that a program looks at but the number of
 * the call is kept to calls that are rare, for then the kernel (5.11 and later) knows at loading which calls pass, and
 * runs no program for those.
 *
 *     write-seccomp ARCHITECTURE FILE
 */

#include <errno.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/macro.h"
#include "util/seccomp-calls.h"

#define FAMILY_MAX 64

static const uint64_t namespaces[] = {
        CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,
};

static uint32_t architecture;

_noreturn_ static void fail(const char *what, int error) {
        (void) fprintf(stderr, "write-seccomp: %s: %s\n", what, strerror(-error));
        exit(EXIT_FAILURE);
}

/* ---- Rules ---- */

static int resolve(const char *name) {
        int number = seccomp_syscall_resolve_name(name);

        if (number == __NR_SCMP_ERROR)
                fail(name, -ENOSYS);
        return number;
}

static void refuse(scmp_filter_ctx filter, uint32_t action, const char *name) {
        int r = seccomp_rule_add(filter, action, resolve(name), 0);

        if (r < 0)
                fail(name, r);
}

static void refuse_if(scmp_filter_ctx filter, uint32_t action, const char *name,
                      struct scmp_arg_cmp condition) {
        int r = seccomp_rule_add_array(filter, action, resolve(name), 1, &condition);

        if (r < 0)
                fail(name, r);
}

static bool family_is_allowed(int family) {
        for (size_t i = 0; i < ELEMENTSOF(socket_families); i++)
                if (socket_families[i] == family)
                        return true;
        return false;
}

static void add_common(scmp_filter_ctx filter, uint32_t action) {
        for (size_t i = 0; i < ELEMENTSOF(common_calls); i++)
                refuse(filter, action, common_calls[i]);
        for (size_t i = 0; i < ELEMENTSOF(namespaces); i++)
                refuse_if(filter, action, "clone",
                          SCMP_A0_64(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
        for (int family = 0; family < FAMILY_MAX; family++)
                if (!family_is_allowed(family))
                        refuse_if(filter, action, "socket",
                                  SCMP_A0_64(SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t) family));
}

/* clone3() has its flags in memory, where no filter sees them. The C library falls back to clone(). */
static void add_clone3(scmp_filter_ctx filter) {
        refuse(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3");
}

/* Threads are no processes; and a process that is not to be traced is the copy of a crashed one that dumps core
 * (fork_core() in guard.c), which no C library makes otherwise. */
static void add_children(scmp_filter_ctx filter, uint32_t action) {
        for (size_t i = 0; i < ELEMENTSOF(children_calls); i++)
                refuse(filter, action, children_calls[i]);
        refuse_if(filter, action, "clone", SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_UNTRACED, 0));
        add_clone3(filter);
}

/* ---- Programs ---- */

static scmp_filter_ctx new_filter(void) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
        int r = 0;

        if (!filter)
                fail("seccomp_init", -ENOMEM);
        if (architecture != seccomp_arch_native()) {
                r = seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
                r = r < 0 ? r : seccomp_arch_add(filter, architecture);
        }
        /* Another architecture's calls have other numbers: none of them passes */
        r = r < 0 ? r : seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
        r = r < 0 ? r : seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (r < 0)
                fail("libseccomp", r);
        return filter;
}

static void write_program(FILE *file, const char *name, scmp_filter_ctx filter) {
        struct sock_filter instruction;
        FILE *compiled = tmpfile();
        int r;

        if (!compiled)
                fail("tmpfile", -errno);
        r = seccomp_export_bpf(filter, fileno(compiled));
        if (r < 0)
                fail(name, r);
        rewind(compiled);
        (void) fprintf(file, "\nstatic const struct sock_filter %s[] = {\n", name);
        while (fread(&instruction, sizeof(instruction), 1, compiled) == 1)
                (void) fprintf(file, "        { 0x%02x, %u, %u, 0x%08x },\n", instruction.code,
                               instruction.jt, instruction.jf, instruction.k);
        (void) fputs("};\n", file);
        (void) fclose(compiled);
        seccomp_release(filter);
}

static const struct {
        const char *symbol;
        const char *name;
        void (*add)(scmp_filter_ctx filter, uint32_t action);
        uint32_t action;
} programs[] = {
        { "SECCOMP_COMMON_TRAP", "common_trap", add_common, SCMP_ACT_TRAP },
        { "SECCOMP_COMMON_ERRNO", "common_errno", add_common, SCMP_ACT_ERRNO(EPERM) },
        { "SECCOMP_NO_CHILDREN_NOTIFY", "no_children_notify", add_children, SCMP_ACT_NOTIFY },
        { "SECCOMP_NO_CHILDREN_ERRNO", "no_children_errno", add_children, SCMP_ACT_ERRNO(EPERM) },
        { "SECCOMP_CHILDREN", "children", NULL, 0 },
};

static void write_programs(FILE *file) {
        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                scmp_filter_ctx filter = new_filter();

                if (programs[i].add)
                        programs[i].add(filter, programs[i].action);
                else
                        add_clone3(filter);
                write_program(file, programs[i].name, filter);
        }
        (void) fputs("\nconst struct sock_fprog seccomp_programs[_SECCOMP_PROGRAM_MAX] = {\n", file);
        for (size_t i = 0; i < ELEMENTSOF(programs); i++)
                (void) fprintf(file,
                               "        [%s] = { sizeof(%s) / sizeof(*%s), (struct sock_filter *) %s },\n",
                               programs[i].symbol, programs[i].name, programs[i].name, programs[i].name);
        (void) fputs("};\n", file);
}

/* ---- Names, for the log ---- */

static void write_name(FILE *file, const char *name) {
        int number = seccomp_syscall_resolve_name_arch(architecture, name);

        if (number >= 0)
                (void) fprintf(file, "        { %d, \"%s\" },\n", number, name);
}

static void write_names(FILE *file) {
        (void) fputs("\nconst struct seccomp_call seccomp_calls[] = {\n", file);
        for (size_t i = 0; i < ELEMENTSOF(common_calls); i++)
                write_name(file, common_calls[i]);
        for (size_t i = 0; i < ELEMENTSOF(children_calls); i++)
                write_name(file, children_calls[i]);
        write_name(file, "clone");
        write_name(file, "socket");
        (void) fputs("};\n\n"
                     "const size_t seccomp_n_calls = sizeof(seccomp_calls) / sizeof(*seccomp_calls);\n",
                     file);
}

int main(int argc, char **argv) {
        FILE *file;

        if (argc != 3)
                fail("wants an architecture and a file", -EINVAL);
        architecture = seccomp_arch_resolve_name(argv[1]);
        if (architecture == 0)
                fail(argv[1], -EINVAL);
        file = fopen(argv[2], "we");
        if (!file)
                fail(argv[2], -errno);
        (void) fputs("/* SPDX-License-Identifier: MIT */\n"
                     "/* Made by write-seccomp of seccomp-calls.h. */\n\n"
                     "#include \"util/seccomp.h\"\n",
                     file);
        write_programs(file);
        write_names(file);
        if (fclose(file) != 0)
                fail(argv[2], -errno);
        return EXIT_SUCCESS;
}
