# SPDX-License-Identifier: MIT
"""What all processes count together is exact, whatever happens to them."""

import concurrent.futures
import json
import os
import signal

import pytest

from muster import wait_for

OK = 0


@pytest.fixture
def counting(service):
    """A service with the module that counts."""
    return lambda **values: service({"muster.module": "state", **values})


def counters(muster):
    """Those that musterctl shows, as {name: value}."""
    done = muster.ctl("counters", "--json")
    assert done.returncode == OK, done.stderr
    return {counter["name"]: counter["value"] for counter in json.loads(done.stdout)}


def get(muster, name="hits"):
    return int(muster.get(f"/get?name={name}").text)


def everywhere(muster, target):
    """Asks every worker once."""
    for pid in muster.worker_pids():
        with muster.client_of(pid) as client:
            assert client.get(target).status == 200


def test_every_worker_sees_what_all_have_counted(counting):
    muster = counting(**{"worker.workers": 3})
    everywhere(muster, "/add?times=5")
    for pid in muster.worker_pids():
        with muster.client_of(pid) as client:
            assert client.get("/get").text == "15"


def test_the_agent_counts_too(counting):
    muster = counting(**{"worker.workers": 2})
    assert get(muster, "starts") == 3
    assert get(muster, "agent-starts") == 1


def test_a_million_from_four_workers_at_once_are_a_million(counting):
    muster = counting(**{"worker.workers": 4})

    def hammer(pid):
        with muster.client_of(pid) as client:
            for _ in range(10):
                assert client.get("/add?times=25000").text == str(pid)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(hammer, muster.worker_pids()))
    assert get(muster) == 1_000_000
    assert counters(muster)["hits"] == 1_000_000


def test_a_crash_in_the_middle_loses_nothing(counting):
    muster = counting(**{"worker.workers": 2})
    for count in range(1, 6):
        victim = int(muster.get("/pid").text)
        with muster.client_of(victim) as client:
            assert client.get("/add?times=1000&crash=300").status == 500
        muster.wait_replaced(victim)
        assert get(muster) == counters(muster)["hits"] == 300 * count


def test_nor_does_kill_9(counting):
    muster = counting(**{"worker.workers": 2})
    everywhere(muster, "/add?times=7")
    for pid in [*muster.worker_pids(), muster.agent()]:
        os.kill(pid, signal.SIGKILL)
        muster.wait_gone(pid)
    wait_for(lambda: get(muster, "starts") == 6, "their replacements")
    assert get(muster, "agent-starts") == 2
    assert get(muster) == 14


def test_what_a_forked_child_counts_is_counted_when_it_has_ended(counting):
    """However it ends: its parent knows it at that moment."""
    muster = counting(**{"worker.workers": 2, "worker.children": "yes"})
    assert muster.get("/fork?times=1000").text == "0 0 1000"
    assert muster.get("/fork?times=500&crash=yes").text == f"-1 {int(signal.SIGABRT)} 1500"
    assert get(muster) == counters(muster)["hits"] == 1500


def test_compute_processes_count_too(counting):
    """Those that are killed as well."""
    muster = counting(**{"compute.processes": 2})
    first = {int(muster.get("/offload").text) for _ in range(5)}
    for pid in first:
        os.kill(pid, signal.SIGKILL)
        muster.wait_gone(pid)
    assert int(muster.get("/offload").text) not in first
    assert get(muster, "computed") == counters(muster)["computed"] == 6


def test_a_worker_that_still_drains_counts_beside_its_replacement(counting):
    muster = counting(**{"worker.workers": 1})
    (old,) = muster.worker_pids()
    with muster.client_of(old) as client:
        assert muster.ctl("restart", "0").returncode == OK
        answers = []
        while not answers or not answers[-1].closes:  # the order to drain may come a little later
            answers.append(client.get("/add"))
    assert {answer.text for answer in answers} == {str(old)}
    assert muster.get("/add").text != str(old)
    muster.wait_gone(old)
    assert get(muster) == len(answers) + 1


def test_counters_live_over_a_reload_and_an_upgrade(counting):
    muster = counting(**{"worker.workers": 2})
    everywhere(muster, "/add?times=10")
    for count, verb in enumerate(("reload", "upgrade", "restart"), start=2):
        before = set(muster.worker_pids())
        done = muster.ctl(verb)
        assert done.returncode == OK, done.stderr
        wait_for(lambda before=before: not before & set(muster.worker_pids()), "the old workers' end")
        everywhere(muster, "/add?times=10")
        assert get(muster) == 20 * count
    assert counters(muster)["hits"] == 80


def test_they_begin_anew_with_the_service(counting):
    muster = counting()
    everywhere(muster, "/add")
    muster.stop()
    assert get(counting()) == 0


def test_a_sum_is_64_bits_wide(counting):
    muster = counting(**{"worker.workers": 2})
    everywhere(muster, f"/add?n={2**63 - 1}")
    assert get(muster) == 2**64 - 2
    assert counters(muster)["hits"] == 2**64 - 2


def test_what_can_be_no_counter_is_an_error(counting):
    muster = counting(**{"worker.workers": 1})
    assert muster.get("/add?name=no%20name").text == "EINVAL"
    for i in range(255):
        assert muster.get(f"/add?name=c{i}").status == 200
    assert muster.get("/add?name=one-more").text == "ENOSPC"
    assert muster.get("/add?name=c7").status == 200
    assert get(muster, "c7") == 2


def test_a_name_too_many_of_a_gone_process_is_logged(counting):
    muster = counting(**{"worker.workers": 1})
    for prefix in "ab":
        for i in range(200):
            assert muster.get(f"/add?name={prefix}{i}").status == 200
        assert muster.ctl("restart").returncode == OK
    muster.log.wait_for("more than 256 names of counters")
    shown = counters(muster)
    assert len(shown) == 256
    assert all(shown[f"a{i}"] == 1 for i in range(200))


def test_musterctl_shows_them(counting):
    muster = counting(**{"worker.workers": 2})
    everywhere(muster, "/add?times=21")
    lines = muster.ctl("counters").stdout.split("\n")
    assert lines[0].split() == ["COUNTER", "VALUE"]
    assert ["hits", "42"] in [line.split() for line in lines]
    assert {"name": "hits", "value": 42} in json.loads(muster.ctl("status", "--json").stdout)["counters"]


def test_a_service_that_counts_nothing_has_none(service):
    assert counters(service()) == {}
