# SPDX-License-Identifier: MIT
"""What is due is done, whatever happens to workers, agent and master; and nothing is done twice for it."""

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from muster import SOON, alive, wait_for
from schedules import configuration, enabled, runs, schedule, schedules, wait_runs

ONCE = {"immediate": "yes"}


def test_a_job_whose_worker_crashes_in_it_is_given_to_another(service):
    muster = service(configuration(enabled("hourly", "crash-once", **ONCE)))
    first, second = wait_runs(muster, "hourly", 2)
    assert first[1] != second[1] and (first[2], second[2]) == (0, 1)
    muster.log.wait_for(r"Schedule hourly: worker \d crashed in it, another gets it \(attempt 2 of 3\)")
    muster.log.wait_for(r"Schedule hourly ok \(worker \d")
    muster.log.wait_for(r"crashed: SIGSEGV .* in schedule hourly.*MUSTER_ROUTE=schedule hourly")
    state = schedule(muster, "hourly")
    assert (state["runs"], state["failures"]) == (1, 0)
    assert len(runs(muster, "hourly")) == 2


def test_a_job_whose_worker_is_killed_is_given_to_another(service):
    muster = service(configuration(enabled("hourly", "kill-once", **ONCE)))
    first, second = wait_runs(muster, "hourly", 2)
    assert first[1] != second[1] and second[2] == 1
    muster.log.wait_for(r"Schedule hourly: worker \d ended while it ran, another gets it")
    muster.log.wait_for(r"Schedule hourly ok \(worker \d")


def test_a_suspended_job_whose_worker_is_killed_from_outside_is_given_to_another(service):
    muster = service(configuration(enabled("hourly", "never-once", **ONCE)))
    ((_, pid, _),) = wait_runs(muster, "hourly", 1)
    os.kill(pid, signal.SIGKILL)
    second = wait_runs(muster, "hourly", 2)[1]
    assert second[1] != pid and second[2] == 1
    muster.log.wait_for(r"Schedule hourly ok \(worker \d")


def test_a_job_in_which_its_worker_hangs_is_given_to_another(service):
    muster = service(configuration(enabled("hourly", "hang-once", **ONCE), **{"worker.hang_timeout": "1s"}))
    first, second = wait_runs(muster, "hourly", 2, 2 * SOON)
    assert first[1] != second[1]
    muster.log.wait_for(r"Schedule hourly: worker \d hung in it, another gets it")
    muster.log.wait_for(r"Schedule hourly ok \(worker \d")


def test_with_one_worker_the_next_one_gets_it(service):
    muster = service(configuration(enabled("hourly", "kill-once", **ONCE), **{"worker.workers": 1}))
    first, second = wait_runs(muster, "hourly", 2)
    assert first[0] == second[0] == 0 and first[1] != second[1]


def test_of_all_workers_the_one_that_takes_the_place_of_a_dead_one_does_it(service):
    muster = service(configuration(enabled("everywhere", "never-once", interval="1h", **ONCE)))
    found = wait_runs(muster, "everywhere", 2)
    number, pid, _ = found[1]
    os.kill(pid, signal.SIGKILL)
    third = wait_runs(muster, "everywhere", 3)[2]
    assert third[0] == number and third[1] != pid and third[2] == 1


def test_a_job_that_ends_every_worker_is_given_up_after_three(service):
    muster = service(
        configuration(enabled("hourly", "kill", **ONCE), **{"restart.quarantine_after": 3, "restart.quarantine_time": "5min"})
    )
    wait_runs(muster, "hourly", 3)
    muster.log.wait_for(r"Schedule hourly: worker \d ended while it ran, as 2 others before; it is given up for this time, it is held for 5min.*MESSAGE_ID=4d0c6b6f")
    state = schedule(muster, "hourly")
    assert (state["state"], state["runs"], state["failures"], state["result"]) == ("held", 1, 1, "lost")
    wait_for(lambda: len(muster.worker_pids()) == 2, "two workers")
    assert muster.get("/pid").status == 200
    assert len(runs(muster, "hourly")) == 3
    # By hand it runs all the same, and resuming ends the hold
    assert muster.ctl("schedule", "run", "hourly").returncode == 1
    assert len(runs(muster, "hourly")) == 6
    assert muster.ctl("schedule", "resume", "hourly").returncode == 0
    assert schedule(muster, "hourly")["state"] == "waiting"


def test_who_waits_for_a_run_that_finds_no_worker_is_told(service):
    muster = service(
        configuration(
            enabled("everywhere", "never", interval="1h", overlap="queue", **ONCE),
            **{"worker.workers": 1, "restart.quarantine_after": 3},
        )
    )
    wait_runs(muster, "everywhere", 1)
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(muster.ctl, "schedule", "run", "everywhere") for _ in range(2)]
        wait_for(lambda: any(call.done() for call in calls), "one of two, which is too many behind the one that goes on")
        for count in range(1, 4):
            os.kill(wait_runs(muster, "everywhere", count)[-1][1], signal.SIGKILL)
        refused, done = sorted((call.result() for call in calls), key=lambda call: "goes on already" not in call.stderr)
    assert refused.returncode == 1
    muster.log.wait_for("Schedule everywhere is due and left out, there is no worker to run it")
    assert done.returncode == 1
    assert "There is no worker to run it" in done.stderr


def test_what_is_held_is_left_out(service):
    muster = service(configuration(enabled("quick", "kill"), **{"restart.quarantine_after": 3}))
    muster.log.wait_for(r"Schedule quick is due and left out, it is held for another", within=2 * SOON)
    wait_for(lambda: schedule(muster, "quick")["skipped"] >= 3, "times that were left out")
    assert len(runs(muster, "quick")) == 3


# Draining


def test_a_worker_that_is_replaced_finishes_its_suspended_job(service):
    muster = service(configuration(enabled("hourly", "later 1500", **ONCE)))
    ((number, pid, _),) = wait_runs(muster, "hourly", 1)
    assert muster.ctl("restart", number).returncode == 0
    muster.log.wait_for(r"Schedule hourly ok: it took its time")
    muster.wait_gone(pid)
    assert len(runs(muster, "hourly")) == 1


def test_what_a_draining_worker_does_not_finish_in_time_is_given_to_another(service):
    muster = service(configuration(enabled("hourly", "never-once", **ONCE), **{"worker.drain_timeout": "300ms"}))
    ((number, pid, _),) = wait_runs(muster, "hourly", 1)
    assert muster.ctl("restart", number).returncode == 0
    second = wait_runs(muster, "hourly", 2)[1]
    assert second[1] != pid and second[2] == 1
    muster.log.wait_for(r"Schedule hourly ok")


def test_a_stop_waits_for_a_suspended_job(service):
    muster = service(configuration(enabled("hourly", "later 1200", **ONCE)))
    wait_runs(muster, "hourly", 1)
    muster.stop()
    assert "Schedule hourly ok: it took its time" in muster.log.text()


# The agent


def test_a_killed_agent_repeats_nothing_and_forgets_nothing(service):
    muster = service(configuration(enabled("at-once"), enabled("quick"), enabled("hourly", interval="2s")))
    wait_runs(muster, "quick", 2)
    agent = muster.agent()
    os.kill(agent, signal.SIGKILL)
    wait_for(lambda: muster.agent() not in (None, agent), "another agent")
    count = len(runs(muster, "quick"))
    wait_runs(muster, "quick", count + 3)
    assert len(runs(muster, "at-once")) == 1
    # Every second the agent dies, and what is due every two seconds is due all the same
    for _ in range(4):
        os.kill(muster.agent(), signal.SIGKILL)
        count = len(runs(muster, "quick"))
        wait_runs(muster, "quick", count + 4, 2 * SOON)
    assert len(runs(muster, "hourly")) >= 1
    assert len(runs(muster, "at-once")) == 1


def test_an_agent_that_crashes_and_lives_on_keeps_the_time(service):
    muster = service(configuration(enabled("quick"), **{"app.agent_crash": "500ms"}))
    muster.log.wait_for("the callback was abandoned")
    count = len(runs(muster, "quick"))
    wait_runs(muster, "quick", count + 3)


def test_what_is_missed_while_the_agent_is_stopped_is_made_up_for_once(service):
    muster = service(configuration(enabled("quick"), enabled("everywhere", interval="10s")))
    wait_runs(muster, "quick", 2)
    agent = muster.agent()
    before = schedule(muster, "quick")
    os.kill(agent, signal.SIGSTOP)
    try:
        due = before["next_usec"] / 1e6 + 1.5
        wait_for(lambda: time.time() > due, "some times that pass")
        stopped = schedule(muster, "quick")["runs"]
    finally:
        os.kill(agent, signal.SIGCONT)
    muster.log.wait_for(r"Schedule quick: \d+ times when it was due have been missed, it runs once for all")
    missed = int(re.search(r"quick: (\d+) times when it was due", muster.log.text())[1])
    assert missed >= 5
    assert schedule(muster, "quick")["missed"] >= missed
    wait_for(lambda: schedule(muster, "quick")["runs"] > stopped, "the next run")


# The master


def test_an_upgrade_keeps_what_goes_on_and_what_is_known(service):
    muster = service(
        configuration(enabled("hourly", "later 3000", interval="10min"), enabled("quick"), enabled("nightly"))
    )
    wait_runs(muster, "quick", 3)
    assert muster.ctl("schedule", "pause", "nightly").returncode == 0
    assert muster.ctl("schedule", "pause", "quick").returncode == 0
    wait_for(lambda: schedule(muster, "quick")["running"] == 0, "the end of the last one")
    before = schedules(muster)
    done = muster.ctl("upgrade")
    assert done.returncode == 0, done.stderr
    after = schedules(muster)
    assert after["nightly"]["paused"] is True and after["quick"]["paused"] is True
    for key in ("runs", "failures", "began_usec", "took_usec", "result"):
        assert after["quick"][key] == before["quick"][key], key
    assert muster.ctl("schedule", "resume", "quick").returncode == 0
    wait_for(lambda: schedule(muster, "quick")["runs"] > before["quick"]["runs"], "runs after the upgrade")


def test_a_job_that_goes_on_during_an_upgrade_is_counted_by_the_new_master(service):
    muster = service(configuration(enabled("hourly", "later 2500", **ONCE), **{"worker.drain_timeout": "10s"}))
    ((_, pid, _),) = wait_runs(muster, "hourly", 1)
    muster.kill(signal.SIGUSR2)
    muster.log.wait_for("Took over from version")
    assert alive(pid)
    muster.log.wait_for(r"Schedule hourly ok: it took its time", within=2 * SOON)
    assert schedule(muster, "hourly")["result"] == "ok: it took its time"
    # The new generation would have begun it too, but it went on
    muster.log.wait_for("Schedule hourly is due and left out, the run before still goes on")
    assert len(runs(muster, "hourly")) == 1
