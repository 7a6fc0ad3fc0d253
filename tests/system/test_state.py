# SPDX-License-Identifier: MIT
"""What is counted outlives the master: systemd keeps it."""

import re

import pytest

from container import wait_until
from service import FAULTS, FAULTS_URL, crash

REQUESTS = 20


def totals(container):
    """What the master found when it started: (starts, restarts, crashes, requests), None if it found nothing."""
    pattern = r"Since .*: (\d+) starts, (\d+) restarts of processes, (\d+) crashes, (\d+) requests"
    pid = str(container.main_pid(FAULTS))
    for entry in container.journal("-u", FAULTS, f"_PID={pid}"):
        match = re.search(pattern, entry["MESSAGE"])
        if match:
            return tuple(map(int, match.groups()))
    return None


def use(container):
    """Some requests, and a crash."""
    for _ in range(REQUESTS):
        assert container.http(f"{FAULTS_URL}/")[0] == 200
    crash(container)
    wait_until(lambda: "1 restarts" in container.show(FAULTS, "StatusText"), "the restart is counted")


def rate(container):
    return int(re.search(r"(\d+) requests/s", container.show(FAULTS, "StatusText"))[1])


def ready(container):
    assert container.http(f"{FAULTS_URL}/")[0] == 200
    wait_until(lambda: container.state(FAULTS) == "active", "the service is active")


def test_totals_outlive_a_restart(faults):
    assert totals(faults) is None
    use(faults)

    faults.systemctl("restart", FAULTS)
    ready(faults)
    starts, restarts, crashes, requests = totals(faults)

    assert (starts, restarts, crashes) == (1, 1, 1)
    # the fixture's and that of the crash came besides
    assert requests >= REQUESTS + 1
    assert re.search(r"0 restarts \(1 since \d{4}-\d\d-\d\d \d\d:\d\d\)", faults.show(FAULTS, "StatusText"))
    assert faults.show(FAULTS, "NFileDescriptorStore") == "1"


def test_totals_outlive_a_master_that_is_killed(faults):
    use(faults)
    # The requests are brought in with the status. A rate is there, and when it has gone nothing is outstanding.
    wait_until(lambda: faults.http(f"{FAULTS_URL}/") and rate(faults) > 0, "there is a rate")
    wait_until(lambda: rate(faults) == 0, "all requests are counted")

    for starts in (1, 2):
        faults.run("kill", "-KILL", str(faults.main_pid(FAULTS)))
        wait_until(lambda: faults.show(FAULTS, "NRestarts") == str(starts), "the master is back")
        ready(faults)
        assert totals(faults)[:3] == (starts, 1, 1)
        assert totals(faults)[3] >= REQUESTS


def test_the_quarantine_outlives_a_restart_and_a_master_that_is_killed(faults):
    url = f"{FAULTS_URL}/items/7/crash"
    wait_until(lambda: faults.http(url)[0] == 503, "the request is in quarantine")

    faults.systemctl("restart", FAULTS)
    ready(faults)
    assert faults.http(url)[0] == 503

    faults.run("kill", "-KILL", str(faults.main_pid(FAULTS)))
    wait_until(lambda: faults.show(FAULTS, "NRestarts") == "1", "the master is back")
    ready(faults)
    assert faults.http(url)[0] == 503
    assert "0 restarts (3 since" in faults.show(FAULTS, "StatusText")


def test_a_stop_does_not_end_the_counting_where_systemd_is_told_so(faults):
    if int(re.search(r"systemd (\d+)", faults.systemctl("--version"))[1]) < 254:
        pytest.skip("systemd does not know FileDescriptorStorePreserve=")
    faults.write(f"/etc/systemd/system/{FAULTS}.d/preserve.conf", "[Service]\nFileDescriptorStorePreserve=yes\n")
    faults.systemctl("daemon-reload")
    use(faults)
    faults.systemctl("stop", FAULTS)
    ready(faults)
    assert totals(faults)[:3] == (1, 1, 1)


def test_a_stop_ends_the_counting(faults):
    use(faults)
    faults.systemctl("stop", FAULTS)
    assert faults.show(FAULTS, "NFileDescriptorStore") == "0"
    ready(faults)
    assert totals(faults) is None
