# SPDX-License-Identifier: MIT
"""What goes wrong with a job is that job's: its request is told, others are not touched, and the log says why."""

import json
import os
import pathlib
import signal

import pytest

from jobs import begun, computes, held, jobs, release, wait_target
from muster import SOON, wait_for


def settled(muster, n=2):
    wait_for(lambda: len(computes(muster)) == n, f"{n} compute processes among {computes(muster)}")


def count(muster, what):
    """How many jobs of a kind musterctl tells of."""
    return json.loads(muster.ctl("status", "--json").stdout)["jobs"][what]


@pytest.mark.parametrize("name", ["SEGV", "ABRT", "FPE", "BUS"])
def test_a_crash_fails_its_own_request_and_is_reported(service, directory, name):
    muster = service(jobs())
    number = signal.Signals[f"SIG{name}"].value
    with held(muster, directory, 1) as clients:
        before, workers = computes(muster), muster.worker_pids()
        with muster.client() as client:
            assert client.get(f"/run/{name}?task=crash&in={number}").status == 500
            assert client.get("/").status == 200
        line = muster.log.wait_for(rf"The compute process \d \(pid \d+\) crashed: SIG{name}.*; its job fails")
        assert line.fields["MUSTER_ROLE"] == "compute"
        assert line.fields["MUSTER_TASK"] == "crash"
        assert line.fields["MUSTER_SIGNAL"] == f"SIG{name}"
        assert line.fields["MUSTER_ROUTE"] == "task crash"
        assert line.fields["MUSTER_TARGET"] == f"GET /run/{name}"
        assert "jobs.so+0x" in line.fields["MUSTER_BACKTRACE"]
        wait_for(lambda: len(computes(muster)) == 2 and computes(muster) != before, "a replacement")
        assert muster.worker_pids() == workers
        release(directory)
        assert clients[0].response().status == 200
    assert count(muster, "crashed") == 1


def test_the_application_can_answer_for_a_crash_itself(service):
    muster = service(jobs())
    assert muster.get("/run?task=crash&in=11&errors=1").text == "error: EFAULT"


def test_a_path_whose_jobs_crash_goes_into_quarantine(service):
    muster = service(jobs({"restart.quarantine_after": 3}))
    for _ in range(3):
        assert muster.get("/run/bad?task=crash&in=11").status == 500
        settled(muster)
    wait_for(lambda: muster.get("/run/bad?task=crash&in=11").status == 503, "the quarantine")
    muster.log.wait_for("In quarantine for .*: GET /run/bad, which crashed 3 times")
    assert muster.get("/run/good?task=echo&in=x").text == "x"


def test_a_crash_after_a_job_is_not_that_jobs(service):
    muster = service(jobs({"compute.processes": 1, "app.compute_stop": "crash"}))
    assert muster.get("/run/good?task=echo&in=x").text == "x"
    os.kill(computes(muster)[0], signal.SIGTERM)
    line = muster.log.wait_for(r"The compute process 0 \(pid \d+\) crashed: SIGSEGV")
    assert "MUSTER_TASK" not in line.fields
    assert line.fields["MUSTER_ROUTE"] == "stop"
    assert line.fields["MUSTER_TARGET"] == ""


def test_a_process_that_is_killed_takes_only_its_job_along(service, directory):
    muster = service(jobs())
    with held(muster, directory, 2) as clients:
        victim = begun(directory)[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: victim not in computes(muster), "its end")
        muster.log.wait_for(rf"The compute process \d \(pid {victim}\) was killed by SIGKILL, in task wait")
        release(directory)
        answers = sorted(client.response().status for client in clients)
        assert answers == [200, 500]
    settled(muster)


def test_a_function_that_exits_fails_its_request(service):
    muster = service(jobs())
    assert muster.get("/run?task=leave&in=").status == 500
    muster.log.wait_for(r"The compute process \d \(pid \d+\) exited with status 7, in task leave")
    settled(muster)


def test_crashes_one_after_another_spend_a_budget_that_is_not_the_workers(service):
    muster = service(jobs({"restart.limit": 3, "compute.processes": 1}))
    for _ in range(4):
        assert muster.get("/run?task=crash&in=11").status == 500
    muster.log.wait_for("More than 3 restarts of compute processes")
    assert muster.get("/").status == 200
    assert muster.get("/run?task=echo&in=x").text == "x"  # when it is there again


def test_past_its_time_a_job_is_answered_504_and_its_process_replaced(service, directory):
    muster = service(jobs())
    target = wait_target(directory)
    with muster.client() as client:
        client.request("GET", f"{target}&timeout=300")
        (pid,) = wait_for(lambda: begun(directory), "the job's begin")
        assert client.response().status == 504
    line = muster.log.wait_for(rf"The job wait of GET /run took longer than its 300ms, the compute process \(pid {pid}\)")
    assert line.fields["MUSTER_TASK"] == "wait"
    muster.wait_gone(pid)
    settled(muster)
    assert muster.get(f"{target}&timeout=100&errors=1").text == "error: ETIMEDOUT"
    assert not muster.log.matching("crashed|was killed by")
    settled(muster)
    assert count(muster, "late") == 2


def test_the_time_of_a_job_that_waits_runs_too(service, directory):
    muster = service(jobs({"compute.processes": 1}))
    with held(muster, directory, 1) as clients:
        assert muster.get("/run?task=echo&in=x&timeout=200").status == 504
        release(directory)
        assert clients[0].response().status == 200


def test_the_configured_time_holds_where_the_application_says_none(service, directory):
    muster = service(jobs({"compute.timeout": "250ms"}))
    assert muster.get(wait_target(directory)).status == 504


@pytest.mark.parametrize("query", ["", "&errors=1"])
def test_a_client_that_goes_away_cancels_its_job(service, directory, query):
    muster = service(jobs({"worker.workers": 1}))
    with muster.client() as client:
        client.request("GET", wait_target(directory, query))
        (pid,) = wait_for(lambda: begun(directory), "the job's begin")
    muster.wait_gone(pid)
    settled(muster)
    wait_for(lambda: count(muster, "cancelled") == 1, "the cancellation")
    assert int(muster.get("/forgotten").text) == len(query and "1")
    assert not muster.log.matching("crashed|was killed by|took longer")
    assert muster.get("/run?task=echo&in=x").text == "x"


def test_a_job_that_is_nearly_done_when_its_client_goes_costs_no_process(service, directory):
    muster = service(jobs({"worker.workers": 1}))
    before = computes(muster)
    with muster.client() as client:
        client.request("GET", wait_target(directory))
        wait_for(lambda: begun(directory), "the job's begin")
    wait_for(lambda: count(muster, "cancelled") == 1, "the cancellation")
    release(directory)
    wait_for(lambda: count(muster, "running") == 0, "its end")
    assert computes(muster) == before


def test_a_job_that_waits_is_cancelled_without_having_begun(service, directory):
    muster = service(jobs({"compute.processes": 1}))
    with held(muster, directory, 1) as clients:
        with muster.client() as client:
            client.request("GET", wait_target(directory, name="never"))
            wait_for(lambda: count(muster, "waiting") == 1, "the second in the queue")
        wait_for(lambda: count(muster, "waiting") == 0, "its end")
        release(directory)
        assert clients[0].response().status == 200
    assert not begun(directory, "never")


def test_past_the_queue_requests_are_answered_503_with_retry_after(service, directory):
    muster = service(jobs({"worker.workers": 1, "compute.processes": 1, "compute.queue": 2}))
    with held(muster, directory, 3, begun=1) as clients:
        wait_for(lambda: count(muster, "waiting") == 2, "a full queue")
        answer = muster.get("/run?task=echo&in=x")
        assert answer.status == 503
        assert int(answer["Retry-After"]) > 0
        assert muster.get("/run?task=echo&in=x&errors=1").text == "error: EAGAIN"
        release(directory)
        assert [client.response().status for client in clients] == [200] * 3
    assert count(muster, "refused") == 2


def test_threads_have_a_bound_too(service, directory):
    muster = service(jobs({"worker.workers": 1, "compute.threads": 1, "compute.queue": 1}))
    with held(muster, directory, 1, "&where=thread") as clients, muster.client() as waiting:
        waiting.request("GET", "/run?task=echo&in=x&where=thread")
        answer = wait_for(lambda: (lambda a: a if a.status == 503 else None)(
            muster.get("/run?task=echo&in=x&where=thread&timeout=100")), "a refusal")
        assert int(answer["Retry-After"]) > 0
        release(directory)
        assert clients[0].response().status == 200
        assert waiting.response().text == "x"


def test_who_floods_the_queue_refuses_himself(service, directory):
    muster = service(jobs({"compute.processes": 1, "compute.queue": 6}))
    one, other = muster.worker_pids()
    with held(muster, directory, 1, begun=1) as clients:
        flood = [muster.client_of(one) for _ in range(8)]
        for client in flood:
            client.request("GET", "/run?task=echo&in=x")
        wait_for(lambda: count(muster, "waiting") == 6 and count(muster, "refused") == 2, "a full queue")
        modest = [muster.client_of(other) for _ in range(2)]
        for client in modest:
            client.request("GET", "/run?task=echo&in=y")
        wait_for(lambda: count(muster, "refused") == 4, "the room that was made")
        release(directory)
        assert [client.response().status for client in modest] == [200, 200]
        assert sorted(client.response().status for client in flood) == [200] * 4 + [503] * 4
        assert clients[0].response().status == 200
    for client in flood + modest:
        client.close()


def test_workers_take_turns(service, directory):
    """The single job of one comes after one of the other's, not after all that were there before."""
    muster = service(jobs({"compute.processes": 1}))
    one, other = muster.worker_pids()
    with held(muster, directory, 1, begun=1):
        many = [muster.client_of(one) for _ in range(5)]
        for i, client in enumerate(many):
            client.request("GET", wait_target(directory, name=f"many{i}"))
        wait_for(lambda: count(muster, "waiting") == 5, "five that wait")
        single = muster.client_of(other)
        single.request("GET", "/run?task=echo&in=x")
        wait_for(lambda: count(muster, "waiting") == 6, "six that wait")
        release(directory)
        wait_for(lambda: begun(directory, "many0"), "the first of five")
        release(directory, "many0")
        assert single.response().text == "x"
        assert not begun(directory, "many2")
        for i, client in enumerate(many):
            release(directory, f"many{i}")
        assert all(client.response().status == 200 for client in many)
    for client in [single, *many]:
        client.close()


def test_a_fault_in_the_handler_of_a_result_is_the_workers(service):
    muster = service(jobs())
    before = computes(muster)
    assert muster.get("/fault").status == 500
    muster.log.wait_for(r"The worker \d \(pid \d+\) crashed: SIGSEGV.* in \w+ /fault")
    assert computes(muster) == before


def test_the_jobs_of_a_worker_that_dies_are_cancelled(service, directory):
    muster = service(jobs())
    client = muster.client_of(muster.worker_pids()[0])
    victim = muster.worker_pids()[0]
    client.request("GET", wait_target(directory))
    (pid,) = wait_for(lambda: begun(directory), "the job's begin")
    os.kill(victim, signal.SIGKILL)
    muster.wait_gone(pid)
    settled(muster)
    wait_for(lambda: count(muster, "cancelled") == 1, "the cancellation")
    assert muster.get("/run?task=echo&in=x").text == "x"
    client.close()


def test_a_worker_that_drains_after_a_crash_still_gets_its_results(service, directory):
    muster = service(jobs({"muster.module": "jobs", "worker.workers": 1, "worker.drain_timeout": f"{int(SOON)}s"}))
    with held(muster, directory, 1) as clients:
        assert muster.get("/fault").status == 500
        release(directory)
        assert clients[0].response().status == 200


def test_a_crash_in_a_thread_ends_its_worker_and_is_reported(service):
    muster = service(jobs())
    with muster.client() as client:
        client.request("GET", "/run?task=crash&in=11&where=thread")
        assert client.eof()
    muster.log.wait_for(r"The worker \d \(pid \d+\) crashed: SIGSEGV.*outside a callback, it ended at once")
    wait_for(lambda: len(muster.worker_pids()) == 2, "a replacement")
    assert muster.get("/").status == 200


def test_a_thread_past_its_time_answers_504_and_goes_on(service, directory):
    muster = service(jobs({"worker.workers": 1}))
    assert muster.get(wait_target(directory, "&where=thread&timeout=100")).status == 504
    assert muster.get("/run?task=echo&in=x&where=thread").text == "x"
    release(directory)


def test_a_service_ends_though_a_thread_never_does(service, directory):
    muster = service(jobs({"worker.workers": 1, "worker.drain_timeout": "200ms"}))
    with muster.client() as client:
        client.request("GET", wait_target(directory, "&where=thread"))
        wait_for(lambda: begun(directory), "the job's begin")
        muster.stop(within=3 * SOON)


def test_a_compute_process_starts_no_other(service):
    """Nor where workers may. A sanitizer rules the sandbox out."""
    muster = service(jobs({"worker.children": "yes", "worker.core": "no"}))
    if "asan" in pathlib.Path(f"/proc/{muster.pid}/maps").read_text():
        pytest.skip("no sandbox with a sanitizer")
    assert muster.get("/run?task=spawn&in=&errors=1").text == "error: EPERM"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_one_that_is_told_to_end_while_it_is_idle_is_replaced(service, number):
    muster = service(jobs())
    victim = computes(muster)[0]
    os.kill(victim, number)
    wait_for(lambda: victim not in computes(muster) and len(computes(muster)) == 2, "a replacement")
    for _ in range(10):
        assert muster.get("/run?task=echo&in=x").text == "x"


def test_one_that_is_told_to_end_finishes_its_job(service, directory):
    muster = service(jobs({"worker.drain_timeout": f"{int(SOON)}s"}))
    with held(muster, directory, 1) as clients:
        (victim,) = begun(directory)
        os.kill(victim, signal.SIGTERM)
        release(directory)
        assert clients[0].response().text == str(victim)
    muster.wait_gone(victim)
    settled(muster)


def test_one_that_is_stopped_by_a_signal_is_found_to_hang(service):
    muster = service(jobs({"worker.hang_timeout": "1s", "worker.kill_timeout": "500ms"}))
    victim = computes(muster)[0]
    os.kill(victim, signal.SIGSTOP)
    muster.wait_gone(victim, 3 * SOON)
    settled(muster)
    assert muster.get("/run?task=echo&in=x").text == "x"


def test_a_job_longer_than_hang_timeout_is_no_hang(service, directory):
    muster = service(jobs({"worker.hang_timeout": "1s"}))
    with held(muster, directory, 1) as clients:
        assert clients[0].quiet(3)
        release(directory)
        assert clients[0].response().status == 200
    assert not muster.log.matching("hung")
