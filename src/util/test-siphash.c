/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "util/macro.h"
#include "util/siphash.h"

/* The key and the inputs of the paper's appendix: 00 01 02 … */
static const uint64_t key[2] = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };

static void test_the_values_of_the_paper_come_out(void **state) {
        static const struct {
                size_t size;
                uint64_t hash;
        } known[] = {
                { 0, UINT64_C(0x726fdb47dd0e0e31) },
                { 8, UINT64_C(0x93f5f5799a932462) },
                { 15, UINT64_C(0xa129ca6149be45e5) },
        };
        unsigned char bytes[16];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (unsigned char) i;
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                assert_true(siphash24(key, bytes, known[i].size) == known[i].hash);
}

static void test_the_key_matters_and_so_does_every_byte(void **state) {
        static const uint64_t other[2] = { 1, 2 };
        uint64_t hash = siphash24(key, "GET /a", 6);

        assert_true(hash != siphash24(other, "GET /a", 6));
        assert_true(hash != siphash24(key, "GET /b", 6));
        assert_true(hash != siphash24(key, "GET /a\0", 7));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_values_of_the_paper_come_out),
                cmocka_unit_test(test_the_key_matters_and_so_does_every_byte),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
