/* SPDX-License-Identifier: MIT */

/*
 * The texts of the statuses, as RFC 9110 and its neighbours register them. A status nobody has registered is
 * called by its class.
 */

#include <string.h>

#include "app/status.h"
#include "util/macro.h"

static const struct status {
        unsigned int status;
        const char *text;
} statuses[] = {
        { 200, "200 OK\n" },
        { 201, "201 Created\n" },
        { 202, "202 Accepted\n" },
        { 203, "203 Non-Authoritative Information\n" },
        { 204, "204 No Content\n" },
        { 205, "205 Reset Content\n" },
        { 206, "206 Partial Content\n" },
        { 207, "207 Multi-Status\n" },
        { 208, "208 Already Reported\n" },
        { 226, "226 IM Used\n" },
        { 300, "300 Multiple Choices\n" },
        { 301, "301 Moved Permanently\n" },
        { 302, "302 Found\n" },
        { 303, "303 See Other\n" },
        { 304, "304 Not Modified\n" },
        { 307, "307 Temporary Redirect\n" },
        { 308, "308 Permanent Redirect\n" },
        { 400, "400 Bad Request\n" },
        { 401, "401 Unauthorized\n" },
        { 402, "402 Payment Required\n" },
        { 403, "403 Forbidden\n" },
        { 404, "404 Not Found\n" },
        { 405, "405 Method Not Allowed\n" },
        { 406, "406 Not Acceptable\n" },
        { 407, "407 Proxy Authentication Required\n" },
        { 408, "408 Request Timeout\n" },
        { 409, "409 Conflict\n" },
        { 410, "410 Gone\n" },
        { 411, "411 Length Required\n" },
        { 412, "412 Precondition Failed\n" },
        { 413, "413 Content Too Large\n" },
        { 414, "414 URI Too Long\n" },
        { 415, "415 Unsupported Media Type\n" },
        { 416, "416 Range Not Satisfiable\n" },
        { 417, "417 Expectation Failed\n" },
        { 421, "421 Misdirected Request\n" },
        { 422, "422 Unprocessable Content\n" },
        { 423, "423 Locked\n" },
        { 424, "424 Failed Dependency\n" },
        { 425, "425 Too Early\n" },
        { 426, "426 Upgrade Required\n" },
        { 428, "428 Precondition Required\n" },
        { 429, "429 Too Many Requests\n" },
        { 431, "431 Request Header Fields Too Large\n" },
        { 451, "451 Unavailable For Legal Reasons\n" },
        { 500, "500 Internal Server Error\n" },
        { 501, "501 Not Implemented\n" },
        { 502, "502 Bad Gateway\n" },
        { 503, "503 Service Unavailable\n" },
        { 504, "504 Gateway Timeout\n" },
        { 505, "505 HTTP Version Not Supported\n" },
        { 507, "507 Insufficient Storage\n" },
        { 508, "508 Loop Detected\n" },
        { 511, "511 Network Authentication Required\n" },
};

static const char *class_text(unsigned int status) {
        switch (status / 100) {
        case 2:
                return "Success\n";
        case 3:
                return "Redirection\n";
        case 4:
                return "Client Error\n";
        default:
                return "Server Error\n";
        }
}

const char *status_text(unsigned int status, size_t *ret_size) {
        const char *text = class_text(status);

        for (size_t i = 0; i < ELEMENTSOF(statuses); i++)
                if (statuses[i].status == status) {
                        text = statuses[i].text;
                        break;
                }
        *ret_size = strlen(text);
        return text;
}
