# SPDX-License-Identifier: MIT
"""systemd hears that all is well only when it is; otherwise it hears why not."""

import os
import re
import signal
import threading

import pytest

from client import SLOW, SOON
from hangs import QUICK, hung
from muster import wait_for


def pings(muster):
    return len(muster.notify.all(lambda message: message.get("WATCHDOG") == "1"))


def fed(muster):
    """Waits for another ping."""
    muster.notify.wait_for("WATCHDOG", "1", count=pings(muster) + 1)


@pytest.fixture
def watched(service):
    def make(config, timeout="400ms"):
        usec = int(float(timeout[:-2]) * 1000)
        return service({**QUICK, **config}, variables={"WATCHDOG_USEC": str(usec)})

    return make


def test_all_workers_hung_starve_the_watchdog_and_status_says_why(watched):
    """Their replacements need a while to start: so long nobody is served, and systemd is not told otherwise."""
    delay = int(2000 * SLOW)
    muster = watched({"worker.workers": 2, "app.start_delay": f"{delay}ms"})
    fed(muster)
    pids = muster.worker_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    entry = muster.log.wait_for("watchdog is not fed", role="master", within=2 * SOON)
    assert "0 of 2 workers" in entry.message
    assert re.fullmatch("[0-9a-f]{32}", entry.fields["MESSAGE_ID"])
    before = pings(muster)
    muster.notify.wait(
        lambda message: message.get("STATUS", "").startswith("Watchdog not fed: 0 of 2 workers"), "a STATUS with why"
    )
    hung(muster, pids[0])
    assert pings(muster) == before
    muster.log.wait_for("watchdog is fed again", within=2 * SOON)
    fed(muster)
    assert len(muster.log.matching("watchdog is not fed")) == 1
    wait_for(lambda: "2/2 workers" in muster.notify.values("STATUS")[-1], "a STATUS as before")


def test_fewer_than_the_quorum_starve_the_watchdog(watched):
    muster = watched({"worker.workers": 2, "muster.quorum": 2, "app.start_delay": f"{int(500 * SLOW)}ms"})
    fed(muster)
    os.kill(muster.worker_pids()[0], signal.SIGKILL)
    entry = muster.log.wait_for("watchdog is not fed", role="master")
    assert "1 of 2 workers" in entry.message
    muster.log.wait_for("watchdog is fed again", within=2 * SOON)


def test_a_quorum_larger_than_the_pool_asks_for_the_pool(watched):
    muster = watched({"worker.workers": 2, "muster.quorum": 256})
    for _ in range(3):
        fed(muster)


def test_one_worker_of_two_that_hangs_leaves_the_watchdog_fed(watched):
    muster = watched({"worker.workers": 2, "app.start_delay": f"{int(500 * SLOW)}ms"})
    pid = muster.worker_pids()[0]
    os.kill(pid, signal.SIGSTOP)
    hung(muster, pid)
    fed(muster)
    assert not muster.log.matching("watchdog is not fed")


def test_an_agent_that_hangs_for_good_starves_the_watchdog_until_it_is_replaced(watched):
    muster = watched({"worker.kill_timeout": "2s"})
    agent = muster.agent()
    os.kill(agent, signal.SIGSTOP)
    entry = muster.log.wait_for("watchdog is not fed", role="master", within=2 * SOON)
    assert "the agent has been silent for" in entry.message
    muster.log.wait_for("watchdog is fed again", within=2 * SOON)
    assert muster.agent() != agent


def test_the_watchdog_is_fed_while_starting_and_stopping(start):
    muster = start(
        {"app.start_delay": f"{int(1000 * SLOW)}ms", "worker.drain_timeout": "60s", "muster.stop_timeout": "60s"},
        variables={"WATCHDOG_USEC": "400000"},
    )
    for count in (1, 2, 3):
        muster.notify.wait_for("WATCHDOG", "1", count=count)
    assert not muster.notify.values("READY")
    muster.ready()
    with muster.client() as slow:
        slow.request("GET", f"/slow?ms={int(1500 * SLOW)}")
        muster.kill(signal.SIGTERM)
        muster.notify.wait_for("STOPPING", "1")
        fed(muster)
        assert slow.response().status == 200
    muster.finish()


def test_requests_go_on_while_the_master_is_stopped(service):
    muster = service(QUICK)
    os.kill(muster.pid, signal.SIGSTOP)
    try:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(muster.get("/").status)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 8
    finally:
        os.kill(muster.pid, signal.SIGCONT)
