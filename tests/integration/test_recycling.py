# SPDX-License-Identifier: MIT
"""Workers that have served enough are replaced by fresh ones, one at a time, and nobody notices."""

import contextlib
import pathlib
import re
import shutil
import threading

import pytest

import load
from muster import SLOW, SOON, alive, build_dir, drained, wait_for
from test_reload import reload

REPLACING = r"Replacing the worker (\d+) \(pid (\d+)\): (.*)"


def replaced(muster):
    """[(number, pid, why)] of what the log says."""
    return [re.search(REPLACING, line.text).groups() for line in muster.log.matching(REPLACING)]


def rss(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def count_workers(muster):
    """How many there are at one moment: a walk over /proc would miss one that starts while another ends."""
    children = pathlib.Path(f"/proc/{muster.pid}/task/{muster.pid}/children").read_text().split()
    return len(children) - 1  # the agent


@contextlib.contextmanager
def watched(muster):
    """Looks at the workers all the time. Yields what it has seen: the most there were, and the fewest."""
    seen, stop = {"most": 0, "fewest": 1000}, threading.Event()

    def look():
        while not stop.wait(0.005):
            count = count_workers(muster)
            seen["most"], seen["fewest"] = max(seen["most"], count), min(seen["fewest"], count)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    "limit, why",
    [({"worker.max_requests": 50}, r"it has answered \d+ requests"), ({"worker.max_age": "2s"}, r"it has been there for \ds")],
    ids=["requests", "age"],
)
def test_no_request_fails_and_one_at_a_time_goes(service, limit, why):
    muster = service({"worker.workers": 3, **limit})
    first = set(muster.worker_pids())
    with watched(muster) as seen, load.clients(muster, kept=8, new=4) as result:
        muster.log.wait_for(REPLACING, within=6 * SOON, count=5)
        wait_for(lambda: not first & set(muster.worker_pids()), "the end of all that were there first", 3 * SOON)
    assert not result["failures"]
    assert result["sent"] > 500
    assert seen["most"] <= 4 and seen["fewest"] >= 3
    assert all(re.fullmatch(why, said) for _, _, said in replaced(muster))
    assert muster.notify.all()[-1]["STATUS"].startswith("3/3 workers ready, 0 restarts")


def test_memory_that_an_application_leaks_comes_back(service):
    muster = service({"worker.workers": 2})
    # What a fresh one takes depends on how it was built.
    muster.configure({"worker.max_rss": f"{max(map(rss, muster.worker_pids())) // 1024 // 1024 + 64}M"})
    reload(muster)
    wait_for(lambda: len(muster.workers()) == 2, "two workers")
    _, old = muster.workers()[0]
    with muster.client_of(old) as leaking, load.clients(muster, kept=8, new=2) as result:
        assert leaking.get("/leak?mb=96").status == 200
        muster.log.wait_for(rf"Replacing the worker 0 \(pid {old}\): it takes \d+K of memory")
        drained(leaking, "/")
        muster.wait_gone(old)
    assert not result["failures"]
    assert len(replaced(muster)) == 1


def test_a_limit_that_even_a_fresh_worker_exceeds_is_told_and_does_no_harm(service):
    muster = service({"worker.workers": 2, "worker.max_rss": "1M"})
    muster.log.wait_for(r"max_rss is 1M, but a worker takes \d+K when it is new")
    said = len(muster.notify.values("STATUS"))
    muster.notify.wait_for("STATUS", count=said + 2)
    assert not replaced(muster)
    assert len(muster.log.matching("max_rss")) == 1


@pytest.fixture
def own_module(directory):
    """A copy of the application, for a test to damage."""
    path = directory / "own.so"
    shutil.copy(build_dir() / "src" / "apps" / "faults.so", path)
    return path


def damage(path):
    """Replaces it by another file: those who have it mapped keep what they have."""
    broken = path.with_suffix(".broken")
    broken.write_text("no shared object")
    broken.rename(path)


def mend(path):
    good = path.with_suffix(".good")
    shutil.copy(build_dir() / "src" / "apps" / "faults.so", good)
    good.rename(path)


def test_a_successor_that_fails_leaves_the_old_one_serving_and_is_tried_again(service, own_module):
    muster = service({"worker.workers": 2, "worker.max_requests": 20, "muster.module": str(own_module)})
    before = muster.workers()
    damage(own_module)
    with muster.client_of(before[0][1]) as client:
        for _ in range(25):
            assert client.get("/").status == 200
        failed = "could not be replaced and serves on, trying again in "
        muster.log.wait_for(failed + "1s: worker 0: .*own.so", within=2 * SOON)
        muster.log.wait_for(failed + "2s", within=2 * SOON)
        assert muster.workers() == before
        assert client.get("/").status == 200
        mend(own_module)
        assert drained(client, "/", within=SOON + 5 * SLOW).status == 200
    muster.wait_replaced(before[0][1])
    assert "0 restarts" in muster.notify.all()[-1]["STATUS"]


def test_one_that_crashes_while_its_successor_starts_is_just_succeeded(service):
    muster = service({"worker.workers": 1, "worker.max_requests": 10, "app.start_delay": "3s"})
    (old,) = muster.worker_pids()
    with muster.client_of(old) as client:
        for _ in range(12):
            assert client.get("/").status == 200
        muster.log.wait_for(REPLACING)
        wait_for(lambda: len(muster.workers()) == 2, "the successor")
        (new,) = set(muster.worker_pids()) - {old}
        assert client.get("/crash").status == 500
    muster.wait_gone(old)
    wait_for(lambda: int(muster.get("/pid").text) == new, "answers of the successor")
    assert muster.worker_pids() == [new]
    assert "0 restarts" in muster.notify.all()[-1]["STATUS"]


def test_a_reload_supersedes_a_replacement(service):
    muster = service({"worker.workers": 1, "worker.max_requests": 10, "app.start_delay": "2s"})
    (old,) = muster.worker_pids()
    with muster.client_of(old) as client:
        for _ in range(12):
            assert client.get("/").status == 200
    muster.log.wait_for(REPLACING)
    wait_for(lambda: len(muster.workers()) == 2, "the successor")
    (successor,) = set(muster.worker_pids()) - {old}
    muster.configure({"worker.max_requests": "infinity", "app.start_delay": "0"})
    reload(muster)
    wait_for(lambda: not alive(old) and not alive(successor), "both are gone")
    assert len(muster.workers()) == 1
    assert muster.get("/").status == 200
