# SPDX-License-Identifier: MIT
"""musterctl restart, scale and stop do what they say, tell when it is done, and cost no request."""

import json
import shutil
import signal
import threading

import pytest

from client import Broken, Client, Closed
from muster import build_dir, wait_for

OK, FAILED, USAGE = range(3)


def status(muster):
    return json.loads(muster.ctl("status", "--json").stdout)


def ready(muster):
    """{number: pid} of the workers that are ready."""
    return {worker["worker"]: worker["pid"] for worker in status(muster)["workers"] if worker["state"] == "ready"}


class Load:
    """Clients that ask all the time; those that keep their connection and those that do not."""

    def __init__(self, muster, n=4):
        self.muster, self.failures, self.sent = muster, [], 0
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(number % 2 == 0,)) for number in range(n)]

    def _ask(self, keep):
        client = None
        while not self.done.is_set():
            try:
                client = client or Client(self.muster.address())
                answer = client.get("/slow?ms=5", [] if keep else [("Connection", "close")])
                self.sent += 1
                if answer.status != 200:
                    self.failures.append(repr(answer))
                if answer.closes:
                    client.close()
                    client = None
            except (OSError, Closed, Broken) as error:
                self.failures.append(repr(error))
                client = None
        if client:
            client.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()


def test_restart_replaces_all_workers_one_after_another_and_fails_no_request(service):
    muster = service({"worker.workers": 3})
    before, agent = ready(muster), muster.agent()
    with Load(muster) as load:
        done = muster.ctl("restart")
    assert done.returncode == OK, done.stderr
    assert not load.failures
    assert load.sent > 10
    after = ready(muster)
    assert sorted(after) == [0, 1, 2] and not set(after.values()) & set(before.values())
    assert [line.split()[2:6] for line in done.stdout.splitlines()] == [
        [str(number), "is", "pid", str(pid)] for number, pid in sorted(after.items())
    ]
    assert muster.agent() == agent
    # It was wanted, so it is none of those that count
    assert status(muster)["restarts"] == 0
    assert status(muster)["generation"] == 1


def test_restart_of_one_leaves_the_others(service):
    muster = service({"worker.workers": 3})
    before = ready(muster)
    done = muster.ctl("restart", 1)
    assert done.returncode == OK, done.stderr
    after = ready(muster)
    assert after[1] != before[1]
    assert (after[0], after[2]) == (before[0], before[2])


def test_a_restart_that_does_not_work_is_said_and_the_old_worker_serves_on(service, directory):
    module = directory / "faults.so"
    shutil.copy(build_dir() / "src" / "apps" / "faults.so", module)
    muster = service({"worker.workers": 2, "muster.module": module})
    before = ready(muster)
    module.unlink()
    done = muster.ctl("restart")
    assert done.returncode == FAILED
    assert "worker 0" in done.stderr
    assert ready(muster) == before
    assert muster.get("/").status == 200


@pytest.mark.parametrize("words", [["restart", "7"], ["stop", "7"], ["restart", "99999999999"]])
def test_a_worker_that_there_is_not_is_refused(service, words):
    muster = service({"worker.workers": 2})
    done = muster.ctl(words[0], words[1])
    assert done.returncode == FAILED
    assert "0 to 1" in done.stderr


@pytest.mark.parametrize("words", [["scale"], ["stop"], ["scale", "many"], ["restart", "1", "2"]])
def test_what_makes_no_sense_is_refused(service, words):
    muster = service({"worker.workers": 2})
    assert muster.ctl(*words).returncode == USAGE
    assert len(muster.workers()) == 2


def test_scale_answers_when_as_many_are_ready(service):
    muster = service({"worker.workers": 2})
    with Load(muster) as load:
        done = muster.ctl("scale", 4)
        assert done.returncode == OK, done.stderr
        assert sorted(ready(muster)) == [0, 1, 2, 3]
        assert status(muster)["workers_wanted"] == 4
        assert muster.ctl("scale", 1).returncode == OK
        wait_for(lambda: [number for number, _ in muster.workers()] == [0], "one worker")
    assert not load.failures


@pytest.mark.parametrize("n", [0, 257, 99999999999])
def test_a_number_of_workers_that_cannot_be_is_refused(service, n):
    muster = service({"worker.workers": 2})
    done = muster.ctl("scale", n)
    assert done.returncode == FAILED
    assert "1 to 256" in done.stderr
    assert len(muster.workers()) == 2


def test_scale_between_bounds_stays_between_them(service):
    muster = service({"worker.workers": 2, "worker.min_workers": 1, "worker.max_workers": 3})
    assert muster.ctl("scale", 3).returncode == OK
    done = muster.ctl("scale", 4)
    assert done.returncode == FAILED and "max_workers" in done.stderr
    assert len(ready(muster)) == 3


def test_stop_waits_for_the_requests_of_the_worker_and_its_place_stays_empty(service):
    muster = service({"worker.workers": 2})
    pids = ready(muster)
    with muster.client_of(pids[1]) as client:
        client.request("GET", "/slow?ms=500")
        wait_for(lambda: status(muster)["workers"][1]["in_flight"] == 1, "the request")
        done = muster.ctl("stop", 1)
        assert done.returncode == OK, done.stderr
        assert client.response().status == 200
    shown = status(muster)
    assert ready(muster) == {0: pids[0]}
    assert shown["workers_stopped"] == 1 and shown["workers"][1]["state"] == "stopped"
    assert "stopped" in muster.ctl("status").stdout

    again = muster.ctl("stop", 1)
    assert again.returncode == FAILED and "already" in again.stderr
    last = muster.ctl("stop", 0)
    assert last.returncode == FAILED and "last" in last.stderr
    # It is left alone, and it can be had again
    assert muster.ctl("restart").stdout.count("\n") == 1
    assert sorted(ready(muster)) == [0]
    assert muster.ctl("restart", 1).returncode == OK
    assert sorted(ready(muster)) == [0, 1]


def test_whoever_waits_is_told_when_the_service_stops(service):
    muster = service({"worker.workers": 2})
    results = []
    with muster.client_of(ready(muster)[1]) as client:
        client.request("GET", "/slow?ms=2000")
        wait_for(lambda: status(muster)["workers"][1]["in_flight"] == 1, "the request")
        thread = threading.Thread(target=lambda: results.append(muster.ctl("stop", 1)))
        thread.start()
        wait_for(lambda: status(muster)["workers_stopped"] == 1, "the stop of the worker")
        muster.kill(signal.SIGTERM)
        thread.join()
        muster.finish()
    (done,) = results
    assert done.returncode == FAILED and "stops" in done.stderr


def test_while_reloading_a_worker_cannot_be_stopped(service):
    muster = service({"worker.workers": 2})
    muster.configure({"app.start": "hang"})
    muster.kill(signal.SIGHUP)
    muster.notify.wait_for("RELOADING", "1")
    for words in ["stop", 1], ["scale", 3]:
        done = muster.ctl(*words)
        assert done.returncode == FAILED
        assert "reload" in done.stderr
