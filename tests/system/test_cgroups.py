# SPDX-License-Identifier: MIT
"""Under the shipped unit each process has a cgroup of its own, which ends with all that is in it."""

import re

import pytest

from container import wait_until
from service import FAULTS, FAULTS_URL, crash, muster_processes

UNIT = "/sys/fs/cgroup/system.slice/system-muster.slice/muster@faults.service"


def cgroups(container):
    """{name: [pid]} of the cgroups below the unit's that are ours; systemd keeps one of its own for ExecReload=."""
    # Not find(1), which trusts the link count of a directory
    listing = container.run("sh", "-c", f"cd {UNIT} && ls -d [a-z]*/")
    return {name.rstrip("/"): container.run("cat", f"{UNIT}/{name}cgroup.procs").split() for name in listing.split()}


def number_of(title):
    return int(title.rsplit("/", 1)[1])


def test_each_process_has_a_cgroup_of_its_own(faults):
    groups = cgroups(faults)
    for pid, title in muster_processes(faults).items():
        if title.startswith("muster-master"):
            name = r"master"
        elif title.startswith("muster-agent"):
            name = r"agent-1-\d+"
        else:
            name = rf"worker-{number_of(title)}-1-\d+"
        assert [group for group, pids in groups.items() if str(pid) in pids and re.fullmatch(name, group)], groups
    assert faults.run("cat", f"{UNIT}/cgroup.procs") == ""


@pytest.mark.parametrize("end", ["crash", "kill", "reload", "stop"])
def test_what_a_worker_has_started_ends_with_it(faults, end):
    faults.write("/etc/muster/faults.conf.d/children.conf", "[worker]\nchildren = yes\n")
    faults.systemctl("restart", FAULTS)
    before = cgroups(faults)
    pid = faults.http(f"{FAULTS_URL}/spawn")[1]
    group = next(name for name, pids in cgroups(faults).items() if pid in pids)
    assert group.startswith("worker-")
    (worker,) = before[group]

    if end == "crash":
        def crashed():
            crash(faults)
            return not faults.succeeds("test", "-d", f"/proc/{worker}")

        # whichever worker gets the request, in the end it is this one
        wait_until(crashed, "the worker is gone")
    elif end == "kill":
        faults.run("kill", "-KILL", worker)
    elif end == "reload":
        faults.systemctl("reload", FAULTS)
    else:
        faults.systemctl("stop", FAULTS)

    wait_until(lambda: not faults.succeeds("test", "-d", f"/proc/{pid}"), "what it had started has ended")
    if end == "stop":
        assert not faults.succeeds("test", "-d", UNIT)
        assert muster_processes(faults) == {}
    else:
        wait_until(lambda: len(cgroups(faults)) == len(before) and group not in cgroups(faults),
                   "there are as many cgroups as before")


@pytest.mark.parametrize("end", ["kill", "reload"])
def test_a_detached_child_outlives_its_worker_and_not_the_service(faults, end):
    faults.write("/etc/muster/faults.conf.d/children.conf", "[worker]\nchildren = yes\nworkers = 1\n")
    faults.systemctl("restart", FAULTS)
    (worker,) = (pid for pid, title in muster_processes(faults).items() if title.startswith("muster-worker"))
    pid = faults.http(f"{FAULTS_URL}/detach")[1]
    assert cgroups(faults)["detached"] == [pid]
    if end == "kill":
        faults.run("kill", "-KILL", str(worker))
    else:
        faults.systemctl("reload", FAULTS)
    wait_until(lambda: not faults.succeeds("test", "-d", f"/proc/{worker}"), "its worker is gone")
    wait_until(lambda: faults.http(f"{FAULTS_URL}/")[0] == 200, "another worker serves")
    assert cgroups(faults)["detached"] == [pid]
    faults.systemctl("stop", FAULTS)
    assert not faults.succeeds("test", "-d", f"/proc/{pid}")
    assert not faults.succeeds("test", "-d", UNIT)


def test_after_a_killed_master_everything_is_as_after_a_start(faults):
    before = cgroups(faults)
    master = faults.main_pid(FAULTS)

    faults.run("kill", "-KILL", str(master))

    assert faults.http(f"{FAULTS_URL}/")[0] == 200
    wait_until(lambda: faults.state(FAULTS) == "active", "the service is active again")
    assert faults.main_pid(FAULTS) != master
    after = cgroups(faults)
    assert len(after) == len(before)
    assert after["master"] == [str(faults.main_pid(FAULTS))]


def test_limits_without_a_controller_are_said(faults):
    if "memory" in faults.run("cat", f"{UNIT}/cgroup.controllers").split():
        pytest.skip("there is a memory controller")
    faults.write("/etc/muster/faults.conf.d/memory.conf", "[worker]\nmemory_max = 512M\n")
    faults.systemctl("restart", FAULTS)
    assert any("memory_max do not hold" in entry["MESSAGE"] for entry in faults.journal("-u", FAULTS))


def test_a_worker_that_needs_more_than_its_limit_is_replaced_and_named(faults):
    if "memory" not in faults.run("cat", f"{UNIT}/cgroup.controllers").split():
        pytest.skip("the kernel has no memory controller of version 2 to give")
    faults.write("/etc/muster/faults.conf.d/memory.conf", "[worker]\nmemory_max = 64M\n")
    faults.systemctl("restart", FAULTS)
    faults.run("sh", "-c", f"curl --silent {FAULTS_URL}/leak?mb=128 || true")
    wait_until(lambda: faults.journal("-u", FAULTS, "MESSAGE_ID=bb135d2c0bfe4ed699ca49536e96f88b"), "it is named")
    assert faults.http(f"{FAULTS_URL}/")[0] == 200
