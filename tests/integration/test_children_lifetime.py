# SPDX-License-Identifier: MIT
"""Children end with the process that has started them, unless they are detached, and all of them with the service."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from cgroups import cgroup_of
from children import ask, children_of, config, descriptors, spawn, start
from client import wait_for
from muster import SLOW, SOON, Process, alive

FOREVER = "exec sleep 1000"
STUBBORN = "trap '' TERM HUP INT; while :; do sleep 0.2; done"
# Twice forked, in a session of its own: what daemon(3) does. Tells its pid.
DAEMON = "setsid sh -c 'echo $$ >%s; trap \"\" TERM; while :; do sleep 0.2; done' >/dev/null 2>&1 & exit 0"


def daemon(muster, directory):
    """Starts one, and returns its pid."""
    path = directory / "daemon"
    assert spawn(muster, command=DAEMON % path, linger=100)["code"] == 0
    wait_for(lambda: path.exists() and path.read_text().strip(), "the daemon")
    return int(path.read_text())


def test_children_end_in_order_when_the_service_stops(service):
    muster = service(config())
    start(muster, command="trap 'echo ended in order >&2; exit 0' TERM; echo begun >&2; while :; do sleep 0.05; done",
          errors="inherit")
    muster.log.wait_for("begun")
    muster.stop()
    muster.log.wait_for("ended in order")


@pytest.mark.parametrize("detached", [0, 1])
@pytest.mark.parametrize("command", [FOREVER, STUBBORN, "(sleep 1000 &) ; sleep 1000"])
def test_no_child_outlives_the_service(service, command, detached):
    muster = service(config())
    pid = start(muster, command=command, detached=detached)
    muster.stop()
    assert not alive(pid)


def test_a_daemon_does_not_outlive_the_service(service, directory):
    muster = service(config())
    pid = daemon(muster, directory)
    assert Process(pid).session == pid
    assert Process(pid).parent == muster.pid, "its parents are gone: the master has it"
    muster.stop()
    assert not alive(pid)


@pytest.mark.parametrize("end", ["crash", "kill"])
def test_a_child_ends_with_its_worker(service, end):
    muster = service(config())
    [worker] = muster.worker_pids()
    pid, stubborn = start(muster, command=FOREVER), start(muster, command=STUBBORN)
    if end == "crash":
        muster.get("/crash")
    else:
        os.kill(worker, signal.SIGKILL)
    muster.wait_replaced(worker)
    muster.wait_gone(pid)
    muster.wait_gone(stubborn)
    assert spawn(muster, command="echo well").text == "well\n"


def test_one_that_is_stopped_ends_with_its_worker(service):
    muster = service(config())
    [worker] = muster.worker_pids()
    pid = start(muster, command=FOREVER)
    os.kill(pid, signal.SIGSTOP)
    os.kill(worker, signal.SIGTERM)
    muster.wait_gone(pid)


def test_a_reload_waits_for_children_that_a_request_waits_for(service):
    """The old worker answers what it has accepted, with all that the child has written."""
    muster = service(config())
    [worker] = muster.worker_pids()
    other = start(muster, command=FOREVER)
    with muster.client(timeout=3 * SOON) as client:
        client.request("GET", "/exec?command=sleep+1%3Becho+done", [("Connection", "close")])
        wait_for(lambda: len(children_of(worker)) == 2, "the child")
        muster.kill(signal.SIGHUP)
        wait_for(lambda: set(muster.worker_pids()) - {worker}, "another worker")
        response = client.response()
    assert response.status == 200 and b"done" in response.body
    muster.wait_gone(worker)
    muster.wait_gone(other)


@pytest.mark.parametrize("end", ["crash", "kill", "reload"])
def test_a_detached_child_outlives_its_worker(service, end):
    muster = service(config())
    [worker] = muster.worker_pids()
    pid = start(muster, command=FOREVER, detached=1, quiet=1)
    assert Process(pid).session == pid
    assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null"}
    if end == "crash":
        muster.get("/crash")
    else:
        os.kill(*((worker, signal.SIGKILL) if end == "kill" else (muster.pid, signal.SIGHUP)))
    muster.wait_gone(worker)
    muster.wait_replaced(worker)
    wait_for(lambda: Process(pid).parent == muster.pid, "the master is its parent")
    assert alive(pid)
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "it is collected by the master")
    muster.stop()


@pytest.mark.parametrize("end", ["crash", "kill", "reload"])
def test_a_detached_child_has_a_cgroup_that_no_worker_ends(delegated, service, directory, end):
    muster = service(config(), preexec=delegated.enter)
    [worker] = muster.worker_pids()
    detached, attached = start(muster, command=FOREVER, detached=1), start(muster, command=FOREVER)
    left = daemon(muster, directory)
    assert cgroup_of(detached) == "detached"
    assert cgroup_of(attached) == cgroup_of(left) == cgroup_of(worker)
    if end == "crash":
        muster.get("/crash")
    else:
        os.kill(*((worker, signal.SIGKILL) if end == "kill" else (muster.pid, signal.SIGHUP)))
    muster.wait_replaced(worker)
    muster.wait_gone(attached)
    muster.wait_gone(left)
    assert alive(detached)
    muster.stop()
    assert not alive(detached)
    assert delegated.names() == ["master"]


def test_the_end_of_a_detached_child_is_told_as_long_as_its_worker_lives(service):
    muster = service(config())
    outcome = spawn(muster, command="echo out; exit 3", detached=1)
    assert (outcome["code"], outcome.text) == (3, "out\n")


def test_ten_thousand_short_children_while_it_serves(service):
    """No request fails, no descriptor stays open, no zombie is left."""
    n = int(os.environ.get("MUSTER_TEST_CHILDREN", "10000"))
    muster = service(config())
    [worker] = muster.worker_pids()
    ask(muster, "/many", n=10, beside=1)
    before = descriptors(worker)
    load = subprocess.Popen([sys.executable, str(pathlib.Path(__file__).parent / "steady.py"),
                             *map(str, muster.address()), "4", "20", "2"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    outcome = ask(muster, "/many", 60 * SOON, n=n, beside=4)
    report = json.loads(load.communicate()[0])
    print(report)
    assert (outcome["good"], outcome["bad"]) == (n, 0)
    assert report["requests"] > 0 and not report["failures"]
    wait_for(lambda: descriptors(worker) <= before, f"{before} descriptors again")
    assert not children_of(worker)
    assert muster.worker_pids() == [worker]
    assert report["worst_s"] < 2 * SLOW
