# SPDX-License-Identifier: MIT
"""The number of workers follows the load, between its bounds."""

import contextlib
import threading

from client import Broken, Closed
from muster import SOON, command, drained, wait_for
from test_reload import reload


@contextlib.contextmanager
def busy(muster, clients=4):
    """Keeps every worker computing. Yields the list of what failed."""
    stop, failures = threading.Event(), []

    def ask():
        while not stop.is_set():
            try:
                if muster.get("/compute?ms=50").status != 200:
                    failures.append("an answer other than 200")
            except (OSError, Closed, Broken) as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_load_brings_workers_up_to_max_and_a_minute_of_rest_takes_one_away(service):
    muster = service({"worker.workers": 1, "worker.max_workers": 3, "http.idle_timeout": "10min"})
    assert len(muster.workers()) == 1
    with busy(muster) as failures:
        muster.log.wait_for(r"Scaling from 1 to 2 workers: they were busy for \d+ % of the time", within=2 * SOON + 5)
        muster.log.wait_for(r"Scaling from 2 to 3 workers", within=2 * SOON + 5)
        wait_for(lambda: len(muster.workers()) == 3, "three workers")
        muster.notify.wait(lambda message: message.get("STATUS", "").startswith("3/3 "), "STATUS of three")
    assert not failures
    last = muster.workers()[2][1]
    with muster.client_of(last) as idle:
        muster.log.wait_for(r"Scaling from 3 to 2 workers", within=70 + SOON)
        assert drained(idle, "/pid").text == str(last)
    muster.wait_gone(last)
    muster.notify.wait(
        lambda message: message.get("STATUS", "").startswith("2/2 workers ready, 0 restarts"), "STATUS of two"
    )


def test_a_crash_is_no_load(service):
    muster = service({"worker.workers": 2, "worker.max_workers": 8})
    for _ in range(6):
        assert muster.get("/crash").status == 500
    muster.notify.wait(lambda message: "6 restarts" in message.get("STATUS", ""), "STATUS of six restarts")
    wait_for(lambda: len(muster.workers()) == 2, "two workers")
    assert not muster.log.matching("Scaling from")


def test_the_start_is_between_the_bounds_and_a_reload_changes_them(service):
    muster = service({"worker.workers": "auto", "worker.min_workers": 5, "worker.max_workers": 6})
    assert len(muster.workers()) in (5, 6)
    muster.configure({"worker.min_workers": 2, "worker.max_workers": 3})
    reload(muster)
    wait_for(lambda: len(muster.workers()) == 3, "three workers")
    muster.configure({"worker.workers": 1, "worker.min_workers": "workers", "worker.max_workers": "workers"})
    reload(muster)
    wait_for(lambda: len(muster.workers()) == 1, "one worker")


def test_numbers_that_contradict_each_other_are_refused(directory):
    path = directory / "bad.conf"
    path.write_text("[muster]\nmodule = hello\n[worker]\nworkers = 4\nmin_workers = 5\nmax_workers = 3\n")
    result = command("--check", "--config", path)
    assert result.returncode == 1
    assert "min_workers (5) is more than max_workers (3)" in result.stdout
    assert "workers (4) is less than min_workers (5)" in result.stdout
    assert "workers (4) is more than max_workers (3)" in result.stdout
