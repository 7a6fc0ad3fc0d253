/* SPDX-License-Identifier: MIT */

/*
 * What the kernel says of cgroups, taken apart.
 *
 * Where the own cgroup is seen takes two files to know: /proc/self/cgroup names it from the root of our cgroup
 * namespace, and /proc/self/mountinfo says which part of the tree is mounted where. Usually that is all of it
 * at /sys/fs/cgroup; beside version 1 it is /sys/fs/cgroup/unified; in a container it may be a part of it
 * anywhere. What does not fit together is refused, never guessed at: what is written there counts.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "master/cgroup-path.h"
#include "util/macro.h"
#include "util/parse.h"

#define FIELDS_MAX 64

/* "..": a cgroup outside our namespace. */
static bool leads_out(const char *path) {
        for (const char *p = path; (p = strstr(p, "/..")); p += 3)
                if (p[3] == '/' || p[3] == '\0')
                        return true;
        return false;
}

int cgroup_parse_own(const char *text, char **ret_path) {
        _cleanup_free_ char *path = NULL;

        while (!startswith(text, "0::")) {
                text = strchr(text, '\n');
                if (!text)
                        return -ENOENT;
                text++;
        }
        text += strlen("0::");
        path = strndup(text, strcspn(text, "\n"));
        if (!path)
                return -ENOMEM;
        if (path[0] != '/' || leads_out(path))
                return -EBADMSG;
        *ret_path = TAKE_PTR(path);
        return 0;
}

/* mountinfo writes blanks and backslashes as \ooo. */
static void unescape(char *text) {
        char *to = text;

        for (; *text; to++) {
                if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
                    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
                        *to = (char) ((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
                        text += 4;
                } else
                        *to = *text++;
        }
        *to = '\0';
}

/* The root and the mount point in a line of mountinfo, which is taken apart, if it is about cgroups of version 2. */
static bool parse_mount_line(char *line, char **ret_root, char **ret_point) {
        char *fields[FIELDS_MAX], *state = NULL;
        size_t n = 0, dash = 6;

        for (char *field = strtok_r(line, " ", &state); field && n < FIELDS_MAX;
             field = strtok_r(NULL, " ", &state))
                fields[n++] = field;
        /* From the seventh on there are optional fields, which a dash ends. */
        while (dash < n && !streq(fields[dash], "-"))
                dash++;
        if (dash + 1 >= n || !streq(fields[dash + 1], "cgroup2"))
                return false;
        *ret_root = fields[3];
        *ret_point = fields[4];
        unescape(*ret_root);
        unescape(*ret_point);
        return (*ret_root)[0] == '/' && (*ret_point)[0] == '/' && !leads_out(*ret_root);
}

/* Whether a path is below a root, and what is left of it then. */
static bool is_below(const char *path, const char *root, const char **ret_rest) {
        size_t length = streq(root, "/") ? 0 : strlen(root);

        if (strncmp(path, root, length) != 0 || (path[length] != '/' && path[length] != '\0'))
                return false;
        *ret_rest = path + length;
        return true;
}

int cgroup_parse_mount(const char *text, const char *path, char **ret_directory) {
        _cleanup_free_ char *copy = strdup(text);
        char *state = NULL, *root, *point;

        if (!copy)
                return -ENOMEM;
        for (char *line = strtok_r(copy, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
                const char *rest;

                if (!parse_mount_line(line, &root, &point) || !is_below(path, root, &rest))
                        continue;
                if (asprintf(ret_directory, "%s%s", point, streq(rest, "/") ? "" : rest) < 0)
                        return -ENOMEM;
                return 0;
        }
        return -ENOENT;
}

bool cgroup_has_word(const char *text, const char *word) {
        size_t length = strlen(word);

        for (text += strspn(text, " \n"); *text; text += strspn(text, " \n")) {
                size_t n = strcspn(text, " \n");

                if (n == length && strncmp(text, word, n) == 0)
                        return true;
                text += n;
        }
        return false;
}

bool cgroup_has_pid(const char *text, int pid) {
        char word[16];

        (void) snprintf(word, sizeof(word), "%d", pid);
        return cgroup_has_word(text, word);
}

/* The number at the start of a line that must end behind it. */
static int parse_line_number(const char *text, uint64_t *ret) {
        char number[24];
        size_t n = strcspn(text, "\n");

        if (n >= sizeof(number))
                return -EINVAL;
        memcpy(number, text, n);
        number[n] = '\0';
        return parse_uint64(number, ret);
}

uint64_t cgroup_parse_counter(const char *text, const char *key) {
        size_t length = strlen(key);
        uint64_t value;

        for (; text; text = strchr(text, '\n')) {
                text += *text == '\n';
                if (startswith(text, key) && text[length] == ' ')
                        return parse_line_number(text + length + 1, &value) < 0 ? 0 : value;
        }
        return 0;
}

uint64_t cgroup_parse_limit(const char *text) {
        uint64_t value;

        return parse_line_number(text, &value) < 0 ? UINT64_MAX : value;
}

char *cgroup_format_limit(uint64_t limit, char *buffer, size_t size) {
        if (limit == UINT64_MAX)
                (void) snprintf(buffer, size, "max");
        else
                (void) snprintf(buffer, size, "%" PRIu64, limit);
        return buffer;
}

char *cgroup_format_name(const char *role, int number, uint64_t generation, uint64_t serial, char *buffer,
                         size_t size) {
        if (number < 0)
                (void) snprintf(buffer, size, "%s-%" PRIu64 "-%" PRIu64, role, generation, serial);
        else
                (void) snprintf(buffer, size, "%s-%d-%" PRIu64 "-%" PRIu64, role, number, generation,
                                serial);
        return buffer;
}

/* So many numbers with a dash before each, and nothing else. */
static bool is_numbers(const char *text, unsigned int count) {
        for (; count > 0; count--) {
                size_t digits;

                if (*text++ != '-')
                        return false;
                digits = strspn(text, "0123456789");
                if (digits == 0)
                        return false;
                text += digits;
        }
        return *text == '\0';
}

bool cgroup_is_name(const char *name) {
        static const struct {
                const char *role;
                unsigned int numbers;
        } names[] = { { "agent", 2 }, { "worker", 3 }, { "compute", 3 } };

        for (size_t i = 0; i < ELEMENTSOF(names) && strlen(name) < CGROUP_NAME_MAX; i++)
                if (startswith(name, names[i].role))
                        return is_numbers(name + strlen(names[i].role), names[i].numbers);
        return false;
}
