# SPDX-License-Identifier: MIT
"""Schedules run when they are due, where they shall, and what came of it is told."""

import datetime
import json
import re
import threading
import time

import pytest

from muster import SLOW, SOON, wait_for
from schedules import BEGAN, configuration, enabled, runs, schedule, schedules, wait_runs


def test_an_interval_runs_in_one_worker_again_and_again(service):
    muster = service(configuration(enabled("quick")))
    found = wait_runs(muster, "quick", 5)
    assert {attempt for _, _, attempt in found} == {0}
    assert {pid for _, pid, _ in found} <= set(muster.worker_pids())
    muster.log.wait_for(r"Schedule quick ok \(worker \d, took .*MUSTER_RESULT=ok MUSTER_DURATION_USEC=\d+")
    state = schedule(muster, "quick")
    assert state["when"] == "every 200ms" and state["type"] == "worker" and state["overlap"] == "skip"
    assert state["runs"] >= 5 and state["failures"] == 0 and state["result"] == "ok"
    assert abs(state["next_usec"] / 1e6 - time.time()) < SOON
    muster.stop()


def test_cron_with_six_fields_runs_each_second(service):
    muster = service(configuration(enabled("seconds")))
    wait_runs(muster, "seconds", 3, 2 * SOON)
    lines = [line for line in muster.log.text().splitlines() if re.search(BEGAN.format("seconds"), line)]
    moments = [datetime.datetime.fromisoformat(line[:23]).timestamp() for line in lines]
    # Each at the beginning of a second of its own, as far as the machine is not too busy to do so
    assert len({int(moment) for moment in moments}) == len(moments)
    assert min(moment % 1 for moment in moments) < 0.2 * SLOW


def test_all_means_each_worker(service):
    muster = service(configuration(enabled("everywhere"), **{"worker.workers": 3}))
    wait_runs(muster, "everywhere", 6)
    assert {worker for worker, _, _ in runs(muster, "everywhere")[:3]} == {0, 1, 2}
    muster.log.wait_for(r"Schedule everywhere ok \(3 workers, took ")


def test_nothing_runs_that_is_disabled(service):
    muster = service(configuration(enabled("quick")))
    wait_runs(muster, "quick", 5)
    assert not runs(muster, "everywhere") and not runs(muster, "queued")
    state = schedule(muster, "queued")
    assert state["paused"] is True and state["state"] == "paused" and state["next_usec"] == 0


def test_immediate_runs_at_the_start(service):
    muster = service(configuration(enabled("at-once")))
    wait_runs(muster, "at-once", 1)
    lines = muster.log.text().splitlines()
    began = next(i for i, line in enumerate(lines) if re.search(BEGAN.format("at-once"), line))
    assert any("Ready: 2 workers" in line for line in lines[: began + 1])
    assert schedule(muster, "at-once")["next_usec"] / 1e6 > time.time() + 3000


def test_jitter_delays_within_its_bounds(service):
    """Of an interval of which it is the whole, so that no two runs come at the same distance."""
    muster = service(configuration(enabled("quick", jitter="200ms")))
    wait_runs(muster, "quick", 12, 2 * SOON)
    lines = [line for line in muster.log.text().splitlines() if re.search(BEGAN.format("quick"), line)]
    moments = [datetime.datetime.fromisoformat(line[:23]).timestamp() for line in lines]
    distances = [b - a for a, b in zip(moments, moments[1:])]
    assert max(distances) - min(distances) > 0.02
    # On average as often as without
    assert 0.1 < (moments[-1] - moments[0]) / len(distances) < 0.2 + 0.1 * SLOW
    assert schedule(muster, "quick")["missed"] < 3 * SLOW


def test_a_failure_is_told_with_its_reason(service):
    muster = service(configuration(enabled("quick", "fail")))
    muster.log.wait_for(r"Schedule quick failed: Connection refused \(worker \d, after .*MESSAGE_ID=4d0c6b6f")
    state = schedule(muster, "quick")
    assert state["failures"] >= 1 and state["result"] == "failed: Connection refused"


def test_a_suspended_job_is_over_when_it_is_finished(service):
    muster = service(configuration(enabled("hourly", "later 300", immediate="yes")))
    muster.log.wait_for("began hourly")
    muster.log.wait_for(r"Schedule hourly ok: it took its time \(worker \d, took 3\d\dms")
    muster.configure({"app.hourly": "later-fail 10"})
    done = muster.ctl("reload")
    assert done.returncode == 0, done.stderr
    muster.log.wait_for("Schedule hourly failed: Connection timed out, it took its time")


def test_a_job_that_is_suspended_keeps_nobody_waiting(service):
    muster = service(configuration(enabled("hourly", "never", immediate="yes"), **{"worker.workers": 1}))
    wait_runs(muster, "hourly", 1)
    assert int(muster.get("/pid").text) == muster.worker_pids()[0]
    assert schedule(muster, "hourly")["state"] == "running"


# Overlap


def test_skip_leaves_out_what_is_due_while_one_goes_on(service):
    muster = service(configuration(enabled("quick", "later 1100")))
    muster.log.wait_for("Schedule quick is due and left out, the run before still goes on")
    wait_runs(muster, "quick", 2)
    state = schedule(muster, "quick")
    assert state["skipped"] >= 3 and state["running"] == 1
    # Said once until that ends, not each time
    assert muster.log.text().count("is due and left out") <= state["runs"]


def test_queue_begins_one_more_when_that_is_over(service):
    muster = service(configuration(enabled("queued", "later 700")))
    wait_runs(muster, "queued", 3)
    lines = [line for line in muster.log.text().splitlines() if "began queued" in line or "finishing queued" in line]
    # One after another, each at once when the one before is over
    kinds = ["began" if "began" in line else "finishing" for line in lines]
    assert kinds[:5] == ["began", "finishing"] * 2 + ["began"]
    moments = [datetime.datetime.fromisoformat(line[:23]).timestamp() for line in lines]
    assert moments[2] - moments[1] < 0.09 * SLOW
    assert schedule(muster, "queued")["skipped"] > 0


def test_allow_lets_them_go_on_side_by_side(service):
    muster = service(configuration(enabled("allowed", "later 1000")))
    wait_for(lambda: schedule(muster, "allowed")["running"] >= 3, "three at a time")
    assert schedule(muster, "allowed")["skipped"] == 0
    # The least busy: both have some
    assert {worker for worker, _, _ in wait_runs(muster, "allowed", 4)} == {0, 1}


def test_allow_has_a_bound(service):
    muster = service(configuration(enabled("allowed", "never")))
    wait_for(lambda: schedule(muster, "allowed")["skipped"] > 0, "one that is left out")
    assert schedule(muster, "allowed")["running"] == 16
    muster.log.wait_for("Schedule allowed is due and left out, too much goes on already")
    assert muster.get("/pid").status == 200


# Operators


def test_pause_resume_and_run(service):
    muster = service(configuration(enabled("quick"), enabled("everywhere")))
    wait_runs(muster, "quick", 2)
    done = muster.ctl("schedule", "pause", "quick")
    assert (done.returncode, done.stdout) == (0, f"{muster.name}: quick is paused\n")
    state = schedule(muster, "quick")
    wait_for(lambda: schedule(muster, "quick")["running"] == 0, "the end of the last one")
    before = schedule(muster, "quick")["runs"]
    # Its times pass, as those of another with the same interval show
    wait_runs(muster, "everywhere", len(runs(muster, "everywhere")) + 8)
    assert schedule(muster, "quick")["runs"] == before and state["paused"] is True

    done = muster.ctl("schedule", "run", "QUICK")
    assert done.returncode == 0 and re.match(rf"{muster.name}: QUICK ok, took .* \(1 of 1 workers\)", done.stdout)
    assert schedule(muster, "quick")["runs"] == before + 1

    assert muster.ctl("schedule", "resume", "quick").returncode == 0
    wait_for(lambda: schedule(muster, "quick")["runs"] > before + 2, "runs after it was resumed")
    assert "Schedule quick is paused" in muster.log.text() and "Schedule quick is resumed" in muster.log.text()


def test_run_waits_for_the_end_and_fails_when_that_does(service):
    muster = service(configuration({"app.hourly": "later 500", "app.everywhere": "fail"}))
    began = time.monotonic()
    done = muster.ctl("schedule", "run", "hourly")
    assert done.returncode == 0 and time.monotonic() - began > 0.5
    assert "hourly ok: it took its time, took 50" in done.stdout
    done = muster.ctl("schedule", "run", "everywhere")
    assert done.returncode == 1
    assert "everywhere failed: Connection refused" in done.stderr and "(0 of 2 workers)" in done.stderr


def test_run_is_refused_where_overlap_does_not_allow_it(service):
    muster = service(configuration(enabled("hourly", "never", immediate="yes")))
    wait_runs(muster, "hourly", 1)
    done = muster.ctl("schedule", "run", "hourly")
    assert done.returncode == 1 and "goes on already" in done.stderr


def test_who_waits_for_a_run_is_told_that_the_service_stops(service):
    muster = service(configuration({"app.hourly": "never"}, **{"worker.drain_timeout": "500ms"}))
    result = []
    thread = threading.Thread(target=lambda: result.append(muster.ctl("schedule", "run", "hourly")))
    thread.start()
    wait_runs(muster, "hourly", 1)
    muster.stop()
    thread.join(SOON)
    assert result[0].returncode == 1 and "The service stops" in result[0].stderr
    assert "Schedule hourly was not finished by worker" in muster.log.text()


@pytest.mark.parametrize(
    "words, status, text",
    [
        (["pause", "nothing"], 1, 'There is no schedule "nothing"'),
        (["run"], 2, "wants the name of a schedule"),
        (["list", "quick"], 2, "wants no name of a schedule"),
        (["begin", "quick"], 2, "neither list, run, pause nor resume"),
    ],
)
def test_what_makes_no_sense_is_refused(service, words, status, text):
    muster = service(configuration())
    done = muster.ctl("schedule", *words)
    assert done.returncode == status and text in done.stderr


def test_the_listing_and_the_status_show_when_each_runs_next(service):
    muster = service(configuration(enabled("hourly"), enabled("nightly"), enabled("quick", "fail")))
    wait_runs(muster, "quick", 2)
    listing = muster.ctl("schedule", "list").stdout
    assert re.search(r"^hourly +every 1h +worker +waiting +in (59min|1h)", listing, re.MULTILINE)
    assert re.search(r"^nightly +30 4 \* \* \* +worker +waiting +in \d+", listing, re.MULTILINE)
    assert re.search(r"^quick .*failed: Connection refused", listing, re.MULTILINE)
    assert muster.ctl("schedule").stdout.split()[:4] == listing.split()[:4]
    status = muster.ctl("status").stdout
    assert re.search(r"Schedules: quick waiting, next in .*, last: failed", status)
    assert re.search(r"^ +hourly waiting, next in (59min|1h)", status, re.MULTILINE)
    state = {item["name"]: item for item in json.loads(muster.ctl("status", "--json").stdout)["schedules"]}
    assert state["nightly"]["next_usec"] > time.time() * 1e6
    assert set(state) == set(schedules(muster))


# Configuration


def test_a_section_that_means_no_schedule_ends_the_start_with_the_nearest(start):
    muster = start(configuration({"schedule:qick.interval": "5s"}))
    assert muster.wait(3 * SOON) > 0
    muster.log.wait_for(
        r"\[schedule:qick\]: the application has no such schedule, did you mean \[schedule:quick\]\?"
    )


def test_a_jitter_that_is_too_long_for_the_interval_of_the_application_ends_the_start(start):
    muster = start(configuration(enabled("quick", jitter="5s")))
    assert muster.wait(3 * SOON) > 0
    muster.log.wait_for(r"schedule quick: its jitter \(5s\) is longer than its interval \(200ms\)")


def test_a_reload_brings_other_times(service):
    muster = service(configuration(enabled("hourly", interval="1h")))
    assert schedule(muster, "hourly")["when"] == "every 1h"
    muster.configure({"schedule:hourly.interval": "150ms", "schedule:hourly.type": "all"})
    assert muster.ctl("reload").returncode == 0
    wait_runs(muster, "hourly", 4)
    state = schedule(muster, "hourly")
    assert state["when"] == "every 150ms" and state["type"] == "all"
    muster.configure({"schedule:hourly.interval": "", "schedule:hourly.cron": "0 0 1 1 *"})
    assert muster.ctl("reload").returncode == 0
    assert schedule(muster, "hourly")["when"] == "0 0 1 1 *"


def test_a_reload_with_a_section_that_means_nothing_leaves_the_old_one(service):
    muster = service(configuration(enabled("quick")))
    muster.configure({"schedule:quik.interval": "1s"})
    done = muster.ctl("reload")
    assert done.returncode == 1 and "did you mean [schedule:quick]?" in done.stderr
    count = len(runs(muster, "quick"))
    wait_runs(muster, "quick", count + 3)


def test_a_reload_keeps_counters_and_pauses_and_begins_what_is_immediate(service):
    muster = service(configuration(enabled("at-once"), enabled("quick"), enabled("seconds")))
    wait_runs(muster, "quick", 3)
    assert muster.ctl("schedule", "pause", "seconds").returncode == 0
    before = schedules(muster)
    assert muster.ctl("reload").returncode == 0
    wait_runs(muster, "at-once", 2)
    after = schedules(muster)
    assert after["quick"]["runs"] >= before["quick"]["runs"] >= 3
    assert after["seconds"]["paused"] is True
    assert len(runs(muster, "at-once")) == 2
