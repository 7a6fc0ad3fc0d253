# SPDX-License-Identifier: MIT
"""A worker, or a compute process, that has been taken over: what it says to the master is said here, by the test.

The program in the place of muster-worker (tests/modules/hostile-worker.c) gives its end of the channel to whoever waits at
a socket. So a test has the channel in its hand, while for the master it is the child's, with the child's pid.
"""

import array
import contextlib
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import time

from frames import frame, parse, send
from muster import SOON, SOURCE, build_dir, wait_for

PROGRAMS = ("muster-master", "muster-agent", "muster-worker", "muster-compute")


class Child:
    """One that was taken over."""

    def __init__(self, sock):
        data, ancillary, _, _ = sock.recvmsg(64, socket.CMSG_SPACE(8))
        fds = array.array("i")
        fds.frombytes(ancillary[0][2])
        self.pid, self.leash = int(data), sock
        self.channel, self.scoreboard = socket.socket(fileno=fds[0]), fds[1]
        self.channel.settimeout(SOON)

    def ready(self):
        send(self.channel, frame("READY"))
        return self

    def receive(self):
        """The frames of the next datagram."""
        return parse(self.channel.recv(1 << 20))

    def ended(self):
        """Whether the master has closed the channel and the process is gone; what it still sends is passed over."""
        deadline = time.monotonic() + SOON
        try:
            while self.channel.recv(1 << 20):
                if time.monotonic() > deadline:
                    return False
        except ConnectionError:
            pass
        self.leash.settimeout(SOON)
        return self.leash.recv(1) == b""

    def close(self):
        self.channel.close()
        if self.scoreboard >= 0:
            os.close(self.scoreboard)
        self.scoreboard = -1
        self.leash.close()


class Hostile:
    """Takes over worker 0, or compute process 0, of the service that is started with these variables."""

    def __init__(self, directory, program="muster-worker"):
        self.name = f"muster-hostile-{os.getpid()}-{directory.name}"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind("\0" + self.name)
        self.listener.listen(16)
        self.listener.settimeout(SOON)
        self.children = []
        programs = directory / "programs"
        programs.mkdir()
        # Copies: the sandbox lets the master execute what is in its own directory
        for name in PROGRAMS:
            shutil.copy(build_dir() / "src" / name, programs / name)
        os.rename(programs / program, programs / "real")
        shutil.copy(build_dir() / "src" / "apps" / "hostile-worker", programs / program)
        self.variables = {
            "MUSTER_LIBEXEC_DIR": str(programs),
            "HOSTILE_SOCKET": self.name,
            "HOSTILE_PROGRAM": str(programs / "real"),
        }

    def child(self):
        """The next that is started."""
        sock, _ = self.listener.accept()
        self.children.append(Child(sock))
        return self.children[-1]

    def enough(self):
        """From now on worker 0 is a real one."""
        self.listener.close()

    def close(self):
        self.listener.close()
        for child in self.children:
            child.close()


@contextlib.contextmanager
def steady(muster, kept=8, new_per_second=40, slow=4):
    """Steady clients meanwhile, of which none may fail. Yields a dictionary that has their figures afterwards."""
    host, port = muster.address()
    arguments = [host, port, kept, new_per_second, slow]
    load = subprocess.Popen([sys.executable, str(SOURCE / "tests" / "integration" / "steady.py"), *map(str, arguments)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    figures = {}
    try:
        yield figures
    finally:
        output, _ = load.communicate()
        figures.update(json.loads(output))
    assert figures["requests"] > 0 and not figures["failures"], figures


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@functools.cache
def is_sanitized():
    return b"__asan_init" in (build_dir() / "src" / "muster-master").read_bytes()


def rss_kib(pid):
    """Memory of its own, in KiB; 0 for what a sanitizer, which keeps what is freed, does not let us see."""
    if is_sanitized():
        return 0
    for line in open(f"/proc/{pid}/smaps_rollup", encoding="ascii"):
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1])
    raise RuntimeError(f"no figures of {pid}")


def settled(muster, count):
    """Waits until the master has as many descriptors again, or fewer."""
    wait_for(lambda: descriptors(muster.pid) <= count, f"{descriptors(muster.pid)} descriptors to be {count}")
