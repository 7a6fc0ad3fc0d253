# SPDX-License-Identifier: MIT
"""A service that nobody asks for anything ends, and whoever comes then is answered by the next one."""

import time

from muster import SOON, drained, listening_socket


def test_it_ends_in_good_order_after_the_time_without_requests(service):
    with listening_socket() as sock:
        muster = service({"muster.exit_idle": "1s"}, sockets=[sock])
        assert muster.get("/").status == 200
        answered = time.monotonic()
        muster.notify.wait_for("STOPPING", "1")
        assert time.monotonic() - answered > 0.9
        muster.finish()
        assert muster.log.matching(r"No request for 1s \(exit_idle\), stopping until somebody connects")


def test_requests_keep_it_alive(service):
    with listening_socket() as sock:
        muster = service({"muster.exit_idle": "2s"}, sockets=[sock])
        begun = time.monotonic()
        with muster.client() as client:
            while time.monotonic() - begun < 5:
                assert not client.get("/slow?ms=300").closes
        assert not muster.notify.values("STOPPING")
        muster.notify.wait_for("STOPPING", "1")
        muster.finish()


def test_a_request_that_takes_longer_is_answered_first(service):
    with listening_socket() as sock:
        muster = service({"muster.exit_idle": "1s", "worker.workers": 1}, sockets=[sock])
        with muster.client() as slow:
            slow.request("GET", "/slow?ms=3500")
            assert not slow.response().closes
            assert not muster.notify.values("STOPPING")


def test_a_connection_kept_open_gets_one_more_answer(service):
    with listening_socket() as sock:
        muster = service({"muster.exit_idle": "1s", "worker.drain_timeout": "8s"}, sockets=[sock])
        with muster.client() as kept:
            assert kept.get("/").status == 200
            muster.notify.wait_for("STOPPING", "1")
            assert drained(kept, "/").status == 200
        muster.finish()


def test_whoever_comes_while_it_ends_is_answered_by_the_next(start):
    with listening_socket() as sock:
        old = start({"muster.exit_idle": "1s"}, sockets=[sock]).ready()
        workers = old.worker_pids()
        with old.client(timeout=4 * SOON) as held, old.client(timeout=4 * SOON) as early:
            # A request under way, begun when the end has been decided, holds the end up …
            assert held.get("/").status == 200
            old.notify.wait_for("STOPPING", "1")
            held.request("GET", "/slow?ms=700")
            early.request("GET", "/pid")
            with old.client(timeout=4 * SOON) as late:
                late.request("GET", "/pid")
                assert held.response().status == 200
                assert early.response().status == 200
                old.finish()
                # … and the socket has kept who came then.
                new = start(sockets=[sock]).ready()
                # (Or it came before the worker knew.)
                assert int(late.response().text) in [*workers, *new.worker_pids()]


def test_it_is_ignored_with_a_warning_when_nobody_would_start_it_again(service):
    muster = service({"muster.exit_idle": "1s"})
    muster.log.wait_for(r"\[muster\] exit_idle is ignored: the sockets are not systemd's")
    said = len(muster.notify.values("STATUS"))
    muster.notify.wait_for("STATUS", count=said + 2)
    assert muster.get("/").status == 200
    assert not muster.notify.values("STOPPING")
