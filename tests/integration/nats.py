# SPDX-License-Identifier: MIT
"""A NATS server on the loopback, a client that speaks its protocol by itself, and a service that uses one."""

import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from client import SLOW, SOON, wait_for
from muster import free_port


def server_program():
    return shutil.which("nats-server", path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin")


class Server:
    """nats-server; stopped and started again on the same port."""

    def __init__(self, directory, start=True, options="", tls=None):
        if not server_program():
            pytest.skip("no nats-server")
        self.directory = directory
        self.port = free_port()
        self.tls = tls
        self.process = None
        self.path = pathlib.Path(directory) / f"nats-{self.port}.conf"
        self.configure(options)
        if start:
            self.start()

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def configure(self, options):
        self.path.write_text(f'listen: "127.0.0.1:{self.port}"\n{options}\n')

    def start(self):
        log = open(self.path.with_suffix(".log"), "ab")
        with log:
            self.process = subprocess.Popen([server_program(), "-c", str(self.path)], cwd=self.directory,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.answers, f"nats-server on {self.port}")
        return self

    def answers(self):
        assert self.process.poll() is None, self.path.with_suffix(".log").read_text()
        try:
            with socket.create_connection(("127.0.0.1", self.port), SOON) as sock:
                return sock.recv(5) == b"INFO "
        except OSError:
            return False

    def stop(self):
        """It goes at once, as in a crash."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def client(self, **keywords):
        return Client(self.port, **keywords)

    def close(self):
        if self.process:
            self.stop()


class Client:
    """One connection. Messages that come are kept until they are asked for."""

    def __init__(self, port, **connect):
        self.sock = socket.create_connection(("127.0.0.1", port), SOON)
        self.buffer = b""
        self.info = json.loads(self._take_line().split(None, 1)[1])
        self.messages = []
        self.sids = 0
        self.questions = 0
        self.send(f'CONNECT {json.dumps({"verbose": False, "pedantic": False, "lang": "test", "version": "1", **connect})}')
        self.flush()

    def send(self, line, data=None):
        text = line.encode() + b"\r\n"
        self.sock.sendall(text if data is None else text + data + b"\r\n")

    def publish(self, subject, data=b""):
        data = data.encode() if isinstance(data, str) else data
        self.send(f"PUB {subject} {len(data)}", data)

    def publish_many(self, subject, count, first=1):
        """The numbers from `first`, in as few writes as there can be."""
        parts = []
        for number in range(first, first + count):
            data = str(number).encode()
            parts.append(b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(data), data))
        self.sock.sendall(b"".join(parts))
        self.flush()

    def subscribe(self, subject):
        self.sids += 1
        self.send(f"SUB {subject} {self.sids}")
        self.flush()
        return self

    def _fill(self):
        part = self.sock.recv(1 << 16)
        if not part:
            raise ConnectionError("the server has closed the connection")
        self.buffer += part

    def _take_line(self):
        """A line that is there whole; one whose wait has timed out can be waited for again."""
        while b"\r\n" not in self.buffer:
            self._fill()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _read(self):
        """One thing from the server; False when that was the answer to a ping."""
        line = self._take_line()
        words = line.split()
        if words[0] == b"MSG":
            size = int(words[-1])
            while len(self.buffer) < size + 2:
                self._fill()
            self.messages.append((words[1].decode(), self.buffer[:size]))
            self.buffer = self.buffer[size + 2:]
        elif words[0] == b"PING":
            self.send("PONG")
        elif words[0] == b"-ERR":
            raise ConnectionError(line.decode())
        return words[0] != b"PONG"

    def flush(self):
        """The server has seen all that was sent."""
        self.send("PING")
        while self._read():
            pass

    def next(self, within=SOON):
        """(subject, data) of the next message."""
        self.sock.settimeout(within)
        while not self.messages:
            self._read()
        return self.messages.pop(0)

    def ask(self, command, within=SOON):
        """What the application tests/modules/broker.c answers. Needs a subscription to "reply"; what else comes there is
        dropped."""
        self.questions += 1
        self.publish("command", f"{command} #{self.questions}")
        while True:
            number, _, answer = self.next(within)[1].decode().partition(" ")
            if number == str(self.questions):
                return answer

    def close(self):
        self.sock.close()


# ---- A service of tests/modules/broker.c that uses one ----


def config(server, **more):
    values = {"muster.module": "broker", "broker.url": server.url, "worker.workers": 1}
    return {**values, **{key.replace("__", "."): value for key, value in more.items()}}


def client_of(server, **keywords):
    return server.client(**keywords).subscribe("reply")


def answering(client, within=SOON):
    """Waits until the application's subscriptions are there."""
    deadline = time.monotonic() + within
    while True:
        try:
            return client.ask("pid", within=0.2 * SLOW)
        except TimeoutError:
            assert time.monotonic() < deadline, "the application does not answer"


def broker_line(muster):
    line = re.search(r"^ *Broker: (.*)$", muster.ctl("status").stdout, re.MULTILINE)
    return line[1] if line else None
