# SPDX-License-Identifier: MIT
"""What a person finds in the journal after a crash: one entry, with everything in it."""

import os
import re
import signal
import subprocess

import pytest

from client import SOON

FIELDS = ["ROLE", "WORKER", "PID", "SIGNAL", "ADDRESS", "ROUTE", "BACKTRACE"]


def can_mount():
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_mount(), reason="needs a mount namespace for a journal of its own")


def entries(muster, predicate, what, **keywords):
    return muster.journal.wait(predicate, what, **keywords)


def is_crash(entry):
    return "MUSTER_SIGNAL" in entry and "MUSTER_BACKTRACE" in entry


@pytest.fixture
def muster(service):
    return service({"worker.workers": 1}, journal=True, name="shop")


def test_lines_say_who_they_come_from(muster):
    assert muster.get("/log?text=here").status == 200
    (worker,) = muster.worker_pids()
    entry = entries(muster, lambda entry: entry["MESSAGE"] == "Asked to say: here", "the application's line")
    assert entry["SYSLOG_IDENTIFIER"] == "muster-worker"
    assert entry["MUSTER_INSTANCE"] == "shop"
    assert entry["MUSTER_ROLE"] == "worker"
    assert entry["MUSTER_WORKER"] == "0"
    assert entry["PRIORITY"] == "5"
    assert entry["FAULTS_ASKED"] == "yes"
    assert "faults_refused" not in entry
    assert entry["_PID"] == worker


def test_a_crash_has_one_entry_with_all_its_fields(muster):
    (old,) = muster.worker_pids()
    with muster.client() as crashing:
        assert crashing.get("/items/4711/crash?signal=SEGV").status == 500
    muster.wait_replaced(old)
    entry = entries(muster, is_crash, "the crash's entry")
    assert all(f"MUSTER_{field}" in entry for field in FIELDS), entry
    assert entry["MUSTER_ROLE"] == "worker"
    assert entry["MUSTER_WORKER"] == "0"
    assert entry["MUSTER_PID"] == str(old)
    assert entry["MUSTER_SIGNAL"] == "SIGSEGV"
    assert int(entry["MUSTER_ADDRESS"], 16) == 0xBAD
    assert entry["MUSTER_ROUTE"] == "GET /items/{id}/crash"
    assert re.search(r"faults\.so\+0x[0-9a-f]+", entry["MUSTER_BACKTRACE"])
    assert re.fullmatch("[0-9a-f]{32}", entry["MESSAGE_ID"])
    assert int(entry["PRIORITY"]) <= 3
    assert entry["_PID"] == muster.pid, "the entry is the master's"
    for word in ("SIGSEGV", "GET /items/{id}/crash", str(old)):
        assert word in entry["MESSAGE"]
    muster.stop()
    assert len(muster.journal.all(is_crash)) == 1


def test_the_entry_of_a_stack_overflow_has_the_route_too(muster):
    with muster.client() as crashing:
        assert crashing.get("/crash?signal=STACK").status == 500
    entry = entries(muster, is_crash, "the crash's entry")
    assert entry["MUSTER_SIGNAL"] == "SIGSEGV"
    assert entry["MUSTER_ROUTE"] == "GET /crash"
    assert "faults.so+0x" in entry["MUSTER_BACKTRACE"]


def test_the_first_frame_is_where_the_fault_was(muster, directory):
    """addr2line, told the module's offset, names the function that faulted."""
    import muster as harness

    with muster.client() as crashing:
        assert crashing.get("/crash").status == 500
    trace = entries(muster, is_crash, "the crash's entry")["MUSTER_BACKTRACE"]
    offsets = re.findall(r"faults\.so\+(0x[0-9a-f]+)", trace)
    module = harness.build_dir() / "src" / "apps" / "faults.so"
    result = subprocess.run(
        ["addr2line", "-f", "-e", str(module), *offsets], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        pytest.skip("no addr2line")
    assert result.stdout.splitlines()[0] == "cause_bad_pointer", (trace, result.stdout)


def test_a_fault_in_a_timer_says_timer(muster):
    assert muster.get("/crash-timer").status == 200
    assert entries(muster, is_crash, "the crash's entry")["MUSTER_ROUTE"] == "timer"


def test_a_kill_from_outside_has_an_entry(muster):
    (old,) = muster.worker_pids()
    os.kill(old, signal.SIGKILL)
    entry = entries(muster, lambda entry: entry.get("MUSTER_SIGNAL") == "SIGKILL", "the kill's entry")
    assert entry["MUSTER_PID"] == str(old)
    assert entry["MUSTER_WORKER"] == "0"
    assert "MESSAGE_ID" in entry


def test_what_a_client_sends_cannot_forge_a_line(muster):
    with muster.client() as crashing:
        assert crashing.get("/items/x%0aMUSTER_FORGED=1/crash").status == 500
    entries(muster, is_crash, "the crash's entry")
    assert not muster.journal.all(lambda entry: "MUSTER_FORGED" in entry)


def test_every_alarming_entry_has_a_catalog_text(muster):
    from muster import SOURCE

    with muster.client() as crashing:
        crashing.get("/crash")
    entry = entries(muster, is_crash, "the crash's entry", within=SOON)
    catalogs = list(SOURCE.glob("packaging/catalog/*.catalog"))
    assert catalogs
    assert any(f"-- {entry['MESSAGE_ID']}" in path.read_text(encoding="utf-8") for path in catalogs)


def test_a_fault_of_the_agent_is_an_alert(service):
    muster = service({"app.agent_crash_after": "300ms"}, journal=True)
    agent = muster.agent()
    entry = entries(muster, is_crash, "the fault's entry", within=SOON)
    assert entry["MUSTER_ROLE"] == "agent"
    assert entry["MUSTER_PID"] == str(agent)
    assert entry["MUSTER_SIGNAL"] == "SIGSEGV"
    assert entry["MUSTER_ROUTE"] == "timer"
    assert entry["PRIORITY"] == "1"
    assert re.fullmatch("[0-9a-f]{32}", entry["MESSAGE_ID"])
    assert "faults.so+0x" in entry["MUSTER_BACKTRACE"]
    assert muster.agent() == agent


def test_a_start_that_fails_has_an_entry_with_an_id(start):
    muster = start({"app.start": "fail"}, journal=True)
    assert muster.wait() > 0
    entry = entries(
        muster,
        lambda entry: "start = fail" in entry["MESSAGE"] and "MESSAGE_ID" in entry,
        "the failure's entry",
    )
    assert int(entry["PRIORITY"]) <= 3
