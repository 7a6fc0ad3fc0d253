# SPDX-License-Identifier: MIT
"""What clients notice of a reload: requests that fail, and the worst latency beside that of as long a time without one.

The load throughout: 32 kept connections, each asking again 10 ms after its answer, 100 new connections a second, and
slow requests (500 ms) on connections of their own, four at a time. One line per round, and one for all:
`worst_ratio` is the median of the rounds' worst latencies with a reload over that without, of the quick requests;
`worst_slow_ratio` that of the slow ones. reload [ROUNDS]: 7 unless said otherwise.
"""

import heapq
import multiprocessing
import pathlib
import selectors
import signal
import socket
import statistics
import sys
import tempfile
import time

from measure import report

from muster import Service, wait_for

KEPT, NEW_PER_SECOND, SLOW_AT_A_TIME = 32, 100, 4
PAUSE = 0.010
SLOW_MS = 500
WINDOW = 1.5  # seconds that one look lasts at least


class Exchange:
    """One connection and the request on it."""

    def __init__(self, kind):
        self.kind, self.sock, self.data, self.began = kind, None, b"", 0.0


class Load:
    """All the clients in one loop; `done` gets (end, latency, kind), `failures` what went wrong."""

    def __init__(self, address):
        self.address = address
        self.selector = selectors.DefaultSelector()
        self.due = []  # (time, number, exchange)
        self.count = 0
        self.done, self.failures = [], []

    def at(self, when, exchange):
        self.count += 1
        heapq.heappush(self.due, (when, self.count, exchange))

    def send(self, exchange):
        target = f"/slow?ms={SLOW_MS}" if exchange.kind == "slow" else "/"
        last = "Connection: close\r\n" if exchange.kind == "new" else ""
        exchange.data, exchange.began = b"", time.monotonic()
        try:
            if exchange.sock is None:
                exchange.sock = socket.create_connection(self.address, timeout=30)
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

    def run(self, stop):
        now = time.monotonic()
        for number in range(KEPT):
            self.at(now + number * PAUSE / KEPT, Exchange("kept"))
        for number in range(SLOW_AT_A_TIME):
            self.at(now + number * SLOW_MS / 1000 / SLOW_AT_A_TIME, Exchange("slow"))
        next_new = now
        while not stop.is_set():
            now = time.monotonic()
            while next_new <= now:
                self.at(next_new, Exchange("new"))
                next_new += 1 / NEW_PER_SECOND
            while self.due and self.due[0][0] <= now:
                self.send(heapq.heappop(self.due)[2])
            until = min(next_new, self.due[0][0] if self.due else next_new)
            for key, _ in self.selector.select(max(0.0, until - time.monotonic())):
                self.receive(key.data)


def serve_load(address, stop, results):
    load = Load(address)
    load.run(stop)
    results.send((load.done, load.failures))


def reload(muster):
    """Until all old workers have gone, and no shorter than the window. Returns the span."""
    before = set(muster.worker_pids())
    began = time.monotonic()
    muster.kill(signal.SIGHUP)
    wait_for(lambda: not before & set(muster.worker_pids()), "the old workers' end", 60)
    took = time.monotonic() - began
    time.sleep(max(0.0, WINDOW - took))
    return began, time.monotonic(), took


def quiet(seconds):
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()


def worst(done, span, kinds):
    """In ms."""
    return 1e3 * max(latency for end, latency, kind in done if span[0] <= end - latency < span[1] and kind in kinds)


def compare(done, spans, kinds):
    """The medians of the worst latencies without and with a reload, and those of each round."""
    without = [worst(done, span, kinds) for span, _ in spans]
    during = [worst(done, span[:2], kinds) for _, span in spans]
    return statistics.median(without), statistics.median(during), without, during


def measure(muster, rounds):
    context = multiprocessing.get_context("fork")
    reading, writing = context.Pipe(duplex=False)
    stop = context.Event()
    clients = context.Process(target=serve_load, args=(muster.address(), stop, writing))
    clients.start()
    spans = []
    try:
        quiet(WINDOW)
        for _ in range(rounds):
            during = reload(muster)
            spans.append((quiet(during[1] - during[0]), during))
        quiet(WINDOW)
    finally:
        stop.set()
        done, failures = reading.recv()
        clients.join()
    return done, failures, spans


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        muster = Service(pathlib.Path(directory), {"worker.workers": 2}, name="bench").ready()
        try:
            done, failures, spans = measure(muster, rounds)
        finally:
            left = muster.close()
    without, during, each_without, each_during = compare(done, spans, ("kept", "new"))
    slow_without, slow_during, _, _ = compare(done, spans, ("slow",))
    for i, (_, span) in enumerate(spans):
        report("reload", round=i, without_ms=round(each_without[i], 2), with_ms=round(each_during[i], 2),
               took_ms=round(span[2] * 1e3))
    for failure in failures[:10]:
        print(failure, file=sys.stderr)
    report("reload", requests=len(done), failed=len(failures), reloads=rounds, without_ms=round(without, 2),
           with_ms=round(during, 2), worst_ratio=round(during / without, 2),
           worst_slow_ratio=round(slow_during / slow_without, 2))
    return 1 if failures or left else 0


if __name__ == "__main__":
    sys.exit(main())
