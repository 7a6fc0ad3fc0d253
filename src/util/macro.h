/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define _cleanup_(f)      __attribute__((__cleanup__(f)))
#define _printf_(a, b)    __attribute__((__format__(__printf__, a, b)))
#define _pure_            __attribute__((__pure__))
#define _noreturn_        __attribute__((__noreturn__))
#define _unused_          __attribute__((__unused__))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b)         ((a) < (b) ? (a) : (b))
#define MAX(a, b)         ((a) > (b) ? (a) : (b))

/* Hands over what a variable owns and leaves the variable empty, so that its cleanup does nothing. */
#define TAKE_PTR(pointer)                                                                                   \
        ({                                                                                                  \
                __typeof__(pointer) *_p_ = &(pointer);                                                      \
                __typeof__(pointer) _v_ = *_p_;                                                             \
                *_p_ = NULL;                                                                                \
                _v_;                                                                                        \
        })

#define TAKE_FD(fd)                                                                                         \
        ({                                                                                                  \
                int *_f_ = &(fd);                                                                           \
                int _v_ = *_f_;                                                                             \
                *_f_ = -1;                                                                                  \
                _v_;                                                                                        \
        })

#define container_of(pointer, type, member) ((type *) ((char *) (pointer) -offsetof(type, member)))

/* Makes cleanup_foo() for _cleanup_ out of a destructor that takes NULL. */
#define DEFINE_CLEANUP(type, destructor)                                                                    \
        static inline void cleanup_##destructor(type *p) {                                                  \
                if (*p)                                                                                     \
                        destructor(*p);                                                                     \
        }                                                                                                   \
        struct macro_wants_a_semicolon

static inline bool streq(const char *a, const char *b) {
        return *a == *b && strcmp(a, b) == 0;
}

static inline bool startswith(const char *s, const char *start) {
        return strncmp(s, start, strlen(start)) == 0;
}

static inline void cleanup_freep(void *p) {
        free(*(void **) p);
}

#define _cleanup_free_ _cleanup_(cleanup_freep)
