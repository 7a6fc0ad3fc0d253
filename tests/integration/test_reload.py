# SPDX-License-Identifier: MIT
"""A reload puts new processes in the place of all old ones, loses no request, and undoes what does not work."""

import signal
import threading

import pytest

from client import Broken, Client, Closed
from muster import SOON, drained, wait_for


def reload(muster):
    """Tells the master, and waits until it says that it is done. Returns what it said between."""
    known = len(muster.notify.all())
    done = len(muster.notify.values("READY"))
    muster.kill(signal.SIGHUP)
    muster.notify.wait(
        lambda message: "READY" in message, "READY=1 again", within=2 * SOON, count=done + 1
    )
    return muster.notify.all()[known:]


def test_systemd_hears_the_begin_and_the_end(service):
    muster = service()
    said = reload(muster)
    begin = next(message for message in said if "RELOADING" in message)
    assert int(begin["MONOTONIC_USEC"]) > 0
    assert said.index(begin) < next(i for i, message in enumerate(said) if "READY" in message)


def test_all_processes_are_new_and_the_master_is_the_same(service):
    muster = service({"worker.workers": 2})
    before, agent = set(muster.worker_pids()), muster.agent()
    reload(muster)
    wait_for(lambda: not before & set(muster.worker_pids()) and muster.agent() != agent, "the old ones' end")
    assert len(muster.workers()) == 2
    assert muster.agent() is not None and muster.process.poll() is None


def test_the_new_configuration_counts(service):
    muster = service({"worker.workers": 1, "http.server_header": "before"})
    muster.configure({"worker.workers": 3, "http.server_header": "after"})
    reload(muster)
    wait_for(lambda: len(muster.workers()) == 3, "three workers")
    wait_for(lambda: muster.get("/")["Server"] == "after", "an answer of the new ones")


def test_fewer_workers_are_left_when_fewer_are_wanted(service):
    muster = service({"worker.workers": 3})
    muster.configure({"worker.workers": 1})
    reload(muster)
    wait_for(lambda: [number for number, _ in muster.workers()] == [0], "one worker")
    assert muster.get("/").status == 200


def test_a_reload_during_a_reload_comes_after_it(service):
    muster = service({"worker.workers": 1, "http.server_header": "first"})
    muster.configure({"http.server_header": "second"})
    done = len(muster.notify.values("READY"))
    muster.kill(signal.SIGHUP)
    muster.notify.wait_for("RELOADING", "1")
    muster.configure({"http.server_header": "third"})
    muster.kill(signal.SIGHUP)
    muster.notify.wait(lambda message: "READY" in message, "two ends", within=2 * SOON, count=done + 2)
    wait_for(lambda: len(muster.workers()) == 1, "the old ones' end")
    assert muster.get("/")["Server"] == "third"


@pytest.mark.parametrize("change", [{}, {"app.start": "hang"}], ids=["a good one", "one that hangs"])
def test_a_stop_during_a_reload_is_a_stop(service, change):
    muster = service({"worker.workers": 2})
    muster.configure(change)
    muster.kill(signal.SIGHUP)
    muster.notify.wait_for("RELOADING", "1")
    muster.stop()
    muster.notify.wait_for("STOPPING", "1")


def test_a_crash_during_a_reload_does_not_stop_it(service):
    muster = service({"worker.workers": 2})
    before = set(muster.worker_pids())
    with muster.client() as client:
        assert client.get("/").status == 200
        done = len(muster.notify.values("READY"))
        muster.kill(signal.SIGHUP)
        muster.notify.wait_for("RELOADING", "1")
        assert client.get("/crash").status == 500
    muster.notify.wait(lambda message: "READY" in message, "the end", within=2 * SOON, count=done + 1)
    wait_for(lambda: not before & set(muster.worker_pids()) and len(muster.workers()) == 2, "new workers")
    assert failure(muster.notify.all()) is None


def test_requests_under_way_are_answered_and_idle_connections_get_one_more_answer(service):
    muster = service({"worker.workers": 1})
    (old,) = muster.worker_pids()
    with muster.client() as slow, muster.client() as idle:
        assert slow.get("/").status == idle.get("/").status == 200
        slow.request("GET", "/slow?ms=500")
        reload(muster)
        assert slow.response().text == str(old)
        assert drained(idle, "/pid").text == str(old)


def failure(said):
    """Why the reload failed, as systemd was told; None when it did not."""
    reasons = [message["STATUS"] for message in said if message.get("STATUS", "").startswith("Reload failed")]
    return reasons[-1] if reasons else None


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"http.max_body": "12abc"}, "12abc"),
        ({"muster.module": "nowhere"}, "nowhere"),
        ({"app.start": "fail"}, "worker 0"),
        ({"app.agent_start": "fail"}, "agent"),
        ({"app.start": "crash"}, "faulted with SIGSEGV"),
        ({"app.start": "hang", "worker.ready_timeout": "300ms"}, "not ready within 300ms"),
        ({"app.agent_start": "hang", "worker.ready_timeout": "300ms"}, "not ready within 300ms"),
    ],
    ids=["a bad value", "no module", "workers fail", "the agent fails", "workers crash", "workers hang", "the agent hangs"],
)
def test_a_reload_that_fails_leaves_everything_as_it_was_and_says_why(service, change, reason):
    muster = service({"worker.workers": 2})
    before, agent = muster.workers(), muster.agent()
    muster.configure(change)
    assert reason in failure(reload(muster))
    wait_for(lambda: (muster.workers(), muster.agent()) == (before, agent), "the old ones alone")
    assert muster.get("/").text == "hello world"


def test_a_line_that_is_no_configuration_is_refused_with_its_number(service):
    muster = service({"worker.workers": 1})
    good = muster.path.read_text()
    muster.path.write_text(good + "\nthis is no key\n")
    assert f"{muster.path.name}:{good.count(chr(10)) + 2}" in failure(reload(muster))
    muster.path.write_text(good)
    assert failure(reload(muster)) is None


def test_no_request_fails_while_reloading(service):
    muster = service({"worker.workers": 2})
    stop, failures, sent = threading.Event(), [], []

    def ask(keep):
        client = None
        while not stop.is_set():
            try:
                client = client or Client(muster.address())
                answer = client.get("/slow?ms=5", [] if keep else [("Connection", "close")])
                sent.append(answer.status)
                if answer.status != 200:
                    failures.append(repr(answer))
                if answer.closes:
                    client.close()
                    client = None
            except (OSError, Closed, Broken) as error:
                failures.append(f"{keep} {error!r}")
                client = None
        if client:
            client.close()

    threads = [threading.Thread(target=ask, args=(number % 2 == 0,)) for number in range(6)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            before = set(muster.worker_pids())
            reload(muster)
            wait_for(lambda: not before & set(muster.worker_pids()), "the old workers' end")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert len(sent) > 50
