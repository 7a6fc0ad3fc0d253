# SPDX-License-Identifier: MIT
"""systemd's watchdog in a booted system: it acts when it must, the service comes back, and nobody is refused."""

import contextlib

import pytest

from conftest import configure
from container import wait_until
from service import FAULTS, FAULTS_URL, muster_processes

WITHHELD_ID = "86c159e544404d5fa6ae9590909c1246"
CLIENTS = 4
REFUSED = "7"  # curl(1): failed to connect

# One client: a connection for each request, until it is told to end. It prints how each went: curl's exit status.
CLIENT = """
while [ ! -e /run/enough ]; do
        curl --silent --max-time 30 --output /dev/null "$1"
        echo $?
        touch /run/knocked
done
"""


@contextlib.contextmanager
def knocking(container, url=f"{FAULTS_URL}/"):
    """Clients that connect again and again while the body runs. Yields the list of curl's statuses, filled at its end."""
    statuses = []
    clients = [container.popen("sh", "-c", CLIENT, "sh", url) for _ in range(CLIENTS)]
    wait_until(lambda: container.succeeds("test", "-e", "/run/knocked"), "a client has knocked")
    try:
        yield statuses
    finally:
        container.run("touch", "/run/enough")
        for client in clients:
            statuses += client.communicate(timeout=90)[0].split()


@pytest.fixture
def watched(installed):
    """The application "faults", started, with a watchdog that does not let a test wait, from a module that can be taken away."""
    installed.run("sh", "-c", "cp /usr/lib/*/muster/faults.so /usr/local/lib/faults.so")
    configure(installed, "faults", "faults.conf", port=8081)
    installed.write("/etc/muster/faults.conf.d/test.conf",
                    "[muster]\nmodule = /usr/local/lib/faults.so\n[worker]\nworkers = 2\n")
    installed.write(f"/etc/systemd/system/{FAULTS}.d/watchdog.conf", "[Service]\nWatchdogSec=3s\nLimitCORE=0\n")
    installed.systemctl("daemon-reload")
    installed.systemctl("enable", "--now", "muster@faults.socket")
    installed.systemctl("start", FAULTS)
    assert installed.http(f"{FAULTS_URL}/")[0] == 200
    return installed


def restarted(container, times, deadline=60):
    wait_until(lambda: int(container.show(FAULTS, "NRestarts")) >= times and container.state(FAULTS) == "active",
               f"the service has been restarted {times} times", deadline)


def test_the_shipped_watchdog_leaves_room_for_a_hang(faults):
    seconds = int(faults.show(FAULTS, "WatchdogUSec").replace("1min", "60").replace("s", ""))
    assert seconds > 30 + 5
    assert faults.show(FAULTS, "WatchdogSignal") == "15"


def test_a_service_that_is_well_is_left_alone(watched):
    before = watched.main_pid(FAULTS)
    watched.run("sleep", "8")
    assert watched.main_pid(FAULTS) == before
    assert watched.show(FAULTS, "NRestarts") == "0"


def test_a_stopped_master_is_ended_and_comes_back_and_the_socket_never_refuses(watched):
    before = watched.main_pid(FAULTS)
    processes = muster_processes(watched)
    with knocking(watched) as statuses:
        watched.run("kill", "-STOP", str(before))
        # Its workers need it for nothing
        assert watched.http(f"{FAULTS_URL}/") == (200, "hello world")
        restarted(watched, 1)
        assert watched.http(f"{FAULTS_URL}/") == (200, "hello world")
    assert watched.main_pid(FAULTS) not in (0, before)
    assert not processes.keys() & muster_processes(watched).keys()
    assert "0" in statuses and REFUSED not in statuses
    assert any("atchdog timeout" in entry["MESSAGE"] for entry in watched.journal(f"UNIT={FAULTS}"))


def test_without_any_worker_systemd_acts_until_there_are_some_again(watched):
    before = watched.main_pid(FAULTS)
    with knocking(watched) as statuses:
        # Who is replaced now finds no module
        watched.run("mv", "/usr/local/lib/faults.so", "/usr/local/lib/kept.so")
        watched.run("pkill", "-KILL", "--full", "^muster-worker: faults/")
        wait_until(lambda: watched.show(FAULTS, "StatusText").startswith("Watchdog not fed: 0 of 2 workers"),
                   "the status says why")
        wait_until(lambda: int(watched.show(FAULTS, "NRestarts")) >= 2, "systemd restarts it", 60)
        assert watched.main_pid(FAULTS) != before
        assert watched.state("muster@faults.socket") == "active"
        watched.run("mv", "/usr/local/lib/kept.so", "/usr/local/lib/faults.so")
        wait_until(lambda: watched.state(FAULTS) == "active", "it is up again")
        assert watched.http(f"{FAULTS_URL}/")[0] == 200
    assert REFUSED not in statuses
    entries = watched.journal("-u", FAULTS, f"MESSAGE_ID={WITHHELD_ID}")
    assert len(entries) == 1
    text = watched.run("journalctl", "--no-pager", "--catalog", "-u", FAULTS, f"MESSAGE_ID={WITHHELD_ID}")
    assert "systemd's watchdog is not fed by faults" in text


def test_a_hang_is_explained_by_the_catalog(watched):
    watched.write("/etc/muster/faults.conf.d/hang.conf", "[worker]\nhang_timeout = 1s\n")
    watched.systemctl("restart", FAULTS)
    assert watched.http(f"{FAULTS_URL}/hang")[0] == 503
    wait_until(lambda: watched.journal("-u", FAULTS, "MUSTER_ROUTE=GET /hang"), "the hang is in the log")
    text = watched.run("journalctl", "--no-pager", "--catalog", "-u", FAULTS, "MUSTER_ROUTE=GET /hang")
    assert "A process of faults hung" in text
    assert watched.http(f"{FAULTS_URL}/") == (200, "hello world")
