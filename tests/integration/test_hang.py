# SPDX-License-Identifier: MIT
"""A process that hangs is interrupted in time, says where it hung, and costs one request."""

import mmap
import os
import re
import signal
import struct
import time

from client import SLOW, SOON
from hangs import HANG_TIMEOUT, QUICK, SLACK, hung
from muster import alive, wait_for


def in_time(began):
    """The last beat was up to a quarter of hang_timeout before the hang, and a little more."""
    assert HANG_TIMEOUT * 0.6 <= time.monotonic() - began <= HANG_TIMEOUT + 1 + SLACK


def test_one_worker_of_four_that_hangs_costs_its_request_and_no_other(service):
    muster = service({**QUICK, "worker.workers": 4})
    workers = muster.workers()
    number, pid = workers[2]
    others = {other for _, other in workers} - {pid}
    wait = 1000 * HANG_TIMEOUT
    with muster.client_of(pid) as hanging, muster.client_of(pid) as slow, muster.client_of(pid) as idle:
        slow.request("GET", f"/slow?ms={wait // 2}")
        assert hanging.get("/").status == 200
        began = time.monotonic()
        hanging.request("GET", "/hang")
        response = hanging.response()
        in_time(began)
        assert response.status == 503
        assert int(response["Retry-After"]) >= 1
        assert response.closes
        answer = slow.response()
        assert (answer.status, answer.text) == (200, str(pid))
        idle.request("GET", "/pid")
        assert idle.response().text == str(pid)
    muster.wait_gone(pid)
    assert {other for _, other in muster.workers()} > others
    assert dict(muster.workers())[number] != pid
    assert muster.get("/").text == "hello world"


def test_the_log_says_where_it_hung_and_for_how_long(service):
    muster = service({**QUICK, "worker.workers": 1})
    (pid,) = muster.worker_pids()
    with muster.client() as hanging:
        assert hanging.get("/hang?id=4711").status == 503
    entry = hung(muster, pid)
    assert "no sign of life for" in entry.message and "GET /hang" in entry.message
    assert entry.fields["MUSTER_ROUTE"] == "GET /hang"
    assert entry.fields["MUSTER_TARGET"] == "/hang?id=4711"
    assert re.search(r"faults\.so\+0x[0-9a-f]+", entry.fields["MUSTER_BACKTRACE"])
    assert HANG_TIMEOUT * 1e6 <= int(entry.fields["MUSTER_SILENT_USEC"]) <= (HANG_TIMEOUT + 1 + SLACK) * 1e6
    muster.stop()
    assert len(muster.log.matching("hung")) == 1
    assert not muster.log.matching("crashed|was killed by")


def test_an_abort_of_the_application_is_a_crash_and_no_hang(service):
    muster = service({**QUICK, "worker.workers": 1})
    with muster.client() as crashing:
        assert crashing.get("/crash?signal=ABRT").status == 500
    muster.log.wait_for("crashed: SIGABRT", role="master")
    assert not muster.log.matching("hung")


def test_a_hang_in_a_request_that_was_suspended_is_that_requests(service):
    muster = service({**QUICK, "worker.workers": 1})
    (pid,) = muster.worker_pids()
    with muster.client() as hanging:
        assert hanging.get("/crash?signal=HANG&ms=50").status == 503
    assert hung(muster, pid).fields["MUSTER_ROUTE"] == "GET /crash"


def test_a_hang_in_a_timer_costs_no_request(service):
    muster = service({**QUICK, "worker.workers": 1})
    (pid,) = muster.worker_pids()
    with muster.client() as client:
        client.request("GET", f"/slow?ms={500 * HANG_TIMEOUT}")
        assert client_starts_hang(muster) == pid
        assert client.response().text == str(pid)
    assert hung(muster, pid).fields["MUSTER_ROUTE"] == "timer"
    muster.wait_gone(pid)


def client_starts_hang(muster):
    return int(muster.get("/crash-timer?signal=HANG&ms=50").text)


def test_one_that_computes_for_less_is_left_alone(service):
    muster = service({**QUICK, "worker.workers": 1})
    (pid,) = muster.worker_pids()
    assert muster.get(f"/compute?ms={600 * HANG_TIMEOUT}").text == str(pid)
    assert muster.worker_pids() == [pid]
    assert not muster.log.matching("hung")


def test_infinity_lets_it_hang(service):
    muster = service({"worker.hang_timeout": "infinity", "worker.workers": 1})
    (pid,) = muster.worker_pids()
    with muster.client() as client:
        client.request("GET", f"/compute?ms={1000 + int(1000 * SLOW)}")
        assert client.response().text == str(pid)


def test_a_stopped_worker_is_replaced_at_once_and_killed(service):
    muster = service({**QUICK, "worker.workers": 2, "worker.kill_timeout": "1500ms"})
    (number, pid), (_, other) = muster.workers()
    began = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: len(muster.workers()) == 3, "the replacement", 2 * SOON)
    in_time(began)
    assert alive(pid), "another is there before it is killed"
    muster.wait_gone(pid)
    assert "stopped" in hung(muster, pid).message
    assert {worker for worker, _ in muster.workers()} == {0, 1}
    assert other in muster.worker_pids()
    assert muster.get("/").status == 200
    assert not muster.log.matching("was killed by")


def test_a_stopped_worker_without_time_to_drain_is_named_too(service):
    muster = service({**QUICK, "worker.workers": 1, "worker.drain_timeout": "0", "worker.kill_timeout": "100ms"})
    (pid,) = muster.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    hung(muster, pid)
    muster.wait_replaced(pid)


def test_a_worker_that_goes_on_after_all_drains(service):
    """Nothing was abandoned, so everything is answered; but another has its place already."""
    muster = service({**QUICK, "worker.workers": 1, "worker.kill_timeout": "60s"})
    (pid,) = muster.worker_pids()
    with muster.client() as client:
        assert client.get("/").status == 200
        os.kill(pid, signal.SIGSTOP)
        client.request("GET", "/pid")
        wait_for(lambda: len(muster.workers()) == 2, "the replacement", 2 * SOON)
        os.kill(pid, signal.SIGCONT)
        response = client.response()
        assert (response.status, response.text) == (200, str(pid))
    hung(muster, pid)
    muster.wait_gone(pid)
    muster.log.wait_for("Worker 0 of faults ends in good order")


def test_a_draining_worker_that_hangs_is_interrupted_too(service):
    muster = service({**QUICK, "worker.workers": 1, "worker.drain_timeout": "60s", "muster.stop_timeout": "120s"})
    (pid,) = muster.worker_pids()
    with muster.client() as hanging, muster.client() as slow:
        assert hanging.get("/").status == slow.get("/").status == 200
        slow.request("GET", f"/slow?ms={500 * HANG_TIMEOUT}")
        muster.kill(signal.SIGTERM)
        muster.notify.wait_for("STOPPING", "1")
        hanging.request("GET", "/hang")
        assert hanging.response().status == 503
        assert slow.response().text == str(pid)
    muster.finish()


def test_without_drain_a_hang_ends_the_worker(service):
    muster = service({**QUICK, "worker.workers": 1, "worker.drain": "no"})
    (pid,) = muster.worker_pids()
    with muster.client() as hanging:
        hanging.request("GET", "/hang")
        assert hanging.eof(2 * SOON)
    assert "ended at once" in hung(muster, pid).message
    muster.wait_replaced(pid)


# ---- The agent


def test_an_agent_that_hangs_abandons_the_callback_and_lives_on(service):
    muster = service({**QUICK, "app.agent_crash_after": "300ms", "app.agent_signal": "HANG"})
    agent, workers = muster.agent(), muster.workers()
    entry = muster.log.wait_for("hung", within=2 * SOON)
    assert entry.role == "agent" and entry.pid == agent
    assert entry.fields["MUSTER_ROUTE"] == "timer"
    assert "faults.so+0x" in entry.fields["MUSTER_BACKTRACE"]
    muster.log.wait_for("which hung, is back", role="master")
    assert (muster.agent(), muster.workers()) == (agent, workers)
    muster.stop()
    muster.log.wait_for("Agent of faults ends in good order")


def test_a_stopped_agent_is_replaced(service):
    muster = service(QUICK)
    agent, workers = muster.agent(), muster.workers()
    os.kill(agent, signal.SIGSTOP)
    wait_for(lambda: muster.agent() not in (None, agent), f"another agent than {agent}", 2 * SOON)
    assert "stopped" in hung(muster, agent).message
    assert muster.workers() == workers


# ---- Those that lie


class Scoreboard:
    """The heartbeats, written by somebody whom the master must not believe."""

    STRIDE = 4096  # of which a slot takes some
    HEARTBEAT = 40

    def __init__(self, master):
        for name in os.listdir(f"/proc/{master}/fd"):
            if "muster-scoreboard" in os.readlink(f"/proc/{master}/fd/{name}"):
                with open(f"/proc/{master}/fd/{name}", "r+b") as file:
                    self.memory = mmap.mmap(file.fileno(), 0)
                return
        raise AssertionError("no scoreboard")

    def slot_of(self, pid):
        for offset in range(0, len(self.memory), self.STRIDE):
            if struct.unpack_from("=i", self.memory, offset + 8)[0] == pid:
                return offset
        raise AssertionError(f"no slot of {pid}")

    def heartbeat(self, slot):
        return struct.unpack_from("=Q", self.memory, slot + self.HEARTBEAT)[0]

    def write(self, slot, value):
        struct.pack_into("=Q", self.memory, slot + self.HEARTBEAT, value)


def test_a_heartbeat_in_the_future_hides_no_hang(service):
    muster = service({**QUICK, "worker.workers": 1})
    (pid,) = muster.worker_pids()
    scoreboard = Scoreboard(muster.pid)
    slot = scoreboard.slot_of(pid)
    now = time.monotonic_ns() // 1000
    assert now - 5_000_000 * SLOW < scoreboard.heartbeat(slot) <= now
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    scoreboard.write(slot, now + 3600 * 1_000_000)
    wait_for(lambda: len(muster.workers()) == 2, "the replacement", 2 * SOON)
    assert time.monotonic() - began <= HANG_TIMEOUT + 1 + SLACK
    muster.wait_gone(pid)


# ---- The master's own time


def test_a_master_that_was_stopped_blames_nobody(service):
    """While it is stopped the children are too, as when a machine sleeps; it is the first to wake."""
    muster = service({**QUICK, "worker.workers": 2})
    agent, workers = muster.agent(), muster.workers()
    pids = [muster.pid, agent, *(pid for _, pid in workers)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2 * HANG_TIMEOUT + 1)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    # A whole hang_timeout later nobody has been found to hang.
    time.sleep(HANG_TIMEOUT + 1)
    assert (muster.agent(), muster.workers()) == (agent, workers)
    assert not muster.log.matching("hung")
