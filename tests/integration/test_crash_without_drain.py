# SPDX-License-Identifier: MIT
"""Faults after which nothing can be trusted end the process at once; the service goes on all the same."""

import os
import signal
import time

import pytest

from client import Broken, Closed
from muster import SOON, alive, is_waiting, wait_for


@pytest.fixture
def muster(service):
    return service({"worker.workers": 1, "worker.drain_timeout": "60s", "muster.stop_timeout": "60s"})


def cut(client):
    """Whether the connection ends without an answer."""
    try:
        client.response()
        return False
    except (Closed, Broken):
        return True


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS], ids=lambda number: number.name)
def test_a_fault_outside_a_callback_ends_the_worker_at_once(muster, number):
    (old,) = muster.worker_pids()
    with muster.client() as slow:
        assert slow.get("/").status == 200
        slow.request("GET", "/slow?ms=60000")
        # It is suspended, and no callback runs, when another was answered behind it and the worker waits
        assert muster.get("/").status == 200
        wait_for(lambda: is_waiting(old), "the worker to wait")
        began = time.monotonic()
        os.kill(old, number)
        assert cut(slow)
        muster.wait_replaced(old)
        assert time.monotonic() - began < SOON
    assert muster.get("/").text == "hello world"
    muster.log.wait_for(number.name)


def test_a_second_fault_while_draining_ends_the_worker_at_once(muster):
    (old,) = muster.worker_pids()
    with muster.client() as slow, muster.client() as later, muster.client() as crashing:
        for client in (slow, later, crashing):
            assert client.get("/").status == 200
        slow.request("GET", "/slow?ms=60000")
        later.request("GET", "/crash?ms=300&signal=BUS")
        began = time.monotonic()
        assert crashing.get("/crash").status == 500
        assert cut(later) and cut(slow)
        muster.wait_gone(old)
        assert time.monotonic() - began < SOON
    assert muster.get("/").text == "hello world"
    assert muster.log.wait_for("SIGSEGV")
    assert muster.log.wait_for("SIGBUS")


def test_a_drain_that_is_stuck_is_ended_by_the_deadline(service):
    muster = service({"worker.workers": 1, "worker.drain_timeout": "500ms", "worker.kill_timeout": "500ms"})
    (old,) = muster.worker_pids()
    with muster.client() as hanging, muster.client() as crashing:
        assert hanging.get("/").status == crashing.get("/").status == 200
        assert crashing.get("/crash").status == 500
        hanging.request("GET", "/hang")
        assert cut(hanging)
        muster.wait_gone(old)
    assert muster.get("/").text == "hello world"


def test_a_request_that_is_never_answered_ends_with_the_drain(service):
    muster = service({"worker.workers": 1, "worker.drain_timeout": "500ms"})
    (old,) = muster.worker_pids()
    with muster.client() as stuck, muster.client() as crashing:
        assert stuck.get("/").status == crashing.get("/").status == 200
        stuck.request("GET", "/stuck")
        assert crashing.get("/crash").status == 500
        answer = stuck.response()
        assert (answer.status, answer.closes) == (503, True)
        muster.wait_gone(old)


def test_a_fault_on_another_thread_ends_the_worker_at_once(muster):
    (old,) = muster.worker_pids()
    with muster.client() as client:
        client.request("GET", "/thread-crash")
        assert cut(client)
    muster.wait_replaced(old)
    assert muster.get("/").text == "hello world"
    muster.log.wait_for("SIGSEGV")


def test_a_stack_overflow_on_another_thread_ends_the_worker_at_once(muster):
    """That thread has no other stack a handler could run on: the kernel ends it, and the master finds out."""
    (old,) = muster.worker_pids()
    with muster.client() as client:
        client.request("GET", "/thread-crash?signal=STACK")
        assert cut(client)
    muster.wait_replaced(old)
    assert muster.get("/").text == "hello world"


def test_a_killed_worker_is_replaced(muster):
    (old,) = muster.worker_pids()
    with muster.client() as slow:
        assert slow.get("/").status == 200
        slow.request("GET", "/slow?ms=60000")
        os.kill(old, signal.SIGKILL)
        assert cut(slow)
    muster.wait_replaced(old)
    assert muster.get("/").text == "hello world"
    assert "SIGKILL" in muster.log.wait_for("SIGKILL").text


@pytest.mark.parametrize("code", [0, 3])
def test_a_worker_that_exits_by_itself_is_replaced(muster, code):
    (old,) = muster.worker_pids()
    with muster.client() as client:
        client.request("GET", f"/exit?code={code}")
        assert cut(client)
    muster.wait_replaced(old)
    assert muster.get("/").text == "hello world"
    muster.log.wait_for(rf"(?i)exit.*\b{code}\b", role="master")


def test_a_worker_that_is_told_to_end_drains_and_is_replaced(muster):
    """An operator's kill PID: nothing is lost."""
    (old,) = muster.worker_pids()
    with muster.client() as slow:
        assert slow.get("/").status == 200
        slow.request("GET", "/slow?ms=400")
        os.kill(old, signal.SIGTERM)
        assert slow.response().status == 200
    muster.wait_replaced(old)


def test_without_drain_every_fault_ends_the_worker_at_once(service):
    muster = service({"worker.workers": 1, "worker.drain": "no"})
    (old,) = muster.worker_pids()
    with muster.client() as slow, muster.client() as crashing:
        assert slow.get("/").status == crashing.get("/").status == 200
        slow.request("GET", "/slow?ms=60000")
        crashing.request("GET", "/crash")
        assert cut(crashing) and cut(slow)
    muster.wait_replaced(old)
    assert muster.get("/").text == "hello world"
    assert alive(muster.pid)


def test_the_kill_of_the_application_itself_is_survived_too(muster):
    (old,) = muster.worker_pids()
    with muster.client() as client:
        client.request("GET", "/crash?signal=KILL")
        assert cut(client)
    muster.wait_replaced(old)
    assert muster.get("/").status == 200


def test_a_burst_of_broken_pipes_is_no_fault(muster):
    (old,) = muster.worker_pids()
    assert muster.get("/crash?signal=PIPE").status == 200
    assert muster.worker_pids() == [old]
