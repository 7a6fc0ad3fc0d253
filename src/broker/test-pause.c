/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <cmocka.h>

#include "broker/pause.h"

static void it_doubles_up_to_ten_seconds(void **state) {
        assert_int_equal(broker_pause(0, UINT32_MAX), 100 * USEC_PER_MSEC);
        assert_int_equal(broker_pause(1, UINT32_MAX), 200 * USEC_PER_MSEC);
        assert_int_equal(broker_pause(6, UINT32_MAX), 6400 * USEC_PER_MSEC);
        assert_int_equal(broker_pause(7, UINT32_MAX), BROKER_PAUSE_MAX);
        assert_int_equal(broker_pause(UINT_MAX, UINT32_MAX), BROKER_PAUSE_MAX);
}

static void chance_takes_away_half_at_most(void **state) {
        for (unsigned int failures = 0; failures < 12; failures++) {
                usec_t whole = broker_pause(failures, UINT32_MAX);

                assert_int_equal(broker_pause(failures, 0), whole / 2);
                assert_in_range(broker_pause(failures, UINT32_MAX / 2), whole * 74 / 100, whole * 76 / 100);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_doubles_up_to_ten_seconds),
                cmocka_unit_test(chance_takes_away_half_at_most),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
