# SPDX-License-Identifier: MIT
"""A worker that crashes takes only the request that crashed it."""

import time

import pytest

from client import Closed
from muster import SOON, alive, drained

SIGNALS = ["SEGV", "BUS", "FPE", "ILL", "ABRT", "STACK", "SYS", "TRAP"]


@pytest.mark.parametrize("name", SIGNALS)
def test_the_faulting_request_gets_500_and_the_others_200(service, name):
    muster = service({"worker.workers": 1})
    (old,) = muster.worker_pids()
    with muster.client() as slow, muster.client() as crashing:
        assert slow.get("/pid").text == crashing.get("/pid").text == str(old)
        slow.request("GET", "/slow?ms=400")
        answer = crashing.get(f"/crash?signal={name}")
        assert (answer.status, answer.closes) == (500, True)
        assert crashing.eof()
        answer = slow.response()
        assert (answer.status, answer.text, answer.closes) == (200, str(old), True)
        assert slow.eof()
    muster.wait_replaced(old)
    assert muster.get("/").text == "hello world"


def test_many_requests_under_way_are_all_answered(service):
    muster = service({"worker.workers": 1})
    (old,) = muster.worker_pids()
    clients = [muster.client() for _ in range(30)]
    for client in clients:
        assert client.get("/").status == 200
        client.request("GET", "/slow?ms=300")
    with muster.client_of(old) as crashing:
        assert crashing.get("/crash").status == 500
    assert [client.response().text for client in clients] == [str(old)] * 30
    for client in clients:
        client.close()


def test_an_idle_connection_gets_one_more_answer(service):
    muster = service({"worker.workers": 1})
    (old,) = muster.worker_pids()
    with muster.client() as idle, muster.client() as crashing:
        assert idle.get("/").status == crashing.get("/").status == 200
        assert crashing.get("/crash").status == 500
        answer = idle.get("/pid")
        assert (answer.status, answer.text, answer.closes) == (200, str(old), True)
        assert idle.eof()


def test_a_request_that_is_half_sent_is_answered(service):
    muster = service({"worker.workers": 1})
    with muster.client() as half, muster.client() as crashing:
        assert half.get("/").status == crashing.get("/").status == 200
        half.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        assert crashing.get("/crash").status == 500
        half.send(b"67890")
        assert half.response().text == "1234567890"


def test_a_fault_in_a_later_callback_of_a_request_is_that_requests(service):
    muster = service({"worker.workers": 1})
    (old,) = muster.worker_pids()
    with muster.client() as slow, muster.client() as crashing:
        slow.request("GET", "/slow?ms=400")
        assert crashing.get("/crash?ms=100").status == 500
        assert slow.response().status == 200
    muster.wait_replaced(old)


def test_a_fault_in_a_timer_is_nobodys_request(service):
    muster = service({"worker.workers": 1})
    (old,) = muster.worker_pids()
    with muster.client() as slow, muster.client() as other:
        slow.request("GET", "/slow?ms=400")
        assert other.get("/crash-timer?ms=50").text == str(old)
        answer = drained(other, "/pid")
        assert answer.text == str(old)
        assert slow.response().text == str(old)
    muster.wait_replaced(old)


def test_pipelined_requests_behind_the_fault_are_not_answered_twice_or_wrongly(service):
    muster = service({"worker.workers": 1})
    with muster.client() as client:
        client.send(b"GET /items/1 HTTP/1.1\r\nHost: x\r\n\r\n" b"GET /crash HTTP/1.1\r\nHost: x\r\n\r\n"
                    b"GET /items/2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.response().text == "item 1"
        answer = client.response()
        assert (answer.status, answer.closes) == (500, True)
        assert client.eof()


def test_a_fault_while_the_body_is_large_is_500(service):
    muster = service({"worker.workers": 1})
    with muster.client() as client:
        assert client.post("/crash", b"x" * 500000).status == 500


def test_other_workers_notice_nothing(service):
    muster = service({"worker.workers": 3})
    (_, first), (_, second), (_, third) = muster.workers()
    with muster.client_of(first) as crashing, muster.client_of(second) as two, muster.client_of(third) as three:
        assert crashing.get("/crash").status == 500
        for client in (two, three):
            answer = client.get("/")
            assert (answer.status, answer.closes) == (200, False)
    muster.wait_replaced(first)
    assert {second, third} < set(muster.worker_pids())


def test_a_draining_worker_ends_when_it_has_answered_everything(service):
    """It does not wait for the drain's end when there is nothing left to do."""
    muster = service({"worker.workers": 1, "worker.drain_timeout": "60s"})
    (old,) = muster.worker_pids()
    with muster.client() as crashing:
        assert crashing.get("/crash").status == 500
        began = time.monotonic()
        muster.wait_gone(old)
        assert time.monotonic() - began < SOON


def test_silent_connections_are_closed_when_the_drain_is_over(service):
    muster = service({"worker.workers": 1, "worker.drain_timeout": "500ms"})
    (old,) = muster.worker_pids()
    with muster.client() as silent, muster.client() as crashing:
        assert silent.get("/").status == crashing.get("/").status == 200
        assert crashing.get("/crash").status == 500
        assert alive(old)
        assert silent.eof(0.5 + SOON)
        muster.wait_gone(old)


def test_crash_after_crash_the_service_goes_on(service):
    muster = service({"worker.workers": 2})
    for _ in range(10):
        old = int(muster.get("/pid").text)
        with muster.client_of(old) as crashing:
            try:
                assert crashing.get("/crash").status == 500
            except Closed:
                raise AssertionError("the faulting request was not answered") from None
        muster.wait_replaced(old)
    assert muster.get("/").text == "hello world"
    assert alive(muster.pid)


def test_two_workers_that_crash_at_once_are_both_replaced(service):
    muster = service({"worker.workers": 2})
    (_, one), (_, two) = muster.workers()
    with muster.client_of(one) as first, muster.client_of(two) as second:
        first.request("GET", "/crash")
        second.request("GET", "/crash")
        assert first.response().status == second.response().status == 500
    muster.wait_replaced(one)
    muster.wait_replaced(two)


def test_a_fault_during_the_stop_loses_nothing(service):
    import signal

    muster = service({"worker.workers": 1})
    with muster.client() as slow, muster.client() as crashing:
        assert slow.get("/").status == crashing.get("/").status == 200
        slow.request("GET", "/slow?ms=600")
        crashing.request("GET", "/crash?ms=200")
        muster.kill(signal.SIGTERM)
        assert crashing.response().status == 500
        assert slow.response().status == 200
    muster.finish()
