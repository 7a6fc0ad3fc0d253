# SPDX-License-Identifier: MIT
"""How many processes there are, what they are called, and what they inherit."""

import os
import pathlib
import resource
import time

from muster import Process, alive, wait_for
from upgrades import pids, settle, upgrade


def title(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode().strip()


def test_titles_name_role_instance_and_number(service):
    muster = service({"worker.workers": 2}, name="shop")
    assert title(muster.pid) == "muster-master: shop"
    assert title(muster.agent()) == "muster-agent: shop"
    assert [title(pid) for pid in muster.worker_pids()] == ["muster-worker: shop/0", "muster-worker: shop/1"]


def test_the_number_of_workers_is_the_configured_one(service):
    assert len(service({"worker.workers": 5}).workers()) == 5


def test_auto_counts_no_more_than_the_affinity_allows(service):
    one = {min(os.sched_getaffinity(0))}
    muster = service({"worker.workers": "auto"}, preexec=lambda: os.sched_setaffinity(0, one))
    assert len(muster.workers()) == 1


def test_auto_counts_at_least_one_and_at_most_the_cpus(service):
    muster = service({"worker.workers": None})
    assert 1 <= len(muster.workers()) <= len(os.sched_getaffinity(0))


def test_a_replacement_has_the_number_of_the_one_it_replaces(service):
    muster = service({"worker.workers": 3})
    number, pid = muster.workers()[1]
    with muster.client_of(pid) as client:
        client.get("/crash")
    muster.wait_replaced(pid)
    assert [number for number, _ in muster.workers()] == [0, 1, 2]
    assert title(dict(muster.workers())[number]) == f"muster-worker: {muster.name}/1"


def test_children_inherit_no_descriptors_they_are_not_meant_to_have(service, directory):
    """Whatever the one who starts the master has left open stays with the master at most."""
    with open(directory / "secret", "w", encoding="utf-8") as secret:
        os.set_inheritable(secret.fileno(), True)
        muster = service(wrapper=["sh", "-c", f'exec 7<{secret.name}; exec "$@"', "sh"])
        for pid in [*muster.worker_pids(), muster.agent()]:
            targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            assert secret.name not in targets


def test_the_master_may_have_all_descriptors_it_is_allowed_and_its_children_what_is_usual(service):
    """Also when another master has taken over."""
    def limit(pid):
        return resource.prlimit(pid, resource.RLIMIT_NOFILE)

    muster = service({"worker.workers": 1}, preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (300, 2000)))
    for count in (1, 2):
        assert limit(muster.pid) == (2000, 2000)
        children = pids(muster)
        assert {limit(pid) for pid in children} == {(300, 2000)}
        upgrade(muster, count)
        settle(muster, children)


def test_a_busy_worker_keeps_nobody_waiting(service):
    """Each connection goes to a worker that waits for one, never into the queue of one that computes."""
    muster = service({"worker.workers": 2})
    (_, busy), (_, other) = muster.workers()
    with muster.client_of(busy) as client:
        began, sent = Process(busy).ticks, time.monotonic()
        client.request("GET", "/compute?ms=1500")
        wait_for(lambda: Process(busy).ticks > began + 2, "the computation's begin")
        answers = []
        while time.monotonic() < sent + 1.4:
            answers.append((muster.get("/pid").text, time.monotonic()))
        assert {pid for pid, when in answers if when < sent + 1.5} == {str(other)}
        assert client.response().text == str(busy)


def test_the_agent_takes_no_requests(service):
    muster = service()
    agent = muster.agent()
    assert all(int(muster.get("/pid").text) != agent for _ in range(20))
    assert alive(agent)


def test_what_an_application_has_started_does_not_outlive_the_service(service):
    """Not even in a session of its own, and with its parent crashed."""
    muster = service({"worker.workers": 1, "worker.children": "yes"})
    spawned = [int(muster.get("/spawn").text)]
    with muster.client() as crashing:
        spawned.append(int(crashing.get("/spawn").text))
        assert crashing.get("/crash").status == 500
    spawned.append(int(muster.get("/spawn").text))
    assert all(alive(pid) for pid in spawned[2:])
    muster.stop()
    assert not [pid for pid in spawned if alive(pid)]


def test_the_watchdog_is_fed(service):
    muster = service(variables={"WATCHDOG_USEC": "400000"})
    for count in (1, 2, 3):
        message = muster.notify.wait(lambda message: message.get("WATCHDOG") == "1", "WATCHDOG=1", count=count)
        assert message.pid == muster.pid
