# SPDX-License-Identifier: MIT
"""Descriptors that an application has watched: a worker that sleeps hears of them, and survives their handlers."""

import pytest

from muster import build_dir

READABLE = 1


@pytest.fixture
def muster(service):
    return service({"muster.module": build_dir() / "src/apps/watch.so", "worker.workers": 1})


def test_one_that_is_ready_when_the_watch_begins_is_told(muster):
    for _ in range(3):
        assert muster.get("/ready?now").text == f"{READABLE} 7"


def test_one_that_gets_ready_later_wakes_the_worker(muster):
    with muster.client() as client:
        client.request("GET", "/ready")
        assert client.quiet(0.2)
        assert muster.get("/wake").status == 200
        assert client.response().text == f"{READABLE} 1"


def test_a_fault_in_a_handler_costs_no_other_request(muster):
    (worker,) = muster.worker_pids()
    with muster.client() as client:
        client.request("GET", "/later")
        assert client.quiet(0.2)
        assert muster.get("/fault").status == 200
        muster.log.wait_for("SIGSEGV.*watch")
        # What the handler faulted on is still there; a second fault would end the worker with this request
        assert client.response().text == "later"
    muster.wait_replaced(worker)
