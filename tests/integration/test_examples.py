# SPDX-License-Identifier: MIT
"""The article's examples, in C, do what the article says they do."""

import contextlib
import os
import pathlib
import re
import select
import signal
import subprocess

import pytest

from client import Client
from muster import SOURCE, Process, alive, build_dir, free_port, wait_for

EXAMPLES = SOURCE / "src" / "apps" / "examples"


@pytest.fixture
def example(service):
    """example(NAME, section__key=value …): a service that runs this example."""

    def make(name, **values):
        module = build_dir() / "src" / "apps" / "examples" / f"{name}.so"
        config = {key.replace("__", "."): value for key, value in values.items()}
        return service({"muster.module": str(module), **config}, name=name)

    return make


def answers_of_all(muster, target="/"):
    """What each worker answers that says its pid, as {pid: text}."""
    answers = {}
    with contextlib.ExitStack() as kept:

        def ask():
            text = kept.enter_context(muster.client()).get(target).text
            answers[int(re.search(r"pid: ?(\d+)", text)[1])] = text
            return answers.keys() >= set(muster.worker_pids())

        wait_for(ask, "an answer of every worker")
    return answers


def test_the_table_in_the_readme_names_every_example():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\[`([a-z-]+\.c)`\]\(\1\)", text))
    assert named == {path.name for path in EXAMPLES.glob("*.c")}
    for path in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (EXAMPLES / path).exists(), path


def test_what_the_article_has_wrong_is_said_where_the_readme_says():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .*? \| .*? \| (`[a-z-]+\.c`(?:, `[a-z-]+\.c`)*) \|$", text.split("has wrong")[1], re.MULTILINE)
    assert len(rows) >= 13
    for name, slip in [
        ("blocking-compute", "a second time"), ("blocking-compute", "；"), ("spawn", "child.id"), ("stdio-unread", "process.id"),
        ("exec", "node - v"), ("exec", "stdoit"), ("fork-compute", "${sum}'"), ("fork-compute", "called for_compute.js"),
        ("fork-compute", "killed"), ("worker-crash", "for('worker.js')"), ("worker-crash", "cpus.length"),
        ("daemon", "requre"), ("cluster-message", "mesaage"), ("cluster-message", "sned"), ("send-handle", "sendHandler"),
    ]:
        assert any(f"`{name}.c`" in row for row in rows), name
        assert slip in (EXAMPLES / f"{name}.c").read_text(encoding="utf-8"), (name, slip)


# 线程和进程


def test_process_title(example):
    """process.title and process.pid"""
    muster = example("process-title", worker__workers=1)
    ((_, pid),) = muster.workers()
    assert muster.get("/").text == f"process.pid:{pid} process.title:测试进程C"
    assert pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == "测试进程C"
    assert Process(pid).title == "muster-worker: process-title/0"
    muster.log.wait_for(f"process.pid:{pid}")


def test_blocking_compute(example):
    """Whoever asks while the sum is computed waits until it is there."""
    muster = example("blocking-compute", worker__workers=1, app__n=200_000_000)
    with muster.client() as first, muster.client() as second:
        first.request("GET", "/compute")
        muster.log.wait_for("计算开始")
        assert second.get("/").text == "ok"
        assert select.select([first.sock], [], [], 0)[0], "the second was answered before the first"
        muster.log.wait_for("计算结束")
        muster.log.wait_for(r"计算耗时: \d+\.\d{3}ms")
        assert first.response().text == "19999999867108864"


def test_counter(example):
    """Java's count: of all, of the process, of the function."""
    muster = example("counter", worker__workers=3)
    assert [muster.get("/test").text for _ in range(9)] == [str(i) for i in range(1, 10)]
    assert {muster.get("/test/local").text for _ in range(9)} == {"1"}
    own = [int(muster.get("/test/worker").text) for _ in range(9)]
    assert 1 <= own.count(1) <= 3
    for value in set(own) - {1}:
        assert own.count(value) <= own.count(value - 1), "a worker left out a number"
    for pid in muster.worker_pids():
        os.kill(pid, signal.SIGKILL)
        muster.wait_replaced(pid)
    assert muster.get("/test").text == "10"
    assert muster.get("/test/worker").text == "1"


# NodeJs的线程和进程


def test_process_object(example):
    muster = example("process-object", worker__workers=1)
    ((_, pid),) = muster.workers()

    def ask():
        return dict(line.split(": ", 1) for line in muster.get("/").text.splitlines())

    said = ask()
    assert said["env.PATH"] == os.environ["PATH"]
    assert (int(said["pid"]), int(said["ppid"])) == (pid, muster.pid)
    assert pathlib.Path(said["cwd"]).resolve() == muster.directory.resolve()
    assert said["platform"] == "Linux"
    assert float(said["uptime"]) >= 0
    wait_for(lambda: float(ask()["uptime"]) > float(said["uptime"]), "time to pass")


def test_process_object_next_tick(example):
    muster = example("process-object", worker__workers=1)
    assert muster.get("/nextTick").text == "ok"
    muster.log.wait_for(": nextTick|nextTick$")
    text = muster.log.text()
    assert text.index("before nextTick") < text.rindex("nextTick")


def test_process_object_streams_and_exit(example):
    muster = example("process-object", worker__workers=1)
    muster.get("/streams")
    muster.log.wait_for("to stdout")
    muster.log.wait_for("to stderr")
    muster.stop()
    muster.log.wait_for("exit of worker 0")


# Node多进程架构模型构建


def test_worker_crash(example):
    """The client has its answer, the worker ends, and another is there."""
    muster = example("worker-crash", worker__workers=2)
    for _ in range(3):
        answer = muster.get("/").text
        pid, parent = map(int, re.fullmatch(r"pid:(\d+),ppid:(\d+)", answer).groups())
        assert parent == muster.pid
        muster.log.wait_for("worker process exception")
        muster.wait_replaced(pid)


def test_worker_crash_in_the_handler(example):
    muster = example("worker-crash", worker__workers=1)
    (pid,) = muster.worker_pids()
    assert muster.get("/500").status == 500
    muster.wait_replaced(pid)


def test_cluster(example):
    """A worker that dies is named, and replaced."""
    muster = example("cluster", worker__workers=3)
    number, pid = muster.workers()[1]
    assert muster.get("/").text == "hello world"
    os.kill(pid, signal.SIGKILL)
    muster.wait_replaced(pid)
    muster.log.wait_for(rf"orker {number} .*{pid}.*SIGKILL")
    assert muster.get("/").text == "hello world"


# Node进程常见问题


def test_orphan(example):
    """No worker outlives its master."""
    muster = example("orphan", worker__workers=2)
    pids = muster.worker_pids()
    pid, parent = map(int, re.fullmatch(r"I am worker, pid: (\d+), ppid: (\d+)", muster.get("/").text).groups())
    assert pid in pids and parent == muster.pid
    muster.kill(signal.SIGKILL)
    muster.wait()
    muster.nothing_left()


def test_port_in_use(example):
    """One worker gets the port, the others EADDRINUSE."""
    port = free_port()
    muster = example("port-in-use", worker__workers=3, app__port=port)
    muster.log.wait_for(f"Error: listen EADDRINUSE 127.0.0.1:{port}", count=2)
    answers = answers_of_all(muster).values()
    assert sum("is mine" in answer for answer in answers) == 1
    assert sum("is another's" in answer for answer in answers) == 2


# 守护进程, 进程间通讯（IPC）


def test_egg_agent(example):
    """Every worker gets what the agent sends when all are ready, and what it sent before there were any."""
    muster = example("egg-agent", worker__workers=3)
    muster.log.wait_for('xxx_action: {"foo":"bar"}', count=3)
    muster.log.wait_for("early: sent before muster-ready", count=3)
    for pid, text in answers_of_all(muster).items():
        assert text.splitlines() == [
            f"pid:{pid}", "early sent before muster-ready", 'xxx_action {"foo":"bar"}'
        ]


def test_cluster_message(example):
    """hi there, there and back."""
    muster = example("cluster-message", worker__workers=3)
    for pid in muster.worker_pids():
        muster.log.wait_for(f"msg:hi there from worker {pid}$", role="agent")


def heard(muster, text):
    """Who has heard an event with this text, from whom: [(role, pid, sender)]."""
    found = []
    for line in muster.log.matching(rf"heard \S+ from \w+ \d+: {re.escape(text)}$"):
        role, pid, sender = re.search(r"(agent|worker) (\d+) heard \S+ from \w+ (\d+)", line.text).groups()
        found.append((role, int(pid), int(sender)))
    return sorted(found)


@pytest.fixture
def messenger(example):
    return example("messenger", worker__workers=3)


def everybody(muster):
    return [("agent", muster.agent()), *(("worker", pid) for pid in sorted(muster.worker_pids()))]


def sent(muster, how, receivers, **query):
    """Sends by this route, and waits until just these processes have heard it."""
    text = f"by {how}"
    target = f"/{how}?data={text.replace(' ', '%20')}" + "".join(f"&{key}={value}" for key, value in query.items())
    sender = int(muster.get(target).text.removeprefix("pid:"))
    if how == "sendRandom":
        sender = muster.agent()
    wait_for(lambda: len(heard(muster, text)) >= len(receivers), f"{text}: {receivers}, not {heard(muster, text)}")
    # What comes after it by the same way has come: nobody else has heard it
    mark = f"after {how}"
    muster.get(f"/broadcast?data={mark.replace(' ', '%20')}")
    wait_for(lambda: len(heard(muster, mark)) == 1 + len(muster.workers()), "the message after it")
    assert heard(muster, text) == sorted((role, pid, sender) for role, pid in receivers)


def test_messenger_when_all_are_ready(messenger):
    """once('egg-ready'): each worker sends agent-event to the agent and app-event to all workers."""
    messenger.log.wait_for('heard agent-event from worker .*: {"foo":"bar"}', role="agent", count=3)
    messenger.log.wait_for('heard app-event from worker .*: {"foo":"bar"}', role="worker", count=9)


def test_messenger_broadcast(messenger):
    sent(messenger, "broadcast", everybody(messenger))


def test_messenger_send_to_app(messenger):
    sent(messenger, "sendToApp", everybody(messenger)[1:])


def test_messenger_send_to_agent(messenger):
    sent(messenger, "sendToAgent", everybody(messenger)[:1])


def test_messenger_send_to(messenger):
    for role, pid in everybody(messenger)[:2]:
        messenger.log.wait_for("app-event")
        text = f"to {role}"
        sender = int(messenger.get(f"/sendTo?pid={pid}&data=to%20{role}").text.removeprefix("pid:"))
        wait_for(lambda text=text: heard(messenger, text), text)
        assert heard(messenger, text) == [(role, pid, sender)]
    assert messenger.get("/sendTo?data=x").status == 400


def test_messenger_send_random(messenger):
    """One worker, whichever the master picks."""
    messenger.get("/sendRandom?data=luck")
    wait_for(lambda: heard(messenger, "luck"), "luck")
    ((role, pid, sender),) = heard(messenger, "luck")
    assert (role, sender) == ("worker", messenger.agent()) and pid in messenger.worker_pids()


def test_messenger_once(messenger):
    """A handler for the next message only."""
    for text in ("first", "second"):
        messenger.get(f"/sendToAgent?data={text}")
        wait_for(lambda text=text: heard(messenger, text), text)
    assert len([line for line in messenger.log.matching("heard it once") if line.role == "agent"]) == 1


def test_send_handle(example):
    """The workers, one that is started later too, answer on the socket that the agent has sent them."""
    port = free_port()
    muster = example("send-handle", worker__workers=2, app__port=port)

    def ask():
        with Client(("127.0.0.1", port)) as client:
            text = client.get("/").text
        pid, parent = map(int, re.fullmatch(r"I am worker, pid: (\d+), ppid: (\d+)", text).groups())
        assert parent == muster.pid
        return pid

    seen = set()
    wait_for(lambda: seen.add(ask()) or seen == set(muster.worker_pids()), f"answers of both, not {seen}")
    for victim in list(seen):
        os.kill(victim, signal.SIGKILL)
        muster.wait_replaced(victim)
    assert not seen & set(muster.worker_pids())
    wait_for(lambda: ask() in muster.worker_pids(), "an answer of a new worker")


# Nodejs进程创建


@pytest.fixture
def starting(example):
    """An example that may start programs."""
    return lambda name, **values: example(name, worker__workers=1, worker__children="yes", **values)


def test_spawn(starting):
    """ls -l in /usr, to our standard output and to the client."""
    muster = starting("spawn")
    expected = subprocess.run(["ls", "-l"], cwd="/usr", capture_output=True, text=True, check=True).stdout
    assert muster.get("/").text == expected
    muster.log.wait_for(re.escape(expected.splitlines()[-1]))
    ((_, pid),) = muster.workers()
    muster.log.wait_for(rf"\b{pid} \d+$")


def test_exec(starting):
    muster = starting("exec")
    release = os.uname().release
    assert muster.get("/").text == f"{{ error: null, code: 0, stdout: '{release}\n', stderr: '' }}"
    muster.log.wait_for(rf"{{ error: null, stdout: '{re.escape(release)}")


@pytest.mark.parametrize("size, error", [(204800, "null"), (204801, "ENOBUFS")])
def test_exec_max_buffer(starting, size, error):
    """More than 200 KiB of output is an error that says so."""
    muster = starting("exec", app__command=f"head -c {size} /dev/zero")
    assert f"error: {error}" in muster.get("/").text


def test_exec_file(starting):
    muster = starting("exec-file")
    release = os.uname().release
    assert muster.get("/").text == f"{release}\n"
    muster.log.wait_for(rf"{{ error: null, stdout: '{re.escape(release)}")
    assert muster.get("/echo?text=a%20b;%20%24HOME%20%22x%22").text == 'a b; $HOME "x"'


def test_fork(starting):
    muster = starting("fork")
    ((_, pid),) = muster.workers()
    assert muster.get("/").text == "code: 0, signal: 0"
    line = muster.log.wait_for(r"worker, pid: \d+, ppid: \d+, with an argument").text
    child, parent = map(int, re.search(r"pid: (\d+), ppid: (\d+)", line).groups())
    assert parent == pid != child


def test_fork_compute(starting):
    """The sum comes from another process, and others are answered meanwhile."""
    muster = starting("fork-compute", app__n=1_000_000_000)
    ((_, pid),) = muster.workers()
    with muster.client() as first, muster.client() as second:
        first.request("GET", "/compute")
        muster.log.wait_for("计算开始")
        assert second.get("/").text == "ok"
        assert not select.select([first.sock], [], [], 0)[0], "the sum was there first"
        assert first.response().text == "Sum is 499999999067108992"
    line = muster.log.wait_for(r"传递给子进程的数据 process.pid \d+").text
    assert int(re.search(r"process.pid (\d+)", line)[1]) != pid
    muster.log.wait_for(r"计算耗时: \d+\.\d{3}ms")
    muster.log.wait_for("收到close事件，子进程收到信号 SIGTERM 而终止，退出码 null")


def test_daemon(starting, directory):
    """It goes on when the worker that has started it is gone, with another parent, and ends with the service."""
    log = directory / "stdout.log"
    muster = starting("daemon", app__log=log, app__interval="50ms")
    worker, daemon = map(int, re.fullmatch(r"pid:(\d+),daemon:(\d+)", muster.get("/start").text).groups())
    muster.log.wait_for(f"守护进程开启，父进程pid{worker},守护进程pid:{daemon}")
    wait_for(lambda: log.exists() and f"agent pid: {daemon} ,ppid: {worker}\n" in log.read_text(), "its first line")
    assert os.readlink(f"/proc/{daemon}/cwd") == "/usr"
    assert Process(daemon).session == daemon
    os.kill(worker, signal.SIGKILL)
    muster.wait_replaced(worker)
    known = len(log.read_text())
    wait_for(lambda: f"agent pid: {daemon} ,ppid: " in log.read_text()[known:], "a line after the worker's end")
    assert alive(daemon)
    muster.stop()
    wait_for(lambda: not alive(daemon), "the daemon's end")


@pytest.mark.parametrize("name, shown", [("stdio-unread", False), ("stdio-pipe", True), ("stdio-inherit", True)])
def test_stdio(starting, name, shown):
    """What the child prints is to be seen where its output is joined to ours, and else it is not."""
    muster = starting(name)
    assert muster.get("/").text == "code: 0"
    child = re.search(r" \d+ (\d+)$", muster.log.wait_for(r" \d+ \d+$").text)[1]
    if shown:
        muster.log.wait_for(f"I am worker,PID: {child}")
    muster.stop()
    assert bool(muster.log.matching("I am worker")) == shown


@pytest.mark.parametrize("name", ["spawn", "exec", "exec-file", "fork", "stdio-pipe"])
def test_nothing_is_started_unless_the_configuration_says_so(example, name):
    muster = example(name, worker__workers=1)
    answer = muster.get("/")
    assert (answer.status, answer.text) == (503, "EPERM")
