# SPDX-License-Identifier: MIT
"""The bundled applications do what they say, so that what the other tests prove with them is proved."""

import pytest

from muster import SOON, SOURCE


@pytest.fixture
def muster(service):
    return service({"worker.workers": 1})


def test_faults_answers_like_any_application(muster):
    (worker,) = muster.worker_pids()
    answer = muster.get("/")
    assert (answer.text, answer["Content-Type"]) == ("hello world", "text/plain")
    assert muster.get("/pid").text == str(worker)
    assert muster.get("/slow?ms=1").text == str(worker)
    assert muster.get("/compute?ms=10").text == str(worker)
    assert muster.get("/status?code=418").status == 418


def test_an_unknown_fault_is_refused_with_those_there_are(muster):
    for target in ("/crash", "/crash-timer", "/thread-crash"):
        answer = muster.get(f"{target}?signal=NONSENSE")
        assert answer.status == 400
        for name in ("SEGV", "BUS", "FPE", "ILL", "ABRT", "STACK"):
            assert name in answer.text
    assert len(muster.workers()) == 1


@pytest.mark.parametrize("target", ["/slow?ms=x", "/slow?ms=-1", "/slow?ms=", "/exit?code=256", "/leak?mb=1.5"])
def test_a_number_that_is_none_is_refused(muster, target):
    assert muster.get(target).status == 400


def test_a_leak_is_kept(muster):
    (worker,) = muster.worker_pids()

    def resident():
        with open(f"/proc/{worker}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096

    before = resident()
    assert muster.get("/leak?mb=64").text == "64 MB kept\n"
    assert resident() - before > 60 << 20


def test_faults_says_loudly_what_it_is_not_for():
    assert "NOT FOR PRODUCTION" in (SOURCE / "conf" / "faults.conf").read_text(encoding="utf-8")


@pytest.mark.parametrize("way", ["", "/fork", "/offload", "/thread"])
def test_compute_adds_up_in_four_ways(service, way):
    muster = service({"muster.module": "compute", "worker.children": "yes"})
    assert muster.get(f"/compute{way}?n=1000").text == "sum is 499500\n"
    assert muster.get(f"/compute{way}?n=0").text == "sum is 0\n"
    assert muster.get(f"/compute{way}?n=10000000").text == f"sum is {sum(range(10000000))}\n"
    for n in ("", "?n=", "?n=-1", "?n=1e6", "?n=10000000001", "?n=99999999999999999999"):
        assert muster.get(f"/compute{way}{n}").status == 400
    assert muster.get("/").text == "hello\n"


def test_compute_adds_up_as_far_as_the_article_does(service):
    """Its sum is one of more than 64 bits."""
    config = {"compute.timeout": "5min", "http.request_timeout": "5min", "compute.idle": "no"}
    muster = service({"muster.module": "compute", "worker.workers": 1, **config})
    with muster.client(timeout=30 * SOON) as client:
        for n in (1414213562, 1414213564, 10**10):
            assert client.get(f"/compute/offload?n={n}").text == f"sum is {n * (n - 1) // 2}\n"


@pytest.mark.parametrize("way", ["/fork", "/offload", "/thread"])
def test_a_sum_of_compute_keeps_nobody_waiting(service, way):
    muster = service({"muster.module": "compute", "worker.workers": 1, "worker.children": "yes"})
    with muster.client() as client:
        client.request("GET", f"/compute{way}?n=3000000000")
        answered = 0
        while client.quiet(0.01):
            assert muster.get("/").text == "hello\n"
            answered += 1
        assert client.response().text == f"sum is {3000000000 * 2999999999 // 2}\n"
    assert answered > 10


def test_compute_without_children_says_why_it_does_not_fork(service):
    answer = service({"muster.module": "compute"}).get("/compute/fork?n=1")
    assert (answer.status, answer.text) == (503, "Cannot compute: Operation not permitted\n")
