# SPDX-License-Identifier: MIT
"""An upgrade in place keeps the master's pid, its children and every request, and is refused where it would not."""

import multiprocessing
import os
import signal

import pytest

import load
from muster import SOON, build_dir, drained, listening_socket, wait_for
from upgrades import MARK, pids, settle, upgrade


def test_the_master_keeps_its_pid_and_its_children_until_they_are_rolled(serve, installed):
    muster = serve({"worker.workers": 3})
    before = pids(muster)
    # The roll begins with an agent, which waits until we have looked
    installed(
        "muster-agent",
        f"#!/bin/sh\nuntil [ -e {installed.path}/go ]; do sleep 0.01; done\nexec {build_dir()}/src/muster-agent\n",
    )
    muster.kill(signal.SIGUSR2)
    muster.log.wait_for(MARK)
    assert pids(muster)[1:] == before[1:]
    assert os.readlink(f"/proc/{muster.pid}/exe") == str(build_dir() / "src" / "muster-master")
    assert muster.get("/").status == 200
    (installed.path / "go").touch()
    settle(muster, before)
    assert muster.process.poll() is None
    muster.notify.wait(lambda message: "READY" in message, "READY=1 again", count=2)
    assert muster.notify.values("STATUS")[-1].startswith("3/3 workers ready, 0 restarts")
    assert len(muster.workers()) == 3
    assert not muster.log.matching("was killed|crashed|exited with status")


def test_its_command_line_comes_along(start):
    muster = start({"http.server_header": "file"}, arguments=["-o", "http.server_header=option"]).ready()
    before = pids(muster)
    upgrade(muster)
    settle(muster, before)
    assert muster.get("/")["Server"] == "option"
    assert any(process.title == f"muster-master: {muster.name}" for process in muster.descendants())


def test_what_the_files_say_now_was_not_asked_for(service):
    muster = service({"http.server_header": "before"})
    muster.configure({"http.server_header": "after", "worker.workers": "half written"})
    before = pids(muster)
    upgrade(muster)
    settle(muster, before)
    assert muster.get("/")["Server"] == "before"


@pytest.mark.parametrize("sockets", ["own", "unix", "passed"])
def test_the_sockets_stay_open(service, directory, sockets):
    if sockets == "passed":
        muster = service(sockets=[listening_socket(), listening_socket()], names="http:admin")
    else:
        muster = service({"http.listen": directory / "socket"} if sockets == "unix" else {})
    upgrade(muster)
    upgrade(muster, count=2)
    for index in range(2 if sockets == "passed" else 1):
        assert muster.get("/", index=index).status == 200
    muster.stop()
    assert not (directory / "socket").exists()


class Load:
    """32 kept connections and as many new ones as go, with slow requests among them, in processes of their own."""

    def __init__(self, muster, kept=32, new=8):
        context = multiprocessing.get_context("fork")
        self.stop, self.pipes, self.clients = context.Event(), [], []
        for number in range(kept + new):
            reading, writing = context.Pipe(duplex=False)
            self.pipes.append(reading)
            self.clients.append(
                context.Process(target=load.ask, args=(muster.address(), number < kept, self.stop, writing))
            )

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *exception):
        self.stop.set()
        results = [pipe.recv() for pipe in self.pipes]
        for client in self.clients:
            client.join()
        self.sent = sum(sent for sent, _ in results)
        self.failures = [failure for _, failures in results for failure in failures]


def test_no_request_fails_in_upgrades_under_load(service):
    muster = service({"worker.workers": 4, "worker.drain_timeout": "20s"})
    with Load(muster) as clients:
        for count in (1, 2, 3):
            before = pids(muster)
            upgrade(muster, count)
            settle(muster, before)
    assert not clients.failures, clients.failures[:10]
    assert clients.sent > 200
    assert muster.log.matching(MARK) and len(muster.workers()) == 4
    assert muster.process.poll() is None


def test_a_request_under_way_is_answered_by_the_worker_that_has_it(service):
    muster = service({"worker.workers": 1})
    (old,) = muster.worker_pids()
    with muster.client() as slow, muster.client() as idle:
        assert slow.get("/").status == idle.get("/").status == 200
        slow.request("GET", "/slow?ms=500")
        upgrade(muster)
        assert slow.response().text == str(old)
        assert drained(idle, "/pid").text == str(old)


@pytest.mark.parametrize(
    "program, reason",
    [
        ("#!/bin/sh\nexit 1\n", "exited with status 1"),
        ("#!/bin/sh\nexit 0\n", "exited with status 0"),
        ("#!/bin/sh\necho too old; exit 1\n", "cannot take over: too old"),
        ("#!/bin/sh\necho can take over: muster 1; exit 1\n", "cannot take over"),
        ("#!/bin/sh\nkill -9 $$\n", "killed by signal 9"),
        ("#!/nowhere/at/all\n", "Cannot execute .*No such file"),
        ("no program", "Cannot execute .*Exec format error"),
        (None, "Cannot execute .*No such file"),
    ],
    ids=["fails", "says nothing", "says no", "says yes and fails", "dies", "no interpreter", "no program", "gone"],
)
def test_a_program_that_cannot_take_over_is_refused_and_all_goes_on(serve, installed, program, reason):
    muster = serve({"worker.workers": 2})
    before = pids(muster)
    if program is None:
        (installed.path / "muster-master").unlink()
    else:
        installed("muster-master", program)
    muster.kill(signal.SIGUSR2)
    line = muster.log.wait_for(f"Upgrade failed, .*{reason}")
    assert line.fields["MESSAGE_ID"]
    muster.notify.wait(lambda message: "Upgrade failed" in message.get("STATUS", ""), "the status")
    assert pids(muster) == before
    assert muster.get("/").status == 200
    # and it is no worse for it
    (installed.path / "muster-master").unlink(missing_ok=True)
    os.symlink(build_dir() / "src" / "muster-master", installed.path / "muster-master")
    upgrade(muster)
    settle(muster, before)
    assert "Upgrade failed" not in muster.notify.values("STATUS")[-1]


def test_a_handover_of_another_version_is_refused_by_the_real_program(serve, installed):
    muster = serve()
    before = pids(muster)
    # Gives the real program what another version would have written
    installed(
        "muster-master",
        "#!/usr/bin/python3\n"
        "import os, sys\n"
        "text = os.read(3, 1 << 20).replace(b'muster-handover=1', b'muster-handover=77')\n"
        "fd = os.memfd_create('other', 0)\n"
        "os.write(fd, text)\n"
        "os.dup2(fd, 3)\n"
        f"os.execv('{build_dir()}/src/muster-master', sys.argv)\n",
    )
    muster.kill(signal.SIGUSR2)
    muster.log.wait_for("Upgrade failed.* cannot read the handover: version 77 of muster-handover is not known")
    assert pids(muster) == before


def test_a_program_that_gives_no_answer_is_not_waited_for(serve, installed):
    muster = serve()
    before = pids(muster)
    installed("muster-master", "#!/bin/sh\nexec sleep 1000\n")
    muster.kill(signal.SIGUSR2)
    # It serves meanwhile, and takes no second order
    wait_for(lambda: any("sleep" in process.title for process in muster.children()), "the trial")
    assert muster.get("/").status == 200
    muster.kill(signal.SIGUSR2)
    muster.log.wait_for("Not upgrading: an upgrade is under way already")
    muster.log.wait_for("Upgrade failed, .* gave no answer within 10s", within=10 + 2 * SOON)
    wait_for(lambda: pids(muster) == before, "nothing but the processes there were")


def test_a_program_that_changes_while_it_is_tried_is_not_run(serve, installed):
    muster = serve()
    before = pids(muster)
    installed(
        "muster-master",
        f"#!/bin/sh\necho 'can take over: muster 1'; echo '# more' >> {installed.path}/muster-master\n",
    )
    muster.kill(signal.SIGUSR2)
    muster.log.wait_for("Upgrade failed, .*was changed while it was tried")
    assert pids(muster) == before


def test_one_that_says_yes_and_cannot_be_executed_leaves_all_as_it_was(serve, installed):
    """The last moment that can go wrong: exec itself."""
    muster = serve()
    before, open_before = pids(muster), descriptors(muster.pid)
    installed("muster-master", f"#!{installed.path}/shell\necho 'can take over: muster 1'; rm {installed.path}/shell\n")
    os.symlink("/bin/sh", installed.path / "shell")
    muster.kill(signal.SIGUSR2)
    muster.log.wait_for("Upgrade failed, .*Cannot execute")
    assert pids(muster) == before
    wait_for(lambda: set(descriptors(muster.pid)) <= set(open_before), "no more descriptors than before")
    assert all(is_close_on_exec(muster.pid, fd) for fd in descriptors(muster.pid) if fd > 2)
    assert muster.get("/").status == 200


def descriptors(pid):
    return sorted(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))


def is_close_on_exec(pid, fd):
    with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as info:
        flags = next(line for line in info if line.startswith("flags:"))
    return bool(int(flags.split()[1], 8) & os.O_CLOEXEC)


def test_no_descriptor_is_lost_or_left_open(service):
    muster = service({"worker.workers": 2})
    first = None
    for count in range(1, 6):
        before = pids(muster)
        upgrade(muster, count)
        settle(muster, before)
        first = first or len(descriptors(muster.pid))
    wait_for(lambda: len(descriptors(muster.pid)) <= first, f"no more than {first} descriptors")
    assert all(is_close_on_exec(muster.pid, fd) for fd in descriptors(muster.pid) if fd > 2)


def test_a_worker_that_crashes_meanwhile_is_replaced_by_whichever_master_runs(serve, installed):
    muster = serve({"worker.workers": 2})
    before = pids(muster)
    # A trial that lasts until the crash has happened
    installed(
        "muster-master",
        f'#!/bin/sh\nif [ "$1" = --check ]; then until [ -e {installed.path}/go ]; do sleep 0.01; done; fi\n'
        f'exec {build_dir()}/src/muster-master "$@"\n',
    )
    muster.kill(signal.SIGUSR2)
    wait_for(lambda: len(muster.children()) > 3, "the trial")
    with muster.client() as client:
        assert client.get("/crash").status == 500
    (installed.path / "go").touch()
    muster.log.wait_for("Upgraded from", within=3 * SOON)
    settle(muster, before)
    assert len(muster.log.matching("crashed: SIG")) == 1
    assert "1 restarts" in muster.notify.values("STATUS")[-1]
    wait_for(lambda: len(muster.workers()) == 2, "two workers")


def test_a_worker_killed_at_the_moment_of_the_change_is_replaced(serve, installed):
    """Between the two programs nobody looks; the end waits in the kernel."""
    muster = serve({"worker.workers": 2})
    before = pids(muster)
    victim = before[1]
    installed(
        "muster-master",
        f'#!/bin/sh\n[ "$1" = --check ] || kill -9 {victim}\nexec {build_dir()}/src/muster-master "$@"\n',
    )
    upgrade(muster)
    settle(muster, before)
    assert len(muster.log.matching(rf"\(pid {victim}\) was killed by SIGKILL")) == 1
    wait_for(lambda: len(muster.workers()) == 2, "two workers")
    assert muster.get("/").status == 200


@pytest.mark.parametrize("sent, pattern", [(signal.SIGTERM, None), (signal.SIGHUP, "Reloading")])
def test_a_signal_at_the_moment_of_the_change_is_not_lost(serve, installed, sent, pattern):
    muster = serve({"worker.workers": 1})
    installed(
        "muster-master",
        f'#!/bin/sh\n[ "$1" = --check ] || kill -{int(sent)} $$\nexec {build_dir()}/src/muster-master "$@"\n',
    )
    muster.kill(signal.SIGUSR2)
    muster.log.wait_for(MARK)
    if pattern:
        muster.log.wait_for(pattern)
        muster.log.wait_for("Reloaded: generation 3")
        muster.stop()
    else:
        muster.finish()


def test_totals_budgets_and_waiting_starts_come_along(service):
    muster = service({"worker.workers": 2, "restart.limit": 3, "restart.interval": "1h"})
    for _ in range(3):
        pid = muster.worker_pids()[0]
        os.kill(pid, signal.SIGKILL)
        muster.wait_replaced(pid)
    before = pids(muster)
    upgrade(muster)
    settle(muster, before)
    muster.notify.wait(lambda message: "3 restarts" in message.get("STATUS", ""), "the count", count=2)
    # What outlives the master does so without being counted twice
    muster.log.wait_for("Since .*: 1 starts, 3 restarts of processes, 3 crashes, ")
    # The budget is spent as it was
    os.kill(muster.worker_pids()[0], signal.SIGKILL)
    muster.log.wait_for("More than 3 restarts of workers in 1h, the next one in")


def test_what_is_in_quarantine_stays_there(service):
    muster = service({"worker.workers": 2, "restart.quarantine_after": 2, "restart.quarantine_time": "1h"})
    for _ in range(2):
        assert muster.get("/crash").status == 500
    wait_for(lambda: muster.get("/crash").status == 503, "the quarantine")
    before = pids(muster)
    upgrade(muster)
    settle(muster, before)
    crashes = len(muster.log.matching("crashed: SIG"))  # one more where a request came before the quarantine was known
    assert all(muster.get("/crash").status == 503 for _ in range(10))
    muster.notify.wait(lambda message: "1 in quarantine" in message.get("STATUS", ""), "the status", count=2)
    assert len(muster.log.matching("crashed: SIG")) == crashes


def test_a_worker_that_hangs_is_found_by_the_new_master(serve, installed):
    muster = serve({"worker.workers": 2, "worker.hang_timeout": "2s"})
    before = pids(muster)
    installed("muster-agent", "#!/bin/sh\nexec sleep 1000\n")  # nothing is rolled
    with muster.client() as client:
        client.request("GET", "/hang")
        muster.kill(signal.SIGUSR2)
        muster.log.wait_for(MARK)
        assert client.response().status == 503
    wait_for(lambda: len(set(before) & set(pids(muster))) == 2, "the end of the one that hung")


def test_twice_then_a_reload_then_the_end_in_good_order(service):
    muster = service({"worker.workers": 2, "http.server_header": "before"})
    for count in (1, 2):
        before = pids(muster)
        upgrade(muster, count)
        settle(muster, before)
    muster.configure({"http.server_header": "after"})
    muster.kill(signal.SIGHUP)
    muster.log.wait_for("Reloaded: generation 4")
    wait_for(lambda: muster.get("/")["Server"] == "after", "an answer of the new ones")
    muster.stop()


def test_during_a_reload_it_waits_for_its_end(service):
    muster = service({"worker.workers": 1})
    muster.kill(signal.SIGHUP)
    muster.kill(signal.SIGUSR2)
    muster.log.wait_for("Upgraded from", within=3 * SOON)
    assert len(muster.log.matching("Reloaded: generation [23]")) == 2


def test_a_reload_during_the_trial_comes_first(serve, installed):
    muster = serve({"worker.workers": 1, "http.server_header": "before"})
    installed(
        "muster-master",
        f'#!/bin/sh\nif [ "$1" = --check ]; then until [ -e {installed.path}/go ]; do sleep 0.01; done; fi\n'
        f'exec {build_dir()}/src/muster-master "$@"\n',
    )
    muster.kill(signal.SIGUSR2)
    wait_for(lambda: len(muster.children()) > 2, "the trial")
    muster.configure({"http.server_header": "after"})
    muster.kill(signal.SIGHUP)
    (installed.path / "go").touch()
    muster.log.wait_for("Upgraded from", within=3 * SOON)
    lines = [line.message for line in muster.log.matching(f"Reloaded|{MARK}")]
    for line, start in zip(lines, ["Reloaded: generation 2", MARK, "Reloaded: generation 3"], strict=True):
        assert line.startswith(start)
    wait_for(lambda: muster.get("/")["Server"] == "after", "an answer of the new ones")


def test_during_a_start_it_waits_for_its_end(start):
    muster = start({"worker.workers": 2})
    muster.log.wait_for("Listening on")
    muster.kill(signal.SIGUSR2)
    muster.log.wait_for("Upgraded from", within=3 * SOON)
    assert muster.get("/").status == 200


def test_a_service_that_stops_is_not_upgraded(service):
    muster = service({"worker.workers": 1})
    with muster.client() as slow:
        slow.request("GET", "/slow?ms=500")
        wait_for(lambda: muster.get("/").status == 200, "the request is there")
        muster.kill(signal.SIGTERM)
        muster.log.wait_for("Stopping on SIGTERM")
        muster.kill(signal.SIGUSR2)
        assert slow.response().status == 200
    muster.finish()
    assert not muster.log.matching(MARK)


def test_a_roll_that_fails_leaves_the_old_workers_and_says_so(serve, installed):
    muster = serve({"worker.workers": 2})
    before = pids(muster)
    installed("muster-worker", "#!/bin/sh\nexit 3\n")
    muster.kill(signal.SIGUSR2)
    line = muster.log.wait_for("The master was upgraded to .*, but the old workers serve on: worker 0 exited")
    assert line.fields["MESSAGE_ID"]
    muster.notify.wait(lambda message: "Upgrade failed" in message.get("STATUS", ""), "the status")
    wait_for(lambda: pids(muster) == before, "the old ones alone")
    assert muster.get("/").status == 200


def test_a_new_master_that_cannot_go_on_ends_and_its_workers_finish_their_requests(serve, installed):
    muster = serve({"worker.workers": 1})
    installed(
        "muster-master",
        f'#!/bin/sh\n[ "$1" = --check ] || exec false\nexec {build_dir()}/src/muster-master "$@"\n',
    )
    with muster.client() as slow:
        slow.request("GET", "/slow?ms=500")
        assert muster.get("/").status == 200
        muster.kill(signal.SIGUSR2)
        assert muster.wait() == 1
        assert slow.response().status == 200
    muster.nothing_left()
