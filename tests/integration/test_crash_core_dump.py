# SPDX-License-Identifier: MIT
"""The core dump of a worker that goes on: it shows the faulting frame, and nobody waited for it."""

import fcntl
import os
import pathlib
import resource
import shutil
import subprocess
import time

import pytest

import muster as harness
from muster import SOON, alive, wait_for

PATTERN = pathlib.Path("/proc/sys/kernel/core_pattern")


@pytest.fixture
def cores(directory):
    """The kernel writes cores into this directory for the time of one test."""
    path = directory / "cores"
    path.mkdir()
    os.chmod(path, 0o777)
    with open(PATTERN, encoding="ascii") as lock:
        # The pattern is the whole machine's, and another run of the tests may be at it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = PATTERN.read_text(encoding="ascii")
        try:
            PATTERN.write_text(f"{path}/core.%p", encoding="ascii")
        except OSError as error:
            pytest.skip(f"core_pattern cannot be set: {error}")
        try:
            yield path
        finally:
            PATTERN.write_text(before, encoding="ascii")


def unlimited():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def written(cores, parents):
    """Dumps that are complete: whoever dumps is gone."""
    found = []
    for path in cores.glob("core.*"):
        pid = int(path.name.split(".")[1])
        if not alive(pid):
            found.append(path)
    return found if len(found) >= parents else None


def backtrace(core):
    program = harness.build_dir() / "src" / "muster-worker"
    result = subprocess.run(
        ["gdb", "-batch", "-nx", "-iex", "set debuginfod enabled off", "-ex", "bt", str(program), str(core)],
        capture_output=True,
        text=True,
        check=True,
        timeout=6 * SOON,
    )
    return result.stdout


needs_gdb = pytest.mark.skipif(not shutil.which("gdb"), reason="no gdb")


@needs_gdb
@pytest.mark.parametrize(
    "name, frame", [("SEGV", "cause_bad_pointer"), ("FPE", "cause_division_by_zero"), ("ABRT", "cause_double_free")]
)
def test_the_dump_shows_the_faulting_frame(service, cores, name, frame):
    muster = service({"worker.workers": 1, "worker.core": "yes"}, preexec=unlimited)
    (old,) = muster.worker_pids()
    with muster.client() as slow, muster.client() as crashing:
        slow.request("GET", "/slow?ms=300")
        assert crashing.get(f"/crash?signal={name}").status == 500
        assert slow.response().status == 200
    (core,) = wait_for(lambda: written(cores, 1), "a core dump", 2 * SOON)
    assert core.name != f"core.{old}", "the worker itself has dumped: it cannot have gone on"
    text = backtrace(core)
    assert frame in text, text
    muster.wait_replaced(old)


@needs_gdb
def test_a_fault_outside_a_callback_leaves_a_dump_too(service, cores):
    muster = service({"worker.workers": 1, "worker.core": "yes"}, preexec=unlimited)
    (old,) = muster.worker_pids()
    with muster.client() as crashing:
        crashing.request("GET", "/thread-crash")
        crashing.eof()
    (core,) = wait_for(lambda: written(cores, 1), "a core dump", 2 * SOON)
    text = backtrace(core)
    assert "cause_bad_pointer" in text and "crash_on_thread" in text, text
    muster.wait_replaced(old)


def test_no_dump_is_left_where_none_is_wanted(service, cores):
    muster = service({"worker.workers": 1, "worker.core": "no"}, preexec=unlimited)
    for target in ("/crash", "/thread-crash"):
        (old,) = muster.worker_pids()
        with muster.client() as crashing:
            crashing.request("GET", target)
            while not crashing.eof():
                crashing.pending = b""
        muster.wait_replaced(old)
    muster.stop()
    assert list(cores.iterdir()) == []


def test_the_answer_does_not_wait_for_the_dump(service, cores):
    """256 MB take their time to be written; the faulting client and the others don't see it."""
    muster = service({"worker.workers": 1, "worker.core": "yes"}, preexec=unlimited)
    (old,) = muster.worker_pids()
    with muster.client() as other, muster.client() as crashing:
        assert crashing.get("/leak?mb=256").status == 200
        assert other.get("/").status == 200
        began = time.monotonic()
        assert crashing.get("/crash").status == 500
        assert other.get("/pid").text == str(old)
        answered = time.monotonic() - began
        assert not written(cores, 1), "the dump was there before the answer: nothing was proved"
        wait_for(lambda: written(cores, 1), "a core dump", 6 * SOON)
        assert answered < time.monotonic() - began
    muster.wait_replaced(old)


def test_a_dump_is_complete_though_the_worker_has_ended_meanwhile(delegated, service, cores):
    """Whoever dumps is in the worker's cgroup, which is emptied when the worker has ended."""
    muster = service({"worker.workers": 1, "worker.core": "yes"},
                     preexec=lambda: (delegated.enter(), unlimited()))
    (old,) = muster.worker_pids()
    with muster.client() as crashing:
        assert crashing.get("/leak?mb=256").status == 200
        assert crashing.get("/crash").status == 500
    muster.wait_gone(old)
    assert not written(cores, 1), "the dump was there before the worker's end: nothing was proved"
    (core,) = wait_for(lambda: written(cores, 1), "a core dump", 6 * SOON)
    assert core.stat().st_size > 256 << 20
    wait_for(lambda: len(delegated.names()) == 3, f"master, agent and worker alone: {delegated.names()}")
