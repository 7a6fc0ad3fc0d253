# SPDX-License-Identifier: MIT
"""Jobs across everything that replaces processes: recycling, reloads that go well and that fail, upgrades."""

import concurrent.futures
import os
import signal
import threading

from jobs import begun, computes, held, jobs, release
from muster import SOON, wait_for
from test_reload import failure, reload
from test_upgrade import MARK


def ask_until(muster, stop):
    """Asks for a job again and again; returns what was not as it should be."""
    failures, count = [], 0
    while not stop.is_set():
        answer = muster.get(f"/run?task=echo&in={count}")
        if answer.text != str(count):
            failures.append(repr(answer))
        count += 1
    return failures, count


class Load:
    """Clients that ask for jobs meanwhile."""

    def __init__(self, muster, n=4):
        self.stop = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(n)
        self.results = [self.pool.submit(ask_until, muster, self.stop) for _ in range(n)]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop.set()
        for result in self.results:
            failures, count = result.result()
            assert not failures and count > 0
        self.pool.shutdown()


def test_a_reload_replaces_them_and_fails_no_job(service, directory):
    muster = service(jobs())
    with Load(muster):
        for _ in range(3):
            before = computes(muster)
            assert failure(reload(muster)) is None
            wait_for(lambda: len(computes(muster)) == 2 and not set(before) & set(computes(muster)), "new ones")


def test_a_job_of_the_old_generation_is_finished_by_it(service, directory):
    muster = service(jobs({"worker.drain_timeout": f"{int(2 * SOON)}s"}))
    with held(muster, directory, 1) as clients:
        (old,) = begun(directory)
        assert failure(reload(muster)) is None
        assert old in computes(muster)
        release(directory)
        assert clients[0].response().text == str(old)
    muster.wait_gone(old)
    wait_for(lambda: len(computes(muster)) == 2, "two of the new generation")


def test_a_reload_changes_their_number(service):
    muster = service(jobs())
    for n in (4, 1, 0, 2):
        muster.configure({"compute.processes": n})
        assert failure(reload(muster)) is None
        wait_for(lambda: len(computes(muster)) == n, f"{n} of them")
    # A worker of the generation without any may have the first of these yet
    wait_for(lambda: muster.get("/run?task=echo&in=x").text == "x", "the result")


def test_a_reload_whose_compute_processes_do_not_start_leaves_all_as_it_was(service):
    muster = service(jobs())
    before, workers = computes(muster), muster.worker_pids()
    with Load(muster):
        muster.configure({"app.compute_start": "fail"})
        assert "compute_start = fail" in failure(reload(muster))
    wait_for(lambda: computes(muster) == before and muster.worker_pids() == workers, "those there were")


def test_an_upgrade_takes_jobs_along(service, directory):
    """One that runs, and one that waits, with its input in the memory of the master that is replaced."""
    muster = service(jobs({"compute.processes": 1, "worker.drain_timeout": f"{int(2 * SOON)}s"}))
    with held(muster, directory, 2, begun=1) as clients, muster.client() as large:
        (old,) = begun(directory)
        large.request("POST", "/run?task=echo", body=b"y" * 200000)
        wait_for(lambda: "2 waiting" in muster.ctl("status").stdout, "two that wait")
        muster.kill(signal.SIGUSR2)
        muster.log.wait_for(MARK)
        assert not clients[0].pending and old in computes(muster)
        release(directory)
        assert all(client.response().status == 200 for client in clients)
        assert large.response().body == b"y" * 200000
        muster.log.wait_for("Upgraded from .* the master and all processes", within=3 * SOON)
    muster.wait_gone(old)
    wait_for(lambda: len(computes(muster)) == 1, "one of the new generation")
    assert muster.get("/run?task=echo&in=x").text == "x"


def test_an_upgrade_under_load_fails_no_job(service):
    muster = service(jobs())
    with Load(muster):
        muster.kill(signal.SIGUSR2)
        muster.log.wait_for("Upgraded from .* the master and all processes", within=3 * SOON)


def test_one_that_has_done_its_jobs_is_replaced_and_no_job_fails(service):
    muster = service(jobs({"compute.max_jobs": 20}))
    first = computes(muster)
    with Load(muster):
        muster.log.wait_for(r"Replacing the compute process \d \(pid \d+\): it has done \d+ jobs", count=4, within=4 * SOON)
    wait_for(lambda: len(computes(muster)) == 2 and set(first) != set(computes(muster)), "fresh ones")
    assert not muster.log.matching("crashed|was killed")


def test_one_that_is_recycled_finishes_its_job(service, directory):
    muster = service(jobs({"compute.processes": 1, "compute.max_jobs": 2, "worker.drain_timeout": "200ms",
                           "worker.kill_timeout": "200ms"}))
    assert muster.get("/run?task=echo&in=x").text == "x"
    with held(muster, directory, 1) as clients:
        (old,) = begun(directory)
        muster.log.wait_for("Replacing the compute process 0", within=2 * SOON)
        wait_for(lambda: len(computes(muster)) == 2, "a successor")
        # which is alone, and takes the next job, while the old one is busy for longer than any drain
        assert muster.get("/run?task=pid&in=").text != str(old)
        assert clients[0].quiet(1)
        assert len(computes(muster)) == 2
        release(directory)
        assert clients[0].response().text == str(old)
    muster.wait_gone(old)


def test_a_job_outlives_the_agent(service, directory):
    muster = service(jobs())
    with held(muster, directory, 1) as clients:
        os.kill(muster.agent(), signal.SIGKILL)
        wait_for(lambda: muster.agent(), "another agent")
        release(directory)
        assert clients[0].response().status == 200


def test_a_job_from_the_agents_start_waits_for_its_own_generation(service):
    muster = service(jobs({"app.early": "yes"}))
    line = muster.log.wait_for(r"The agent's job: \d+$")
    before = computes(muster)
    assert int(line.text.split()[-1]) in before
    assert failure(reload(muster)) is None
    line = muster.log.wait_for(r"The agent's job: \d+$", count=2)
    assert int(line.text.split()[-1]) not in before
