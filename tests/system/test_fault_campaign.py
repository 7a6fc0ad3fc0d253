# SPDX-License-Identifier: MIT
"""One fault after another is brought about under load, in the installed service; each keeps what was promised of it.

The table of what each cost is printed at the end (conftest.py).
"""

import contextlib
import email.utils
import socket
import struct
import time
from pathlib import Path

import pytest

from campaign import KEPT, PORT, SLOW, WORKERS, agent, under_load, workers
from conftest import EXAMPLES
from container import wait_until
from service import CRASH_ID, FAULTS, FAULTS_URL

SETTINGS = f"""
[worker]
workers = {WORKERS}
hang_timeout = 2s
kill_timeout = 1s
[restart]
quarantine_after = 0
"""

# Short enough to wait for
UNIT = """
[Service]
WatchdogSec=3s
"""

# What one worker may have in its hands: its share of the kept connections, of the slow requests, of the new ones. The
# kernel does not share evenly, so all of the kept ones.
HELD = KEPT + SLOW + 3


@pytest.fixture
def service(installed):
    """The application "faults" with four workers and short timeouts, up and ready."""
    installed.write("/etc/muster/faults.conf", (installed.root / EXAMPLES / "faults.conf").read_text())
    installed.write("/etc/muster/faults.conf.d/campaign.conf", SETTINGS)
    installed.write("/etc/systemd/system/muster@faults.socket.d/listen.conf",
                    f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{PORT}\n")
    installed.write("/etc/systemd/system/muster@faults.service.d/campaign.conf", UNIT)
    installed.systemctl("daemon-reload")
    installed.systemctl("start", "muster@faults.socket")
    assert installed.http(f"{FAULTS_URL}/")[0] == 200
    wait_until(lambda: installed.state(FAULTS) == "active", "the service is active")
    return installed


def signal(container, name, pid):
    container.run("kill", f"-{name}", str(pid))


def test_a_crash_costs_its_own_request_only(service):
    result = under_load(service, "SIGSEGV in a request", lambda: service.http(f"{FAULTS_URL}/crash"),
                        "only the crashing request fails")
    assert result.failures == []


def test_a_killed_worker_costs_only_what_it_held(service):
    victim = min(workers(service))
    result = under_load(service, "kill -9 of a worker", lambda: signal(service, "KILL", victim),
                        "only what it held fails; replaced at once", lambda: [victim])
    assert len(result.failures) <= HELD


def test_a_killed_agent_costs_nothing(service):
    victim = agent(service)
    result = under_load(service, "kill -9 of the agent", lambda: signal(service, "KILL", victim),
                        "no request fails; replaced at once", lambda: [victim])
    assert result.failures == []


def test_a_killed_master_costs_nothing(service):
    victim = service.main_pid(FAULTS)
    result = under_load(service, "kill -9 of the master", lambda: signal(service, "KILL", victim),
                        "workers answer what they hold, systemd starts anew, the socket never refuses",
                        lambda: [victim])
    assert [failure for failure in result.failures if "Refused" in failure] == []
    assert len(result.failures) <= WORKERS * HELD


def test_a_stopped_worker_is_found_and_replaced(service):
    victim = min(workers(service))
    result = under_load(service, "SIGSTOP of a worker", lambda: signal(service, "STOP", victim),
                        "found within hang_timeout + 1 s, killed after kill_timeout; only what it held fails",
                        lambda: [victim])
    assert len(result.failures) <= HELD
    assert result.back < 2 + 1 + 1 + 3


def test_a_stopped_agent_is_found_and_replaced(service):
    victim = agent(service)
    result = under_load(service, "SIGSTOP of the agent", lambda: signal(service, "STOP", victim),
                        "no request fails; found and replaced", lambda: [victim])
    assert result.failures == []


def test_a_stopped_master_is_found_by_systemd_and_costs_nothing(service):
    victim = service.main_pid(FAULTS)
    result = under_load(service, "SIGSTOP of the master", lambda: signal(service, "STOP", victim),
                        "systemd's watchdog ends it in order; no request fails", lambda: [victim])
    assert result.failures == []


def limit(container, pid, name, value):
    """Sets a soft limit. Returns what it was."""
    before = container.run("prlimit", "--noheadings", "--output=SOFT", f"--{name}", f"--pid={pid}").strip()
    container.run("prlimit", f"--pid={pid}", f"--{name}={value}:")
    return before


def open_descriptors(container, pid):
    return len(container.run("ls", f"/proc/{pid}/fd").split())


def crash_without_replacement(container):
    assert container.http(f"{FAULTS_URL}/crash")[0] == 500
    wait_until(lambda: "Failed to start a process" in container.run("journalctl", "-u", FAULTS), "the failed start")


def test_a_fork_that_fails_is_tried_again(service):
    master = service.main_pid(FAULTS)
    before = []

    def fault():
        before.append(limit(service, master, "nproc", 1))
        crash_without_replacement(service)

    result = under_load(service, "fork fails (RLIMIT_NPROC), a crash meanwhile", fault,
                        "the others serve on; replaced when forking works again",
                        undo=lambda: limit(service, master, "nproc", before[0]))
    assert result.failures == []


def test_a_master_without_descriptors_serves_on_and_recovers(service):
    master = service.main_pid(FAULTS)
    before = []

    def fault():
        before.append(limit(service, master, "nofile", open_descriptors(service, master)))
        crash_without_replacement(service)

    result = under_load(service, "the master has no descriptors left, a crash meanwhile", fault,
                        "the others serve on; replaced when there are some",
                        undo=lambda: limit(service, master, "nofile", before[0]))
    assert result.failures == []


def test_a_worker_without_descriptors_leaves_connections_to_the_others(service):
    victim = min(workers(service))
    before = []

    def fault():
        before.append(limit(service, victim, "nofile", open_descriptors(service, victim)))
        for _ in range(200):
            assert service.http(f"{FAULTS_URL}/")[0] == 200

    result = under_load(service, "a worker has no descriptors left", fault, "connections go to the others",
                        undo=lambda: limit(service, victim, "nofile", before[0]))
    assert result.failures == []


FLOOD = 500


def test_a_flooded_control_socket_costs_nothing(service):
    path = f"/proc/{service.leader}/root/run/muster/faults/control"
    connections = []

    def fault():
        for _ in range(FLOOD):
            connections.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            connections[-1].setblocking(False)
            with contextlib.suppress(OSError):
                connections[-1].connect(path)
                connections[-1].send(b"\0" + bytes(range(256)) * 64)

    result = under_load(service, "500 connections and rubbish for the control socket", fault,
                        "no request fails; musterctl still gets through",
                        undo=lambda: service.run("musterctl", "status", "faults"))
    for connection in connections:
        connection.close()
    assert result.failures == []


SPARE_MB = 16


def test_a_worker_without_memory_leaves_the_others_alone(service):
    before = {}

    def fault():
        for pid in workers(service):
            pages = int(service.run("cut", "-d", " ", "-f1", f"/proc/{pid}/statm"))
            before[pid] = limit(service, pid, "as", pages * 4096 + (SPARE_MB << 20))
        status, text = service.http(f"{FAULTS_URL}/leak?mb=64")
        assert status == 200
        assert int(text.split()[0]) <= SPARE_MB
        for _ in range(100):
            assert service.http(f"{FAULTS_URL}/")[0] == 200

    def undo():
        for pid in set(before) & workers(service):
            limit(service, pid, "as", before[pid])

    result = under_load(service, "memory runs out in a worker", fault, "requests that need none are served", undo=undo)
    assert result.failures == []


def test_a_stopped_journal_holds_up_nothing_and_loses_no_explanation(service):
    service.write("/etc/muster/faults.conf.d/log.conf", "[log]\naccess = yes\n")
    service.systemctl("reload", FAULTS)
    journald = service.main_pid("systemd-journald.service")

    def fault():
        signal(service, "STOP", journald)
        assert service.http(f"{FAULTS_URL}/crash?signal=BUS")[0] == 500

    result = under_load(service, "journald stopped, a crash meanwhile, each request logged", fault,
                        "no request waits for it; the crash is in the journal later", settle=1.5,
                        undo=lambda: signal(service, "CONT", journald))
    assert result.failures == []
    wait_until(lambda: service.journal("-u", FAULTS, f"MESSAGE_ID={CRASH_ID}", "MUSTER_SIGNAL=SIGBUS"), "the crash entry")


def test_full_disks_hold_up_nothing(service):
    directory = "/run/log/journal"

    def fault():
        service.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/var/log/muster")
        service.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory)
        service.run("sh", "-c", f"for d in /var/log/muster {directory}; do head -c 1M /dev/zero > $d/full; done; true",
                    check=False)
        service.systemctl("restart", "systemd-journald.service")
        assert service.http(f"{FAULTS_URL}/crash")[0] == 500

    result = under_load(service, "the log directory and the journal's are full", fault, "no request fails",
                        undo=lambda: service.run("umount", "/var/log/muster", directory))
    assert result.failures == []


DAY = 86400


def step_clock(container, seconds):
    """Written in place: the processes have mapped it."""
    with open(container.root / "var/tmp/clock", "r+b") as file:
        file.write(struct.pack("=q", seconds))


def date_is(container, seconds):
    """Whether the service's Date is that far from now."""
    head = container.run("curl", "--silent", "--head", f"{FAULTS_URL}/")
    line = next(line for line in head.splitlines() if line.lower().startswith("date:"))
    date = email.utils.parsedate_to_datetime(line.split(":", 1)[1].strip())
    return abs(date.timestamp() - time.time() - seconds) < 60


def test_a_stepped_clock_is_noticed_in_the_date_only(service):
    source = Path(__file__).with_name("stepped-clock.c")
    (service.root / "var/tmp/clock").write_bytes(bytes(8))
    (service.root / "var/tmp/clock").chmod(0o644)
    service.run("gcc", "-O2", "-shared", "-fPIC", "-o", "/usr/local/lib/stepped-clock.so", *service.bring(source))
    service.write("/etc/systemd/system/muster@faults.service.d/clock.conf",
                  "[Service]\nEnvironment=LD_PRELOAD=/usr/local/lib/stepped-clock.so STEPPED_CLOCK=/run/stepped-clock\n"
                  "BindReadOnlyPaths=/var/tmp/clock:/run/stepped-clock\n")
    service.systemctl("daemon-reload")
    service.systemctl("restart", FAULTS)
    assert date_is(service, 0)
    before = workers(service)

    def fault():
        for seconds in (30 * DAY, -30 * DAY, 0):
            step_clock(service, seconds)
            wait_until(lambda seconds=seconds: date_is(service, seconds), "the Date steps")

    result = under_load(service, "the clock steps by a month, forth and back", fault, "no restart, no failed request")
    assert result.failures == []
    assert workers(service) == before
