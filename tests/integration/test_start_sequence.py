# SPDX-License-Identifier: MIT
"""The order of a start: the agent, then the workers, then "muster-ready" to all, and READY=1 last."""

import os
import re
import time

from muster import alive, wait_for


def test_ready_comes_when_every_worker_answers(service):
    muster = service({"worker.workers": 3})
    assert len(muster.workers()) == 3
    assert muster.agent() is not None
    assert muster.get("/").text == "hello world"


def test_ready_is_said_once_and_by_the_master(service):
    muster = service()
    ready = [message for message in muster.notify.all() if message.get("READY")]
    assert [message.pid for message in ready] == [muster.pid]


def test_the_workers_wait_for_the_agent(start):
    muster = start({"app.agent_start_delay": "700ms"})
    first = muster.notify.wait_for("STATUS")
    seen = wait_for(muster.workers, "the first worker")
    assert seen and time.monotonic() - first.time >= 0.6
    muster.ready()


def test_no_worker_is_seen_while_the_agent_starts(start):
    muster = start({"app.agent_start": "hang", "worker.ready_timeout": "1500ms"})
    while muster.agent() is None:
        assert muster.process.poll() is None
    while muster.process.poll() is None:
        assert muster.workers() == []
    assert muster.wait() > 0


def test_ready_waits_for_the_slowest_worker(start):
    muster = start({"worker.workers": 2, "app.start_delay": "700ms"})
    first = muster.notify.wait_for("STATUS")
    ready = muster.ready().notify.wait_for("READY")
    assert ready.time - first.time >= 0.7


def test_status_counts_the_workers_that_are_ready(service):
    muster = service({"worker.workers": 3})
    ready = muster.notify.wait_for("READY")
    before = [message["STATUS"] for message in muster.notify.all() if "STATUS" in message and message.time < ready.time]
    assert any(re.search(r"starting: \d/3 workers ready", status) for status in before), before


def test_the_start_timeout_is_extended_while_processes_start(service):
    muster = service()
    ready = muster.notify.wait_for("READY")
    extended = [message for message in muster.notify.all() if "EXTEND_TIMEOUT_USEC" in message]
    assert extended and extended[0].time <= ready.time
    assert all(int(message["EXTEND_TIMEOUT_USEC"]) > 0 for message in extended)


def test_status_goes_on_after_the_start(service):
    muster = service({"worker.workers": 2})
    status = muster.notify.wait(
        lambda message: re.search(r"\b2\b.*workers", message.get("STATUS", "")) and "starting" not in message["STATUS"],
        "a STATUS of the running service",
    )["STATUS"]
    assert "restart" in status and "request" in status


def test_everyone_hears_that_all_are_ready(service):
    muster = service({"worker.workers": 3})
    muster.log.wait_for("Agent of faults knows that all are ready")
    for number in range(3):
        muster.log.wait_for(f"Worker {number} of faults knows that all are ready")


def test_a_late_worker_hears_it_too(service):
    muster = service({"worker.workers": 2})
    muster.log.wait_for("Worker 0 of faults knows that all are ready")
    (_, pid), *_ = muster.workers()
    with muster.client_of(pid) as client:
        assert client.get("/crash").status == 500
    muster.log.wait_for("Worker 0 of faults knows that all are ready", count=2)
    muster.wait_replaced(pid)
    assert alive(muster.pid)


def test_the_master_runs_no_application_code_and_no_http(service):
    muster = service()
    with open(f"/proc/{muster.pid}/maps", encoding="utf-8") as maps:
        text = maps.read()
    assert "faults.so" not in text and "libmicrohttpd" not in text
    with open(f"/proc/{muster.worker_pids()[0]}/maps", encoding="utf-8") as maps:
        assert "faults.so" in maps.read()


def test_every_process_has_a_layout_of_its_own(service):
    """exec, not only fork: what one crash tells about addresses is worth nothing in the next process."""
    muster = service({"worker.workers": 3})
    bases = set()
    for pid in [*muster.worker_pids(), muster.agent()]:
        program = os.readlink(f"/proc/{pid}/exe")
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            bases.add(next(line.split("-")[0] for line in maps if line.rstrip().endswith(program)))
    assert len(bases) == 4
