# SPDX-License-Identifier: MIT
"""The bundled applications do what they say, so that what the other tests prove with them is proved."""

import pytest

from muster import SOURCE


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
