# SPDX-License-Identifier: MIT
"""A real origin for the application `source`: data by HTTP, with ETags, and with everything that can go wrong."""

import gzip
import http.server
import json
import socket
import ssl
import threading
import time

# A few KiB that become 8 MiB
BOMB = gzip.compress(b'{"greeting": "' + b"x" * (8 << 20) + b'"}', 6)


class Origin:
    """Serves what `data` is on a loopback port, in the way that `mode` says.

    down() closes the port, up() opens it again.
    """

    def __init__(self, data=None, certificate=None):
        self.certificate = certificate
        self.mode = "good"
        self.delay = 0.0
        self.etags = True
        self.asked = []  # (time, ETag it was asked by or None, client's port), by the order of the requests
        self.released = threading.Event()  # ends what hangs
        self.set(data if data is not None else {"greeting": "hello"})
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        self.server = None
        self.up()

    @property
    def url(self):
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}/data.json"

    def set(self, data):
        """Other data from now on. Returns when that was, in seconds since 1970."""
        body = json.dumps(data).encode()
        self.etag, self.body = f'"{hash(body) & 0xFFFFFFFF:08x}"', body
        return time.time()

    def up(self):
        origin = self
        self.released.clear()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self):
                origin.answer(self)

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            connections = []

            def get_request(self):
                request = super().get_request()
                self.connections.append(request[0])
                return request

            def handle_error(self, request, client_address):
                pass  # a client that goes away, or whom we have cut off

        Server.connections = []
        self.server = Server(("127.0.0.1", self.port), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def down(self):
        if self.server:
            server, self.server = self.server, None
            server.shutdown()
            server.server_close()
            self.released.set()
            for connection in server.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # closed already

    def count(self, condition=lambda asked: True):
        return sum(1 for asked in list(self.asked) if condition(asked))

    def answer(self, handler):
        body, etag = self.body, self.etag
        asked_by = handler.headers["If-None-Match"]
        self.asked.append((time.time(), asked_by, handler.client_address[1]))
        self.released.wait(self.delay)
        if self.mode == "good" and self.etags and asked_by == etag:
            self.send(handler, 304, b"", {"ETag": etag})
        elif self.mode == "good":
            self.send(handler, 200, body, {"ETag": etag} if self.etags else {})
        else:
            getattr(self, self.mode)(handler)

    @staticmethod
    def send(handler, status, body, fields=(), length=None):
        handler.send_response(status)
        for name, value in dict(fields).items():
            handler.send_header(name, value)
        if status != 304:
            handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)
        handler.wfile.flush()

    # What can go wrong: the names are the modes

    def error(self, handler):
        self.send(handler, 500, b'{"greeting": "from an error"}')

    def unasked(self, handler):
        self.send(handler, 304, b"")

    def no_json(self, handler):
        self.send(handler, 200, b"<html>Moved</html>", {"ETag": '"html"'})

    def no_object(self, handler):
        self.send(handler, 200, b'["hello"]', {"ETag": '"array"'})

    def cut_short(self, handler):
        self.send(handler, 200, b'{"greeting": "half"}', length=1000)
        handler.close_connection = True

    def large(self, handler):
        self.send(handler, 200, json.dumps({"greeting": "x" * (2 << 20)}).encode())

    def large_unannounced(self, handler):
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        handler.wfile.write(b'{"greeting": "')
        for _ in range(64):
            handler.wfile.write(b"x" * 65536)

    def bomb(self, handler):
        self.send(handler, 200, BOMB, {"Content-Encoding": "gzip"})

    def compressed(self, handler):
        self.send(handler, 200, gzip.compress(self.body), {"Content-Encoding": "gzip"})

    def loop(self, handler):
        self.send(handler, 302, b"", {"Location": "/again"})

    def file(self, handler):
        self.send(handler, 302, b"", {"Location": "file:///etc/hostname"})

    def hang(self, handler):
        self.released.wait(60)
        handler.close_connection = True

    def trickle(self, handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not self.released.wait(0.01):
            handler.wfile.write(b" ")
            handler.wfile.flush()
        handler.close_connection = True
