# SPDX-License-Identifier: MIT
"""A small HTTP client that shows what is on the wire.

The library's client hides what these tests are about: when a connection is closed, whether an answer came on a kept
connection, what happens to half a request. This one sends bytes, reads one response at a time, and says "closed" only
when the other side has closed without a byte of an answer.
"""

import os
import socket
import time

SLOW = float(os.environ.get("MUSTER_TEST_SLOW", "1"))

# How long something may take that should happen at once.
SOON = 10 * SLOW


class Closed(Exception):
    """The connection was closed before the first byte of a response."""


class Broken(Exception):
    """The connection was closed in the middle of a response, or what came is no response."""


class Response:
    def __init__(self, version, status, reason, fields):
        self.version = version
        self.status = status
        self.reason = reason
        self.fields = fields
        self.body = b""

    def __getitem__(self, name):
        """The value of a header field, or None; two of a kind are joined."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def text(self):
        return self.body.decode()

    @property
    def closes(self):
        return (self["Connection"] or "").lower() == "close"

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.fields} {self.body[:100]!r}>"


def connect(address, timeout=SOON):
    """A connected socket: (host, port), or the path of a Unix socket."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        return sock
    sock = socket.create_connection(address, timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Client:
    """One connection."""

    def __init__(self, address, timeout=SOON):
        self.sock = connect(address, timeout)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def request(self, method, target, fields=(), body=None, version="1.1"):
        """Sends a request and does not wait for the answer."""
        lines = [f"{method} {target} HTTP/{version}", "Host: test"]
        lines += [f"{name}: {value}" for name, value in fields]
        if body is not None and not any(name.lower() == "transfer-encoding" for name, _ in fields):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines + ["", ""]).encode() + (body or b""))

    def get(self, target, fields=(), **keywords):
        self.request("GET", target, fields, **keywords)
        return self.response()

    def post(self, target, body, fields=(), **keywords):
        self.request("POST", target, fields, body, **keywords)
        return self.response()

    def response(self, head=False):
        """The next response; `head` says that it has no body whatever its header says."""
        header = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, reason = (header[0].split(" ", 2) + [""])[:3]
        if not version.startswith("HTTP/"):
            raise Broken(header[0])
        fields = [tuple(part.strip() for part in line.split(":", 1)) for line in header[1:] if line]
        response = Response(version, int(status), reason, fields)
        if head or response.status in (204, 304) or response.status < 200:
            return response
        if (response["Transfer-Encoding"] or "").lower() == "chunked":
            response.body = self._chunks()
        elif response["Content-Length"] is not None:
            response.body = self._exactly(int(response["Content-Length"]))
        else:
            response.body = self.rest()
        return response

    def eof(self, within=SOON):
        """Whether the other side closes within this time without sending any more."""
        self.sock.settimeout(within)
        try:
            return self.pending == b"" and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    def rest(self):
        """All that still comes until the other side closes."""
        while self._receive():
            pass
        data, self.pending = self.pending, b""
        return data

    def quiet(self, seconds):
        """Whether nothing comes, and the connection stays, for this time."""
        self.sock.settimeout(seconds)
        try:
            self.pending += self.sock.recv(65536)
            return False
        except (socket.timeout, BlockingIOError):
            return True
        finally:
            self.sock.settimeout(SOON)

    def _receive(self):
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        self.pending += data
        return len(data)

    def _until(self, end):
        while end not in self.pending:
            if not self._receive():
                if self.pending:
                    raise Broken(self.pending)
                raise Closed
        data, self.pending = self.pending.split(end, 1)
        return data

    def _exactly(self, size):
        while len(self.pending) < size:
            if not self._receive():
                raise Broken(f"{len(self.pending)} of {size} bytes")
        data, self.pending = self.pending[:size], self.pending[size:]
        return data

    def _chunks(self):
        body = b""
        while True:
            size = int(self._until(b"\r\n"), 16)
            data = self._exactly(size + 2)[:-2]
            if size == 0:
                return body
            body += data


def wait_for(condition, what, within=SOON):
    """Waits until condition() is true and returns what it returned; fails with `what` past the deadline.

    For states of other processes that announce themselves by nothing that could be waited for.
    """
    deadline = time.monotonic() + within
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(0.005)
