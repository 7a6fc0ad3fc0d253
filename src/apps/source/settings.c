/* SPDX-License-Identifier: MIT */

/*
 * The keys of [app]; conf/source.conf explains them. What can be wrong is said at the start, in the agent as in the
 * workers.
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <curl/curl.h>

#include "settings.h"

#define MEBIBYTE    UINT64_C(1048576)
#define TIMEOUT_MAX MUSTER_SEC(3600) /* libcurl counts milliseconds in a long */

/* libcurl's own parser, so that what is accepted here is what will be asked. The address may hold a password, and is not
 * repeated. */
static bool is_address(const char *text) {
        CURLU *url = curl_url();
        char *scheme = NULL, *host = NULL;
        bool good;

        good = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
               curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
               curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
               (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
        curl_free(scheme);
        curl_free(host);
        curl_url_cleanup(url);
        return good;
}

static int read_span(struct muster *muster, const char *key, uint64_t fallback, uint64_t min, uint64_t max,
                     uint64_t *ret) {
        int r;

        r = muster_config_duration(muster, key, fallback, ret);
        if (r < 0)
                return r;
        if (*ret < min || *ret > max)
                return muster_fail(muster, -ERANGE, "[app] %s = %s: must be from %llums to %llus", key,
                                   muster_config(muster, key), (unsigned long long) (min / 1000),
                                   (unsigned long long) (max / 1000000));
        return 0;
}

static int read_spans(struct settings *settings, struct muster *muster) {
        const struct {
                const char *key;
                uint64_t fallback, min, max;
                uint64_t *span;
        } spans[] = {
                { "connect_timeout", MUSTER_SEC(3), MUSTER_MSEC(1), TIMEOUT_MAX,
                  &settings->connect_timeout },
                { "timeout", MUSTER_SEC(10), MUSTER_MSEC(1), TIMEOUT_MAX, &settings->timeout },
                { "spacing", MUSTER_MSEC(100), 0, TIMEOUT_MAX, &settings->spacing },
                { "fresh_for", MUSTER_SEC(900), 0, UINT64_MAX, &settings->fresh_for },
                { "first_wait", MUSTER_SEC(2), 0, TIMEOUT_MAX, &settings->first_wait },
        };
        int r = 0;

        for (size_t i = 0; i < sizeof(spans) / sizeof(*spans) && r >= 0; i++)
                r = read_span(muster, spans[i].key, spans[i].fallback, spans[i].min, spans[i].max,
                              spans[i].span);
        return r;
}

int settings_read(struct settings *settings, struct muster *muster) {
        const char *subject = muster_config(muster, "subject"), *ca_file = muster_config(muster, "ca_file");
        int r;

        *settings = (struct settings){ .url = muster_config(muster, "url") };
        settings->subject = subject && *subject ? subject : NULL;
        settings->ca_file = ca_file && *ca_file ? ca_file : NULL;
        if (!settings->url)
                return muster_fail(muster, -EINVAL, "[app] url is missing: where the data is fetched from");
        if (!is_address(settings->url))
                return muster_fail(muster, -EINVAL, "[app] url is no address of http or https");
        r = muster_config_number(muster, "max_size", 1, 256 * MEBIBYTE, MEBIBYTE, &settings->max_size);
        if (r < 0)
                return r;
        r = muster_config_number(muster, "max_redirects", 0, 20, 3, &settings->max_redirects);
        return r < 0 ? r : read_spans(settings, muster);
}
