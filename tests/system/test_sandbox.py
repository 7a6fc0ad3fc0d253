# SPDX-License-Identifier: MIT
"""The sandbox by role holds under the shipped unit, and nothing that the service promises breaks in it."""

import pytest

from container import wait_until
from service import FAULTS, FAULTS_URL, crash

REFUSED_ID = "180dfb91adee46dd882a1ea167a481e5"


def attempt(container, what, path=None):
    status, body = container.http(f"{FAULTS_URL}/try?what={what}" + (f"&path={path}" if path else ""))
    assert status == 200
    return body


def refused(container, call):
    return wait_until(
        lambda: container.journal("-u", FAULTS, f"MESSAGE_ID={REFUSED_ID}", f"MUSTER_SYSCALL={call}"),
        f"the journal names {call}",
    )


@pytest.mark.parametrize("what,call", [("fork", "clone"), ("execve", "execve"), ("keyctl", "keyctl"),
                                       ("mount", "mount"), ("ptrace", "ptrace"), ("packet", "socket")])
def test_a_refused_call_is_an_error_and_named_although_the_unit_refuses_it_too(faults, what, call):
    assert attempt(faults, what) == "EPERM"
    (entry,) = refused(faults, call)
    assert entry["MUSTER_ROUTE"] == "GET /try" and entry["MUSTER_ROLE"] == "worker"
    assert not faults.journal("-u", FAULTS, "MESSAGE_ID=8f6c1d2e0b9a4f7d9a53c4e7b1206f35")


def test_the_directories_of_the_unit_are_written_and_no_others(faults):
    for folder in ("/var/lib/muster/faults", "/var/log/muster/faults", "/run/muster/faults", "/tmp"):
        assert attempt(faults, "create", f"{folder}/new") == "0"
    for folder in ("/etc", "/var/lib", "/dev/shm/..", "/"):
        assert attempt(faults, "create", f"{folder}/new") in ("EROFS", "EACCES")


def test_with_children_programs_are_started(faults):
    faults.write("/etc/muster/faults.conf.d/children.conf", "[worker]\nchildren = yes\n")
    faults.systemctl("restart", FAULTS)
    assert attempt(faults, "system") == attempt(faults, "spawn") == "0"


def test_a_program_of_the_application_runs_as_the_user_of_the_service_and_learns_nothing_of_muster(faults):
    faults.write("/etc/muster/faults.conf.d/children.conf", "[worker]\nchildren = yes\n")
    faults.systemctl("restart", FAULTS)
    status, body = faults.http(f"{FAULTS_URL}/shell")
    lines = body.splitlines()
    assert status == 200 and int(lines[0]) > 0 and lines[1] == "/"
    assert "STATE_DIRECTORY=/var/lib/muster/faults" in lines
    assert not [line for line in lines if line.startswith(("NOTIFY_SOCKET", "LISTEN_", "MUSTER_", "WATCHDOG_"))]
    assert "/worker-" in lines[-1]


def test_without_children_muster_refuses_and_names_the_key(faults):
    assert faults.http(f"{FAULTS_URL}/shell") == (500, "EPERM")
    wait_until(lambda: faults.journal("-u", FAULTS, "--grep=\\[worker\\] children = yes"), "the log names the key")


def test_a_crash_is_drained_explained_and_leaves_a_core(faults):
    faults.write("/etc/muster/faults.conf.d/core.conf", "[worker]\ncore = yes\n")
    faults.systemctl("restart", FAULTS)
    entry = crash(faults)
    assert entry["MUSTER_SIGNAL"] == "SIGSEGV" and "faults.so+0x" in entry["MUSTER_BACKTRACE"]
    assert not faults.journal("-u", FAULTS, f"MESSAGE_ID={REFUSED_ID}")
    assert faults.http(f"{FAULTS_URL}/pid")[0] == 200


def test_a_reload_and_a_stop_go_on_as_before(faults):
    faults.systemctl("reload", FAULTS)
    wait_until(lambda: faults.journal("-u", FAULTS, "MUSTER_ROLE=master", "--grep=Reloaded: generation 2"), "reloaded")
    assert attempt(faults, "fork") == "EPERM"
    faults.systemctl("stop", FAULTS)
    assert faults.state(FAULTS) == "inactive"


def test_without_a_sandbox_the_units_is_what_is_left(faults):
    faults.write("/etc/muster/faults.conf.d/sandbox.conf", "[muster]\nsandbox = no\n")
    faults.systemctl("restart", FAULTS)
    assert attempt(faults, "fork") == "0"
    assert attempt(faults, "mount") == "EPERM"
    assert not faults.journal("-u", FAULTS, f"MESSAGE_ID={REFUSED_ID}")
