# SPDX-License-Identifier: MIT
"""Schedules under the shipped unit, whose sandbox their clocks must pass, and a clock that is set there."""

import json
import re
import struct
import time
from pathlib import Path

import pytest

from container import wait_until

JOBS = "muster@jobs.service"
FAILED_ID = "4d0c6b6f3e8f4c0e9d4f1a72c85be943"
DAY = 86400
TREE = Path(__file__).resolve().parents[2]

CONFIGURATION = """
[muster]
module = /usr/local/lib/schedules.so

[worker]
workers = 2

[schedule:seconds]
disable = no

[schedule:nightly]
disable = no
jitter = 0

[schedule:everywhere]
disable = no
interval = 2s

[app]
everywhere = fail
"""


@pytest.fixture
def jobs(installed):
    """The module of tests/modules/schedules.c as a service whose clock can be stepped."""
    installed.run("mkdir", "--parents", "/usr/local/include/muster", "/usr/local/lib")
    header, module, clock = installed.bring(
        TREE / "src/include/muster/app.h", TREE / "tests/modules/schedules.c", TREE / "tests/system/stepped-clock.c"
    )
    installed.run("cp", header, "/usr/local/include/muster/app.h")
    installed.run("gcc", "-O2", "-shared", "-fPIC", "-I/usr/local/include", "-o", "/usr/local/lib/schedules.so", module)
    installed.run("gcc", "-O2", "-D_GNU_SOURCE", "-shared", "-fPIC", "-pthread", "-o", "/usr/local/lib/stepped-clock.so",
                  clock)
    (installed.root / "var/tmp/clock").write_bytes(bytes(8))
    (installed.root / "var/tmp/clock").chmod(0o644)
    installed.write("/etc/muster/jobs.conf", CONFIGURATION)
    installed.write("/etc/systemd/system/muster@jobs.socket.d/listen.conf",
                    "[Socket]\nListenStream=\nListenStream=127.0.0.1:8083\n")
    installed.write("/etc/systemd/system/muster@jobs.service.d/clock.conf",
                    "[Service]\nEnvironment=LD_PRELOAD=/usr/local/lib/stepped-clock.so STEPPED_CLOCK=/run/stepped-clock\n"
                    "BindReadOnlyPaths=/var/tmp/clock:/run/stepped-clock\n")
    installed.systemctl("daemon-reload")
    installed.systemctl("start", JOBS)
    wait_until(lambda: installed.state(JOBS) == "active", "the service is active")
    return installed


def step_clock(container, seconds):
    # In place: the file is mapped and bound
    with open(container.root / "var/tmp/clock", "r+b") as file:
        file.write(struct.pack("=q", int(seconds)))


def schedule(container, name):
    found = json.loads(container.run("musterctl", "schedule", "jobs", "list", "--json"))
    return {item["name"]: item for item in found}[name]


def test_schedules_run_are_shown_and_explained(jobs):
    wait_until(lambda: schedule(jobs, "seconds")["runs"] >= 3, "runs each second")
    ran = jobs.journal("-u", JOBS, "MUSTER_SCHEDULE=seconds", "MUSTER_RESULT=ok")
    assert len(ran) >= 3 and all(int(entry["MUSTER_DURATION_USEC"]) < 1000000 for entry in ran)
    failed = wait_until(lambda: jobs.journal("-u", JOBS, f"MESSAGE_ID={FAILED_ID}"), "a failure is in the log")
    assert failed[0]["MUSTER_SCHEDULE"] == "everywhere" and failed[0]["MUSTER_RESULT"] == "failed"
    explained = jobs.run("journalctl", "--no-pager", "--catalog", "-u", JOBS, f"MESSAGE_ID={FAILED_ID}")
    assert "The schedule everywhere of jobs has failed" in explained
    assert "musterctl schedule jobs run everywhere" in explained
    assert re.search(r"Schedules: seconds|seconds (waiting|running), next in", jobs.run("musterctl", "status", "jobs"))
    assert jobs.run("musterctl", "schedule", "jobs", "run", "hourly").startswith("jobs: hourly ok")
    assert schedule(jobs, "seconds")["failures"] == 0


def test_a_clock_that_is_set_makes_up_for_what_it_passes_once(jobs):
    first = schedule(jobs, "nightly")["next_usec"] / 1e6
    before = schedule(jobs, "everywhere")["runs"]
    master = jobs.main_pid(JOBS)
    step_clock(jobs, first - time.time() + 2 * DAY + 60)
    wait_until(lambda: schedule(jobs, "nightly")["runs"] == 1, "the run that was passed over")
    assert schedule(jobs, "nightly")["missed"] == 2
    wait_until(lambda: schedule(jobs, "nightly")["next_usec"] / 1e6 == first + 3 * DAY, "the next one is after that")
    step_clock(jobs, 0)
    wait_until(lambda: schedule(jobs, "nightly")["next_usec"] / 1e6 == first, "the clock is right again")
    wait_until(lambda: schedule(jobs, "everywhere")["runs"] > before + 1, "the interval goes on")
    assert schedule(jobs, "nightly")["runs"] == 1
    assert jobs.main_pid(JOBS) == master
