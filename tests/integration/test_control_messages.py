# SPDX-License-Identifier: MIT
"""musterctl send reaches whom it names, and musterctl monitor shows what passes without holding it up."""

import json
import os
import queue
import re
import signal
import subprocess
import threading

import pytest

from hostile import rss_kib
from muster import SOON, build_dir, environment, wait_for
from test_control_access import FAILED, NOBODY, OK, PERMISSION, USAGE, others_reach_it

DATA_MAX = 64 * 1024


@pytest.fixture
def muster(service):
    return service({"muster.module": "witness", "worker.workers": 2})


def heard(muster, text, count):
    """Waits until so many processes have logged that they heard this, and returns their pids."""
    pattern = rf"(\d+) heard \d+ bytes of operator 0: {re.escape(text)}$"
    muster.log.wait_for(pattern, count=count)
    return sorted(int(pid) for pid in re.findall(pattern, muster.log.text(), re.MULTILINE))


def everybody(muster):
    return sorted([muster.agent(), *muster.worker_pids()])


# Sending


def test_a_message_goes_to_whom_it_names(muster):
    workers, agent = muster.worker_pids(), muster.agent()
    for target, receivers in (("app", workers), ("agent", [agent]), ("all", [agent, *workers]), (workers[1], [workers[1]]),
                              (agent, [agent])):
        done = muster.ctl("send", "say", f"to {target}", "--to", target)
        assert done.returncode == OK, done.stderr
        count = len(receivers)
        assert done.stdout == f"{muster.name}: sent to {count} process{'' if count == 1 else 'es'}\n"
        assert heard(muster, f"to {target}", count) == sorted(receivers)


def test_random_is_one_worker(muster):
    for n in range(10):
        assert muster.ctl("send", "say", f"random {n}", "--to", "random").returncode == OK
        (pid,) = heard(muster, f"random {n}", 1)
        assert pid in muster.worker_pids()


def test_data_may_come_from_the_standard_input(muster):
    done = subprocess.run(
        [str(build_dir() / "src" / "musterctl"), "send", "say", "-", "--to", "agent"], input=b"from a pipe\0and more",
        env=environment(MUSTER_RUNTIME_DIR=str(muster.directory / "run"), MUSTER_CONFIG_DIR=str(muster.directory)),
        stdout=subprocess.PIPE, check=True)
    assert done.stdout == f"{muster.name}: sent to 1 process\n".encode()
    muster.log.wait_for(r"heard 20 bytes of operator 0: from a pipe$")


@pytest.mark.parametrize("size", [0, 1, DATA_MAX])
def test_all_of_the_data_arrives(muster, size):
    assert send_bytes(muster, b"x" * size).returncode == OK
    muster.log.wait_for(rf"heard {size} bytes of operator 0")


def send_bytes(muster, data):
    return subprocess.run(
        [str(build_dir() / "src" / "musterctl"), "send", "say", "-", "--to", "agent"], input=data,
        env=environment(MUSTER_RUNTIME_DIR=str(muster.directory / "run"), MUSTER_CONFIG_DIR=str(muster.directory)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


def test_more_data_than_a_message_takes_is_refused(muster):
    done = send_bytes(muster, b"x" * (DATA_MAX + 1))
    assert done.returncode == USAGE
    assert done.stderr == f"musterctl: More than {DATA_MAX} bytes of data\n".encode()


@pytest.mark.parametrize("pid", [1, 4194305, 4294967296, 99999999999999999999999])
def test_a_pid_that_is_none_of_ours_is_an_error(muster, pid):
    done = muster.ctl("send", "say", "hello", "--to", pid)
    assert done.returncode == FAILED
    assert done.stderr == f"musterctl: {muster.name}: There is no worker or agent with the pid {pid}\n"


def test_where_no_worker_is_ready_random_reaches_nobody(start):
    muster = start({"worker.workers": 1, "app.start": "hang"})
    wait_for(muster.worker_pids, "a worker that starts")
    done = muster.ctl("send", "say", "hello", "--to", "random")
    assert done.returncode == FAILED
    assert done.stderr == f"musterctl: {muster.name}: No worker is ready\n"
    for pid in muster.worker_pids():
        os.kill(pid, signal.SIGKILL)  # it would not end by itself


@pytest.mark.parametrize("words", [("say",), ("say", "hello", "--to", "nobody"), ("say", "hello", "--to", ""), ("--to", "app"),
                                   ("say", "hello", "more", "and more", "--to", "app"), ("say", "hello", "--to"),
                                   ("say", "hello", "--for", "app")])
def test_a_command_that_makes_no_sense_is_refused(muster, words):
    done = muster.ctl("send", *words)
    assert done.returncode == USAGE
    assert "musterctl: " in done.stderr


@pytest.mark.parametrize("action", ["", "x" * 256])
def test_an_action_that_is_none_is_refused(muster, action):
    done = muster.ctl("send", action, "hello", "--to", "app")
    assert done.returncode == FAILED
    assert "An action has 1 to 255 bytes" in done.stderr


def test_that_muster_is_ready_is_for_the_master_to_say(muster):
    done = muster.ctl("send", "muster-ready", "hello", "--to", "app")
    assert done.returncode == FAILED
    assert '"muster-ready" is said by the master alone' in done.stderr


@others_reach_it
def test_another_user_may_neither_send_nor_watch(muster):
    for verb, *words in ("send", "say", "hello", "--to", "all"), ("monitor",):
        done = muster.ctl(verb, *words, user=NOBODY)
        assert done.returncode == PERMISSION
        assert "only root and the user of the service" in done.stderr


# Watching


class Monitor:
    """A running musterctl monitor."""

    def __init__(self, muster, *options):
        env = environment(MUSTER_RUNTIME_DIR=str(muster.directory / "run"), MUSTER_CONFIG_DIR=str(muster.directory), TZ="UTC")
        self.process = subprocess.Popen([str(build_dir() / "src" / "musterctl"), "monitor", muster.name, *options], env=env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        # From here on it sees what passes
        assert self.process.stderr.readline() == f"Watching the messages of {muster.name}\n"

    def line(self):
        return self.lines.get(timeout=SOON)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()


def tell(muster, to, action="say", text="hello", more=""):
    response = muster.get(f"/tell?to={to}&action={action}&text={text}{more}")
    assert (response.status, response.text) == (200, "sent")


def test_a_line_says_who_told_whom_what(muster):
    numbers = {pid: number for number, pid in muster.workers()}
    with Monitor(muster, "--action", "s*") as monitor:
        for to, shown in (("app", "app: 2"), ("agent", f"agent {muster.agent()}"), ("all", "all: 3"), (muster.agent(), f"process {muster.agent()}")):
            tell(muster, to)
            found = re.fullmatch(r"\d\d:\d\d:\d\d\.\d{6}  worker (\d) \((\d+)\) +-> (.*?) +say  5B  hello\n", monitor.line())
            assert found and numbers[int(found[2])] == int(found[1])
            assert found[3] == shown
        tell(muster, "random")
        assert re.search(rf"-> random ({'|'.join(map(str, numbers))}) +say", monitor.line())
        assert muster.ctl("send", "say", "hello", "--to", "app").returncode == OK
        assert re.search(r"  operator +-> app: 2 +say  5B  hello\n", monitor.line())


def test_as_json_a_line_is_an_object(muster):
    with Monitor(muster, "--json", "--action", "say") as monitor:
        tell(muster, muster.agent(), text="%22%09%c3%a4b", more="&handle=1")
        shown = json.loads(monitor.line())
        number = dict((pid, number) for number, pid in muster.workers())[shown["from_pid"]]
        assert shown.pop("time_usec") > 1.6e15
        assert shown == {"from": "worker", "from_worker": number, "from_pid": shown["from_pid"], "to": "process",
                         "to_pid": muster.agent(), "receivers": 1, "action": "say", "size": 5, "handle": True, "first": "\"...b"}
        tell(muster, "app", text="%07%e4" + "x" * 100)
        shown = json.loads(monitor.line())
        assert (shown["size"], shown["first"]) == (102, ".." + "x" * 62)


def test_it_ends_after_as_many_as_are_wanted_and_shows_only_what_matches(muster):
    with Monitor(muster, "-n", "3", "--action", "[a-c]t") as monitor:
        for action in "at", "dt", "bt", "att", "ct":
            tell(muster, "agent", action=action)
        assert monitor.process.wait(SOON) == OK
        assert [re.search(r"  (\w+)  5B", monitor.line())[1] for _ in range(3)] == ["at", "bt", "ct"]


def test_what_is_not_shown_is_counted_and_nothing_is_lost(muster):
    """Far more than can be shown: what is shown and what is not are all there were."""
    with Monitor(muster, "--json", "--action", "burst") as monitor:
        sent = 0
        for _ in range(20):
            sent += int(muster.get("/burst?count=500&size=10").text)
        shown = hidden = 0
        while shown + hidden < sent:
            line = json.loads(monitor.line())
            hidden += line.get("not_shown", 0)
            shown += "action" in line
        assert shown + hidden == sent
        assert hidden > 0


def test_one_that_does_not_read_costs_nothing_but_what_it_missed(muster):
    with Monitor(muster, "--json", "--action", "burst") as monitor:
        monitor.process.send_signal(signal.SIGSTOP)
        muster.get("/burst?count=1000&size=100")
        size = rss_kib(muster.pid)
        sent = 1000
        for _ in range(100):
            sent += int(muster.get("/burst?count=1000&size=100").text)
        # Of 10 MiB nothing is kept but the memory of a small burst (ipc/outbox.c: less than 1 MiB) to each of three receivers
        wait_for(lambda: rss_kib(muster.pid) <= size + 4 * 1024, "the master with hardly more memory than before")
        monitor.process.send_signal(signal.SIGCONT)
        total = 0
        while total < sent:
            line = json.loads(monitor.line())
            total += line.get("not_shown", 1)
        assert total == sent


def test_it_says_so_when_the_service_ends(muster):
    with Monitor(muster) as monitor:
        muster.stop()
        assert monitor.process.wait(SOON) == FAILED
        assert monitor.process.stderr.read() == f"musterctl: {muster.name} has closed the connection\n"
