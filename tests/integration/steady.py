# SPDX-License-Identifier: MIT
"""A steady load of three kinds of clients in one loop, which notes every answer's time and whatever goes wrong.

Kept connections ask again a moment after each answer, others make one request on a new connection each, and slow
requests are under way all the time. A failure is anything but a whole answer 200: a refused or reset connection, one
that is closed without an answer, another status.

As a program it runs against HOST PORT until its standard input ends and prints what came of it as JSON.
"""

import heapq
import json
import selectors
import socket
import sys
import time

PAUSE = 0.010
SLOW_MS = 500


class Exchange:
    """One connection and the request on it."""

    def __init__(self, kind):
        self.kind, self.sock, self.data, self.began = kind, None, b"", 0.0


class Load:
    """All the clients in one loop; `done` gets (end, latency, kind), `failures` what went wrong."""

    def __init__(self, address, kept=32, new_per_second=100, slow=4, plain="/", timeout=30):
        self.address, self.plain, self.timeout = address, plain, timeout
        self.kept, self.new_per_second, self.slow = kept, new_per_second, slow
        self.selector = selectors.DefaultSelector()
        self.due = []  # (time, number, exchange)
        self.count = 0
        self.done, self.failures = [], []

    def at(self, when, exchange):
        self.count += 1
        heapq.heappush(self.due, (when, self.count, exchange))

    def send(self, exchange):
        target = f"/slow?ms={SLOW_MS}" if exchange.kind == "slow" else self.plain
        last = "Connection: close\r\n" if exchange.kind == "new" else ""
        exchange.data, exchange.began = b"", time.monotonic()
        try:
            if exchange.sock is None:
                exchange.sock = socket.create_connection(self.address, timeout=self.timeout)
                exchange.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.selector.register(exchange.sock, selectors.EVENT_READ, exchange)
            exchange.sock.sendall(f"GET {target} HTTP/1.1\r\nHost: bench\r\n{last}\r\n".encode())
        except OSError as error:
            self.fail(exchange, repr(error))

    def drop(self, exchange):
        if exchange.sock is not None:
            self.selector.unregister(exchange.sock)
            exchange.sock.close()
            exchange.sock = None

    def fail(self, exchange, reason):
        self.failures.append(f"{exchange.kind}: {reason}")
        self.drop(exchange)
        if exchange.kind != "new":
            self.at(time.monotonic() + PAUSE, exchange)

    def receive(self, exchange):
        """Reads; when the answer is whole, notes it and plans the next request of this client."""
        try:
            more = exchange.sock.recv(65536)
        except OSError as error:
            self.fail(exchange, repr(error))
            return
        exchange.data += more
        head, found, body = exchange.data.partition(b"\r\n\r\n")
        fields = head.lower()
        whole = found and len(body) >= int(fields.split(b"content-length:")[1].split(b"\r\n")[0])
        if not whole:
            if not more:
                self.fail(exchange, f"closed after {len(exchange.data)} bytes")
            return
        now = time.monotonic()
        self.done.append((now, now - exchange.began, exchange.kind))
        if b" 200 " not in head[:16]:
            self.failures.append(f"{exchange.kind}: {head[:40]!r}")
        if exchange.kind == "new" or b"connection: close" in fields:
            self.drop(exchange)
        if exchange.kind != "new":
            self.at(now + PAUSE, exchange)

    def run(self, stopped):
        """Goes on until stopped() says so."""
        now = time.monotonic()
        for number in range(self.kept):
            self.at(now + number * PAUSE / self.kept, Exchange("kept"))
        for number in range(self.slow):
            self.at(now + number * SLOW_MS / 1000 / self.slow, Exchange("slow"))
        next_new = now
        while not stopped():
            now = time.monotonic()
            while next_new <= now:
                self.at(next_new, Exchange("new"))
                next_new += 1 / self.new_per_second
            while self.due and self.due[0][0] <= now:
                self.send(heapq.heappop(self.due)[2])
            until = min(next_new, self.due[0][0] if self.due else next_new)
            for key, _ in self.selector.select(max(0.0, until - time.monotonic())):
                self.receive(key.data)

    def worst(self, kinds=("kept", "new")):
        return max((latency for _, latency, kind in self.done if kind in kinds), default=0.0)


def main():
    host, port, kept, new_per_second, slow = sys.argv[1], *map(int, sys.argv[2:6])
    load = Load((host, port), kept, new_per_second, slow)
    ended = []
    load.selector.register(sys.stdin, selectors.EVENT_READ, None)
    receive = load.receive
    load.receive = lambda exchange: receive(exchange) if exchange else ended.append(True)
    load.run(lambda: ended)
    json.dump({"requests": len(load.done), "failures": load.failures, "worst_s": load.worst()}, sys.stdout)


if __name__ == "__main__":
    main()
