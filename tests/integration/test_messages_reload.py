# SPDX-License-Identifier: MIT
"""Messages while the processes change under them: every process sends all the time, and at its end says what it has got."""

import re
import signal

import pytest

from messages import CONFIG
from muster import wait_for

FLOWING = {**CONFIG, "app.soon": "repeat 1 all count 40", "worker.drain_timeout": "1s"}
CAME = re.compile(r"From (\d+) came (\d+), (\d+) out of order, (\d+) gaps")


def streams(muster):
    """[(sender, count, out of order, gaps)] of all receivers that have ended."""
    return [tuple(map(int, match.groups())) for match in CAME.finditer(muster.log.text())]


def check(muster, senders, receivers):
    found = streams(muster)
    assert {row[0] for row in found} >= set(senders)
    assert len(found) >= receivers * 3
    assert [row for row in found if row[2] or row[3]] == []
    assert sum(row[1] for row in found) > 100


def everybody(muster):
    return {*muster.worker_pids(), muster.agent()}


def flows(muster):
    """Waits until a worker has had enough from everybody."""

    def enough():
        rows = [line.split() for line in muster.get("/streams").text.splitlines()]
        return len([row for row in rows if int(row[1]) >= 20]) >= 3

    wait_for(enough, "messages flow")


@pytest.fixture
def flowing(service):
    muster = service(FLOWING)
    flows(muster)
    return muster


def renewed(muster, old):
    """Waits until all processes are other ones, which have got messages."""
    wait_for(lambda: len(everybody(muster) - {None}) == 3 and not everybody(muster) & old, "other processes")
    flows(muster)


def test_none_is_lost_when_the_service_stops(flowing):
    old = everybody(flowing)
    flowing.stop()
    check(flowing, old, 3)


def test_none_is_lost_in_a_reload(flowing):
    old = everybody(flowing)
    for _ in range(3):
        before = everybody(flowing)
        flowing.kill(signal.SIGHUP)
        renewed(flowing, before)
    flowing.stop()
    check(flowing, old, 12)


def test_none_is_lost_in_an_upgrade(flowing):
    old = everybody(flowing)
    for _ in range(3):
        before = everybody(flowing)
        flowing.kill(signal.SIGUSR2)
        renewed(flowing, before)
        flowing.log.wait_for("Upgraded from .*: the master and all processes")
    flowing.stop()
    check(flowing, old, 12)


def test_an_upgrade_waits_for_who_is_slow_and_not_for_ever(service):
    """A process that reads nothing holds it up for a second, and what it should have got is dropped and said so."""
    muster = service(CONFIG)
    one, two = muster.worker_pids()
    with muster.client_of(one) as client:
        assert client.get(f"/do?c=say+{two}+slow+4000").text == "0"
        for _ in range(40):
            assert client.get(f"/do?c=send+{two}+count+30000+20").text in ("0", "ENOBUFS")
        wait_for(lambda: "failed ENOBUFS" in client.get("/notes").text, "its queue is full")
    muster.kill(signal.SIGUSR2)
    dropped = muster.log.wait_for(r"(\d+) messages to processes that do not take them are dropped")
    assert int(re.search(r"(\d+) messages", dropped.text)[1]) > 10
    muster.log.wait_for("Upgraded from .*: the master and all processes", within=60)
