# SPDX-License-Identifier: MIT
"""A thousand slow clients and one ordinary one, as the test of deadlines and the bench of the same name run them.

The slow ones live in a process of their own, on one epoll. Of every three, one sends a header, one a body, and one
takes its answer, each in drips: so little and so seldom that no silence is ever long. Nobody of them ever ends by
itself.

That a server has ended with a client who does not read can't be seen from the client's side, where unread bytes stand
before the end; so the kernel is asked what the server still has.
"""

import multiprocessing
import resource
import select
import socket
import statistics
import time
from dataclasses import dataclass

from client import SLOW, SOON, Client, Closed
from muster import Service

CLIENTS = 1000
PERIOD = 2  # seconds between the drips of a client
TARGET = "/"
LARGE = 16 * 1024 * 1024

# Short, so that a test is; but longer than two drips.
DEADLINES = {
    "worker.workers": 1,
    "http.header_timeout": "5s",
    "http.idle_timeout": "60s",
    "http.request_timeout": "60s",
    "http.min_body_rate": "1K",
}
HEADER_TIMEOUT = 5
# A body and an answer are looked at every second, and first a second after they have begun.
LOOKS = 2

HEADER, BODY, READER = "header", "body", "reader"
KINDS = (HEADER, BODY, READER)

FIRST = {
    HEADER: b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    BODY: b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
    READER: b"GET /files/large HTTP/1.1\r\nHost: x\r\n\r\n",
}
ESTABLISHED = "01"


def start_service(directory, **config):
    """A service that has something to read slowly. Not yet ready."""
    raise_limits()
    files = directory / "files"
    files.mkdir()
    with open(files / "large", "wb") as file:
        file.truncate(LARGE)
    return Service(directory, {**DEADLINES, "app.files": files, **config}, name="slow")


def raise_limits():
    """Descriptors for all clients, here and in whatever is started from here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * CLIENTS:
        raise RuntimeError(f"only {hard} descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# ---- The slow ones


class SlowClient:
    def __init__(self, kind, address):
        self.kind = kind
        self.sock = socket.socket()
        if kind == READER:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect(address)
        self.sock.setblocking(False)
        self.sock.send(FIRST[kind])
        self.began = time.monotonic()
        self.ended = None
        self.received = b""

    def drip(self):
        try:
            if self.kind == READER:
                self.sock.recv(10)
            else:
                self.sock.send(b"x")
        except BlockingIOError:
            pass
        except OSError:
            self.end()

    def read(self):
        try:
            data = self.sock.recv(4096)
        except OSError:
            data = b""
        self.received += data
        if not data:
            self.end()

    def end(self):
        self.ended = self.ended or time.monotonic()

    def result(self):
        """(kind, how long it lived or None, the status it was told or None)"""
        status = int(self.received.split()[1]) if self.received.startswith(b"HTTP/") else None
        return self.kind, self.ended and self.ended - self.began, status


def be_slow(address, pipe):
    """The process of the slow clients. Says through the pipe that all are connected, goes on until told to stop, and
    says what became of each."""
    clients = [SlowClient(KINDS[number % len(KINDS)], address) for number in range(CLIENTS)]
    poll = select.epoll()
    by_fd = {client.sock.fileno(): client for client in clients}
    for client in clients:
        if client.kind != READER:
            poll.register(client.sock, select.EPOLLIN)
    poll.register(pipe, select.EPOLLIN)
    pipe.send("connected")
    due, told = time.monotonic() + PERIOD, False
    while not told:
        for fd, _ in poll.poll(max(0.0, due - time.monotonic())):
            if fd == pipe.fileno():
                told = True
                continue
            by_fd[fd].read()
            if by_fd[fd].ended:
                poll.unregister(fd)
        if time.monotonic() >= due:
            due += PERIOD
            for client in clients:
                if not client.ended:
                    client.drip()
    pipe.send([client.result() for client in clients])


class SlowClients:
    """The slow ones' process, from the outside."""

    def __init__(self, address):
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=be_slow, args=(address, theirs))
        self.process.start()
        theirs.close()

    def are_connected(self):
        """Whether all are; to be asked until it is so."""
        return self.pipe.poll() and self.pipe.recv() == "connected"

    def stop(self):
        """Returns what result() says of each."""
        self.pipe.send("stop")
        results = self.pipe.recv()
        self.process.join()
        return results

    def kill(self):
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


# ---- What the server has


def established(port):
    """How many connections to this port are still established on the server's side."""
    local = f":{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = (line.split(None, 4) for line in table)
        return sum(1 for row in rows if row[1].endswith(local) and row[3] == ESTABLISHED)


# ---- The ordinary one


@dataclass
class Latencies:
    seconds: list

    def percentile(self, percent):
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]

    @property
    def p99(self):
        return self.percentile(99)

    @property
    def median(self):
        return statistics.median(self.seconds)


def ask_until(address, is_over, pause=0.001):
    """One request after the other on a kept connection until is_over(), which is called ten times a second."""
    seconds, look = [], time.monotonic() + 0.1
    with Client(address) as client:
        while True:
            began = time.monotonic()
            response = client.get(TARGET)
            now = time.monotonic()
            seconds.append(now - began)
            if response.status != 200 or response.closes:
                raise Closed(f"an ordinary request was answered {response}")
            if now >= look:
                if is_over():
                    return Latencies(seconds)
                look = time.monotonic() + 0.1
            time.sleep(pause)


def ask_for(address, span):
    end = time.monotonic() + span
    return ask_until(address, lambda: time.monotonic() >= end)


def ask_beside_slow_clients(muster, patience=HEADER_TIMEOUT + LOOKS + SOON):
    """Asks from before the slow clients come until the server has ended with all of them. Returns (the latencies, how
    many of them there were at once, how long the last stayed, what they say themselves)."""
    address = muster.address()
    slow = SlowClients(address)
    most, connected, began = 0, False, time.monotonic()

    def is_over():
        nonlocal most, connected
        connected = connected or slow.are_connected()
        count = established(address[1]) - 1
        most = max(most, count)
        if time.monotonic() > began + patience:
            raise AssertionError(f"{count} slow clients are still there after {patience} s")
        return connected and count == 0

    try:
        latencies = ask_until(address, is_over)
        return latencies, most, time.monotonic() - began, slow.stop()
    finally:
        slow.kill()


__all__ = ["BODY", "CLIENTS", "HEADER", "HEADER_TIMEOUT", "LOOKS", "READER", "SLOW", "ask_beside_slow_clients",
           "ask_for", "ask_until", "start_service"]
