# SPDX-License-Identifier: MIT
"""What a process keeps under a key is its own, and is destroyed when the process ends in good order."""

import json

import pytest

from muster import wait_for


@pytest.fixture
def muster(service):
    return service({"muster.module": "state", "worker.workers": 2})


def destroyed(muster):
    counters = json.loads(muster.ctl("counters", "--json").stdout)
    return next((counter["value"] for counter in counters if counter["name"] == "destroyed"), 0)


def test_each_process_has_a_store_of_its_own(muster):
    one, other = muster.worker_pids()
    with muster.client_of(one) as client:
        assert client.get("/store/set/a?value=x").text == "1"
        assert client.get("/store/set/b?value=y").text == "2"
        assert client.get("/store/get/a").text == "x"
    with muster.client_of(other) as client:
        assert client.get("/store/get/a").status == 404


def test_what_is_replaced_is_destroyed(muster):
    with muster.client() as client:
        client.get("/store/set/a?value=x")
        assert destroyed(muster) == 0
        client.get("/store/set/a?value=y")
        assert destroyed(muster) == 1
        assert client.get("/store/get/a").text == "y"


def test_the_rest_is_destroyed_when_the_process_ends(muster):
    (number, pid), _ = muster.workers()
    with muster.client_of(pid) as client:
        for key in "abc":
            client.get(f"/store/set/{key}?value=x")
    assert muster.ctl("restart", number).returncode == 0
    muster.wait_gone(pid)
    wait_for(lambda: destroyed(muster) == 3, "three values destroyed")


def test_a_fault_while_it_is_destroyed_is_reported(muster):
    (number, pid), _ = muster.workers()
    with muster.client_of(pid) as client:
        client.get("/store/set/a?value=fault")
    assert muster.ctl("restart", number).returncode == 0
    muster.wait_gone(pid)
    muster.log.wait_for(rf"{pid}.*SIGABRT|SIGABRT.*{pid}")
