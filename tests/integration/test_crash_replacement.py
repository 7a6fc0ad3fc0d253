# SPDX-License-Identifier: MIT
"""The replacement is there before the old worker has gone, and the door is never closed in between."""

import os
import signal
import threading
import time

import pytest

from client import Client, Closed
from muster import SOON, alive, listening_socket


def test_the_replacement_answers_while_the_old_one_drains(service):
    muster = service({"worker.workers": 1})
    (old,) = muster.worker_pids()
    with muster.client() as slow, muster.client() as crashing:
        assert slow.get("/").status == crashing.get("/").status == 200
        slow.request("GET", "/slow?ms=3000" if SOON > 10 else "/slow?ms=1500")
        assert crashing.get("/crash").status == 500
        # From now on the old one accepts nothing.
        pid = int(muster.get("/pid").text)
        assert pid != old and alive(old)
        assert slow.quiet(0), "the old one had its answer ready already: nothing was proved"
        assert slow.response().text == str(old)
    muster.wait_gone(old)
    assert muster.worker_pids() == [pid]


def test_a_draining_worker_accepts_nothing_more(service):
    muster = service({"worker.workers": 1})
    (old,) = muster.worker_pids()
    with muster.client() as stuck, muster.client_of(old) as crashing:
        stuck.request("GET", "/stuck")
        assert crashing.get("/crash").status == 500
        assert str(old) not in {muster.get("/pid").text for _ in range(20)}


def knock(address, stop, failures, counts):
    """Connects again and again; whatever else happens, nobody may be turned away."""
    while not stop.is_set():
        try:
            with Client(address) as client:
                counts.append(client.get("/pid").text)
        except (OSError, Closed) as error:
            failures.append(repr(error))


@pytest.mark.parametrize("inherited", [False, True], ids=["own socket", "systemd's socket"])
def test_the_listening_socket_never_closes(service, inherited):
    with listening_socket() as sock:
        muster = service({"worker.workers": 1}, **({"sockets": [sock]} if inherited else {}))
        stop, refused, counts = threading.Event(), [], []
        thread = threading.Thread(target=knock, args=(muster.address(), stop, refused, counts))
        thread.start()
        try:
            for _ in range(8):
                (_, pid), *_ = muster.workers()
                with muster.client_of(pid) as crashing:
                    assert crashing.get("/crash").status == 500
                muster.wait_replaced(pid)
        finally:
            stop.set()
            thread.join()
        assert not refused
        assert len(set(counts)) > 1


def test_the_listening_socket_survives_kill_too(service):
    """What a killed worker had accepted is lost with it; who connects afterwards is not turned away."""
    muster = service({"worker.workers": 1})
    for _ in range(5):
        (pid,) = muster.worker_pids()
        os.kill(pid, signal.SIGKILL)
        with muster.client() as client:
            assert int(client.get("/pid").text) != pid
        muster.wait_replaced(pid)


def test_a_storm_of_crashes_slows_restarts_down_and_never_ends_them(service):
    muster = service({"worker.workers": 1, "restart.limit": 3, "restart.interval": "60s"})
    for _ in range(5):
        began = time.monotonic()
        (pid,) = muster.worker_pids()
        os.kill(pid, signal.SIGKILL)
        muster.wait_replaced(pid)
        assert muster.get("/").status == 200
    assert time.monotonic() - began >= 0.1  # the last one had to wait
    muster.log.wait_for("(?i)limit|budget|back")
    assert alive(muster.pid)


def test_on_limit_exit_ends_the_service_with_a_status_of_its_own(service):
    muster = service({"worker.workers": 1, "restart.limit": 2, "restart.on_limit": "exit"})
    for left in (2, 1, 0):
        (pid,) = muster.worker_pids()
        os.kill(pid, signal.SIGKILL)
        if left > 0:
            muster.wait_replaced(pid)
    assert muster.wait() == 70
    muster.log.wait_for("(?i)limit")
    muster.nothing_left()


def test_status_counts_the_restarts(service):
    muster = service({"worker.workers": 1})
    (pid,) = muster.worker_pids()
    with muster.client_of(pid) as crashing:
        crashing.get("/crash")
    muster.wait_replaced(pid)
    muster.notify.wait(
        lambda message: "1 restart" in message.get("STATUS", ""), "a STATUS with the restart", within=2 * SOON
    )
