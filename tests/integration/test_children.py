# SPDX-License-Identifier: MIT
"""Programs that an application starts: what they get, how their output comes, how their end is told."""

import os
import pathlib
import resource
import signal

import pytest

from children import Outcome, ask, children_of, config, descriptors, rss, run, spawn, start, target, timed
from client import wait_for
from muster import SLOW, SOON, Process, alive


@pytest.fixture
def muster(service):
    """One worker that may start children; it has as many descriptors at the end, and no zombie."""
    running = service(config())
    [worker] = running.worker_pids()
    spawn(running, command="true")
    before = descriptors(worker)
    yield running
    if running.worker_pids() == [worker]:
        wait_for(lambda: descriptors(worker) <= before + 1, f"{before} descriptors")
        wait_for(lambda: not [child for child in children_of(worker) if child.state == "Z"], "no zombie")


# How it ends

@pytest.mark.parametrize("command, code, number", [("true", 0, 0), ("exit 7", 7, 0), ("kill -9 $$", -1, 9),
                                                   ("kill -TERM $$", -1, 15), ("exit 255", 255, 0)])
def test_the_close_event_tells_code_or_signal(muster, command, code, number):
    outcome = spawn(muster, command=command)
    assert (outcome["code"], outcome["signal"], outcome["error"]) == (code, number, 0)
    assert outcome["pid"] == 0 and outcome["kill"] == -3, "a child that has ended has no pid and gets no signal"


def test_the_close_event_comes_after_the_last_byte_of_output(muster):
    outcome = spawn(muster, command="head -c 3000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 3")
    assert (outcome["output"], outcome["errors"], outcome["code"]) == (3000000, 1000000, 3)
    assert outcome["ended"] == "1,1"


def test_a_child_that_closes_its_output_and_lives_on_is_waited_for(muster):
    outcome, took = timed(lambda: spawn(muster, command="echo early; exec >&- 2>&-; sleep 1; exit 5"))
    assert (outcome["code"], outcome.text, outcome["ended"]) == (5, "early\n", "1,1")
    assert took > 0.9


def test_a_grandchild_that_holds_the_output_open_delays_the_end_for_a_while_only(muster):
    outcome, took = timed(lambda: spawn(muster, command="sleep 1000 & echo $!; exit 4", linger=500))
    assert outcome["code"] == 4
    assert 0.4 < took < 0.5 + SOON
    grandchild = int(outcome.text)
    assert alive(grandchild)
    os.kill(grandchild, signal.SIGKILL)


def test_what_a_grandchild_writes_before_that_is_not_lost(muster):
    outcome = spawn(muster, command="(sleep 0.3; echo late) & echo soon", linger=5000 * int(SLOW))
    assert outcome.text == "soon\nlate\n"


def test_a_grandchild_that_writes_for_ever_delays_it_no_longer(muster):
    outcome, took = timed(lambda: spawn(muster, command="yes & exit 4", linger=500))
    assert outcome["code"] == 4 and outcome["output"] > 65536
    assert took < 0.5 + SOON


# What it gets

def test_it_gets_its_arguments_as_they_are(muster):
    arguments = ["printf", "%s|", "two words", "", "$HOME", "a'b\"c", "*", "ä"]
    assert spawn(muster, arg=arguments).text == "two words||$HOME|a'b\"c|*|ä|"


def test_its_name_may_be_another_than_that_of_the_program(muster):
    assert spawn(muster, file="sh", arg=["another", "-c", "echo $0"]).text == "another\n"


def test_it_starts_in_its_directory(muster):
    assert spawn(muster, arg=["pwd"], directory="/usr").text == "/usr\n"
    assert spawn(muster, arg=["./bin/pwd"], directory="/usr").text == "/usr\n"


def test_its_environment_is_that_of_the_service_without_what_is_meant_for_others(muster):
    environment = spawn(muster, command="env").text
    assert f"PATH={os.environ['PATH']}\n" in environment
    for name in ("MUSTER_", "LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_"):
        assert name not in environment


def test_its_environment_can_be_changed_and_replaced(muster):
    changed = spawn(muster, command="env", set=["GREETING=hello world", "HOME"]).text.splitlines()
    assert "GREETING=hello world" in changed
    assert not [line for line in changed if line.startswith("HOME=")]
    whole = spawn(muster, arg=["/usr/bin/env"], environment=["A=1", "B=2"], set=["B=3"])
    assert whole.text == "A=1\nB=3\n"


def test_nothing_else_is_inherited(muster):
    assert spawn(muster, arg=["ls", "/proc/self/fd"]).text.split() == ["0", "1", "2", "3"]
    status = dict(line.split(":", 1) for line in spawn(muster, arg=["cat", "/proc/self/status"]).text.splitlines())
    assert int(status["SigBlk"], 16) == int(status["SigIgn"], 16) == 0
    assert status["Uid"].split() == [str(os.geteuid())] * 4


# Its streams

def test_streams_are_piped_null_inherited_or_a_descriptor(muster, directory):
    output = directory / "output"
    outcome = spawn(muster, command="cat; echo out; echo err >&2", output=str(output), errors="null")
    assert (outcome["output"], outcome["errors"], outcome["ended"]) == (0, 0, "0,0")
    assert output.read_text() == "out\n"
    spawn(muster, command="echo on the log >&2; echo there too", output="inherit", errors="inherit")
    muster.log.wait_for("on the log")
    muster.log.wait_for("there too")
    (directory / "input").write_text("from a file")
    assert spawn(muster, command="cat", input=str(directory / "input")).text == "from a file"
    assert spawn(muster, command="readlink /proc/self/fd/0").text == "/dev/null\n"


def test_ten_megabytes_go_through_cat_and_back(muster):
    outcome = spawn(muster, arg=["cat"], input="pipe", write=10_000_000)
    assert outcome["written"] == outcome["output"] == 10_000_000
    assert outcome["sum"] == outcome["written_sum"] != 0
    assert outcome["drains"] > 0


def test_a_child_that_does_not_read_its_input_ends_all_the_same(muster):
    outcome = spawn(muster, command="exec <&-; sleep 0.2; exit 6", input="pipe", write=10_000_000)
    assert outcome["code"] == 6 and outcome["written"] < 10_000_000


def test_a_gibibyte_to_a_slow_reader_takes_no_memory(muster):
    """The child waits for whoever does not read, and the worker serves meanwhile."""
    [worker] = muster.worker_pids()
    before = most = rss(worker)
    with muster.client(timeout=12 * SOON) as client:
        client.request("GET", target("/spawn", command="head -c 1G /dev/zero", pause=1, every=1 << 20))
        for _ in range(100):
            assert muster.get("/").status == 200
            most = max(most, rss(worker))
        outcome = Outcome(client.response())
    assert (outcome["code"], outcome["output"]) == (0, 1 << 30)
    assert max(most, rss(worker)) - before < 4 << 20


def test_a_paused_child_waits(muster):
    """What it writes is what the pipe holds, and not more."""
    pid = start(muster, command="exec yes", pause=3_600_000)
    wait_for(lambda: "pipe" in pathlib.Path(f"/proc/{pid}/wchan").read_text() or Process(pid).state == "S", "it waits")
    ticks = Process(pid).ticks
    assert muster.get("/").status == 200
    assert Process(pid).ticks == ticks
    os.kill(pid, signal.SIGKILL)


def test_output_without_end_delays_no_request(muster):
    with muster.client(timeout=12 * SOON) as client:
        client.request("GET", target("/spawn", command="yes", limit=300 << 20))
        worst = max(timed(lambda: muster.get("/"))[1] for _ in range(50))
        assert Outcome(client.response())["signal"] == signal.SIGKILL
    assert worst < 0.5 * SLOW


# What cannot be started

@pytest.mark.parametrize("values, error", [
    ({"arg": "no-such-program"}, "ENOENT"),
    ({"arg": "/nowhere/true"}, "ENOENT"),
    ({"arg": "/etc/passwd"}, "EACCES"),
    ({"arg": "/usr"}, "EACCES"),
    ({"arg": "true", "directory": "/nowhere"}, "ENOENT"),
    ({"arg": "true", "set": "=x"}, "EINVAL"),
    ({"arg": "true", "kill_signal": 1000}, "EINVAL"),
    ({"arg": "true", "output": "#12345"}, "EBADF"),
    ({}, "EINVAL"),
    ({"arg": ["true", "x" * 3000], "file": ""}, "ENOENT"),
])
def test_what_cannot_be_started_is_told_with_its_reason(muster, values, error):
    assert spawn(muster, **values)["failed"] == error
    assert spawn(muster, command="echo well").text == "well\n"


def test_a_process_too_many_is_an_error_and_the_worker_serves_on(service, directory):
    """The limit of a user who has no other processes: master, agent and worker."""
    if os.geteuid() != 0:
        pytest.skip("becomes another user")
    user = 61000 + os.getpid() % 1000
    (directory / "run").mkdir()
    for path in (directory, directory / "run"):
        os.chown(path, user, user)

    def become():
        resource.setrlimit(resource.RLIMIT_NPROC, (3, 3))
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)

    muster = service(config(), preexec=become)
    for path in ("/spawn", "/exec"):
        assert ask(muster, path, command="true")["failed"] == "EAGAIN"
    assert muster.get("/").status == 200


def test_without_leave_nothing_is_started_and_the_log_names_the_key(service):
    muster = service(config(worker__children="no"))
    assert spawn(muster, command="true")["failed"] == "EPERM"
    assert run(muster, command="true")["failed"] == "EPERM"
    muster.log.wait_for(r"\[worker\] children = yes")
    assert len(muster.log.matching(r"\[worker\] children = yes")) == 1
    assert muster.get("/").status == 200


def test_the_agent_may_too(service):
    muster = service(config(app__agent_command="echo it; id -u"))
    muster.log.wait_for("The agent has run it: it")


# exec

def test_exec_collects_both_streams(muster):
    outcome = run(muster, command="echo out; echo err >&2; exit 3")
    assert (outcome["code"], outcome["error"], outcome["output"], outcome["errors"]) == (3, 0, 4, 4)
    assert outcome.text == "out\n\n--\nerr\n"


def test_exec_file_takes_arguments_with_spaces_and_asks_no_shell(muster):
    assert run(muster, arg=["printf", "%s", "a b; echo c $HOME"]).text.startswith("a b; echo c $HOME\n")


@pytest.mark.parametrize("stream", ["", " >&2"])
@pytest.mark.parametrize("size, max_buffer, error", [(200 * 1024, None, 0), (200 * 1024 + 1, None, "ENOBUFS"),
                                                     (10, 10, 0), (11, 10, "ENOBUFS")])
def test_output_past_max_buffer_kills_with_an_error_that_says_so(muster, stream, size, max_buffer, error):
    values = {"max_buffer": max_buffer} if max_buffer else {}
    outcome = run(muster, command=f"head -c {size} /dev/zero{stream}; sleep 0.1", **values)
    assert outcome["error"] == error
    assert outcome["errors" if stream else "output"] == min(size, max_buffer or 200 * 1024)


def test_endless_output_ends_at_max_buffer(muster):
    outcome, took = timed(lambda: run(muster, command="yes"))
    assert (outcome["error"], outcome["output"]) == ("ENOBUFS", 200 * 1024)
    assert took < SOON
    assert not [child for child in children_of(muster.worker_pids()[0]) if "yes" in child.title]


@pytest.mark.parametrize("path", ["/exec", "/spawn"])
def test_a_timeout_kills_it_and_what_it_has_started(muster, path):
    outcome, took = timed(lambda: ask(muster, path, command="sleep 1000 & sleep 1000", timeout=300))
    assert outcome["signal"] == signal.SIGTERM
    assert outcome["error"] in ("ETIMEDOUT", -110)
    assert 0.2 < took < SOON
    wait_for(lambda: not [process for process in muster.descendants() if "sleep" in process.title], "no sleep")


def test_the_signal_is_what_was_asked_for(muster):
    outcome = run(muster, command="exec sleep 1000", kill_signal=int(signal.SIGUSR1), timeout=200)
    assert outcome["signal"] == signal.SIGUSR1


def test_one_that_ignores_the_signal_is_killed(muster):
    """After [worker] kill_timeout, which is a second here."""
    outcome = run(muster, command="trap '' TERM; while :; do sleep 0.1; done", timeout=200)
    assert (outcome["signal"], outcome["error"]) == (signal.SIGKILL, "ETIMEDOUT")


def test_one_that_is_stopped_is_killed(muster):
    outcome = run(muster, command="kill -STOP $$; echo never", timeout=300)
    assert outcome["error"] == "ETIMEDOUT" and outcome["output"] == 0


def test_one_that_handles_the_signal_may_end_in_order(muster):
    outcome = run(muster, command="trap 'echo done; exit 9' TERM; while :; do sleep 0.05; done", timeout=300)
    assert (outcome["code"], outcome["error"]) == (9, "ETIMEDOUT")
    assert outcome.text.startswith("done\n")


# A stopped one

def test_a_child_that_is_stopped_and_goes_on_is_waited_for(muster):
    pid = start(muster, command="sleep 0.1; exec sleep 1000")
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: Process(pid).state == "T", "it stops")
    assert muster.get("/").status == 200
    os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGTERM)
    muster.log.wait_for("Child closed: code -1, signal 15")


def test_the_programs_of_the_module_are_where_path_says(muster):
    assert spawn(muster, arg=["sh", "-c", "echo found"], set=["PATH=/bin"]).text == "found\n"
    assert spawn(muster, arg=["sh", "-c", "echo found"], set=["PATH=/nowhere"])["failed"] == "ENOENT"
