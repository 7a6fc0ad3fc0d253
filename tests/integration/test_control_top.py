# SPDX-License-Identifier: MIT
"""musterctl top shows rates that are true, and gives the terminal back as it was."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import pytest

from client import SOON
from muster import build_dir, environment


def test_as_text_one_follows_the_other(service):
    muster = service({"worker.workers": 2})
    done = muster.ctl("top", "--iterations", "3", "--delay", "100ms")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    parts = done.stdout.split("\n\n")
    heads = [part for part in parts if part.startswith(f"{muster.name}: running")]
    tables = [part for part in parts if part.startswith("WORKER")]
    assert len(heads) == len(tables) == 3
    for table in tables:
        assert [line.split()[:3] for line in table.splitlines()[1:]] == [
            [str(number), str(pid), "ready"] for number, pid in muster.workers()
        ]


def test_rates_are_those_of_the_time_between(service):
    muster = service({"worker.workers": 1})
    done, sent = threading.Event(), []

    def ask():
        with muster.client() as client:
            begin = time.monotonic()
            while not done.is_set():
                assert client.get("/slow?ms=10").status == 200
                sent.append(time.monotonic() - begin)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        text = muster.ctl("top", "--batch", "-n", "2", "-d", "1s").stdout
    finally:
        done.set()
        thread.join()
    rates = [float(rate) for rate in re.findall(r"^(\d+) requests/s, 1 of 1", text, re.MULTILINE)]
    true = len(sent) / sent[-1]
    assert len(rates) == 2
    assert true / 2 < rates[1] < true * 2, (rates, true)


class Terminal:
    """musterctl top on a terminal of its own."""

    def __init__(self, muster, rows=20, columns=60):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.output = b""
        self.process = subprocess.Popen(
            [build_dir() / "src" / "musterctl", "top", muster.name, "--delay", "200ms"],
            env=environment(MUSTER_RUNTIME_DIR=str(muster.directory / "run")),
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
        )

    def read_until(self, pattern, count=1):
        deadline = time.monotonic() + SOON
        while len(re.findall(pattern, self.output)) < count:
            readable, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert readable, self.output
            self.output += os.read(self.master, 65536)

    def close(self):
        status = self.process.wait(SOON)
        after = termios.tcgetattr(self.slave)
        os.close(self.slave)
        while True:
            try:
                more = os.read(self.master, 65536)
            except OSError:
                break
            if not more:
                break
            self.output += more
        os.close(self.master)
        assert after == self.before
        return status


@pytest.mark.parametrize("end", ["q", "\x03", signal.SIGTERM], ids=["q", "Ctrl-C", "SIGTERM"])
def test_it_draws_until_told_to_end_and_the_terminal_is_as_before(service, end):
    muster = service({"worker.workers": 2})
    terminal = Terminal(muster)
    terminal.read_until(rb"\x1b\[H\x1b\[J", 3)
    if isinstance(end, str):
        os.write(terminal.master, end.encode())
    else:
        terminal.process.send_signal(end)
    assert terminal.close() == 0
    text = terminal.output.decode()
    assert text.startswith("\x1b[?1049h") and text.endswith("\x1b[?1049l")


def test_nothing_is_wider_or_longer_than_the_screen(service):
    muster = service({"worker.workers": 12})
    terminal = Terminal(muster, rows=10, columns=40)
    terminal.read_until(rb"\x1b\[H\x1b\[J", 2)
    os.write(terminal.master, b"q")
    assert terminal.close() == 0
    drawn = terminal.output.decode().split("\x1b[H\x1b[J")[1]
    rows = drawn.split("\r\n")
    assert len(rows) <= 10 + 1
    assert all(len(row) <= 40 for row in rows if row.startswith((" ", "WORKER")))


def test_when_the_service_ends_it_is_said_and_the_terminal_is_as_before(service):
    muster = service({"worker.workers": 1})
    terminal = Terminal(muster)
    terminal.read_until(rb"\x1b\[H\x1b\[J", 1)
    muster.stop()
    assert terminal.close() != 0
    assert b"does not answer any more" in terminal.output.split(b"\x1b[?1049l")[1]
