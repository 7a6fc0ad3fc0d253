/* SPDX-License-Identifier: MIT */

/*
 * A connection to a master, and what may go wrong with it, in words and as an exit status.
 *
 * What a call returns is either EXIT_OK or the exit status of the program, and whatever it is has been said. A master
 * that does not answer a question in a few seconds is no worth waiting for; what it is told to do takes as long as it
 * takes.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/format.h"
#include "ipc/control.h"
#include "util/fd.h"

#define ANSWER_TIMEOUT (5 * USEC_PER_SEC)
#define DEPTH_MAX      16

/* ---- What goes wrong ---- */

static void say(const struct client *client, const char *format, ...) _printf_(2, 3);

static void say(const struct client *client, const char *format, ...) {
        va_list arguments;

        if (client->quiet)
                return;
        (void) fputs("musterctl: ", stderr);
        va_start(arguments, format);
        (void) vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void) fputc('\n', stderr);
}

static int refused(const struct client *client) {
        say(client, "Permission denied: only root and the user of the service may control %s",
            client->instance);
        return EXIT_PERMISSION;
}

/* A master that does not want us closes the connection without a word. */
static bool is_stranger(const struct client *client) {
        struct sockaddr_un address;
        struct stat st;

        return geteuid() != 0 && control_address(client->instance, &address) >= 0 &&
               stat(address.sun_path, &st) >= 0 && st.st_uid != geteuid();
}

static int closed(const struct client *client) {
        if (is_stranger(client))
                return refused(client);
        if (client->may_be_lost)
                return EXIT_LOST;
        say(client, "%s has closed the connection", client->instance);
        return EXIT_FAILED;
}

static int connection_failed(const struct client *client, int error) {
        switch (error) {
        case ENOENT:
        case ENOTDIR:
        case ECONNREFUSED:
                if (!client->may_be_absent)
                        say(client, "%s is not running", client->instance);
                return EXIT_NOT_RUNNING;
        case EACCES:
        case EPERM:
                return refused(client);
        case EPIPE:
        case ECONNRESET:
                return closed(client);
        case EAGAIN:
                say(client, "%s does not answer", client->instance);
                return EXIT_FAILED;
        default:
                say(client, "Cannot connect to %s: %s", client->instance, strerror(error));
                return EXIT_FAILED;
        }
}

static int call_failed(const struct client *client, const sd_bus_error *error, int r) {
        _cleanup_free_ char *text = NULL;

        if (r == -ECONNRESET || r == -EPIPE || r == -ENOTCONN)
                return closed(client);
        if (r == -ETIMEDOUT)
                say(client, "%s does not answer", client->instance);
        else {
                text = format_clean(strdup(error->message ?: strerror(-r)));
                say(client, "%s: %s", client->instance, text ?: "out of memory");
        }
        return sd_bus_error_has_name(error, CONTROL_ERROR_ROLL) ? EXIT_OLD_PROCESSES : EXIT_FAILED;
}

/* ---- The connection ---- */

static int connect_to(const struct sockaddr_un *address) {
        const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT / USEC_PER_SEC };
        _cleanup_fd_ int fd = -1;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        /* for connect(), which waits where the queue is full */
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
            connect(fd, (const struct sockaddr *) address, sizeof(*address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* sd-bus itself would wait for a minute and a half. */
static int wait_until_ready(sd_bus *bus) {
        usec_t end = usec_add(now_monotonic(), ANSWER_TIMEOUT), now;
        int r;

        while ((r = sd_bus_is_ready(bus)) == 0) {
                r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                now = now_monotonic();
                if (now >= end)
                        return -EAGAIN;
                r = sd_bus_wait(bus, end - now);
                if (r < 0 && r != -EINTR)
                        return r;
        }
        return r < 0 ? r : 0;
}

int client_open(struct client *client, const char *instance) {
        struct sockaddr_un address;
        int fd, r;

        client->instance = instance;
        r = control_address(instance, &address);
        if (r < 0) {
                say(client, "%s: not the name of an instance", instance);
                return EXIT_USAGE;
        }
        fd = connect_to(&address);
        if (fd < 0)
                return connection_failed(client, -fd);
        r = sd_bus_new(&client->bus);
        if (r >= 0)
                r = sd_bus_set_fd(client->bus, fd, fd);
        if (r < 0) {
                fd_close(fd);
                return connection_failed(client, -r);
        }
        r = sd_bus_set_method_call_timeout(client->bus, ANSWER_TIMEOUT);
        r = r < 0 ? r : sd_bus_start(client->bus);
        r = r < 0 ? r : wait_until_ready(client->bus);
        return r < 0 ? connection_failed(client, -r) : EXIT_OK;
}

void client_deinit(struct client *client) {
        client->bus = sd_bus_close_unref(client->bus);
}

sd_bus_message *client_new_call(struct client *client, const char *method) {
        sd_bus_message *message = NULL;

        (void) sd_bus_message_new_method_call(client->bus, &message, NULL, CONTROL_OBJECT, CONTROL_INTERFACE,
                                              method);
        return message;
}

int client_call_message(struct client *client, sd_bus_message *message, sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = message ? sd_bus_call(client->bus, message, USEC_NEVER, &error, ret_reply) : -ENOMEM;
        return r < 0 ? call_failed(client, &error, r) : EXIT_OK;
}

int client_call(struct client *client, sd_bus_message **ret_reply, const char *method, const char *types,
                ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = client_new_call(client, method);
        va_list arguments;
        int r = 0;

        if (message) {
                va_start(arguments, types);
                r = sd_bus_message_appendv(message, types, arguments);
                va_end(arguments);
        }
        return client_call_message(client, r < 0 ? NULL : message, ret_reply);
}

/* ---- Signals ---- */

struct following {
        int (*handler)(sd_bus_message *message, void *data);
        void *data;
        int result;
};

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct following *following = userdata;

        if (following->result == 0)
                following->result = following->handler(message, following->data);
        return 1;
}

int client_follow(struct client *client, const char *signal,
                  int (*handler)(sd_bus_message *message, void *data), void *data) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        struct following following = { .handler = handler, .data = data };
        int r;

        r = sd_bus_match_signal(client->bus, &slot, NULL, CONTROL_OBJECT, CONTROL_INTERFACE, signal,
                                on_signal, &following);
        while (r >= 0 && following.result == 0) {
                r = sd_bus_process(client->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(client->bus, USEC_NEVER);
                if (r == -EINTR)
                        r = 0;
        }
        if (following.result != 0)
                return following.result > 0 ? EXIT_OK : EXIT_FAILED;
        return connection_failed(client, r == -ENOTCONN ? EPIPE : -r);
}

/* ---- What it says ---- */

static int read_one(sd_bus_message *message, struct value *value, const char *name, int depth);

static int read_items(sd_bus_message *message, struct value *value, int depth) {
        int r;

        while ((r = sd_bus_message_at_end(message, false)) == 0) {
                r = read_one(message, value, NULL, depth + 1);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_entries(sd_bus_message *message, struct value *value, int depth) {
        const char *name;
        int r;

        while ((r = sd_bus_message_at_end(message, false)) == 0) {
                r = sd_bus_message_enter_container(message, 'e', NULL);
                r = r < 0 ? r : sd_bus_message_read(message, "s", &name);
                r = r < 0 ? r : read_one(message, value, name, depth + 1);
                r = r < 0 ? r : sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_container(sd_bus_message *message, struct value *value, const char *name, char type,
                          const char *contents, int depth) {
        bool dictionary = type == 'a' && contents[0] == '{';
        struct value *item;
        int r;

        if (depth > DEPTH_MAX || (dictionary && contents[1] != 's'))
                return -EBADMSG;
        r = sd_bus_message_enter_container(message, type, contents);
        if (r < 0)
                return r;
        if (type == 'v')
                r = read_one(message, value, name, depth + 1);
        else {
                item = value_add(value, name, dictionary ? VALUE_DICTIONARY : VALUE_LIST);
                if (!item)
                        return -ENOMEM;
                r = dictionary ? read_entries(message, item, depth) : read_items(message, item, depth);
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_basic(sd_bus_message *message, struct value *value, const char *name, char type) {
        union {
                uint8_t y;
                uint16_t q;
                uint32_t u;
                int32_t i;
                int64_t x;
                uint64_t t;
                double d;
                int b;
                const char *s;
        } basic = {};
        struct value *item;
        int r;

        r = sd_bus_message_read_basic(message, type, &basic);
        if (r < 0)
                return r;
        if (type == 's' || type == 'o' || type == 'g')
                return value_add_text(value, name, basic.s);
        item = value_add(value, name, type == 'd' ? VALUE_REAL : type == 'b' ? VALUE_BOOL : VALUE_NUMBER);
        if (!item)
                return -ENOMEM;
        if (type == 'd')
                item->real = basic.d;
        else if (type == 't')
                item->number = basic.t;
        else if (type == 'u' || type == 'b')
                item->number = basic.u;
        else
                return -EBADMSG; /* no answer of ours has another */
        return 0;
}

/* Adds the next thing of the message to a list or a dictionary. */
static int read_one(sd_bus_message *message, struct value *value, const char *name, int depth) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(message, &type, &contents);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        if (strchr("avr(", type))
                return read_container(message, value, name, type, contents, depth);
        return read_basic(message, value, name, type);
}

int client_read_value(sd_bus_message *message, struct value *ret) {
        struct value all = { .kind = VALUE_LIST };
        int r;

        r = read_items(message, &all, 0);
        if (r < 0) {
                value_deinit(&all);
                return r;
        }
        if (all.n_items == 1) {
                *ret = all.items[0];
                free(all.items);
        } else
                *ret = all;
        return 0;
}

int client_get_status(struct client *client, struct value *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call_method(client->bus, NULL, CONTROL_OBJECT, "org.freedesktop.DBus.Properties",
                               "GetAll", &error, &reply, "s", CONTROL_INTERFACE);
        r = r < 0 ? r : client_read_value(reply, ret);
        return r < 0 ? call_failed(client, &error, r) : EXIT_OK;
}
