# SPDX-License-Identifier: MIT
"""A function that is offloaded runs in a compute process, and its result answers the request; nobody else waits."""

import os
import re

import pytest

from jobs import computes, jobs, release, held
from muster import SOON, wait_for


def test_the_result_of_a_function_is_the_answer(service):
    muster = service(jobs())
    assert muster.get("/run?task=echo&in=hello").text == "hello"
    assert int(muster.get("/run?task=pid&in=").text) in computes(muster)


def test_ready_means_that_the_compute_processes_are(service):
    muster = service(jobs({"compute.processes": 3}))
    assert len(computes(muster)) == 3
    assert muster.get("/run?task=prepared&in=").text == "prepared"


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1 << 20, 20 << 20])
def test_input_and_output_of_any_size_arrive(service, size):
    muster = service(jobs({"http.max_body": "32M"}))
    body = os.urandom(size)
    with muster.client() as client:
        assert client.post("/run?task=echo", body).body == body


@pytest.mark.parametrize("size", [0, 1, 65436, 65536, 65537, 5 << 20])
def test_an_output_can_be_written_in_place(service, size):
    muster = service(jobs())
    body = muster.get(f"/run?task=fill&in={size}").body
    assert body == (b"x" * (size - 1) + b"!" if size else b"")


@pytest.mark.parametrize("where", ["", "&where=thread"])
def test_many_jobs_at_once_are_all_answered_right(service, where):
    muster = service(jobs({"compute.queue": 300}))
    clients = [muster.client() for _ in range(200)]
    for i, client in enumerate(clients):
        client.request("POST", f"/run?task=echo{where}", body=b"%d" % i * (i * 37))
    for i, client in enumerate(clients):
        assert client.response().body == b"%d" % i * (i * 37)
        client.close()


def test_the_worker_answers_others_meanwhile(service, directory):
    muster = service(jobs({"worker.workers": 1}))
    with held(muster, directory, 1) as clients:
        assert muster.get("/").status == 200
        assert clients[0].quiet(0.1)
        release(directory)
        assert int(clients[0].response().text) in computes(muster)


def test_jobs_run_side_by_side_in_as_many_processes_as_there_are(service, directory):
    muster = service(jobs({"compute.processes": 3}))
    with held(muster, directory, 3) as clients:
        release(directory)
        assert len({client.response().text for client in clients}) == 3


def test_a_handler_may_offload_again(service):
    assert service(jobs()).get("/chain").text == "once, twice"


def test_of_two_jobs_of_a_request_the_first_answers_it(service):
    muster = service(jobs())
    for _ in range(20):
        assert muster.get("/twice?task=echo&in=x&errors=1").text == "x"
    total = lambda: sum(int(muster.client_of(pid).get("/forgotten").text) for pid in muster.worker_pids())
    wait_for(lambda: total() == 20, "each handler is told once")


def test_a_function_without_a_request_is_offloaded_from_a_timer(service):
    muster = service(jobs({"worker.workers": 1}))
    with muster.client() as client:
        assert client.get("/call").status == 202
        wait_for(lambda: client.get("/called").text == "0 from a timer", "the result")


@pytest.mark.parametrize("where", ["", "&where=thread"])
def test_what_a_function_returns_is_told(service, where):
    muster = service(jobs())
    assert muster.get(f"/run?task=fail&in=5{where}").text == "returned: 5"
    assert muster.get(f"/run?task=fail&in=-13&errors=1{where}").text == "error: EACCES"
    answer = muster.get(f"/run?task=fail&in=-13{where}")
    assert answer.status == 500
    muster.log.wait_for(r"job fail of \* /run failed: Permission denied")


def test_an_unknown_task_is_refused_at_once(service):
    assert service(jobs()).get("/run?task=nonsense&in=").text == "refused: ENOENT"


def test_without_compute_processes_offloading_fails_and_threads_work(service):
    muster = service(jobs({"compute.processes": 0}))
    assert not computes(muster)
    assert muster.get("/run?task=echo&in=x").text == "refused: ENOTCONN"
    assert muster.get("/run?task=echo&in=x&where=thread").text == "x"


def test_an_application_with_nothing_to_offload_gets_no_compute_processes(service):
    assert not computes(service({"muster.module": "hello"}))


def test_compute_processes_give_way(service):
    muster = service(jobs())
    for pid in computes(muster):
        assert os.sched_getscheduler(pid) == os.SCHED_IDLE
        assert os.getpriority(os.PRIO_PROCESS, pid) == 10
    for pid in muster.worker_pids():
        assert os.sched_getscheduler(pid) == os.SCHED_OTHER


def test_how_much_they_give_way_is_configured(service):
    muster = service(jobs({"compute.idle": "no", "compute.nice": 3}))
    for pid in computes(muster):
        assert os.sched_getscheduler(pid) == os.SCHED_OTHER
        assert os.getpriority(os.PRIO_PROCESS, pid) == 3


def test_threads_give_way_too_and_the_loop_does_not(service):
    muster = service(jobs({"worker.workers": 1}))
    (worker,) = muster.worker_pids()
    assert muster.get("/run?task=echo&in=x&where=thread").text == "x"
    policies = {int(thread): os.sched_getscheduler(int(thread)) for thread in os.listdir(f"/proc/{worker}/task")}
    assert policies.pop(worker) == os.SCHED_OTHER
    assert set(policies.values()) == {os.SCHED_IDLE}


def test_a_worker_has_as_many_threads_as_are_configured(service, directory):
    muster = service(jobs({"worker.workers": 1, "compute.threads": 2}))
    (worker,) = muster.worker_pids()
    with held(muster, directory, 5, "&where=thread", begun=1) as clients:
        wait_for(lambda: len(os.listdir(f"/proc/{worker}/task")) == 3, "two threads")
        assert muster.get("/").status == 200
        release(directory)
        assert {client.response().text for client in clients} == {str(worker)}
    assert len(os.listdir(f"/proc/{worker}/task")) == 3


def test_they_listen_on_nothing_and_start_nothing(service):
    muster = service(jobs({"worker.children": "yes"}))
    for pid in computes(muster):
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        inodes = {match[1] for match in (re.fullmatch(r"socket:\[(\d+)\]", link) for link in links) if match}
        with open("/proc/net/tcp", encoding="ascii") as table:
            assert not inodes & {line.split()[9] for line in table}


def test_status_tells_of_processes_and_jobs(service, directory):
    muster = service(jobs({"compute.processes": 1}))
    assert muster.get("/run?task=echo&in=x").text == "x"
    with held(muster, directory, 2, begun=1) as clients:
        wait_for(lambda: "1 running, 1 waiting; 1 done" in muster.ctl("status").stdout, "both in the status")
        text = muster.ctl("status").stdout
        assert re.search(r"COMPUTE +PID +STATE", text) and "task wait" in text
        assert "1/1 compute with 1 jobs waiting" in text
        release(directory)
        assert all(client.response().status == 200 for client in clients)


def test_a_start_function_that_fails_ends_the_start(start):
    muster = start(jobs({"app.compute_start": "fail"}))
    assert muster.wait() > 0
    muster.log.wait_for(r"Start failed: compute process \d: \[app\] compute_start = fail, so it does")
    muster.nothing_left()


def test_a_start_function_that_crashes_ends_the_start(start):
    muster = start(jobs({"app.compute_start": "crash"}))
    assert muster.wait() > 0
    muster.log.wait_for("compute_start of the application faulted with SIGSEGV|crashed with SIGSEGV")
    muster.nothing_left()


def test_stopping_lets_jobs_finish_for_the_requests_that_want_them(service, directory):
    muster = service(jobs({"worker.drain_timeout": f"{int(SOON)}s", "muster.stop_timeout": f"{int(2 * SOON)}s"}))
    with held(muster, directory, 1) as clients:
        muster.kill(15)
        muster.notify.wait_for("STOPPING", "1")
        release(directory)
        assert clients[0].response().status == 200
    muster.finish()
    muster.log.wait_for("compute_stop was called", count=2)
