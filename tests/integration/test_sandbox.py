# SPDX-License-Identifier: MIT
"""Each role does what its sandbox lets it do and nothing else, and what is refused is named in the log.

The table SANDBOX of muster(7) says what each role may do; its rows are tried here.
"""

import ctypes
import pathlib
import re
import resource
import signal
import shutil
import subprocess
import tempfile

import pytest

import muster as harness
from client import Client
from muster import SOON, free_port, wait_for
from test_reload import reload

REFUSED = "180dfb91adee46dd882a1ea167a481e5"

# What an application asks for, and the call that the log names. The first are asked by the C library with all
# signals blocked, some by the kernel's own number.
CHILDREN = {
    "execve": "execve",
    "execveat": "execveat",
    "fork": "clone",
    "spawn": "clone",
    "system": "clone",
}
COMMON = {
    "ptrace": "ptrace",
    "memory": "process_vm_readv",
    "mount": "mount",
    "mount-thread": "mount",
    "unshare": "unshare",
    "keyctl": "keyctl",
    "bpf": "bpf",
    "ring": "io_uring_setup",
    "packet": "socket",
}
ERRORS = {"system": "ECHILD"}  # system() says of its EPERM that there is no shell


def is_sanitized():
    program = (harness.build_dir() / "src" / "muster-worker").read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program


def landlock_version():
    """What the kernel can, 0 where it has none: landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION)."""
    return max(0, ctypes.CDLL(None).syscall(444, None, 0, 1))


needs_landlock = pytest.mark.skipif(landlock_version() < 1, reason="this kernel has no Landlock")
pytestmark = pytest.mark.skipif(is_sanitized(), reason="a build with a sanitizer has no sandbox")


def attempt(muster, what, path=None):
    response = muster.get(f"/try?what={what}" + (f"&path={path}" if path else ""))
    assert response.status == 200
    return response.text


def filters(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^Seccomp_filters:\s+(\d+)", status, re.MULTILINE)[1])


def allow_cores():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture
def elsewhere():
    """A place in which the service has no business."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="muster-test-", dir="/srv"))
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("what,call", [*CHILDREN.items(), *COMMON.items()])
def test_a_worker_is_refused_and_the_log_names_it(service, what, call):
    muster = service({"worker.workers": 1})
    (pid,) = muster.worker_pids()
    assert attempt(muster, what) == ERRORS.get(what, "EPERM")
    line = muster.log.wait_for(f"refuses {call} ", role="master")
    assert line.message == f"The sandbox of the worker 0 (pid {pid}) refuses {call} in GET /try"
    assert line.fields["MESSAGE_ID"] == REFUSED and line.fields["MUSTER_SYSCALL"] == call
    assert line.fields["MUSTER_PID"] == str(pid) and line.fields["MUSTER_ROUTE"] == "GET /try"
    assert muster.worker_pids() == [pid], "it lives on"


def test_what_is_tried_again_and_again_is_logged_once(service):
    muster = service({"worker.workers": 1})
    for _ in range(20):
        assert attempt(muster, "mount") == attempt(muster, "fork") == "EPERM"
    muster.stop()
    for call in ("mount", "clone"):
        assert len(muster.log.matching(f"refuses {call} ")) == 1


def test_a_flood_of_attempts_ends_at_the_kernel(service):
    """The master answers a thousand; the caller's error is another then, and the master has rest."""
    muster = service({"worker.workers": 1})
    with muster.client() as client:
        answers = [client.get("/try?what=fork").text for _ in range(1010)]
    assert answers[:1000] == ["EPERM"] * 1000
    assert answers[-1] == "ENOSYS"


@pytest.mark.parametrize("what", ["fork", "mount"])
def test_the_agent_is_refused_and_the_log_names_it(service, what):
    muster = service({"app.agent_try": what})
    call = {**CHILDREN, **COMMON}[what]
    line = muster.log.wait_for(f"refuses {call}", role="master")
    assert f"The sandbox of the agent (pid {muster.agent()})" in line.message
    muster.log.wait_for(f"Tried {what}: EPERM", role="agent")


@pytest.mark.parametrize("what", ["thread", "unix", "kill-self"])
def test_what_every_application_needs_is_allowed(service, what):
    muster = service({"worker.workers": 1})
    assert attempt(muster, what) == "0"
    assert not muster.log.matching("refuses")


@pytest.mark.skipif(landlock_version() < 6, reason="this kernel's Landlock knows no signals")
def test_a_worker_sends_its_master_no_signal(service):
    assert attempt(service(), "kill-master") == "EPERM"


def test_flags_that_no_filter_sees_are_not_taken(service):
    """clone3() has them in memory; the C library does without."""
    assert attempt(service(), "clone3") == "ENOSYS"


def test_with_children_the_application_starts_programs(service):
    muster = service({"worker.children": "yes", "worker.workers": 1})
    for what in ("fork", "spawn", "system", "thread"):
        assert attempt(muster, what) == "0"
    assert attempt(muster, "execve") == attempt(muster, "execveat") == "ENOENT"
    for what in COMMON:
        assert attempt(muster, what) == "EPERM"
    assert attempt(muster, "clone3") == "ENOSYS"


def test_a_crashed_worker_still_leaves_a_core_dump_and_drains(service):
    """Its copy is the one process that it may start."""
    muster = service({"worker.workers": 1, "worker.core": "yes"}, preexec=allow_cores)
    with muster.client() as client:
        assert client.get("/pid").status == 200
        with muster.client() as crashing:
            assert crashing.get("/crash").status == 500
        assert client.get("/pid").closes
    line = muster.log.wait_for("crashed: SIGSEGV", role="master")
    assert not muster.log.matching("refuses")
    assert int(line.fields["MUSTER_CORE_PID"]) > 0


@needs_landlock
def test_it_writes_only_where_it_was_told(service, directory, elsewhere):
    there = directory / "there"
    there.touch()
    known = elsewhere / "known"
    known.touch()
    muster = service({"worker.workers": 1})
    assert attempt(muster, "write", there) == "0"
    assert attempt(muster, "create", directory / "new") == "0"
    assert attempt(muster, "mkdir", directory / "folder") == "0"
    assert attempt(muster, "write", known) == "EACCES"
    assert attempt(muster, "create", elsewhere / "new") == "EACCES"
    assert attempt(muster, "mkdir", elsewhere / "folder") == "EACCES"
    assert attempt(muster, "remove", known) == "EACCES"
    assert attempt(muster, "read", known) == "0"
    assert attempt(muster, "write", "/dev/null") == "0"
    assert attempt(muster, "create", "/etc/muster-test") == "EACCES"
    assert known.exists()


@needs_landlock
def test_write_paths_are_written_and_nothing_beside_them(service, elsewhere):
    (elsewhere / "data").mkdir()
    muster = service({"worker.workers": 1, "worker.write_paths": elsewhere / "data"})
    assert attempt(muster, "create", elsewhere / "data" / "new") == "0"
    assert attempt(muster, "create", elsewhere / "new") == "EACCES"


@needs_landlock
def test_the_directories_of_systemd_are_written(service, elsewhere):
    variables = {}
    for name in ("RUNTIME", "STATE", "CACHE", "LOGS"):
        (elsewhere / name).mkdir()
        (elsewhere / name / "second").mkdir()
        variables[f"{name}_DIRECTORY"] = f"{elsewhere}/{name}/none:{elsewhere}/{name}/second"
    muster = service({"worker.workers": 1}, variables=variables)
    for name in ("RUNTIME", "STATE", "CACHE", "LOGS"):
        assert attempt(muster, "create", elsewhere / name / "second" / "new") == "0"
        assert attempt(muster, "create", elsewhere / name / "new") == "EACCES"


@needs_landlock
def test_read_paths_are_read_beside_those_of_the_system(service, elsewhere):
    for name in ("seen", "hidden"):
        (elsewhere / name).mkdir()
        (elsewhere / name / "file").touch()
    muster = service({"worker.workers": 1, "worker.read_paths": elsewhere / "seen",
                      "muster.module": harness.build_dir() / "src" / "apps" / "faults.so"})
    assert attempt(muster, "read", elsewhere / "seen" / "file") == "0"
    assert attempt(muster, "read", elsewhere / "hidden" / "file") == "EACCES"
    assert attempt(muster, "read", "/etc/passwd") == "0"


@needs_landlock
def test_the_master_is_refused_what_none_of_its_children_needs(service, directory, elsewhere):
    """It runs no code but its own, so what tries is loaded with it."""
    report = directory / "report"
    muster = service(variables={"LD_PRELOAD": str(harness.build_dir() / "src" / "apps" / "probe.so"),
                                "PROBE_REPORT": str(report), "PROBE_OUTSIDE": str(elsewhere / "new")})
    muster.kill(signal.SIGUSR1)
    wait_for(lambda: report.exists() and "end" in report.read_text(), "what the master was answered")
    assert report.read_text().split("\n")[:3] == ["mount EPERM", "create EACCES", "execve EACCES"]
    line = muster.log.wait_for("The sandbox of the master refuses mount")
    assert line.fields["MESSAGE_ID"] == REFUSED and line.fields["MUSTER_SYSCALL"] == "mount"
    assert muster.get("/").status == 200


def test_every_process_is_under_filters_and_the_children_under_one_more(service):
    muster = service({"worker.workers": 1})
    assert filters(muster.pid) == 1
    assert filters(muster.worker_pids()[0]) == filters(muster.agent()) == 2


def test_without_a_sandbox_nothing_is_refused(service, elsewhere):
    muster = service({"muster.sandbox": "no", "worker.workers": 1})
    assert filters(muster.pid) == filters(muster.worker_pids()[0]) == 0
    assert attempt(muster, "fork") == attempt(muster, "system") == "0"
    assert attempt(muster, "create", elsewhere / "new") == "0"
    assert attempt(muster, "kill-master") == "0"


def test_a_reload_and_a_restart_after_a_crash_go_on_as_before(service):
    muster = service({"worker.workers": 2})
    before = set(muster.worker_pids())
    assert muster.get("/crash").status == 500
    reload(muster)
    wait_for(lambda: len(muster.workers()) == 2 and not before & set(muster.worker_pids()), "new workers")
    assert all(filters(pid) == 2 for pid in muster.worker_pids())
    assert attempt(muster, "fork") == "EPERM"


def test_what_a_reload_would_change_waits_for_a_restart(service):
    muster = service({"worker.workers": 1})
    muster.configure({"worker.children": "yes"})
    reload(muster)
    muster.log.wait_for(r"\[worker\] children has changed: that takes effect when the service is restarted")
    assert attempt(muster, "fork") == "EPERM"


def test_a_socket_of_its_own_is_removed_at_the_end(service, elsewhere):
    path = elsewhere / "socket"
    muster = service({"http.listen": str(path)})
    assert muster.get("/").status == 200
    muster.stop()
    assert not path.exists()


def test_a_worker_alone_is_in_the_sandbox_too(directory):
    port = free_port()
    path = directory / "alone.conf"
    harness.write_config(path, {**harness.DEFAULTS, "muster.module": "faults"})
    keep = [f"-E{key}" for key in ("MUSTER_LIBEXEC_DIR", "MUSTER_MODULE_DIR")]
    process = subprocess.Popen(
        ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=http", *keep]
        + [str(harness.build_dir() / "src" / "muster-worker"), "--config", str(path)],
        env=harness.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        process.stderr.readline()  # "Listening on …"
        with Client(("127.0.0.1", port), 2 * SOON) as client:
            for what in (*CHILDREN, *COMMON):
                assert client.get(f"/try?what={what}").text == ERRORS.get(what, "EPERM")
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=3 * SOON)
    assert process.returncode == 0
    assert b"the sandbox refuses mount\n" in log
