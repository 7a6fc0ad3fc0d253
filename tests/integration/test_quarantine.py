# SPDX-License-Identifier: MIT
"""A request that crashes its workers again and again is refused by all of them, and nothing else is."""

import os
import re
import signal

import pytest

from client import SLOW, SOON
from muster import wait_for

BEGINS = r"In quarantine for \S+: "
ENDS = r"Out of quarantine: "

# Asks the application of faults to crash in no known way, which it answers: whoever gets 400 was let in.
LET_IN = "?signal=none"


@pytest.fixture
def guarded(service):
    """A service with the quarantine as it is by default."""
    return lambda config=None: service({"restart.quarantine_after": None, **(config or {})})


def crash(muster, target, status=500):
    with muster.client() as client:
        assert client.get(target).status == status, target


def close_path(muster, path="/items/7/crash", times=3):
    for _ in range(times):
        crash(muster, path)
    return muster.log.wait_for(BEGINS + re.escape(f"GET {path},"), role="master")


def close_route(muster, ids=(1, 2, 3), query=""):
    for number in ids:
        crash(muster, f"/items/{number}/crash{query}")
    return muster.log.wait_for(BEGINS + re.escape("GET /items/{id}/crash, all of it"), role="master")


def settled(muster):
    """Waits until all workers there should be are ready, and returns their pids."""
    count = int(muster.values["worker.workers"])
    wait_for(lambda: len(muster.worker_pids()) == count, f"{count} workers")
    muster.notify.wait(lambda message: f"{count}/{count} workers ready" in message.get("STATUS", ""), "a full pool",
                       within=2 * SOON)
    return muster.worker_pids()


def test_a_path_that_crashes_three_times_is_refused_by_all_workers(guarded):
    muster = guarded()
    line = close_path(muster)
    assert line.fields["MUSTER_QUARANTINE"] == "request"
    assert line.fields["MUSTER_REQUEST"] == "GET /items/7/crash"
    assert line.fields["MUSTER_ROUTE"] == "GET /items/{id}/crash"
    assert line.fields["MUSTER_PLACE"].startswith("faults.so+0x")
    assert re.fullmatch("[0-9a-f]{32}", line.fields["MESSAGE_ID"])
    for pid in settled(muster):
        with muster.client_of(pid) as client:
            response = client.get("/items/7/crash")
            assert response.status == 503
            assert 290 <= int(response["Retry-After"]) <= 300
            assert not response.closes
            assert client.get("/items/7/crash?x=1").status == 503
            assert client.get("/items/%37/./crash").status == 503
            client.request("HEAD", "/items/7/crash")
            assert client.response(head=True).status == 503
            assert client.get("/pid").text == str(pid), "the connection is as good as before"
    muster.notify.wait(lambda message: "1 in quarantine" in message.get("STATUS", ""), "the STATUS", within=2 * SOON)


def test_other_paths_of_the_route_are_served(guarded):
    muster = guarded()
    close_path(muster)
    assert muster.get("/items/8/crash" + LET_IN).status == 400
    assert muster.get("/items/7").text == "item 7"
    assert muster.get("/crash" + LET_IN).status == 400


@pytest.mark.parametrize("cause", ["SEGV", "ABRT"])
def test_different_paths_that_crash_at_one_place_close_their_route(guarded, cause):
    """Also where the C library finds the fault: the place is where it was called."""
    muster = guarded()
    line = close_route(muster, query=f"?signal={cause}")
    assert line.fields["MUSTER_QUARANTINE"] == "route"
    assert line.fields["MUSTER_REQUEST"] == line.fields["MUSTER_ROUTE"] == "GET /items/{id}/crash"
    assert line.fields["MUSTER_PLACE"].startswith("faults.so+0x")
    response = muster.get("/items/4711/crash")
    assert response.status == 503
    assert int(response["Retry-After"]) > 0
    assert muster.get("/items/1").text == "item 1"
    assert muster.get("/crash" + LET_IN).status == 400


def test_different_paths_that_crash_at_different_places_close_nothing(guarded):
    muster = guarded()
    for number, cause in enumerate(["SEGV", "FPE", "ILL", "BUS"]):
        crash(muster, f"/items/{number}/crash?signal={cause}")
    muster.log.wait_for("crashed: ", count=4)
    assert muster.get("/items/0/crash" + LET_IN).status == 400
    assert not muster.log.matching(BEGINS)


def test_what_is_refused_costs_no_worker(guarded):
    muster = guarded({"restart.limit": 4, "restart.interval": "1h"})
    close_path(muster)
    pids = settled(muster)
    for _ in range(10):
        with muster.client() as client:
            assert {client.get("/items/7/crash").status for _ in range(20)} == {503}
    assert muster.worker_pids() == pids
    assert not muster.log.matching("More than 4 restarts")
    assert len(muster.log.matching("crashed: ")) == 3


def test_it_ends_by_itself_and_one_more_crash_closes_it_again(guarded):
    muster = guarded({"restart.quarantine_time": f"{SLOW:g}s"})
    close_path(muster)
    response = muster.get("/items/7/crash")
    assert response.status == 503
    assert 1 <= int(response["Retry-After"]) <= SLOW
    muster.log.wait_for(ENDS + "GET /items/7/crash", within=SOON + SLOW)
    assert muster.get("/items/7/crash" + LET_IN).status == 400
    crash(muster, "/items/7/crash")
    muster.log.wait_for(BEGINS, count=2)
    assert muster.get("/items/7/crash").status == 503


def test_a_worker_that_is_started_later_refuses_too(guarded):
    muster = guarded()
    close_path(muster)
    (old, *_) = settled(muster)
    os.kill(old, signal.SIGKILL)
    muster.wait_replaced(old)
    for pid in muster.worker_pids():
        with muster.client_of(pid) as client:
            assert client.get("/items/7/crash").status == 503


def test_a_reload_keeps_it_and_brings_new_numbers(guarded):
    muster = guarded()
    close_path(muster)
    pids = settled(muster)
    muster.configure({"restart.quarantine_after": 1})
    muster.kill(signal.SIGHUP)
    muster.log.wait_for("Reloaded: ")
    for pid in pids:
        muster.wait_gone(pid)
    assert muster.get("/items/7/crash").status == 503
    crash(muster, "/crash")
    muster.log.wait_for(BEGINS + "GET /crash,")
    assert muster.get("/crash").status == 503


def test_switched_off_by_a_reload_it_lets_all_in(guarded):
    muster = guarded()
    close_path(muster)
    assert muster.get("/items/7/crash").status == 503
    muster.configure({"restart.quarantine_after": 0})
    muster.kill(signal.SIGHUP)
    muster.log.wait_for(ENDS + ".* since quarantine_after is 0")
    muster.log.wait_for("Reloaded: ")
    assert muster.get("/items/7/crash" + LET_IN).status == 400
    for _ in range(4):
        crash(muster, "/items/7/crash")
    muster.log.wait_for("crashed: ", count=7)
    assert muster.get("/items/7/crash" + LET_IN).status == 400
    assert len(muster.log.matching(BEGINS)) == 1


def test_a_fault_in_a_timer_of_the_request_counts_for_the_request(guarded):
    muster = guarded()
    for _ in range(3):
        crash(muster, "/crash?ms=1")
    muster.log.wait_for(BEGINS + "GET /crash,")
    assert muster.get("/crash").status == 503


def test_a_fault_that_is_no_requests_counts_for_none(guarded):
    muster = guarded({"restart.quarantine_after": 1})
    for count in (1, 2):
        with muster.client() as client:
            assert client.get("/crash-timer").status == 200
        muster.log.wait_for("crashed: ", count=count)
    assert muster.get("/crash-timer" + LET_IN).status == 400
    assert not muster.log.matching(BEGINS)


def test_a_path_too_long_for_the_record_is_told_from_its_neighbour(guarded):
    muster = guarded({"restart.quarantine_after": 1})
    path = "/items/" + "x" * 2000
    crash(muster, path + "1/crash")
    line = muster.log.wait_for(BEGINS + r"GET /items/x+\.\.\., which crashed 1 times")
    assert len(line.fields["MUSTER_REQUEST"]) < 200
    assert muster.get(path + "1/crash").status == 503
    assert muster.get(path + "2/crash" + LET_IN).status == 400


def test_a_body_for_it_is_not_taken(guarded):
    muster = guarded({"restart.quarantine_after": 1})
    with muster.client() as client:
        assert client.post("/crash", b"x" * 1000).status == 500
    muster.log.wait_for(BEGINS + "POST /crash,")
    with muster.client() as client:
        client.request("POST", "/crash", [("Expect", "100-continue"), ("Content-Length", "1000")])
        assert client.response().status == 503
    with muster.client() as client:
        assert client.post("/crash", b"x" * 1000).status == 503
        assert client.get("/crash" + LET_IN).status == 400, "another method"


def test_the_access_log_has_it(guarded):
    muster = guarded({"restart.quarantine_after": 1, "log.access": "yes"})
    crash(muster, "/items/7/crash")
    muster.log.wait_for(BEGINS)
    assert muster.get("/items/7/crash").status == 503
    line = muster.log.wait_for('"GET /items/7/crash HTTP/1.1" 503', role="worker")
    assert line.fields["MUSTER_ROUTE"] == "GET /items/{id}/crash"


def test_a_request_that_hangs_again_and_again_is_closed_like_one_that_crashes(guarded):
    muster = guarded({"worker.hang_timeout": f"{SLOW / 2:g}s"})
    for _ in range(3):
        with muster.client(timeout=SOON) as client:
            assert client.get("/hang").status == 503
    line = muster.log.wait_for(BEGINS + "GET /hang,")
    assert line.fields["MUSTER_PLACE"].startswith("faults.so+0x")
    response = muster.get("/hang")
    assert response.status == 503
    assert int(response["Retry-After"]) >= 290, "at once, and by the quarantine"
