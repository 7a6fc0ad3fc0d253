# SPDX-License-Identifier: MIT
"""With a delegated cgroup each process has one of its own, and whatever it has started ends with it."""

import os
import signal

import pytest

from cgroups import cgroup_of
from muster import alive, wait_for


def test_each_process_has_a_cgroup_of_its_own(delegated, service):
    muster = service({"worker.workers": 2}, preexec=delegated.enter)

    assert delegated.pids() == []
    assert delegated.pids("master") == [muster.pid]
    assert cgroup_of(muster.agent()).startswith("agent-1-")
    for number, pid in muster.workers():
        assert cgroup_of(pid).startswith(f"worker-{number}-1-")
        assert delegated.pids(cgroup_of(pid)) == [pid]
    assert len(delegated.names()) == 4
    muster.stop()
    assert delegated.names() == ["master"]


def spawned_by(client):
    pid = int(client.get("/spawn").text)
    assert alive(pid)
    return pid


def test_what_a_crashed_worker_has_started_ends_with_it(delegated, service):
    muster = service({"worker.children": "yes", "worker.workers": 2}, preexec=delegated.enter)
    (_, crashing), (_, other) = muster.workers()
    before = delegated.names()
    with muster.client_of(crashing) as client, muster.client_of(other) as bystander:
        orphan, spared = spawned_by(client), spawned_by(bystander)
        gone = cgroup_of(crashing)
        assert sorted(delegated.pids(gone)) == sorted([crashing, orphan])
        client.get("/crash")
        muster.wait_replaced(crashing)
        muster.wait_gone(orphan)
        assert alive(spared)
    wait_for(lambda: gone not in delegated.names(), "the cgroup is removed")
    assert len(delegated.names()) == len(before)


def test_what_a_killed_worker_has_started_ends_with_it(delegated, service):
    muster = service({"worker.children": "yes", "worker.workers": 1}, preexec=delegated.enter)
    [(_, pid)] = muster.workers()
    orphan = int(muster.get("/spawn").text)
    os.kill(pid, signal.SIGKILL)
    muster.wait_gone(orphan)
    muster.wait_replaced(pid)


def test_what_a_worker_of_the_old_generation_has_started_ends_with_it(delegated, service):
    muster = service({"worker.children": "yes", "worker.workers": 1}, preexec=delegated.enter)
    [(_, pid)] = muster.workers()
    orphan = int(muster.get("/spawn").text)
    muster.kill(signal.SIGHUP)
    muster.wait_gone(pid)
    muster.wait_gone(orphan)
    [(_, new)] = muster.workers()
    assert cgroup_of(new).startswith("worker-0-2-")
    wait_for(lambda: len(delegated.names()) == 4, f"master, agent, worker, detached: {delegated.names()}")


def test_a_second_service_may_be_started_in_what_a_killed_one_has_left(delegated, start):
    first = start({"worker.workers": 1}, preexec=delegated.enter).ready()
    first.kill(signal.SIGKILL)
    first.wait()
    first.nothing_left()
    assert len(delegated.names()) == 3

    second = start({"worker.workers": 1}, preexec=delegated.enter).ready()
    assert delegated.pids("master") == [second.pid]
    assert len(delegated.names()) == 3


def test_without_delegation_nothing_is_touched(unit, service):
    muster = service({"worker.workers": 1}, preexec=unit.enter)
    assert muster.log.matching("not delegated")
    assert unit.names() == []
    assert set(unit.pids()) == {muster.pid, muster.agent(), *muster.worker_pids()}


def test_limits_that_cannot_be_set_are_said_once(delegated, service):
    if "memory" in (delegated.path / "cgroup.controllers").read_text().split():
        pytest.skip("there is a memory controller")
    muster = service({"worker.workers": 3, "worker.memory_max": "512M"}, preexec=delegated.enter)
    assert len(muster.log.matching("memory_max do not hold")) == 1
    assert muster.get("/").status == 200
