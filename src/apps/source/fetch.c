/* SPDX-License-Identifier: MIT */

/*
 * The origin, asked by libcurl's multi interface on muster's loop: libcurl says which descriptors it waits for and how
 * long, muster_watch_fd() and muster_timer_after() wait, and curl_multi_socket_action() does what can be done without
 * waiting. Requests are served meanwhile.
 *
 * What could wait all the same:
 *   - Names are resolved on a thread that libcurl starts for it (Debian's and Fedora's are built like that; `curl -V` says
 *     AsynchDNS). A request that is given up while its name is being resolved would wait for that thread to end;
 *     CURLOPT_QUICK_EXIT leaves the thread to itself.
 *   - Files are read for TLS, once: the certificates.
 *
 * What an origin, or who stands in for it, can do is bounded: the time until it is connected and until all is there, the
 * size of the answer (as it is after decompression), the redirects, and where they lead (http or https, never
 * from https to http). An answer cut short is none, and neither is one with another status than 200, or 304 to a
 * question that allows it.
 *
 * The connection is kept for the next request, while the origin keeps it.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "fetch.h"

#define BODY_FIRST ((size_t) 4096)

struct fetch {
        struct muster *muster;
        const struct settings *settings; /* not owned */
        fetch_done_t done;
        void *data;
        CURLM *multi;
        CURL *easy;
        struct muster_timer *timer;
        struct curl_slist *fields; /* of the request under way */
        bool busy;
        bool conditional;
        bool too_large;
        char *body;
        size_t size;
        size_t room;
        char error[CURL_ERROR_SIZE];
};

/* ---- What becomes of a request ---- */

static void forget_request(struct fetch *fetch) {
        curl_slist_free_all(fetch->fields);
        fetch->fields = NULL;
        free(fetch->body);
        fetch->body = NULL;
        fetch->size = fetch->room = 0;
        fetch->busy = false;
}

static const char *field(CURL *easy, const char *name) {
        struct curl_header *header;

        return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value
                                                                                       : NULL;
}

static const char *reason(struct fetch *fetch, CURLcode code) {
        if (fetch->too_large || code == CURLE_FILESIZE_EXCEEDED)
                (void) snprintf(fetch->error, sizeof(fetch->error),
                                "The answer is larger than max_size = %llu",
                                (unsigned long long) fetch->settings->max_size);
        else if (fetch->error[0] == '\0')
                (void) snprintf(fetch->error, sizeof(fetch->error), "%s", curl_easy_strerror(code));
        return fetch->error;
}

/* A transfer that ended well: what the status says. */
static void read_answer(struct fetch *fetch, struct answer *answer) {
        long status = 0;

        (void) curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
        if (status == 304 && fetch->conditional)
                answer->unchanged = true;
        else if (status == 200) {
                answer->body = fetch->body ? fetch->body : "";
                answer->size = fetch->size;
        } else {
                (void) snprintf(fetch->error, sizeof(fetch->error), "It answered with status %ld", status);
                answer->error = fetch->error;
        }
        validator_read(&answer->validator, field(fetch->easy, "ETag"), field(fetch->easy, "Last-Modified"),
                       field(fetch->easy, "Date"));
}

static void finish(struct fetch *fetch, CURLcode code) {
        struct answer answer = {};
        char *body;

        (void) curl_multi_remove_handle(fetch->multi, fetch->easy);
        if (code == CURLE_OK)
                read_answer(fetch, &answer);
        else
                answer.error = reason(fetch, code);
        body = fetch->body;
        fetch->body = NULL;
        forget_request(fetch);
        fetch->done(&answer, fetch->data);
        free(body);
}

/* ---- What libcurl is told ---- */

static void advance(struct fetch *fetch, curl_socket_t fd, int events) {
        const CURLMsg *message;
        int n;

        (void) curl_multi_socket_action(fetch->multi, fd, events, &n);
        message = curl_multi_info_read(fetch->multi, &n);
        if (message && message->msg == CURLMSG_DONE)
                finish(fetch, message->data.result);
}

static void on_ready(struct muster *muster, int fd, unsigned int events, void *data) {
        advance(data, fd,
                (events & MUSTER_READABLE ? CURL_CSELECT_IN : 0) |
                        (events & MUSTER_WRITABLE ? CURL_CSELECT_OUT : 0) |
                        (events & MUSTER_HANGUP ? CURL_CSELECT_ERR : 0));
}

static void on_time(struct muster *muster, void *data) {
        struct fetch *fetch = data;

        fetch->timer = NULL;
        advance(fetch, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- What libcurl asks for ---- */

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data) {
        struct fetch *fetch = data;
        struct muster_watch *watch = socket_data;
        unsigned int events =
                (what & CURL_POLL_IN ? MUSTER_READABLE : 0U) | (what & CURL_POLL_OUT ? MUSTER_WRITABLE : 0U);

        if (what == CURL_POLL_REMOVE) {
                muster_watch_end(watch);
                (void) curl_multi_assign(fetch->multi, fd, NULL);
                return 0;
        }
        if (watch)
                return muster_watch_change(watch, events) < 0 ? -1 : 0;
        watch = muster_watch_fd(fetch->muster, fd, events, on_ready, fetch);
        if (!watch)
                return -1;
        (void) curl_multi_assign(fetch->multi, fd, watch);
        return 0;
}

/* Nothing may be done from within, not even what is due at once. */
static int set_timer(CURLM *multi, long msec, void *data) {
        struct fetch *fetch = data;

        fetch->timer = muster_timer_cancel(fetch->timer);
        if (msec < 0)
                return 0;
        fetch->timer = muster_timer_after(fetch->muster, MUSTER_MSEC(msec), on_time, fetch);
        return fetch->timer ? 0 : -1;
}

static bool make_room(struct fetch *fetch, size_t wanted) {
        size_t room = fetch->room ? fetch->room : BODY_FIRST;
        char *body;

        if (wanted <= fetch->room)
                return true;
        while (room < wanted)
                room *= 2;
        body = realloc(fetch->body, room);
        if (!body)
                return false;
        fetch->body = body;
        fetch->room = room;
        return true;
}

/* Anything but the number of bytes ends the transfer. */
static size_t take_body(char *bytes, size_t one, size_t n, void *data) {
        struct fetch *fetch = data;

        if (n > fetch->settings->max_size - fetch->size) {
                fetch->too_large = true;
                return 0;
        }
        if (n > 0 && !make_room(fetch, fetch->size + n))
                return 0;
        if (n > 0)
                memcpy(fetch->body + fetch->size, bytes, n);
        fetch->size += n;
        return n;
}

/* ---- */

static int configure_multi(struct fetch *fetch) {
        CURLM *multi = fetch->multi;
        bool good;

        good = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
               curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, fetch) == CURLM_OK &&
               curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
               curl_multi_setopt(multi, CURLMOPT_TIMERDATA, fetch) == CURLM_OK;
        return good ? 0 : -ENOMEM;
}

static CURLcode configure_limits(CURL *easy, const struct settings *settings) {
        CURLcode code;

        code = curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) (settings->connect_timeout / 1000));
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) (settings->timeout / 1000));
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) settings->max_size);
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long) settings->max_redirects);
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR,
                                        strncasecmp(settings->url, "https:", 6) == 0 ? "https"
                                                                                     : "http,https");
        return code;
}

static CURLcode configure_easy(struct fetch *fetch) {
        CURL *easy = fetch->easy;
        CURLcode code;

        code = curl_easy_setopt(easy, CURLOPT_URL, fetch->settings->url);
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L); /* signals are muster's */
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, ""); /* all it can decode */
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "muster-source");
        if (code == CURLE_OK && fetch->settings->ca_file)
                code = curl_easy_setopt(easy, CURLOPT_CAINFO, fetch->settings->ca_file);
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->error);
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
        return code == CURLE_OK ? configure_limits(easy, fetch->settings) : code;
}

int fetch_new(struct fetch **ret, struct muster *muster, const struct settings *settings, fetch_done_t done,
              void *data) {
        struct fetch *fetch;
        int r = -ENOMEM;

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        fetch = calloc(1, sizeof(*fetch));
        if (fetch) {
                *fetch =
                        (struct fetch){ .muster = muster, .settings = settings, .done = done, .data = data };
                fetch->multi = curl_multi_init();
                fetch->easy = curl_easy_init();
        }
        if (fetch && fetch->multi && fetch->easy)
                r = configure_multi(fetch);
        if (r == 0 && configure_easy(fetch) != CURLE_OK)
                r = -EOPNOTSUPP;
        if (r < 0) {
                fetch_free(fetch);
                return r;
        }
        *ret = fetch;
        return 0;
}

struct fetch *fetch_free(struct fetch *fetch) {
        if (!fetch)
                return NULL;
        if (fetch->busy)
                (void) curl_multi_remove_handle(fetch->multi, fetch->easy);
        forget_request(fetch);
        curl_easy_cleanup(fetch->easy);
        (void) curl_multi_cleanup(fetch->multi); /* ends the watches */
        muster_timer_cancel(fetch->timer);
        free(fetch);
        return NULL;
}

int fetch_begin(struct fetch *fetch, const struct validator *validator) {
        char text[sizeof(*validator) + 32];
        const char *condition = validator ? validator_field(validator, text, sizeof(text)) : NULL;

        if (fetch->busy)
                return -EBUSY;
        fetch->conditional = condition != NULL;
        fetch->too_large = false;
        fetch->error[0] = '\0';
        if (condition) {
                fetch->fields = curl_slist_append(NULL, condition);
                if (!fetch->fields)
                        return -ENOMEM;
        }
        (void) curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, fetch->fields);
        if (curl_multi_add_handle(fetch->multi, fetch->easy) != CURLM_OK) {
                forget_request(fetch);
                return -ENOMEM;
        }
        fetch->busy = true;
        return 0;
}
