# SPDX-License-Identifier: MIT
"""Requests that are malformed, that can be read two ways or that hide another one, written from RFC 9110 and 9112.

The runner (corpus.py) sends each on a connection of its own, and behind it, at once, the request BEHIND. A case says
with which status the request may be answered and what becomes of the connection:

    refused(…)   it ends; nothing behind is served
    ended(…)     the request is a good one, but the connection ends with its answer all the same
    kept(…)      the request is a good one and its end is beyond doubt, so BEHIND is served
    either(…)    both are right

Where a body could be taken for a request, HIDDEN is that body: it must never be served, by nobody's reading.
`section` is where the RFC says so: a number alone is of RFC 9112, "9110 8.6" is of the other.

EXCEPTIONS are the cases in which a library does something else, by its version and the name of the case: what happens
is pinned, so that one which goes away is noticed.
"""

from dataclasses import dataclass

HIDDEN = b"GET /items/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
BEHIND = b"GET /items/behind HTTP/1.1\r\nHost: x\r\n\r\n"
HOST = b"Host: x\r\n"

REFUSED, KEPT, EITHER = "refused", "kept", "either"

CASES = []


@dataclass(frozen=True)
class Case:
    name: str
    section: str
    data: bytes
    statuses: frozenset
    connection: str


def add(connection, section, name, data, statuses):
    CASES.append(Case(name, section, data, frozenset(statuses), connection))


def refused(section, name, data, *statuses):
    add(REFUSED, section, name, data, statuses or (400,))


def ended(section, name, data, *statuses):
    add(REFUSED, section, name, data, statuses or (200,))


def kept(section, name, data, *statuses):
    add(KEPT, section, name, data, statuses or (200,))


def either(section, name, data, *statuses):
    add(EITHER, section, name, data, statuses or (200,))


def line(request_line, end=b"\r\n"):
    """A request whose first line is this."""
    return request_line + end + HOST + b"\r\n"


def get(fields):
    """A GET with these lines in its header."""
    return b"GET / HTTP/1.1\r\n" + HOST + fields + b"\r\n\r\n"


def host(fields):
    """A GET with these lines in the place of Host."""
    return b"GET / HTTP/1.1\r\n" + fields + b"\r\n"


def post(fields, body=HIDDEN, target=b"/echo", method=b"POST"):
    return method + b" " + target + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n\r\n" + body


def length(value, body=b"abc"):
    return post(b"Content-Length: " + value, body)


def coding(value):
    """Whoever takes the field for chunked finds an empty body and HIDDEN behind it."""
    return post(b"Transfer-Encoding: " + value, b"0\r\n\r\n" + HIDDEN)


def chunks(body, target=b"/echo"):
    return post(b"Transfer-Encoding: chunked", body, target)


def sized(method, target, fields=b"", version=b"1.1"):
    """A request with HIDDEN as a body of the right length."""
    return b"%s %s HTTP/%s\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n" % (
        method, target, version, fields, len(HIDDEN)) + HIDDEN


# ---- Control: what is served when nothing is wrong. Without these a silent server would pass everything.

kept("9.3", "a GET", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
kept("6.2", "a POST with a length", post(b"Content-Length: 3", b"abc"))
kept("2.2", "an empty line before the request", b"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
kept("5", "no blank behind the colon, blanks behind the value", get(b"X:a\r\nY: \t b \t "))
kept("5", "bytes above 127 in a value", get(b"X: \xc3\xa4\xff"))
kept("9110 7.2", "an empty Host", host(b"Host:\r\n"))
kept("9110 7.2", "a Host in brackets", host(b"Host: [2001:db8::1]:80\r\n"))
kept("3.2.4", "OPTIONS *", line(b"OPTIONS * HTTP/1.1"), 200, 204)
kept("3.2.2", "an absolute target with the same Host", b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n")
kept("3.2.2", "an absolute target with another Host", b"GET http://x/ HTTP/1.1\r\nHost: y\r\n\r\n")
ended("9.6", "Connection: close", get(b"Connection: close"))
ended("9.3", "HTTP/1.0 without keep-alive", b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")

# ---- The request line

refused("3", "no version", b"GET /items/hidden\r\n\r\n", 400, 505)
refused("3", "no target", line(b"GET HTTP/1.1"))
refused("3", "an empty target", line(b"GET  HTTP/1.1"))
refused("3", "an empty method", line(b" / HTTP/1.1"))
refused("3", "two spaces behind the method", line(b"GET  / HTTP/1.1"))
refused("3", "two spaces before the version", line(b"GET /  HTTP/1.1"))
refused("3", "a space behind the version", line(b"GET / HTTP/1.1 "))
refused("3", "a tab behind the version", line(b"GET / HTTP/1.1\t"))
refused("3", "a space before the method", line(b" GET / HTTP/1.1"))
refused("3.2", "a space in the target", line(b"GET /items/a b HTTP/1.1"))
refused("3.2", "a version in the target", line(b"GET / HTTP/1.1 HTTP/1.1"))
refused("3", "tabs in place of the spaces", line(b"GET\t/\tHTTP/1.1"))
refused("3", "a vertical tab in place of a space", line(b"GET /\x0bHTTP/1.1"))
refused("3.1", "a method that is no token", line(b"G(T / HTTP/1.1"))
refused("3.1", "a method with a byte above 127", line(b"G\xc4T / HTTP/1.1"))
refused("3.1", "a method with a NUL", line(b"GE\0T / HTTP/1.1"))
refused("3.1", "a method with a colon", line(b"GET: / HTTP/1.1"))
refused("3.1", "a method of 20,000 bytes", line(b"G" * 20000 + b" / HTTP/1.1"), 400, 414, 431, 501)
refused("3.2", "a target of 40,000 bytes", line(b"GET /items/" + b"a" * 40000 + b" HTTP/1.1"), 414, 431)
refused("3.2", "a NUL in the target", line(b"GET /items/a\0b HTTP/1.1"))
refused("3.2", "a control byte in the target", line(b"GET /items/a\x01b HTTP/1.1"))
refused("3.2", "a byte above 127 in the target", line(b"GET /items/\xc3\xa4 HTTP/1.1"))
refused("3.2", "a fragment", line(b"GET /items/1#a HTTP/1.1"))
refused("3.2", "half a percent triplet", line(b"GET /items/a%2 HTTP/1.1"))
refused("3.2", "a percent triplet of no digits", line(b"GET /items/a%zz HTTP/1.1"))
refused("3.2", "an encoded NUL", line(b"GET /items/a%00b HTTP/1.1"))
refused("3.2.1", "a target without its slash", line(b"GET items/1 HTTP/1.1"))
refused("3.2.1", "a target that begins with a backslash", line(b"GET \\items\\1 HTTP/1.1"))
refused("3.2.2", "an absolute target of another scheme", line(b"GET ftp://x/items/1 HTTP/1.1"))
refused("3.2.2", "an absolute target without an authority", line(b"GET http:///items/1 HTTP/1.1"))
refused("9110 4.2.1", "an absolute target with a port and no name", line(b"GET http://:80/items/1 HTTP/1.1"))
refused("9110 4.2.4", "an absolute target with a user", line(b"GET http://u:p@x/items/1 HTTP/1.1"))
refused("3.2.2", "an absolute target with a bad port", line(b"GET http://x:80a/items/1 HTTP/1.1"))
refused("3.2.2", "an absolute target with a bad address", line(b"GET http://[::1/items/1 HTTP/1.1"))
refused("3.2.2", "an absolute target and no Host", b"GET http://x/ HTTP/1.1\r\n\r\n")
refused("3.2.2", "an absolute target and a Host that is none", b"GET http://x/ HTTP/1.1\r\nHost: a b\r\n\r\n")
refused("3.2.3", "an authority for GET", line(b"GET x:80 HTTP/1.1"))
refused("3.2.3", "CONNECT", b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", 400, 405, 501)
refused("3.2.4", "a star for GET", line(b"GET * HTTP/1.1"))
refused("3.2.4", "two stars", line(b"OPTIONS ** HTTP/1.1"))
refused("2.3", "a version in small letters", line(b"GET / http/1.1"), 400, 505)
refused("2.3", "HTTP/0.9", line(b"GET / HTTP/0.9"), 400, 505)
refused("2.3", "HTTP/1.2", line(b"GET / HTTP/1.2"), 400, 505)
refused("2.3", "HTTP/2.0", line(b"GET / HTTP/2.0"), 505)
refused("2.3", "HTTP/1.10", line(b"GET / HTTP/1.10"), 400, 505)
refused("2.3", "HTTP/11", line(b"GET / HTTP/11"), 400, 505)
refused("2.3", "HTTP/01.1", line(b"GET / HTTP/01.1"), 400, 505)
refused("2.3", "HTTP/1.1x", line(b"GET / HTTP/1.1x"), 400, 505)
refused("2.3", "a version with a comma", line(b"GET / HTTP/1,1"), 400, 505)
refused("2.3", "another protocol", line(b"GET / HTTPS/1.1"), 400, 505)
refused("2.3", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505)
refused("2.2", "a status line", b"HTTP/1.1 200 OK\r\nHost: x\r\n\r\n")
refused("2.2", "a NUL before the method", line(b"\0GET / HTTP/1.1"))
refused("2.2", "a bare CR behind the target", line(b"GET /\rHTTP/1.1"))
refused("2.2", "a bare CR before the line's end", line(b"GET / HTTP/1.1\r"))
refused("2.2", "a bare LF behind the request line", line(b"GET / HTTP/1.1", b"\n"))
refused("2.2", "a bare CR behind the request line", line(b"GET / HTTP/1.1", b"\r"))

# ---- Lines and names of the header

refused("2.2", "a bare LF behind a field", b"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n")
refused("2.2", "a bare LF as the last line", b"GET / HTTP/1.1\r\nHost: x\r\n\n")
refused("2.2", "a header with bare LFs only", b"GET / HTTP/1.1\nHost: x\n\n")
refused("2.2", "a field that only a bare LF begins", get(b"X: y\nTransfer-Encoding: chunked"))
refused("2.2", "a field that only a bare CR begins", get(b"X: y\rTransfer-Encoding: chunked"))
refused("2.2", "CR CR LF behind a field", get(b"X: y\r"))
refused("2.2", "a blank line before the header", b"GET / HTTP/1.1\r\n " + HOST + b"\r\n")
refused("2.2", "a folded line before the header", b"GET / HTTP/1.1\r\n X: y\r\n" + HOST + b"\r\n")
refused("5.2", "a folded line", get(b"X: a\r\n b"))
refused("5.2", "a line folded with a tab", get(b"X: a\r\n\tb"))
refused("5.2", "an empty folded line", get(b"X: a\r\n "))
refused("5.2", "a folded Host", host(b"Host: x\r\n y\r\n"))
refused("5.2", "a folded length", post(b"Content-Length: 3\r\n 9", b"abc"))
refused("5.2", "a folded coding", coding(b"\r\n chunked"))
refused("5.2", "a name and its value on two lines", post(b"Transfer-Encoding\r\n : chunked", b"0\r\n\r\n" + HIDDEN))
refused("5.1", "a space before the colon", get(b"X : y"))
refused("5.1", "a space behind Content-Length", post(b"Content-Length : 3", b"abc"))
refused("5.1", "a tab behind Transfer-Encoding", post(b"Transfer-Encoding\t: chunked", b"0\r\n\r\n" + HIDDEN))
refused("5", "no colon", get(b"nothing"))
refused("5", "no name", get(b": y"))
refused("5", "a space in a name", get(b"X Y: z"))
refused("5", "a NUL in a name", get(b"X\0Y: z"))
refused("5", "a control byte in a name", get(b"X\x01Y: z"))
refused("5", "a byte above 127 in a name", get(b"X\xe4: z"))
refused("5", "a bracket in a name", get(b"X(Y): z"))
refused("5", "a quoted name", get(b'"Content-Length": 3'))
refused("9110 5.5", "a NUL in a value", get(b"X: a\0b"))
refused("9110 5.5", "a NUL at the end of a value", get(b"X: a\0"))
refused("9110 5.5", "a NUL before a bare LF", b"GET / HTTP/1.1\r\nHost: x\0\nX: y\r\n\r\n")
refused("9110 5.5", "a bare CR in a value", get(b"X: a\rb"))
refused("9110 5.5", "a control byte in a value", get(b"X: a\x01b"))
refused("9110 5.5", "a vertical tab in a value", get(b"X: a\x0bb"))
refused("9110 5.5", "a delete in a value", get(b"X: a\x7fb"))
refused("9110 5.4", "a field of 40,000 bytes", get(b"X: " + b"y" * 40000), 431)
refused("9110 5.4", "10,000 fields", get(b"\r\n".join([b"X: y"] * 10000)), 431)

# ---- Host

refused("3.2", "no Host", host(b""))
refused("3.2", "two Hosts", host(b"Host: x\r\nHost: y\r\n"))
refused("3.2", "the same Host twice", host(b"Host: x\r\nhOST: x\r\n"))
refused("3.2", "a Host with a space before the colon", host(b"Host : x\r\n"))
refused("3.2", "a list of Hosts", host(b"Host: x y\r\n"))
refused("3.2", "a Host with a path", host(b"Host: x/y\r\n"))
refused("3.2", "a Host with a user", host(b"Host: u@x\r\n"))
refused("3.2", "a Host with a port that is none", host(b"Host: x:80y\r\n"))
refused("3.2", "a Host with two ports", host(b"Host: x:80:81\r\n"))
refused("3.2", "a Host with half a bracket", host(b"Host: [::1\r\n"))
refused("3.2", "a Host with no address in brackets", host(b"Host: [x]\r\n"))
refused("3.2", "a Host with a quote", host(b'Host: "x"\r\n'))
refused("3.2", "a Host with a byte above 127", host(b"Host: x\xe4\r\n"))
refused("3.2", "a Host with a NUL", host(b"Host: x\0y\r\n"))

# ---- Content-Length

refused("6.3", "two lengths", post(b"Content-Length: 0\r\nContent-Length: %d" % len(HIDDEN)))
refused("6.3", "two lengths, the larger first", post(b"Content-Length: %d\r\nContent-Length: 0" % len(HIDDEN)))
refused("6.3", "the same length twice", post(b"Content-Length: 3\r\nContent-Length: 3", b"abc"))
refused("6.3", "a list of lengths", length(b"3, 3"))
refused("6.3", "a list of different lengths", length(b"0, 3"))
refused("6.3", "a length with a space", length(b"1 3"))
refused("6.3", "an empty length", length(b"", b""))
refused("6.3", "a length with a plus", length(b"+3"))
refused("6.3", "a negative length", length(b"-3"))
refused("6.3", "a length of minus zero", length(b"-0", b""))
refused("6.3", "a hexadecimal length", length(b"0x3"))
refused("6.3", "a length of letters", length(b"abc"))
refused("6.3", "a length with a letter behind", length(b"3a"))
refused("6.3", "a length with a fraction", length(b"3.0"))
refused("6.3", "a length with an exponent", length(b"3e0"))
refused("6.3", "a length with an underscore", length(b"0_3"))
refused("6.3", "a quoted length", length(b'"3"'))
refused("6.3", "a length in other digits", length("３".encode()))
refused("6.3", "a length with a vertical tab", length(b"\x0b3"))
refused("6.3", "a length with a NUL", length(b"3\0"))
refused("9110 8.6", "a length of 2^63", length(b"9223372036854775808"), 400, 413)
refused("9110 8.6", "a length of 2^64", length(b"18446744073709551616"), 400, 413)
refused("9110 8.6", "a length of 2^64 + 3", length(b"18446744073709551619"), 400, 413)
refused("9110 8.6", "a length of 40 digits", length(b"9" * 40), 400, 413)
kept("9110 8.6", "a length with zeros before", length(b"0003"))
kept("5.1", "a length with blanks behind", length(b"3 \t"))

# ---- Transfer-Encoding

BOTH = b"Content-Length: %d\r\nTransfer-Encoding: chunked"
refused("6.3", "length and coding, the length first", post(BOTH % (5 + len(HIDDEN)), b"0\r\n\r\n" + HIDDEN))
refused("6.3", "length and coding, the coding first",
        post(b"Transfer-Encoding: chunked\r\nContent-Length: 4", b"%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n"))
refused("6.3", "no length and coding", post(BOTH % 0, b"0\r\n\r\n" + HIDDEN))
refused("6.3", "length and an unknown coding", post(b"Content-Length: 3\r\nTransfer-Encoding: x", b"abc"), 400, 501)
refused("6.3", "length and an empty coding", post(b"Content-Length: 3\r\nTransfer-Encoding:", b"abc"), 400, 501)
refused("6.3", "a length for GET and coding",
        post(BOTH % len(HIDDEN), b"0\r\n\r\n" + HIDDEN, b"/", b"GET"))
refused("6.1", "two codings, the unknown one last",
        post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", b"0\r\n\r\n" + HIDDEN), 400, 501)
refused("6.1", "two codings, the unknown one first",
        post(b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + HIDDEN), 400, 501)
refused("6.1", "chunked twice",
        post(b"Transfer-Encoding: chunked\r\ntransfer-encoding: chunked", b"0\r\n\r\n" + HIDDEN))
refused("7", "chunked twice in a list", coding(b"chunked, chunked"), 400, 501)
refused("6.1", "chunked before another coding", coding(b"chunked, gzip"), 400, 501)
refused("6.1", "another coding before chunked", coding(b"gzip, chunked"), 400, 501)
refused("7", "identity", coding(b"identity"), 400, 501)
refused("7", "identity and chunked", coding(b"identity, chunked"), 400, 501)
refused("6.1", "an unknown coding", coding(b"xchunked"), 400, 501)
refused("6.1", "a coding cut short", coding(b"chunke"), 400, 501)
refused("6.1", "a quoted coding", coding(b'"chunked"'), 400, 501)
refused("6.1", "a coding with a parameter", coding(b"chunked;q=1"), 400, 501)
refused("6.1", "a coding with a comma before", coding(b",chunked"), 400, 501)
refused("6.1", "a coding with a vertical tab before", coding(b"\x0bchunked"), 400, 501)
refused("6.1", "a coding with a vertical tab behind", coding(b"chunked\x0b"), 400, 501)
refused("6.1", "a coding with a NUL behind", coding(b"chunked\0"), 400, 501)
refused("6.1", "a coding with a byte above 127", coding(b"chunked\xa0"), 400, 501)
refused("6.1", "an empty coding", coding(b""), 400, 501)
refused("6.1", "chunked in HTTP/1.0",
        b"POST /echo HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN)
refused("6.1", "chunked in HTTP/1.0 that is kept",
        b"POST /echo HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        + HIDDEN)
kept("7", "chunked in capitals", post(b"Transfer-Encoding: CHUNKED", b"0\r\n\r\n"))
kept("5.1", "chunked with blanks behind", post(b"Transfer-Encoding: chunked \t", b"0\r\n\r\n"))

# ---- Chunks

kept("7.1", "chunks", chunks(b"3\r\nabc\r\n0\r\n\r\n"))
kept("7.1", "a size in capitals and with zeros before", chunks(b"00A\r\n0123456789\r\n0\r\n\r\n"))
kept("7.1", "HIDDEN in a chunk", chunks(b"%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n"))
kept("7.1.1", "an extension", chunks(b"3;a=b\r\nabc\r\n0\r\n\r\n"))
kept("7.1.1", "a quoted extension", chunks(b'3;a="b;c"\r\nabc\r\n0\r\n\r\n'))
kept("7.1.2", "a trailer", chunks(b"0\r\nX: y\r\n\r\n"))
kept("7.1.2", "a length in the trailer", chunks(b"0\r\nContent-Length: %d\r\n\r\n" % len(BEHIND)))
either("7.1.2", "a coding in the trailer", chunks(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"), 200, 400)
refused("7.1", "a chunk without a size", chunks(b"\r\nabc\r\n0\r\n\r\n"))
refused("7.1", "a size of letters", chunks(b"g\r\nabc\r\n0\r\n\r\n"))
refused("7.1", "a size with 0x", chunks(b"0x3\r\nabc\r\n0\r\n\r\n"))
refused("7.1", "a size with a plus", chunks(b"+3\r\nabc\r\n0\r\n\r\n"))
refused("7.1", "a negative size", chunks(b"-3\r\nabc\r\n0\r\n\r\n"))
refused("7.1", "a size with a space before", chunks(b" 3\r\nabc\r\n0\r\n\r\n"))
refused("7.1", "a size with an underscore", chunks(b"0_3\r\nabc\r\n0\r\n\r\n"))
refused("7.1", "a size with a NUL", chunks(b"3\0\r\nabc\r\n0\r\n\r\n"))
refused("7.1", "a size of 2^64", chunks(b"10000000000000000\r\nabc\r\n0\r\n\r\n"), 400, 413)
refused("7.1", "a size of 2^64 + 3", chunks(b"10000000000000003\r\nabc\r\n0\r\n\r\n"), 400, 413)
refused("7.1", "a size of 2^68 + 3", chunks(b"100000000000000003\r\nabc\r\n0\r\n\r\n"), 400, 413)
refused("7.1", "a size of 64 digits", chunks(b"f" * 64 + b"\r\nabc\r\n0\r\n\r\n"), 400, 413)
refused("7.1", "a bare LF behind a size", chunks(b"3\nabc\r\n0\r\n\r\n"))
refused("7.1", "a bare CR behind a size", chunks(b"3\rabc\r\n0\r\n\r\n"))
refused("7.1", "a bare LF behind a chunk", chunks(b"3\r\nabc\n0\r\n\r\n"))
refused("7.1", "nothing behind a chunk", chunks(b"3\r\nabc0\r\n\r\n"))
refused("7.1", "two bytes that are no CR LF behind a chunk", chunks(b"3\r\nabcXX0\r\n\r\n"))
refused("7.1", "a chunk that is too long", chunks(b"3\r\nabcd\r\n0\r\n\r\n"))
refused("7.1", "a chunk that is too short", chunks(b"4\r\nabc\r\n0\r\n\r\n"))
refused("7.1.1", "a bare LF in an extension", chunks(b"3;a\nabc\r\n0\r\n\r\n"))
refused("7.1.1", "HIDDEN between an extension's bare LF and CR LF",
        chunks(b"3;a\nabc\r\n%x\r\n" % (len(HIDDEN) + 7) + HIDDEN + b"\r\n0\r\n\r\n\r\n0\r\n\r\n"))
refused("7.1.1", "an extension of 40,000 bytes", chunks(b"3;" + b"a" * 40000 + b"\r\nabc\r\n0\r\n\r\n"), 400, 413, 431)
refused("7.1", "a bare LF behind the last chunk", chunks(b"3\r\nabc\r\n0\n\r\n"))
refused("7.1", "a bare LF as the end of the body", chunks(b"3\r\nabc\r\n0\r\n\n"))
refused("7.1.2", "a trailer with a bare LF", chunks(b"0\r\nX: y\n\r\n"))
refused("7.1.2", "a trailer without a colon", chunks(b"0\r\nnothing\r\n\r\n"))
refused("7.1.2", "a trailer with a space before the colon", chunks(b"0\r\nX : y\r\n\r\n"))
refused("7.1.2", "a folded trailer", chunks(b"0\r\nX: y\r\n z\r\n\r\n"))
refused("7.1.2", "a trailer with a NUL", chunks(b"0\r\nX: y\0z\r\n\r\n"))
refused("7.1.2", "a trailer of 40,000 bytes", chunks(b"0\r\nX: " + b"y" * 40000 + b"\r\n\r\n"), 400, 413, 431)

# ---- Bodies that look like requests, where a careless server forgets that there is one

kept("6.3", "a GET with a body", sized(b"GET", b"/"))
kept("6.3", "a HEAD with a body", sized(b"HEAD", b"/"))
kept("6.3", "an OPTIONS with a body", sized(b"OPTIONS", b"/"), 200, 204)
kept("6.3", "an OPTIONS * with a body", sized(b"OPTIONS", b"*"), 200, 204)
kept("6.3", "a body for no route", sized(b"POST", b"/nowhere"), 404)
kept("6.3", "a body for no method", sized(b"DELETE", b"/echo"), 405)
kept("6.3", "a method nobody knows with a body", sized(b"BREW", b"/"), 405, 501)
kept("6.3", "a GET with chunks", post(b"Transfer-Encoding: chunked",
                                    b"%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n", b"/", b"GET"))
kept("6.3", "a body with an upgrade", sized(b"POST", b"/echo", b"Upgrade: h2c\r\nConnection: Upgrade\r\n"))
kept("6.3", "a body in HTTP/1.0 that is kept", sized(b"POST", b"/echo", b"Connection: keep-alive\r\n", b"1.0"))
kept("9110 7.6.1", "Connection names Content-Length", sized(b"POST", b"/echo", b"Connection: Content-Length\r\n"))
kept("9110 7.6.1", "Connection names Host", sized(b"POST", b"/echo", b"Connection: Host\r\n"))
kept("9110 10.1.1", "a body that is sent without waiting", sized(b"POST", b"/echo", b"Expect: 100-continue\r\n"))
kept("9110 10.1.1", "an expectation in HTTP/1.0",
     sized(b"POST", b"/echo", b"Expect: 100-continue\r\nConnection: keep-alive\r\n", b"1.0"))
either("9110 10.1.1", "an unknown expectation", sized(b"POST", b"/echo", b"Expect: 200-maybe\r\n"), 200, 417)
ended("9110 10.1.1", "a body for no route that is sent without waiting",
      sized(b"POST", b"/nowhere", b"Expect: 100-continue\r\n"), 404, 417)
ended("9.6", "a body and Connection: close", sized(b"POST", b"/echo", b"Connection: close\r\n"))

# ---- What a library does in another way


@dataclass(frozen=True)
class Pinned:
    """What really happens: statuses (None: ended without an answer), the connection, and why."""
    statuses: frozenset
    connection: str
    why: str


EXCEPTIONS = {"0.9.75": {}, "1.0": {}}


def exception(library, why, statuses, connection, *names):
    for name in names:
        EXCEPTIONS[library][name] = Pinned(frozenset(statuses), connection, why)


exception("0.9.75", "The parser gives up without an answer.", {None}, REFUSED,
          "an empty method", "a space before the method", "tabs in place of the spaces")

exception("0.9.75", "Blanks behind a value are taken for a part of it; in what frames the body that is refused.",
          {400}, REFUSED, "a length with blanks behind", "chunked with blanks behind")

exception("0.9.75", "The parser takes both the NUL and the bare LF for a line's end; what it can bring in is a field.",
          {200}, KEPT, "a NUL before a bare LF")

exception("0.9.75", "The parser waits for the end of a line that it has no room for, up to the deadline of the body.",
          {408}, REFUSED, "an extension of 40,000 bytes")

exception("0.9.75", "The parser frames chunks loosely, so the connection ends with the answer to every such request.",
          {200}, REFUSED,
          "chunked in capitals", "chunks", "a size in capitals and with zeros before", "HIDDEN in a chunk",
          "an extension", "a quoted extension", "a trailer", "a length in the trailer", "a GET with chunks")

exception("0.9.75", "The parser takes it for a good chunk, but nothing behind it is read: the connection ends.",
          {200}, REFUSED,
          "a bare LF behind a size", "a bare LF behind a chunk", "a chunk that is too short",
          "a bare LF in an extension", "HIDDEN between an extension's bare LF and CR LF",
          "a bare LF behind the last chunk", "a bare LF as the end of the body", "a trailer with a bare LF",
          "a trailer with a space before the colon", "a folded trailer", "a trailer with a NUL")


exception("1.0", "The parser gives up without an answer.", {None}, REFUSED,
          "an empty method", "a space before the method", "tabs in place of the spaces",
          "a vertical tab in place of a space", "a NUL before the method", "a NUL in the target", "a method with a NUL",
          "a method of 20,000 bytes")

exception("1.0", "The parser refuses every extension of a chunk.", {400}, REFUSED, "an extension", "a quoted extension")

exception("1.0", "The library has no memory left for its 413.", {None}, REFUSED, "an extension of 40,000 bytes")
