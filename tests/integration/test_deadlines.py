# SPDX-License-Identifier: MIT
"""Deadlines of a connection: nobody keeps one busy by being slow."""

import time

import pytest

from client import Closed
from muster import SLOW, SOON, wait_for


@pytest.fixture
def muster(service):
    return service(
        {
            "worker.workers": 1,
            "http.header_timeout": f"{int(800 * SLOW)}ms",
            "http.idle_timeout": f"{int(1500 * SLOW)}ms",
            "http.request_timeout": f"{int(2000 * SLOW)}ms",
            "http.min_body_rate": "1K",
        }
    )


def test_a_header_that_comes_byte_by_byte_has_a_deadline(muster):
    """Every byte breaks the silence, so a timeout that only measures silence never ends this."""
    with muster.client() as client:
        began = time.monotonic()
        data = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 100000
        answered = None
        for byte in data:
            client.send(bytes([byte]))
            if not client.quiet(0.02):
                answered = True
                break
            assert time.monotonic() - began < 0.8 * SLOW + SOON
        assert answered
        try:
            assert client.response().status == 408
        except Closed:
            raise AssertionError("closed without 408") from None
        assert time.monotonic() - began >= 0.7 * SLOW


def test_half_a_header_is_408_and_closed(muster):
    with muster.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHo")
        answer = client.response()
        assert (answer.status, answer.closes) == (408, True)
        assert client.eof()


def test_a_connection_that_never_says_anything_is_closed_silently(muster):
    with muster.client() as client:
        assert client.eof(0.8 * SLOW + SOON)


def test_an_idle_connection_is_closed_silently(muster):
    with muster.client() as client:
        began = time.monotonic()
        assert client.get("/").status == 200
        assert client.eof(1.5 * SLOW + SOON)
        assert time.monotonic() - began >= 1.4 * SLOW


def test_the_second_header_has_the_deadline_too(muster):
    with muster.client() as client:
        assert client.get("/").status == 200
        # Whether a byte came after the answer is asked of the kernel, whose clock for that is coarse.
        assert client.quiet(0.1)
        client.send(b"GET / HT")
        try:
            assert client.response().status == 408
        except Closed:
            raise AssertionError("closed without 408") from None


def test_a_body_that_drips_has_a_deadline(muster):
    with muster.client() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        began = time.monotonic()
        ended = False
        while not ended:
            try:
                client.send(b"x")
                ended = not client.quiet(0.05) or client.eof(0.01)
            except OSError:
                ended = True
            assert time.monotonic() - began < 2 * SLOW + SOON


def test_a_body_that_stops_has_a_deadline(muster):
    with muster.client(timeout=2 * SLOW + SOON) as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123")
        try:
            assert client.response().status == 408
        except Closed:
            pass


def test_an_application_that_never_answers_has_a_deadline(muster):
    with muster.client(timeout=2 * SLOW + SOON) as client:
        began = time.monotonic()
        assert client.get("/stuck").status == 503
        assert time.monotonic() - began >= 1.9 * SLOW


def test_the_late_answer_of_an_application_does_no_harm(muster):
    with muster.client(timeout=2 * SLOW + SOON) as client:
        assert client.get(f"/slow?ms={int(2500 * SLOW)}").status == 503
    with muster.client() as client:
        end = time.monotonic() + SLOW
        while time.monotonic() < end:  # past the moment when the answer comes
            assert client.get("/").status == 200
    assert len(muster.workers()) == 1 and not muster.log.matching("crash|SIG[A-Z]+")


def test_deadlines_leave_the_others_alone(muster):
    with muster.client() as slow, muster.client() as quick:
        slow.send(b"GET / HTTP/1.1\r\nHo")
        end = time.monotonic() + 0.8 * SLOW + 0.3
        while time.monotonic() < end:
            assert quick.get("/").text == "hello world"
        assert slow.response().status == 408


def test_a_client_that_does_not_read_is_let_go(service):
    muster = service({"worker.workers": 1, "http.max_body": "64M", "http.request_timeout": "2s"})
    worker = muster.worker_pids()[0]
    with muster.client() as client:
        size = 30_000_000
        client.request("POST", "/echo", body=b"x" * size)
        # More than all buffers take, so the rest stays with the worker until it gives up.
        port = client.sock.getsockname()[1]
        wait_for(lambda: not established(worker, port), "the end of the connection", 2 + 2 * SOON)
    assert muster.get("/").status == 200


def established(pid, port):
    """Whether that process's side of a connection to this client port is still established."""
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            words = line.split()
            if words[2].endswith(f":{port:04X}") and words[3] == "01":
                return True
    return False
