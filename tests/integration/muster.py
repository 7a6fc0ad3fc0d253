# SPDX-License-Identifier: MIT
"""Runs the real programs from a build directory, and looks at them from outside."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

from client import SLOW, SOON, Client, Closed, wait_for
from records import Journal, Lines, Notifications

SOURCE = pathlib.Path(__file__).resolve().parents[2]

# What every test wants unless it says otherwise: little, and quick to end.
DEFAULTS = {
    "muster.module": "faults",
    "muster.stop_timeout": "10s",
    "worker.workers": 2,
    "worker.core": "no",
    "worker.drain_timeout": "3s",
    "worker.kill_timeout": "1s",
    "restart.quarantine_after": 0,  # many tests crash by the same request again and again
}

# A sanitizer must leave the signals to the program, whose handlers are what is tested here; and what it finds by
# itself, a double free, must end in abort() as it does in the C library. Core dumps are wanted, without the shadow.
SANITIZER = (
    "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:allow_user_segv_handler=1:"
    "detect_stack_use_after_return=0:use_sigaltstack=0:abort_on_error=1:disable_coredump=0"
)

# Puts the descriptors it was passed where sd_listen_fds(3) looks for them, and becomes the program.
LAUNCH = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 200) for fd in sys.argv[1].split(",")]
for fd in sys.argv[1].split(","):
    os.close(int(fd))
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
    os.close(fd)
os.environ.update(LISTEN_FDS=str(len(fds)), LISTEN_PID=str(os.getpid()))
if sys.argv[2]:
    os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execv(sys.argv[3], sys.argv[3:])
"""


def build_dir():
    path = os.environ.get("MUSTER_BUILD_DIR")
    if not path:
        raise RuntimeError("MUSTER_BUILD_DIR must name a build directory")
    return pathlib.Path(path).resolve()


def free_port(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def listening_socket(host="127.0.0.1"):
    """A socket as systemd would hand it over."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind((host, 0))
    sock.listen(1024)
    return sock


class Process:
    """A process as /proc shows it."""

    def __init__(self, pid):
        self.pid = pid
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        self.state, self.parent, self.session = fields[0], int(fields[1]), int(fields[3])
        self.ticks = int(fields[11]) + int(fields[12])
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        self.title = words[0].decode(errors="replace").strip()

    def __repr__(self):
        return f"<{self.pid} {self.state} child of {self.parent}: {self.title}>"


def processes():
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found.append(Process(int(entry)))
            except (OSError, IndexError):
                pass  # gone meanwhile
    return found


def alive(pid):
    try:
        return Process(pid).state not in "ZX"
    except OSError:
        return False


def is_waiting(pid):
    """Whether a process waits in its loop, for events."""
    try:
        where = pathlib.Path(f"/proc/{pid}/wchan").read_text()
        return "poll" in where or where == "0" and Process(pid).state == "S"
    except OSError:
        return False


def command(*arguments, **keywords):
    """Runs the master to its end and returns the result with both outputs as text."""
    return subprocess.run(
        [str(build_dir() / "src" / "muster-master"), *map(str, arguments)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SOON,
        check=False,
        **keywords,
    )


def environment(**variables):
    env = {key: value for key, value in os.environ.items() if key not in ("NOTIFY_SOCKET", "JOURNAL_STREAM")}
    env["MUSTER_LIBEXEC_DIR"] = str(build_dir() / "src")
    env["MUSTER_MODULE_DIR"] = str(build_dir() / "src" / "apps")
    env.pop("RUNTIME_DIRECTORY", None)
    env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":" + SANITIZER
    env.update(variables)
    return {key: value for key, value in env.items() if value is not None}


def write_config(path, values):
    """An INI file out of {"section.key": value}."""
    sections = {}
    for name, value in values.items():
        section, key = name.split(".", 1)
        sections.setdefault(section, []).append(f"{key} = {value}")
    path.write_text("\n".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items()))


def musterctl(directory, *arguments, user=None, **keywords):
    """Runs musterctl to its end, with the instances and configurations below this directory."""
    keywords = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 2 * SOON, **keywords}
    return subprocess.run(
        [str(build_dir() / "src" / "musterctl"), *map(str, arguments)],
        env=environment(MUSTER_RUNTIME_DIR=str(directory / "run"), MUSTER_CONFIG_DIR=str(directory)),
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        user=user,
        **keywords,
    )


class Service:
    """A running muster: the master, what it says, and the processes under it."""

    def __init__(self, directory, config=None, name="test", sockets=None, names="", arguments=(), journal=False,
                 wrapper=(), preexec=None, variables=None):
        self.directory = directory
        self.name = name
        self.sockets = sockets
        values = {**DEFAULTS, **(config or {})}
        values = {key: value for key, value in values.items() if value is not None}
        if sockets is None and "http.listen" not in values:
            values["http.listen"] = f"127.0.0.1:{free_port()}"
        self.path = directory / f"{name}.conf"
        self.values = {}
        self.configure(values)
        self.notify = Notifications(directory / f"{name}.notify")
        self.journal = None
        self.status = None
        self._start(names, list(arguments), journal, list(wrapper), preexec, variables or {})

    def _start(self, names, arguments, journal, wrapper, preexec, variables):
        argv = [str(build_dir() / "src" / "muster-master"), "--config", str(self.path), "--instance", self.name]
        argv += arguments
        (self.directory / "run").mkdir(exist_ok=True)
        env = environment(
            **{"NOTIFY_SOCKET": self.notify.path, "MUSTER_RUNTIME_DIR": str(self.directory / "run"), **variables}
        )
        reading, writing = os.pipe()
        if journal:
            argv = self._with_journal(argv)
            stat = os.fstat(writing)
            env["JOURNAL_STREAM"] = f"{stat.st_dev}:{stat.st_ino}"
        descriptors = [sock if isinstance(sock, int) else sock.fileno() for sock in self.sockets or ()]
        if descriptors:
            argv = [sys.executable, "-c", LAUNCH, ",".join(map(str, descriptors)), names, *argv]
        # A session of its own marks every descendant, whoever its parent becomes.
        self.process = subprocess.Popen(
            wrapper + argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            pass_fds=descriptors,
            start_new_session=True,
            preexec_fn=preexec,
            cwd=self.directory,
        )
        os.close(writing)
        self.log = Lines(reading)
        self.pid = self.process.pid

    def _with_journal(self, argv):
        """Gives it a /run of its own, in which our socket is where journald's is."""
        directory = self.directory / f"{self.name}.journal"
        directory.mkdir()
        self.journal = Journal(directory / "socket")
        script = (
            "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && "
            'mount --bind "$0" /run/systemd/journal && exec "$@"'
        )
        return ["unshare", "--mount", "sh", "-c", script, str(directory), *argv]

    def configure(self, values):
        """Writes these keys, beside those that were written before, to the configuration file."""
        self.values.update(values)
        write_config(self.path, self.values)

    # What is there

    def address(self, index=0):
        """Where the service listens, as connect() takes it."""
        if self.sockets is not None:
            sock = self.sockets[index]
            return sock.getsockname()[:2] if sock.family != socket.AF_UNIX else sock.getsockname()
        text = str(self.values["http.listen"]).split()[index]
        if text[0] in "/@":
            return text
        host, port = text.rsplit(":", 1)
        return host.strip("[]"), int(port)

    def descendants(self):
        """All living processes of the session, the master too."""
        return [process for process in processes() if process.session == self.pid and process.state not in "ZX"]

    def children(self):
        return [process for process in processes() if process.parent == self.pid and process.state not in "ZX"]

    def workers(self):
        """[(number, pid)] of the workers there are, draining ones included, by number."""
        found = []
        for process in self.children():
            match = re.fullmatch(rf"muster-worker: {re.escape(self.name)}/(\d+)", process.title)
            if match:
                found.append((int(match[1]), process.pid))
        return sorted(found)

    def worker_pids(self):
        return [pid for _, pid in self.workers()]

    def agent(self):
        """The agent's pid, or None."""
        for process in self.children():
            if process.title == f"muster-agent: {self.name}":
                return process.pid
        return None

    # What it does

    @property
    def control(self):
        """The path of the control socket."""
        return self.directory / "run" / self.name / "control"

    def ctl(self, verb, *arguments, **keywords):
        """Runs musterctl VERB NAME …"""
        return musterctl(self.directory, verb, self.name, *arguments, **keywords)

    def ready(self, within=None):
        """Waits until it has said READY=1. Returns the service."""
        self.notify.wait_for("READY", "1", within=within or 2 * SOON)
        return self

    def client(self, index=0, timeout=SOON):
        return Client(self.address(index), timeout)

    def get(self, target, fields=(), index=0):
        """One request on a connection of its own."""
        with self.client(index) as client:
            return client.get(target, [("Connection", "close"), *fields])

    def client_of(self, pid):
        """A kept connection that this worker serves."""
        deadline = time.monotonic() + SOON
        kept = []
        try:
            while time.monotonic() < deadline:
                client = self.client()
                kept.append(client)
                if int(client.get("/pid").text) == pid:
                    return kept.pop()
        finally:
            for client in kept:
                client.close()
        raise AssertionError(f"worker {pid} serves no connection")

    def kill(self, number):
        self.process.send_signal(number)

    def wait(self, within=None):
        """Waits for the master's end. Returns its exit status, negative for a signal."""
        self.status = self.process.wait(within or 3 * SOON)
        return self.status

    def wait_gone(self, pid, within=SOON):
        wait_for(lambda: not alive(pid), f"the end of {pid}", within)

    def wait_replaced(self, pid, within=SOON):
        """Waits until this worker is gone and as many as before are there without it."""
        count = int(self.values["worker.workers"])
        wait_for(
            lambda: pid not in self.worker_pids() and len(self.worker_pids()) == count,
            f"a replacement of worker {pid} among {self.workers()}",
            within,
        )

    def stop(self, number=signal.SIGTERM, expect=0, within=None):
        """Ends the service and checks that it ends in good order."""
        self.kill(number)
        self.finish(expect, within)

    def finish(self, expect=0, within=None):
        """The same for a service that has been told to stop already."""
        self.wait(within)
        self.nothing_left()
        assert self.status == expect, f"the master ended with {self.status}"

    def nothing_left(self, within=SOON):
        wait_for(lambda: not self.descendants(), "the end of all processes", within)

    def close(self):
        """Cleans up whatever the test has left. Returns what was left that should not have been."""
        left = []
        if self.process.poll() is None:
            self.kill(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                left.append("the master, which does not stop")
                self.process.kill()
                self.process.wait()
        try:
            self.nothing_left()
        except AssertionError:
            left += map(repr, self.descendants())
            for process in self.descendants():
                os.kill(process.pid, signal.SIGKILL)
        self.notify.close()
        if self.journal:
            self.journal.close()
        return left


def drained(client, target, within=SOON):
    """Asks again and again on a kept connection until an answer says that it is the last. Returns that answer.

    Between the moment a worker is told to drain and the moment it does so, ordinary answers may come. A connection
    that is closed without an answer is what must never happen.
    """
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            response = client.get(target)
        except Closed as error:
            raise AssertionError("an idle connection was closed under its client") from error
        if response.closes:
            return response
    raise AssertionError("the worker does not drain")


__all__ = ["SLOW", "SOON", "Service", "alive", "command", "drained", "free_port", "is_waiting", "listening_socket", "wait_for"]
