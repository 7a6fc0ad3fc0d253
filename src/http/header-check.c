/* SPDX-License-Identifier: MIT */

/*
 * The header check: requests that two parsers could read differently are refused.
 *
 * A request that hides in another one needs a server that is more tolerant than the proxy in front of it,
 * and libmicrohttpd 0.9.75 is tolerant. Everything here is an error by RFC 9110 and 9112: framing said twice
 * or badly, a name that is no token, control bytes, no Host or two of them, another version, a target that
 * is none. Whoever sends such a thing gets 400 and loses the connection.
 *
 * Three more things happen inside the library's parser, before anybody can look: bare LF as the end of a
 * line, folded lines, and a NUL that cuts a string short. Versions from 1.0 on refuse them when told to be
 * strict. 0.9.75 does not, but it parses in place: it ends strings where they stood in the read buffer. So
 * the sizes of what it found must add up to the size of what it read, each line beginning two bytes behind
 * the end of the one before. A bare LF leaves a byte too few, a folded line or a NUL bytes too many. That is
 * header_check_layout().
 *
 * Two things remain possible with 0.9.75. A NUL directly before a bare LF looks exactly like the CR LF it replaces,
 * since the parser writes a NUL over both: such a line end is taken for a good one. What it can bring in is a field,
 * which is checked like the others. And the framing of chunks is tolerated in ways that nobody can see (a bare LF,
 * extensions), so the answer to a chunked request ends the connection: what may be hidden behind its body is never
 * read as a request. The connection is kept with a strict library.
 */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "http/header-check.h"
#include "util/macro.h"

static void refuse(struct header_check *check, const char *reason) {
        if (!check->reason)
                check->reason = reason;
}

/* What a byte may be part of. */
enum {
        TOKEN = 1 << 0,   /* RFC 9110, 5.6.2 */
        NAME = 1 << 1,    /* of a host: RFC 3986, 3.2.2 */
        HEX = 1 << 2,     /* RFC 5234, B.1 */
        CONTROL = 1 << 3, /* but for the tab, which counts as a blank */
        VISIBLE = 1 << 4, /* RFC 5234, B.1 */
};

static const unsigned char kinds[256] = {
        [0x00 ... 0x08] = CONTROL,
        [0x0a ... 0x1f] = CONTROL,
        [0x7f] = CONTROL,
        ['0' ... '9'] = VISIBLE | TOKEN | NAME | HEX,
        ['A' ... 'F'] = VISIBLE | TOKEN | NAME | HEX,
        ['G' ... 'Z'] = VISIBLE | TOKEN | NAME,
        ['a' ... 'f'] = VISIBLE | TOKEN | NAME | HEX,
        ['g' ... 'z'] = VISIBLE | TOKEN | NAME,
        ['!'] = VISIBLE | TOKEN | NAME,
        ['"'] = VISIBLE,
        ['#'] = VISIBLE | TOKEN,
        ['$' ... '\''] = VISIBLE | TOKEN | NAME,
        ['('] = VISIBLE | NAME,
        [')'] = VISIBLE | NAME,
        ['*'] = VISIBLE | TOKEN | NAME,
        ['+'] = VISIBLE | TOKEN | NAME,
        [','] = VISIBLE | NAME,
        ['-'] = VISIBLE | TOKEN | NAME,
        ['.'] = VISIBLE | TOKEN | NAME,
        ['/'] = VISIBLE,
        [':'] = VISIBLE,
        [';'] = VISIBLE | NAME,
        ['<'] = VISIBLE,
        ['='] = VISIBLE | NAME,
        ['>' ... '@'] = VISIBLE,
        ['[' ... ']'] = VISIBLE,
        ['^'] = VISIBLE | TOKEN,
        ['_'] = VISIBLE | TOKEN | NAME,
        ['`'] = VISIBLE | TOKEN,
        ['{'] = VISIBLE,
        ['|'] = VISIBLE | TOKEN,
        ['}'] = VISIBLE,
        ['~'] = VISIBLE | TOKEN | NAME,
};

static bool is_kind(char c, unsigned int kind) {
        return kinds[(unsigned char) c] & kind;
}

static bool is_token(const char *text, size_t size) {
        if (size == 0)
                return false;
        for (size_t i = 0; i < size; i++)
                if (!is_kind(text[i], TOKEN))
                        return false;
        return true;
}

static bool has_control(const char *text, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (is_kind(text[i], CONTROL))
                        return true;
        return false;
}

/* ---- The request line ---- */

/* A name, an address or one in brackets, and perhaps a port. */
static bool is_host(const char *text, size_t size) {
        const char *end = text + size, *p = text;

        if (size > 0 && *p == '[') {
                for (p++; p < end && *p != ']'; p++)
                        if (!is_kind(*p, HEX) && *p != ':' && *p != '.')
                                return false;
                if (p == end || p == text + 1)
                        return false;
                p++;
        } else
                for (; p < end && *p != ':'; p++)
                        if (!is_kind(*p, NAME))
                                return false;
        if (p < end && *p++ != ':')
                return false;
        for (; p < end; p++)
                if (*p < '0' || *p > '9')
                        return false;
        return true;
}

/* Where the authority of an absolute-form begins, NULL for a text that is none. */
static const char *find_authority(const char *target) {
        if (strncasecmp(target, "http://", 7) == 0)
                return target + 7;
        return strncasecmp(target, "https://", 8) == 0 ? target + 8 : NULL;
}

/* There may be a user in a URI, but RFC 9110, 4.2.4, warns of whoever sends one. */
static bool has_host(const char *authority) {
        size_t size = strcspn(authority, "/?#");

        return size > 0 && *authority != ':' && is_host(authority, size);
}

static const char *check_target(const char *method, const char *target) {
        const char *authority = *target == '/' ? NULL : find_authority(target);

        if (streq(target, "*"))
                return streq(method, "OPTIONS") ? NULL : "the target * without OPTIONS";
        if (*target != '/' && !authority)
                return "a target that is neither a path nor a URI";
        if (authority && !has_host(authority))
                return "a target without a host, or with one that is none";
        for (const char *p = target; *p; p++) {
                if (!is_kind(*p, VISIBLE))
                        return "a control byte, a space or a byte above 126 in the target";
                if (*p != '%')
                        continue;
                if (!is_kind(p[1], HEX) || !is_kind(p[2], HEX))
                        return "a bad percent triplet in the target";
                if (p[1] == '0' && p[2] == '0')
                        return "an encoded NUL in the target";
        }
        return NULL;
}

void header_check_begin(struct header_check *check, const char *method, const char *target,
                        const char *version) {
        const char *reason;

        *check = (struct header_check){ .is_1_1 = streq(version, "HTTP/1.1") };
        if (!check->is_1_1 && !streq(version, "HTTP/1.0"))
                refuse(check, "a version other than HTTP/1.0 and HTTP/1.1");
        if (!is_token(method, strlen(method)))
                refuse(check, "a method that is no token");
        reason = check_target(method, target);
        if (reason)
                refuse(check, reason);
}

void header_check_layout(struct header_check *check, const char *method, const char *target_at,
                         size_t target_size, const char *version) {
        if (target_at != method + strlen(method) + 1 || version != target_at + target_size + 1)
                refuse(check, "a request line with more than two spaces or with a NUL");
        check->expected = version + strlen(version) + 2;
}

/* ---- The fields ---- */

static bool is_name(const char *name, size_t size, const char *wanted, size_t wanted_size) {
        return size == wanted_size && strncasecmp(name, wanted, size) == 0;
}

#define IS_NAME(name, size, literal) is_name(name, size, literal, sizeof(literal) - 1)

static int parse_length(const char *text, size_t size, uint64_t *ret) {
        uint64_t value = 0;

        if (size == 0)
                return -EINVAL;
        for (size_t i = 0; i < size; i++) {
                unsigned int digit = (unsigned int) (text[i] - '0');

                if (text[i] < '0' || text[i] > '9')
                        return -EINVAL;
                if (value > ((uint64_t) INT64_MAX - digit) / 10)
                        return -ERANGE;
                value = value * 10 + digit;
        }
        *ret = value;
        return 0;
}

static void check_length(struct header_check *check, const char *value, size_t size) {
        int r;

        if (check->n_lengths++ > 0)
                refuse(check, "Content-Length more than once");
        r = parse_length(value, size, &check->length);
        if (r == -ERANGE)
                refuse(check, "a Content-Length that is too large");
        else if (r < 0)
                refuse(check, "a Content-Length that is no number");
        check->has_length = true;
}

static void check_encoding(struct header_check *check, const char *value, size_t size) {
        if (check->n_encodings++ > 0)
                refuse(check, "Transfer-Encoding more than once");
        if (!check->is_1_1)
                refuse(check, "Transfer-Encoding in HTTP/1.0");
        if (!IS_NAME(value, size, "chunked"))
                refuse(check, "a Transfer-Encoding other than chunked");
        check->chunked = true;
}

static void check_host(struct header_check *check, const char *value, size_t size) {
        while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
                size--;
        if (check->n_hosts++ > 0)
                refuse(check, "Host more than once");
        if (!is_host(value, size))
                refuse(check, "a Host that is none");
}

/* What lies between a name and its value is the colon and blanks. */
static void check_place(struct header_check *check, const char *name, size_t name_size, const char *value,
                        size_t value_size) {
        if (name != check->expected || value <= name + name_size)
                refuse(check, "a bare LF, a folded line or a NUL in the header");
        check->expected = value + value_size + 2;
}

void header_check_field(struct header_check *check, const char *name, size_t name_size, const char *value,
                        size_t value_size) {
        check->n_fields++;
        if (check->expected)
                check_place(check, name, name_size, value, value_size);
        if (!is_token(name, name_size))
                refuse(check, "a field name that is no token");
        if (has_control(value, value_size))
                refuse(check, "a control byte in a field value");

        /* Blanks behind a value are no part of it, but libmicrohttpd 0.9.75 takes them for one: there they
         * are refused in what frames the body, where a misunderstanding would matter. */
        if (IS_NAME(name, name_size, "Content-Length"))
                check_length(check, value, value_size);
        else if (IS_NAME(name, name_size, "Transfer-Encoding"))
                check_encoding(check, value, value_size);
        else if (IS_NAME(name, name_size, "Host"))
                check_host(check, value, value_size);
        else if (IS_NAME(name, name_size, "Expect"))
                check->expects_continue = check->is_1_1 && IS_NAME(value, value_size, "100-continue");
        else if (IS_NAME(name, name_size, "Cookie"))
                check->cookie_size += value_size + 1;
}

const char *header_check_end(struct header_check *check, const char *method, size_t header_size) {
        if (check->expected && check->expected + 2 != method + header_size)
                refuse(check, "a bare LF, a folded line or a NUL in the header");
        if (check->has_length && check->chunked)
                refuse(check, "both Content-Length and Transfer-Encoding");
        if (check->is_1_1 && check->n_hosts == 0)
                refuse(check, "no Host");
        return check->reason;
}
