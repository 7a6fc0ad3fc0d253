# SPDX-License-Identifier: MIT
"""Functions of the module that run as processes of their own, and what they and their parent send to each other."""

import os
import re
import signal

import pytest

from children import ask, children_of, config, descriptors, target, timed
from client import wait_for
from muster import SOON, Process, alive, build_dir


def forks(**values):
    return config(muster__module=build_dir() / "src" / "apps" / "forks.so", app__key="a key", **values)


@pytest.fixture
def muster(service):
    running = service(forks())
    [worker] = running.worker_pids()
    ask(running, "/fork", name="result", one=1)
    before = descriptors(worker)
    yield running
    if running.worker_pids() == [worker]:
        wait_for(lambda: descriptors(worker) <= before + 1, f"{before} descriptors")
        wait_for(lambda: not children_of(worker), "no child is left")


def fork(service, name, within=3 * SOON, /, **values):
    return ask(service, "/fork", within, name=name, **values)


def sent(muster):
    """The sum of what the parent has sent last, and how many messages it could not send."""
    match = re.search(r"Sent: sum (\d+), lost (\d+)", muster.log.matching("Sent: sum")[-1].text)
    return int(match[1]), int(match[2])


def test_the_sum_of_the_article_is_computed_by_a_child_while_others_are_served(muster):
    """fork_app.js: send, on message, kill, on close."""
    outcome = fork(muster, "compute", text="100000", wanted=1, kill=1)
    assert (outcome.text, outcome["signal"]) == ("4999950000", signal.SIGKILL)


def test_a_function_knows_what_it_is_and_ends_when_it_has_nothing_to_wait_for(muster):
    outcome = fork(muster, "describe", one="an argument", two="two words")
    [worker] = muster.worker_pids()
    assert outcome["code"] == 0 and outcome["n"] == 1
    assert f"role=3 worker=0 instance={muster.name} " in outcome.text
    assert f"ppid={worker} argc=3 key=a key [describe] [an argument] [two words]" in outcome.text


def test_its_title_says_what_it_is(muster):
    pid = int(muster.get(target("/fork", name="echo", at_once=1)).text)
    assert Process(pid).title == f"muster-child: {muster.name}/echo"
    os.kill(pid, signal.SIGKILL)
    muster.wait_gone(pid)


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1 << 20, 16 << 20])
def test_messages_of_any_size_go_there_and_back(muster, size):
    values = {"size": size} if size else {"text": ""}
    outcome = fork(muster, "echo", wanted=1, **values)
    assert (outcome["n"], outcome["bytes"], outcome["code"]) == (1, size, 0)
    muster.log.wait_for("Sent: sum", count=2)
    assert outcome["sum"] == sent(muster)[0]


def test_a_message_that_is_too_large_is_refused(muster):
    pid = int(muster.get(target("/fork", name="echo", at_once=1, size=(16 << 20) + 1)).text)
    muster.log.wait_for("Sent: sum 0, lost 1")
    os.kill(pid, signal.SIGKILL)
    muster.wait_gone(pid)


def test_order_is_kept_and_all_arrive(muster):
    outcome = fork(muster, "echo", text="x", size=30, times=1000, wanted=2000)
    assert outcome["n"] == 2000 and outcome["bytes"] == 31000


def test_a_descriptor_goes_there_and_is_used(muster, directory):
    path = directory / "file"
    outcome = fork(muster, "handle", text="written by the child", path=path)
    assert outcome["code"] == 5
    assert path.read_text() == "written by the child"


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_descriptors_go_both_ways_with_small_and_large_messages(muster, directory, size):
    outcome = fork(muster, "echo", size=size, times=3, wanted=3, path=directory / "file")
    assert (outcome["n"], outcome["fds"]) == (3, 3)


def test_what_was_sent_before_the_function_listens_waits_for_it(muster, directory):
    outcome = fork(muster, "late", text="early", times=3, wanted=3, path=directory / "file")
    assert (outcome["n"], outcome["fds"], outcome.text) == (3, 3, "early")


def test_messages_before_the_end_come_before_the_close_event(muster):
    outcome = fork(muster, "flood", one=1000)
    assert (outcome["n"], outcome["bytes"], outcome["code"]) == (1000, 1000 * 32768, 0)


def test_a_parent_that_sends_too_much_is_told_and_hears_when_there_is_room(muster):
    """4,000 messages of 32 KiB at once do not fit; those that were taken arrive."""
    outcome = fork(muster, "late", size=32768, times=4000, timeout=3000)
    sum_, lost = sent(muster)
    assert 0 < lost < 4000 and sum_ > 0
    assert outcome["drains"] >= 1
    assert outcome["n"] == 4000 - lost and outcome["sum"] == sum_


def test_timers_run_in_it_and_it_ends_when_it_says(muster):
    outcome = fork(muster, "timer")
    assert (outcome["n"], outcome["code"]) == (3, 3)


def test_a_function_that_never_comes_to_the_loop_sends_what_it_sends(muster):
    outcome, took = timed(lambda: fork(muster, "busy", wanted=1, kill=1))
    assert outcome.text == "begun" and took < SOON
    assert muster.get("/").status == 200


def test_its_result_is_its_exit_status(muster):
    assert fork(muster, "result", one=7)["code"] == 7
    assert fork(muster, "result", one=0)["code"] == 0


def test_one_that_fails_says_why(muster):
    assert fork(muster, "fails")["code"] == 1
    muster.log.wait_for("fails has failed: no such table")


def test_a_name_that_is_not_in_the_table_is_an_error(muster):
    assert fork(muster, "nobody")["failed"] == "ENOENT"


def test_it_may_have_children_itself(muster):
    outcome = fork(muster, "nested")
    assert (outcome["code"], outcome.text) == (0, "from a child of a child\n")


@pytest.mark.parametrize("name, number", [("crash", signal.SIGSEGV), ("crash-in-timer", signal.SIGABRT)])
def test_a_crash_ends_it_alone_and_is_logged_with_its_place(muster, name, number):
    workers = muster.workers()
    outcome = fork(muster, name)
    assert (outcome["code"], outcome["signal"]) == (-1, number)
    muster.log.wait_for(rf"The child {name} \(pid \d+\) crashed with {number.name}, code at forks.so\+0x")
    fields = muster.log.matching(rf"The child {name} ")[-1].fields
    assert fields["MUSTER_SIGNAL"] == number.name and "forks.so+0x" in fields["MUSTER_BACKTRACE"]
    assert fields["MUSTER_ROUTE"] == ("fork crash" if name == "crash" else "timer")
    assert muster.workers() == workers and muster.get("/").status == 200


@pytest.mark.parametrize("end", ["crash", "stop"])
def test_it_ends_with_its_parent(service, end):
    muster = service(forks())
    [worker] = muster.worker_pids()
    pids = [int(muster.get(target("/fork", name=name, at_once=1)).text) for name in ("forever", "echo", "busy")]
    if end == "crash":
        os.kill(worker, signal.SIGSEGV)
        muster.wait_replaced(worker)
        for pid in pids:
            muster.wait_gone(pid)
    else:
        muster.stop()
        assert not any(alive(pid) for pid in pids)


def test_a_detached_one_outlives_its_parent_and_not_the_service(service):
    muster = service(forks())
    [worker] = muster.worker_pids()
    pid = int(muster.get(target("/fork", name="forever", at_once=1, detached=1)).text)
    os.kill(worker, signal.SIGKILL)
    muster.wait_replaced(worker)
    assert alive(pid)
    muster.stop()
    assert not alive(pid)


def test_one_whose_channel_is_closed_ends(muster):
    outcome = fork(muster, "echo", text="x", wanted=1)
    assert outcome["code"] == 0


def test_what_it_has_counted_is_counted_when_it_has_ended_in_whatever_way(muster):
    assert fork(muster, "count", one=3)["code"] == 0
    assert muster.get("/counted").text == "3"
    assert fork(muster, "count", one=4, two="crash")["signal"] == signal.SIGABRT
    assert muster.get("/counted").text == "7"


def test_it_is_not_allowed_without_the_key(service):
    muster = service(forks(worker__children="no"))
    assert fork(muster, "echo")["failed"] == "EPERM"
    muster.log.wait_for(r"\[worker\] children = yes")
