/* SPDX-License-Identifier: MIT */

/*
 * A place for the tests of the guard to fail in: a child that leaves no core, and a slot that outlives it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/guard-fixture.h"

struct slot *slot;

const struct guard_context context = { .route = "GET /items/{id}", .target = "/items/7?x=1" };

int set_up(void **state) {
        slot = mmap(NULL, sizeof(*slot), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        return slot == MAP_FAILED ? -1 : 0;
}

int tear_down(void **state) {
        return munmap(slot, sizeof(*slot));
}

int in_child(void (*function)(void)) {
        struct rlimit no_core = {};
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                (void) setrlimit(RLIMIT_CORE, &no_core);
                function();
                _exit(99);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

void assert_exits(int status, int code) {
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), code);
}

void assert_killed(int status, int signal) {
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signal);
}

struct guard_options options(void) {
        return (struct guard_options){ .slot = slot, .channel_fd = -1, .drain = true };
}

void setup(struct guard_options o) {
        slot_record_maps(slot);
        if (guard_setup(&o) < 0)
                _exit(98);
}
