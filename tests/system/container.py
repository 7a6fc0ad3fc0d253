# SPDX-License-Identifier: MIT
"""A Debian booted in a container, with systemd as its PID 1 and a network of its own that has only loopback.

Started by systemd-nspawn, entered by nsenter: neither machined nor a session bus is needed, so it works on a
machine that has no systemd running. Nothing waits for a fixed time; wait_until() looks at the real state.
"""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from roots import Copy

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "PAGER": "cat"}
DEADLINE = 30


class CommandFailed(AssertionError):
    def __init__(self, argv, status, output):
        super().__init__(f"{' '.join(argv)} ended with {status}:\n{output}")
        self.status = status
        self.output = output


def wait_until(predicate, what, deadline=DEADLINE):
    """Returns the first true value of predicate(); fails with what was waited for when there is none in time."""
    end = time.monotonic() + deadline
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        time.sleep(0.02)


def children(pid):
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def is_container_init(pid):
    """Whether a process is PID 1 of a namespace of its own and has become systemd."""
    try:
        numbers = re.search(r"^NSpid:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return numbers[1].split()[1:] == ["1"] and Path(f"/proc/{pid}/comm").read_text().strip() == "systemd"
    except OSError:
        return False


class Container:
    def __init__(self, kept_root):
        self.copy = Copy(kept_root)
        self.root = self.copy.path
        self.leader = None
        self.nspawn = None
        try:
            self._boot()
        except BaseException:
            self.stop()
            raise

    def _boot(self):
        console = open(self.copy.base / "console.log", "wb")
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--machine=muster-{os.getpid()}",
             "-D", self.root, "--boot", "--private-network", "--console=passive", "--link-journal=no"],
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        console.close()
        (self.copy.base / "nspawn.pid").write_text(f"{self.nspawn.pid}\n")
        self.leader = wait_until(self._find_leader, "the container's init")
        wait_until(self._is_up, "the container has booted")

    def console(self):
        return (self.copy.base / "console.log").read_text(errors="replace")

    def _find_leader(self):
        if self.nspawn.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended with {self.nspawn.returncode}:\n{self.console()}")
        return next(filter(is_container_init, children(self.nspawn.pid)), None)

    def _is_up(self):
        state = self.run("systemctl", "is-system-running", check=False).strip()
        if state == "degraded":
            raise AssertionError("the container booted badly:\n" + self.run("systemctl", "--failed"))
        return state == "running"

    def popen(self, *argv, **options):
        """Starts a command inside and leaves it running."""
        command = ["nsenter", "--target", str(self.leader), "--all", "--", *map(str, argv)]
        return subprocess.Popen(command, env=ENVIRONMENT, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)

    def run(self, *argv, check=True, deadline=120):
        """Runs a command inside and returns what it printed on both outputs; raises it when it fails."""
        with self.popen(*argv) as process:
            try:
                output, _ = process.communicate(timeout=deadline)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"{' '.join(argv)} did not end within {deadline} s") from None
        if check and process.returncode:
            raise CommandFailed(list(map(str, argv)), process.returncode, output)
        return output

    def succeeds(self, *argv):
        try:
            self.run(*argv)
            return True
        except CommandFailed:
            return False

    def systemctl(self, *argv, check=True):
        return self.run("systemctl", "--no-pager", *argv, check=check)

    def show(self, unit, name):
        """One property of a unit."""
        return self.systemctl("show", "--property", name, "--value", unit).strip()

    def state(self, unit):
        return self.show(unit, "ActiveState")

    def main_pid(self, unit):
        """The main process of a unit, by its number inside; 0 for none."""
        return int(self.show(unit, "MainPID"))

    def processes(self):
        """All command lines inside, by pid."""
        listing = self.run("ps", "-e", "--no-headers", "-o", "pid=,args=")
        return {int(line.split(None, 1)[0]): line.split(None, 1)[1] for line in listing.splitlines()}

    def journal(self, *matches):
        """The entries of the journal as dictionaries."""
        self.run("journalctl", "--sync")
        output = self.run("journalctl", "--no-pager", "--output=json", "--all", *matches)
        return [json.loads(line) for line in output.splitlines() if line.startswith("{")]

    def write(self, path, text):
        """Writes a file inside, and the folders above it."""
        inside = self.root / path.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.write_text(text)

    def bring(self, *paths):
        """Copies files from outside; returns their names inside."""
        for path in paths:
            (self.root / "var/tmp" / path.name).write_bytes(path.read_bytes())
        return [f"/var/tmp/{path.name}" for path in paths]

    def install(self, *packages):
        """Installs .deb or .rpm files from outside, or upgrades to them; what they depend on is there already."""
        names = self.bring(*packages)
        if all(name.endswith(".deb") for name in names):
            command = ["dpkg", "--install"]
        else:
            # rpm does not see what dpkg has installed
            command = ["rpm", "--upgrade", "--verbose", "--nodeps"]
        try:
            return self.run(*command, *names)
        finally:
            self.run("rm", *names)

    def purge(self, *names):
        return self.run("dpkg", "--purge", *names)

    def http(self, url, *options):
        """One request from inside; returns (status, body)."""
        output = self.run("curl", "--silent", "--show-error", "--max-time", "20",
                          "--write-out", "\n%{http_code}", *options, url)
        body, _, status = output.rpartition("\n")
        return int(status), body

    def _power_off(self):
        if self.leader:
            # systemd reads it as `systemctl poweroff`
            os.kill(self.leader, signal.SIGRTMIN + 4)
        else:
            self.nspawn.terminate()
        try:
            self.nspawn.wait(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()

    def stop(self):
        """Powers off and removes everything. Harmless when it never started."""
        if self.nspawn and self.nspawn.poll() is None:
            self._power_off()
        self.copy.remove()
