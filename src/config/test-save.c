/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "config/build.h"
#include "config/config.h"
#include "config/table.h"

static void set(struct config *config, const char *section, const char *name, const char *value,
                const char *origin) {
        const struct config_key *key = config_key_find(section, name);

        assert_non_null(key);
        assert_int_equal(config_key_set(key, config, value), 0);
        assert_int_equal(config_set_origin(config, key, origin), 0);
}

static struct config *make(void) {
        struct config *config;

        assert_int_equal(config_new(&config), 0);
        assert_int_equal(config_set_instance(config, "shop"), 0);
        set(config, "muster", "module", "hello", "shop.conf:2");
        set(config, "worker", "workers", "7", "-o");
        set(config, "http", "listen", "127.0.0.1:1 /run/a", "shop.conf.d/x.conf:1");
        assert_int_equal(config_set_app(config, "greeting", "a\\b\nc = d", "shop.conf:9"), 0);
        return config;
}

static void what_was_set_comes_back_with_its_origin(void **state) {
        _cleanup_config_ struct config *config = make(), *other = NULL;
        _cleanup_free_ char *text = NULL, *again = NULL, *reason = NULL;

        assert_int_equal(config_save(config, &text), 0);
        assert_int_equal(config_restore(&other, text, &reason), 0);
        assert_string_equal(other->instance, "shop");
        assert_string_equal(other->muster.module, "hello");
        assert_int_equal(other->worker.workers, 7);
        assert_string_equal(other->http.listen[1], "/run/a");
        assert_string_equal(config_app(other, "greeting"), "a\\b\nc = d");
        assert_string_equal(config_origin(other, "app", "greeting"), "shop.conf:9");
        assert_string_equal(config_origin(other, "worker", "workers"), "-o");
        assert_int_equal(config_save(other, &again), 0);
        assert_string_equal(again, text);
}

static void what_nobody_set_has_the_reader_s_default(void **state) {
        _cleanup_config_ struct config *config = make(), *other = NULL;
        _cleanup_free_ char *text = NULL, *reason = NULL;

        assert_int_equal(config_save(config, &text), 0);
        assert_null(strstr(text, "stop_timeout"));
        assert_int_equal(config_restore(&other, text, &reason), 0);
        assert_int_equal(other->muster.stop_timeout, config->muster.stop_timeout);
        assert_string_equal(config_origin(other, "muster", "stop_timeout"), "default");
}

static void what_this_version_cannot_hold_is_refused_by_name(void **state) {
        static const struct {
                const char *text;
                int error;
                const char *reason;
        } cases[] = {
                { "instance=a\norigin=a.conf:1\nmuster.module=x\norigin=a.conf:3\nworker.max_fun=3\n",
                  -EINVAL, "a.conf:3: it does not know [worker] max_fun" },
                { "instance=a\norigin=a.conf:1\nmuster.module=x\norigin=-o\nworker.workers=257\n", -EINVAL,
                  "-o: it does not allow [worker] workers = 257" },
                { "instance=a\n", -EINVAL, "it wants [muster] module to be set" },
                { "", -EBADMSG, NULL },
                { "instance=/\n", -EBADMSG, NULL },
                { "module=a\n", -EBADMSG, NULL },
                { "instance=a\nmuster.module=x\n", -EBADMSG, NULL },
                { "instance=a\norigin=a.conf:1\n", -EBADMSG, NULL },
                { "instance=a\norigin=a.conf:1\nmuster.module=x", -EBADMSG, NULL },
                { "instance=a\norigin=a.conf:1\nmodule=x\n", -EBADMSG, NULL },
                { "instance=a\norigin=a.conf:1\nmuster.module\n", -EBADMSG, NULL },
                { "instance=a\norigin=a\nmuster.module=x\norigin=b\nmuster.module=y\n", -EBADMSG, NULL },
                { "instance=a\norigin=a\napp.k=x\norigin=b\napp.K=y\n", -EBADMSG, NULL },
                { "instance=a\norigin=a\napp.a b=x\n", -EBADMSG, NULL },
                { "instance=a\norigin=a\nmuster.module=a\\b\n", -EBADMSG, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *reason = NULL;
                struct config *config;

                assert_int_equal(config_restore(&config, cases[i].text, &reason), cases[i].error);
                if (cases[i].reason)
                        assert_string_equal(reason, cases[i].reason);
                else
                        assert_null(reason);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_set_comes_back_with_its_origin),
                cmocka_unit_test(what_nobody_set_has_the_reader_s_default),
                cmocka_unit_test(what_this_version_cannot_hold_is_refused_by_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
