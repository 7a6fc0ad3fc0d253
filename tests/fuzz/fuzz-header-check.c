/* SPDX-License-Identifier: MIT */

/*
 * The header check against any header. What it lets through must be unambiguous whoever reads it next, which is
 * counted here once more, in the simplest way.
 */

#include <stdint.h>
#include <stdlib.h>
#include <strings.h>

#include "http/header-check.h"
#include "util/macro.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct seen {
        unsigned int hosts, lengths, encodings;
};

/* Cuts the next part off, up to a separator or the end; the part is ended by NUL where the separator was. */
static char *cut(char **rest, char separator) {
        char *part = *rest, *end = strchr(part, separator);

        if (end) {
                *end = '\0';
                *rest = end + 1;
        } else
                *rest = part + strlen(part);
        return part;
}

static void feed_field(struct header_check *check, struct seen *seen, char *line) {
        size_t size = strlen(line);
        char *value = line, *name;
        size_t name_size;

        name = cut(&value, ':');
        name_size = strlen(name);
        if (name_size == size)
                value = name + name_size;
        while (*value == ' ' || *value == '\t')
                value++;
        seen->hosts += strcasecmp(name, "host") == 0;
        seen->lengths += strcasecmp(name, "content-length") == 0;
        seen->encodings += strcasecmp(name, "transfer-encoding") == 0;
        header_check_field(check, name, name_size, value, strlen(value));
}

static void require(bool promise) {
        if (!promise)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
        _cleanup_free_ char *text = malloc(size + 1);
        struct header_check check;
        struct seen seen = {};
        char *rest = text, *method, *target, *version;

        if (!text)
                return 0;
        memcpy(text, bytes, size);
        text[size] = '\0';
        method = cut(&rest, ' ');
        target = cut(&rest, ' ');
        version = cut(&rest, '\n');

        header_check_begin(&check, method, target, version);
        while (*rest)
                feed_field(&check, &seen, cut(&rest, '\n'));
        if (header_check_end(&check, method, size))
                return 0;

        require(streq(version, "HTTP/1.1") || streq(version, "HTTP/1.0"));
        require(seen.lengths + seen.encodings <= 1);
        require(seen.hosts <= 1);
        require(streq(version, "HTTP/1.0") || seen.hosts == 1);
        require(streq(version, "HTTP/1.1") || seen.encodings == 0);
        require(check.has_length == (seen.lengths == 1));
        require(check.chunked == (seen.encodings == 1));
        return 0;
}
