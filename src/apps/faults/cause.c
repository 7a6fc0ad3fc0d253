/* SPDX-License-Identifier: MIT */

/*
 * The ways to fail, by name.
 *
 * Where a signal has a usual cause, that cause is brought about: a pointer to nowhere, a stack that has no
 * end, a block freed twice. A raised signal would be too kind: it has no address, leaves the heap and the
 * stack in good order, and comes back. Signals without such a cause are raised. And there is the callback that never
 * comes back.
 *
 * Compilers, sanitizers and analysers are all out to stop code like this. So what they could see through
 * goes by way of volatile, every cause is a function of its own (its name is then in the backtrace), and the
 * undefined-behaviour sanitizer, which would report the fault in place of having it, is switched off here.
 */

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cause.h"

#define CAUSE __attribute__((__noinline__, __no_sanitize__("undefined"))) static

/* Stands behind a call that would otherwise become a jump, and its function missing in the backtrace. */
#define KEEP_FRAME() __asm__ volatile("")

/* Not NULL, so that it is seen again in the crash record; in the first page, which is never mapped. */
#define NOWHERE 0xbadU

CAUSE void cause_bad_pointer(int signal) {
        volatile uintptr_t address = NOWHERE;

        *(volatile char *) address = 1;
}

CAUSE int cause_recursion(const volatile char *caller) {
        volatile char block[1024];

        /* The condition is never true, but only we know; the sum after the call keeps it from being a jump.
         */
        block[0] = caller[0];
        if (block[0] == 1)
                return 0;
        return cause_recursion(block) + block[0];
}

CAUSE void cause_stack_overflow(int signal) {
        const volatile char zero[] = { 0 };

        (void) cause_recursion(zero);
        KEEP_FRAME();
}

static volatile int one = 1, zero;

CAUSE void cause_division_by_zero(int signal) {
        one = one / zero;
        /* Not every machine traps a division by zero. */
        (void) raise(signal);
        KEEP_FRAME();
}

CAUSE void cause_illegal_instruction(int signal) {
#if defined(__x86_64__) || defined(__i386__)
        __asm__ volatile("ud2");
#elif defined(__aarch64__)
        __asm__ volatile("udf #0");
#endif
        (void) raise(signal);
        KEEP_FRAME();
}

/* The page is mapped, but the file it is mapped from is empty. */
CAUSE void cause_bus_error(int signal) {
        volatile char *page;
        int fd;

        fd = memfd_create("faults", MFD_CLOEXEC);
        if (fd < 0)
                return;
        page = mmap(NULL, (size_t) sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, fd, 0);
        (void) close(fd);
        if (page != MAP_FAILED)
                (void) *page;
}

static void (*volatile release)(void *) = free;

/* Found by the C library, which calls abort(). */
CAUSE void cause_double_free(int signal) {
        void *block = malloc(64);

        release(block);
        release(block);
        KEEP_FRAME();
}

CAUSE void cause_raise(int signal) {
        (void) raise(signal);
        KEEP_FRAME();
}

__attribute__((__noreturn__)) CAUSE void cause_hang(int signal) {
        for (;;)
                (void) pause();
}

static const struct cause causes[] = {
        { "SEGV", cause_bad_pointer, SIGSEGV },
        { "STACK", cause_stack_overflow, SIGSEGV },
        { "BUS", cause_bus_error, SIGBUS },
        { "FPE", cause_division_by_zero, SIGFPE },
        { "ILL", cause_illegal_instruction, SIGILL },
        { "ABRT", cause_double_free, SIGABRT },
        { "SYS", cause_raise, SIGSYS },
        { "TRAP", cause_raise, SIGTRAP },
        { "KILL", cause_raise, SIGKILL },
        { "TERM", cause_raise, SIGTERM },
        { "QUIT", cause_raise, SIGQUIT },
        { "PIPE", cause_raise, SIGPIPE },
        { "XCPU", cause_raise, SIGXCPU },
        { "HANG", cause_hang, 0 },
        {},
};

const struct cause *cause_find(const char *name) {
        const struct cause *cause;

        if (strncmp(name, "SIG", 3) == 0)
                name += 3;
        for (cause = causes; cause->name; cause++)
                if (strcmp(cause->name, name) == 0)
                        return cause;
        return NULL;
}

const char *cause_names(void) {
        return "SEGV STACK BUS FPE ILL ABRT SYS TRAP KILL TERM QUIT PIPE XCPU HANG";
}

void cause_now(const struct cause *cause) {
        cause->function(cause->signal);
        KEEP_FRAME();
}
