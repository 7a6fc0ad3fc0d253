# SPDX-License-Identifier: MIT
"""The end: what is under way is finished, nobody's connection is pulled away, and nothing is left."""

import signal
import time

import pytest

from client import Client, Closed
from muster import SOON, alive, drained, listening_socket


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=lambda number: number.name)
def test_each_stop_signal_ends_everything_in_good_order(service, number):
    muster = service()
    muster.stop(number)
    assert muster.notify.values("STOPPING") == ["1"]


def test_a_stop_with_nothing_to_do_is_quick(service):
    muster = service({"muster.stop_timeout": "60s", "worker.drain_timeout": "60s"})
    began = time.monotonic()
    muster.stop()
    assert time.monotonic() - began < SOON


def test_requests_under_way_are_answered(service):
    muster = service({"worker.workers": 1})
    with muster.client() as slow:
        assert slow.get("/").status == 200
        slow.request("GET", "/slow?ms=800")
        muster.kill(signal.SIGTERM)
        answer = slow.response()
        assert (answer.status, answer.closes) == (200, True)
        assert slow.eof()
    muster.finish()


def test_an_idle_connection_gets_one_more_answer(service):
    muster = service({"worker.workers": 1, "worker.drain_timeout": "8s"})
    with muster.client() as idle:
        assert idle.get("/").status == 200
        muster.kill(signal.SIGTERM)
        muster.notify.wait_for("STOPPING", "1")
        assert drained(idle, "/").text == "hello world"
        assert idle.eof()
    muster.finish()


def test_a_silent_connection_is_closed_when_the_drain_is_over(service):
    muster = service({"worker.workers": 1, "worker.drain_timeout": "700ms"})
    with muster.client() as idle:
        assert idle.get("/").status == 200
        began = time.monotonic()
        muster.kill(signal.SIGTERM)
        assert idle.eof(0.7 + SOON)
        assert time.monotonic() - began >= 0.6
    muster.finish()


def test_the_order_is_workers_then_agent_then_master(service):
    muster = service({"worker.workers": 2})
    agent = muster.agent()
    with muster.client() as slow:
        assert slow.get("/").status == 200
        slow.request("GET", "/slow?ms=500")
        muster.kill(signal.SIGTERM)
        assert slow.response().status == 200
    muster.finish()
    lines = [line.text for line in muster.log.all()]
    ends = [i for i, text in enumerate(lines) if "ends in good order" in text]
    assert len(ends) == 3
    assert "Agent" in lines[ends[-1]]
    assert all("Worker" in lines[i] for i in ends[:-1])
    assert agent not in [process.pid for process in muster.descendants()]


def test_a_second_signal_skips_the_drain(service):
    muster = service({"muster.stop_timeout": "10min", "worker.drain_timeout": "10min"})
    with muster.client() as slow:
        assert slow.get("/").status == 200
        slow.request("GET", "/slow?ms=600000")
        muster.kill(signal.SIGTERM)
        muster.notify.wait_for("STOPPING", "1")
        began = time.monotonic()
        muster.kill(signal.SIGTERM)
        muster.wait()
        assert time.monotonic() - began < SOON
    muster.nothing_left()


def test_stop_timeout_ends_what_does_not_end(service):
    muster = service(
        {"worker.workers": 1, "muster.stop_timeout": "1s", "worker.drain_timeout": "10min", "worker.kill_timeout": "500ms"}
    )
    with muster.client() as hanging:
        hanging.request("GET", "/hang")
        muster.log.wait_for("Hangs as asked")
        began = time.monotonic()
        muster.kill(signal.SIGTERM)
        muster.wait()
        assert time.monotonic() - began < 2 + SOON
    muster.nothing_left()


def test_stopping_while_starting_works(start):
    muster = start({"app.start": "hang", "worker.ready_timeout": "10min", "muster.stop_timeout": "1s"})
    muster.log.wait_for("Hangs as asked", role="worker")
    muster.kill(signal.SIGTERM)
    muster.wait()
    muster.nothing_left()
    assert not muster.notify.values("READY")


def test_a_socket_of_systemd_takes_connections_while_the_service_stops(service):
    with listening_socket() as sock:
        muster = service(sockets=[sock], config={"worker.workers": 1})
        with muster.client() as slow:
            assert slow.get("/").status == 200
            slow.request("GET", "/slow?ms=500")
            muster.kill(signal.SIGTERM)
            muster.notify.wait_for("STOPPING", "1")
            with Client(sock.getsockname()):
                assert slow.response().status == 200
        muster.finish()


def test_when_the_master_is_killed_its_children_finish_and_go(service):
    muster = service({"worker.workers": 2})
    children = [*muster.worker_pids(), muster.agent()]
    with muster.client() as slow:
        assert slow.get("/").status == 200
        slow.request("GET", "/slow?ms=600")
        muster.kill(signal.SIGKILL)
        muster.wait()
        assert slow.response().status == 200
    muster.nothing_left()
    assert not [pid for pid in children if alive(pid)]


def test_orphans_with_a_stuck_request_go_too(service):
    muster = service({"worker.workers": 1, "worker.drain_timeout": "500ms", "worker.kill_timeout": "500ms"})
    with muster.client() as stuck:
        stuck.request("GET", "/stuck")
        assert muster.get("/").status == 200
        muster.kill(signal.SIGKILL)
        muster.wait()
        muster.nothing_left()


def test_orphans_that_hang_go_too(service):
    muster = service({"worker.workers": 1, "worker.drain_timeout": "500ms", "worker.kill_timeout": "500ms"})
    with muster.client() as hanging:
        hanging.request("GET", "/hang")
        muster.log.wait_for("Hangs as asked")
        muster.kill(signal.SIGKILL)
        muster.wait()
        muster.nothing_left()


def test_children_of_a_master_killed_while_starting_go_too(start):
    muster = start({"app.start": "hang", "worker.ready_timeout": "10min"})
    muster.log.wait_for("Hangs as asked", role="worker")
    muster.kill(signal.SIGKILL)
    muster.wait()
    muster.nothing_left()


def test_an_idle_connection_of_an_orphan_gets_one_more_answer(service):
    muster = service({"worker.workers": 1, "worker.drain_timeout": "8s"})
    with muster.client() as idle:
        assert idle.get("/").status == 200
        muster.kill(signal.SIGKILL)
        muster.wait()
        try:
            assert drained(idle, "/").status == 200
        except Closed:
            raise AssertionError("closed under its client") from None
    muster.nothing_left()
