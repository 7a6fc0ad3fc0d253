# SPDX-License-Identifier: MIT
"""A clock that is set: cron's times follow it, intervals do not, and what it passes over is made up for once."""

import shutil
import struct
import subprocess
import time

import pytest

from muster import SOON, SOURCE, wait_for
from schedules import configuration, enabled, runs, schedule, wait_runs

HOUR, DAY = 3600, 86400


@pytest.fixture
def clock(directory, service):
    """A service whose clock can be stepped, as the only one: (the service, step(seconds from the real time))."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no compiler")
    library, shift = directory / "stepped-clock.so", directory / "shift"
    source = SOURCE / "tests" / "system" / "stepped-clock.c"
    subprocess.run([compiler, "-O2", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, source, "-pthread"], check=True)
    shift.write_bytes(bytes(8))

    def step(seconds):
        # In place: the file is mapped
        with open(shift, "r+b") as file:
            file.write(struct.pack("=q", int(seconds)))

    variables = {
        "LD_PRELOAD": str(library),
        "STEPPED_CLOCK": str(shift),
        "TZ": "UTC",
        # The sanitizer wants to be the first library there is; it must not insist
        "ASAN_OPTIONS": "verify_asan_link_order=0:handle_segv=0:handle_sigbus=0:handle_abort=0:use_sigaltstack=0",
    }
    # What is preloaded has a thread of its own, and is no part of what the sandbox is made for
    muster = service(
        configuration(enabled("nightly", jitter="0"), enabled("quick"), **{"muster.sandbox": "no"}),
        variables=variables,
    )
    wait_for(lambda: next_run(muster) > 0, "the agent keeps the time")
    return muster, step


def next_run(muster):
    return schedule(muster, "nightly")["next_usec"] / 1e6


def wait_next(muster, when):
    wait_for(lambda: next_run(muster) == when, f"the next run at {when}, it is at {next_run(muster)}", SOON)


def test_a_clock_put_forward_makes_up_for_what_it_passes_once(clock):
    muster, step = clock
    first = next_run(muster)
    assert first % DAY == 4.5 * HOUR and 0 < first - time.time() <= DAY
    assert not runs(muster, "nightly")
    # To a minute after the third of its times
    step(first - time.time() + 2 * DAY + 60)
    wait_runs(muster, "nightly", 1)
    muster.log.wait_for("Schedule nightly: 2 times when it was due have been missed, it runs once for all")
    wait_next(muster, first + 3 * DAY)
    state = schedule(muster, "nightly")
    assert (state["runs"], state["missed"]) == (1, 2)


def test_a_clock_put_forward_to_nothing_runs_nothing(clock):
    muster, step = clock
    first = next_run(muster)
    step((first - time.time()) / 2)
    wait_runs(muster, "quick", len(runs(muster, "quick")) + 3)
    assert not runs(muster, "nightly") and next_run(muster) == first


def test_a_clock_put_back_a_little_repeats_nothing(clock):
    muster, step = clock
    first = next_run(muster)
    step(first - time.time() + 60)
    wait_runs(muster, "nightly", 1)
    wait_next(muster, first + DAY)
    step(first - time.time() - HOUR)
    wait_runs(muster, "quick", len(runs(muster, "quick")) + 3)
    assert next_run(muster) == first + DAY
    assert len(runs(muster, "nightly")) == 1


def test_a_clock_put_back_a_lot_was_wrong_before(clock):
    muster, step = clock
    first = next_run(muster)
    step(first - time.time() + 30 * DAY + 60)
    wait_runs(muster, "nightly", 1)
    wait_next(muster, first + 31 * DAY)
    step(0)
    wait_next(muster, first)


def test_no_clock_touches_an_interval(clock):
    muster, step = clock
    for seconds in (30 * DAY, -30 * DAY, HOUR, 0):
        began = time.monotonic()
        before = len(runs(muster, "quick"))
        step(seconds)
        wait_runs(muster, "quick", before + 4)
        assert time.monotonic() - began > 0.5
    assert schedule(muster, "quick")["missed"] < SOON
