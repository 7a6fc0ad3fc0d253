# SPDX-License-Identifier: MIT
"""What a service says, collected as it comes: sd_notify messages, lines on standard error, journal entries.

Each collector is a thread that reads and a list that others wait on, so that a test waits for the event itself.
"""

import array
import os
import re
import socket
import struct
import threading
import time

from client import SOON


class Records:
    """A list that grows in another thread, and can be waited on."""

    def __init__(self):
        self.items = []
        self.changed = threading.Condition()
        self.ended = False

    def add(self, item):
        with self.changed:
            self.items.append(item)
            self.changed.notify_all()

    def end(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def all(self, predicate=lambda item: True):
        with self.changed:
            return [item for item in self.items if predicate(item)]

    def wait(self, predicate, what, within=SOON, count=1):
        """The count-th item that fits, as soon as it is there."""
        deadline = time.monotonic() + within
        with self.changed:
            while True:
                found = [item for item in self.items if predicate(item)]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if left <= 0 or self.ended:
                    raise AssertionError(f"never came: {what}\n" + "\n".join(map(str, self.items)))
                self.changed.wait(left)


class Notification(dict):
    """One datagram of sd_notify(3), with when it came, from whom, and copies of the descriptors that came along."""

    def __init__(self, data, descriptors, pid):
        super().__init__(line.split("=", 1) for line in data.decode().splitlines() if "=" in line)
        self.time = time.monotonic()
        self.pid = pid
        self.descriptors = [os.dup(descriptor) for descriptor in descriptors]


def receive_with_rights(sock):
    """One datagram, the descriptors and the sender's pid that came with it."""
    data, ancillary, _, _ = sock.recvmsg(1 << 18, 4096)
    descriptors, pid = [], 0
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            rights = array.array("i")
            rights.frombytes(content[: len(content) - len(content) % rights.itemsize])
            descriptors += rights
        elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid = struct.unpack("3i", content)[0]
    return data, descriptors, pid


class Datagrams(Records):
    """A Unix datagram socket at a path."""

    def __init__(self, path):
        super().__init__()
        self.path = str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o666)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while True:
            data, descriptors, pid = receive_with_rights(self.sock)
            if data == b"end" and pid == os.getpid():
                self.end()
                return
            self.received(data, descriptors, pid)
            for descriptor in descriptors:
                os.close(descriptor)

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end", self.path)
        self.thread.join()
        self.sock.close()
        os.unlink(self.path)


class Notifications(Datagrams):
    """The manager's end of NOTIFY_SOCKET."""

    def received(self, data, descriptors, pid):
        self.add(Notification(data, descriptors, pid))

    def close(self):
        super().close()
        for message in self.all():
            for descriptor in message.descriptors:
                os.close(descriptor)

    def wait_for(self, key, value=None, **keywords):
        return self.wait(
            lambda message: key in message and value in (None, message[key]), f"{key}={value or '…'}", **keywords
        )

    def values(self, key):
        return [message[key] for message in self.all(lambda message: key in message)]


def journal_fields(data):
    """Takes an entry apart: "KEY=value" lines, or "KEY", a length and the bytes, for values of several lines."""
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", data[:8])
            value, data = data[8 : 8 + size], data[9 + size :]
        fields[key.decode()] = value.decode(errors="replace")
    return fields


class Journal(Datagrams):
    """journald's end of its native protocol."""

    def received(self, data, descriptors, pid):
        if descriptors and not data:
            size = os.fstat(descriptors[0]).st_size
            data = os.pread(descriptors[0], size, 0)
        self.add({"_PID": pid, **journal_fields(data)})


class Line:
    """One line of the log as it stands on standard error."""

    PATTERN = re.compile(r"muster-(\w+)\[(\d+)\]: ([^/:\s]+)(?:/(\d+))?: (.*)")
    FIELDS = re.compile(r" \[([A-Z][A-Z0-9_]*=.*)\]$")

    def __init__(self, text):
        self.text = text
        self.time = time.monotonic()
        self.role = self.pid = self.instance = self.worker = None
        self.message = text
        self.fields = {}
        match = self.PATTERN.search(text)
        if not match:
            return
        self.role, self.instance, self.message = match[1], match[3], match[5]
        self.pid = int(match[2])
        self.worker = int(match[4]) if match[4] else None
        fields = self.FIELDS.search(self.message)
        if fields:
            self.message = self.message[: fields.start()]
            parts = re.split(r" (?=[A-Z][A-Z0-9_]*=)", fields[1])
            self.fields = dict(part.split("=", 1) for part in parts)

    def __str__(self):
        return self.text


class Lines(Records):
    """Standard error of a process, line by line."""

    def __init__(self, descriptor):
        super().__init__()
        self.stream = os.fdopen(descriptor, "rb")
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.stream:
            self.add(Line(line.decode(errors="replace").rstrip("\n")))
        self.end()

    def wait_for(self, pattern, role=None, **keywords):
        """The first line (or the count-th) whose text this pattern is found in."""
        return self.wait(
            lambda line: re.search(pattern, line.text) and role in (None, line.role),
            f"a line like {pattern}",
            **keywords,
        )

    def matching(self, pattern):
        return self.all(lambda line: re.search(pattern, line.text))

    def text(self):
        return "\n".join(map(str, self.all()))
