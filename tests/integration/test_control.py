# SPDX-License-Identifier: MIT
"""musterctl shows what there is, does what it is told, and its exit status tells the truth."""

import json
import os
import signal
import subprocess
import threading

import pytest

from muster import SOURCE, alive, build_dir, environment, musterctl, wait_for

OK, FAILED, USAGE, NOT_RUNNING, PERMISSION = range(5)


def status(muster):
    done = muster.ctl("status", "--json")
    assert done.returncode == OK, done.stderr
    return json.loads(done.stdout)


# Status


def test_status_shows_every_process_as_it_is(service):
    muster = service({"worker.workers": 3})
    shown = status(muster)
    assert shown["instance"] == muster.name
    assert shown["state"] == "running"
    assert shown["pid"] == muster.pid
    assert shown["module"] == "faults"
    assert shown["workers_ready"] == shown["workers_wanted"] == 3
    assert [(worker["worker"], worker["pid"]) for worker in shown["workers"]] == muster.workers()
    assert all(worker["state"] == "ready" and worker["rss"] > 1 << 20 for worker in shown["workers"])
    assert shown["agent"]["pid"] == muster.agent()
    assert shown["agent"]["state"] == "ready"
    host, port = muster.address()
    assert [socket["address"] for socket in shown["sockets"]] == [f"{host}:{port}"]
    assert shown["last_reload"]["result"] == "none"
    assert {budget["for"]: budget["left"] for budget in shown["restart_budgets"]} == {"agent": 60, "workers": 60}


def test_status_counts_requests_and_those_under_way(service):
    muster = service({"worker.workers": 1})
    with muster.client() as slow:
        for _ in range(3):
            assert muster.get("/").status == 200
        slow.request("GET", "/slow?ms=60000")
        wait_for(lambda: status(muster)["workers"][0]["in_flight"] == 1, "a request in flight")
        (worker,) = status(muster)["workers"]
        assert worker["requests"] == 3
        assert worker["connections"] >= 1
        assert status(muster)["requests"] == 3


def test_status_names_the_route_that_is_being_served_and_how_busy_that_is(service):
    muster = service({"worker.workers": 1})
    with muster.client() as client:
        client.request("GET", "/hang")
        wait_for(lambda: status(muster)["workers"][0]["route"].startswith("GET /hang"), "the route")
        muster.process.send_signal(signal.SIGTERM)
        muster.process.send_signal(signal.SIGTERM)
        muster.wait()


def test_status_counts_what_crashed_and_what_is_left_of_the_budget(service):
    muster = service({"worker.workers": 2, "restart.limit": 7})
    (pid, *_) = muster.worker_pids()
    with muster.client_of(pid) as client:
        assert client.get("/crash").status == 500
    muster.wait_replaced(pid)
    shown = status(muster)
    assert shown["restarts"] == 1
    assert [worker["restarts"] for worker in shown["workers"]] == [1, 0]
    assert {budget["for"]: budget["left"] for budget in shown["restart_budgets"]} == {"agent": 7, "workers": 6}


def test_a_place_that_nobody_has_is_shown_too(service):
    muster = service({"worker.workers": 1, "restart.limit": 1, "restart.interval": "1h"})
    for _ in range(2):
        (pid,) = muster.worker_pids()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid), "its end")
        shown = status(muster)["workers"]
    (worker,) = shown
    assert worker["state"] in ("waiting", "starting", "ready") and worker["restarts"] == 2
    if worker["state"] == "waiting":
        assert worker["starts_in_usec"] > 0 and "pid" not in worker


def test_the_table_says_the_same(service):
    muster = service({"worker.workers": 2})
    done = muster.ctl("status")
    assert done.returncode == OK
    assert f"{muster.name}: running" in done.stdout
    for number, pid in muster.workers():
        (line,) = [line for line in done.stdout.splitlines() if f" {pid} " in line]
        assert line.split()[:3] == [str(number), str(pid), "ready"]
    assert str(muster.agent()) in done.stdout
    assert "last reload: none" in done.stdout.lower()


# Who is meant


def test_the_name_may_be_left_out_where_one_runs(start):
    muster = start({"worker.workers": 1}).ready()
    assert musterctl(muster.directory, "status").stdout.startswith(f"{muster.name}: running")
    other = start({"worker.workers": 1}).ready()
    done = musterctl(muster.directory, "status")
    assert done.returncode == USAGE
    assert muster.name in done.stderr and other.name in done.stderr
    assert other.ctl("status").returncode == OK


def test_where_none_runs_it_is_said(directory):
    assert musterctl(directory, "status").returncode == NOT_RUNNING
    done = musterctl(directory, "status", "nobody")
    assert done.returncode == NOT_RUNNING
    assert done.stderr == "musterctl: nobody is not running\n"


def test_a_stopped_service_leaves_nothing_and_a_killed_one_is_not_running(start):
    muster = start({"worker.workers": 1}).ready()
    assert muster.control.is_socket()
    muster.stop()
    assert not muster.control.parent.exists()
    assert muster.ctl("status").returncode == NOT_RUNNING

    killed = start({"worker.workers": 1}).ready()
    killed.kill(signal.SIGKILL)
    killed.wait()
    killed.nothing_left()
    assert killed.control.is_socket()
    assert killed.ctl("reload").returncode == NOT_RUNNING
    start({"worker.workers": 1}, arguments=["--instance", killed.name]).ready()
    assert killed.ctl("status").returncode == OK


def test_list_has_those_that_run_and_those_that_are_configured(start):
    muster = start({"worker.workers": 1}).ready()
    (muster.directory / "idle.conf").write_text("[muster]\nmodule = hello\n")
    done = musterctl(muster.directory, "list")
    assert done.returncode == OK
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["idle", "stopped"] in [line[:2] for line in lines]
    assert [muster.name, "running", str(muster.pid), "1/1"] in [line[:4] for line in lines]
    shown = json.loads(musterctl(muster.directory, "list", "--json").stdout)
    assert [(item["instance"], item["state"]) for item in shown] == [("idle", "stopped"), (muster.name, "running")]


@pytest.mark.parametrize("words", [[], ["nonsense"], ["status", "a", "b"], ["--nonsense"], ["list", "a"]])
def test_a_command_line_that_makes_no_sense_is_refused(directory, words):
    done = musterctl(directory, *words)
    assert done.returncode == USAGE
    assert done.stderr


@pytest.mark.parametrize("name", ["../etc", "a/b", ".", "..", ""])
def test_what_is_no_name_is_refused(directory, name):
    assert musterctl(directory, "-i", name, "reload").returncode == USAGE


def test_help_and_version(directory):
    assert "reload [NAME]" in musterctl(directory, "--help").stdout
    assert musterctl(directory, "--version").stdout.startswith("muster ")


# Reload


def test_reload_waits_for_the_new_generation(service):
    muster = service({"worker.workers": 2})
    before = muster.worker_pids()
    done = muster.ctl("reload")
    assert done.returncode == OK, done.stderr
    assert "generation 2" in done.stdout
    shown = status(muster)
    assert shown["generation"] == 2
    assert shown["last_reload"]["result"] == "ok"
    ready = [worker for worker in shown["workers"] if worker["state"] == "ready"]
    assert len(ready) == 2 and not {worker["pid"] for worker in ready} & set(before)


@pytest.mark.parametrize(
    "change, reason",
    [({"http.max_body": "12abc"}, "12abc"), ({"muster.module": "nowhere"}, "nowhere"), ({"app.start": "fail"}, "worker 0")],
    ids=["a bad value", "no module", "workers fail"],
)
def test_a_reload_that_fails_says_why(service, change, reason):
    muster = service({"worker.workers": 2})
    muster.configure(change)
    done = muster.ctl("reload")
    assert done.returncode == FAILED
    assert reason in done.stderr
    last = status(muster)["last_reload"]
    assert last["result"] == "failed" and reason in last["reason"]
    assert reason in muster.ctl("status").stdout
    assert muster.get("/").status == 200


def test_a_reason_that_is_no_text_is_made_one(service):
    muster = service({"worker.workers": 1})
    muster.path.write_bytes(b"[muster]\nmodule = faults\n\xff\x9b\x1b[2J = 1\n")
    done = muster.ctl("reload")
    assert done.returncode == FAILED
    assert "\x1b" not in done.stderr and "\x9b" not in done.stderr
    assert status(muster)["last_reload"]["result"] == "failed"


def test_systemd_is_asked_for_more_time_with_each_process_that_a_reload_starts(service):
    muster = service({"worker.workers": 3, "worker.ready_timeout": "200s"})
    known = len(muster.notify.all())
    assert muster.ctl("reload").returncode == OK
    said = [int(message["EXTEND_TIMEOUT_USEC"]) for message in muster.notify.all()[known:]
            if "EXTEND_TIMEOUT_USEC" in message]
    assert len(said) == 4 and min(said) > 200 * 1000000


def test_a_reload_during_another_waits_for_one_that_sees_its_change(service):
    muster = service({"worker.workers": 1, "http.server_header": "first"})
    muster.configure({"http.server_header": "second"})
    results = []
    threads = []
    muster.kill(signal.SIGHUP)
    muster.notify.wait_for("RELOADING", "1")
    muster.configure({"http.server_header": "third"})
    for _ in range(4):
        threads.append(threading.Thread(target=lambda: results.append(muster.ctl("reload"))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert [done.returncode for done in results] == [OK] * 4, results
    assert muster.get("/")["Server"] == "third"


def test_a_reload_is_not_waited_for_when_the_service_stops(service):
    muster = service({"worker.workers": 1})
    muster.configure({"app.start": "hang"})
    results = []
    thread = threading.Thread(target=lambda: results.append(muster.ctl("reload")))
    thread.start()
    muster.notify.wait_for("RELOADING", "1")
    muster.stop()
    thread.join()
    (done,) = results
    assert done.returncode == FAILED
    assert "stops" in done.stderr


# Configuration


def test_config_says_what_holds_and_from_where(service):
    muster = service({"http.server_header": "mine", "app.greeting": "hello"}, arguments=["-o", "http.max_body=2M"])
    shown = json.loads(muster.ctl("config", "--json").stdout)
    line = muster.path.read_text().splitlines().index("server_header = mine") + 1
    assert shown["http"]["server_header"] == {"value": "mine", "origin": f"{muster.path}:{line}"}
    assert shown["http"]["max_body"] == {"value": "2M", "origin": "-o"}
    assert shown["http"]["max_header"] == {"value": "8K", "origin": "default"}
    assert shown["app"]["greeting"]["value"] == "hello"
    table = muster.ctl("config").stdout
    assert f"{muster.path}:{line}" in table and "http.server_header" in table


def test_config_is_what_runs_and_not_what_the_file_says_by_now(service):
    muster = service({"http.server_header": "running"})
    muster.configure({"http.server_header": "written"})
    assert json.loads(muster.ctl("config", "--json").stdout)["http"]["server_header"]["value"] == "running"
    muster.stop()
    done = muster.ctl("config", "--json")
    assert done.returncode == OK
    assert "not running" in done.stderr
    assert json.loads(done.stdout)["http"]["server_header"]["value"] == "written"


def test_check_takes_a_name_a_file_or_all(directory):
    (directory / "good.conf").write_text("[muster]\nmodule = hello\n")
    (directory / "bad.conf").write_text("[muster]\nmodule = hello\n[http]\nmax_bodi = 1\n")
    assert musterctl(directory, "check", "good").returncode == OK
    assert musterctl(directory, "check", directory / "good.conf").returncode == OK
    for words in ["bad"], [directory / "bad.conf"], []:
        done = musterctl(directory, "check", *words)
        assert done.returncode == FAILED
        assert "max_bodi" in done.stderr and "bad.conf:4" in done.stderr
    assert musterctl(directory, "check", "missing").returncode == FAILED


# The journal


@pytest.mark.parametrize(
    "words, passed",
    [
        (["logs", "web", "-f", "-n", "5"], ["--unit=muster@web.service", "-f", "-n", "5"]),
        (["logs", "web"], ["--unit=muster@web.service"]),
        (["-i", "80", "logs", "--json"], ["--unit=muster@80.service", "--json"]),
        (["logs", "-f"], ["--unit=muster@only.service", "-f"]),
    ],
)
def test_logs_are_those_of_the_unit(directory, words, passed):
    (directory / "only.conf").write_text("[muster]\nmodule = hello\n")
    program = directory / "journalctl"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        [build_dir() / "src" / "musterctl", *words],
        env=environment(
            PATH=f"{directory}:{os.environ['PATH']}",
            MUSTER_CONFIG_DIR=str(directory),
            MUSTER_RUNTIME_DIR=str(directory),
        ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == passed


# Completion


def complete(directory, *words):
    script = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _musterctl; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script, "bash", SOURCE / "packaging" / "completion" / "musterctl", *words],
        env=environment(MUSTER_CONFIG_DIR=str(directory), MUSTER_RUNTIME_DIR=str(directory / "run")),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_bash_completes_verbs_and_the_names_of_instances(service):
    muster = service({"worker.workers": 1})
    (muster.directory / "idle.conf").write_text("")
    assert complete(muster.directory, "musterctl", "rel") == ["reload"]
    assert complete(muster.directory, "musterctl", "reload", "") == ["idle", muster.name]
    assert complete(muster.directory, "musterctl", "status", "id") == ["idle"]
    assert complete(muster.directory, "musterctl", "-i", "") == ["idle", muster.name]
    assert "--json" in complete(muster.directory, "musterctl", "status", "--")


def test_bash_completes_every_verb_there_is(directory):
    told = musterctl(directory, "--help").stdout
    verbs = sorted(line.split()[0] for line in told.splitlines() if line.startswith("  ") and line[2].isalpha())
    assert complete(directory, "musterctl", "") == verbs
