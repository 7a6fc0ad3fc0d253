# SPDX-License-Identifier: MIT
"""A higher version is installed under load, and no request fails: of both kinds of package."""

import pytest

from conftest import LATER, configure
from container import wait_until
from service import FAULTS, FAULTS_URL, HELLO, HELLO_URL, muster_processes, requests_during


@pytest.fixture(params=["deb", "rpm"])
def kind(request):
    return request.param


@pytest.fixture
def upgradable(container, kind, request):
    """A container with the present version. (A kind that is not asked for is not built)"""
    container.install(request.getfixturevalue("packages" if kind == "deb" else "rpms").muster)
    return container


def version(container):
    return container.run("/usr/lib/muster/muster-master", "--version")


def running_programs(container):
    """What the processes run: a program that has been replaced says "(deleted)"."""
    return {container.run("readlink", f"/proc/{pid}/exe").strip() for pid in muster_processes(container)}


def test_no_request_fails_during_an_upgrade(upgradable, kind, later):
    configure(upgradable, "hello", "hello.conf")
    upgradable.systemctl("enable", "--now", "muster@hello.socket")
    assert upgradable.http(HELLO_URL)[0] == 200
    before = upgradable.main_pid(HELLO)
    assert LATER not in version(upgradable)

    sent, failed = requests_during(upgradable, HELLO_URL, lambda: upgradable.install(getattr(later, kind)))

    assert sent > 4
    assert failed == 0
    assert LATER in version(upgradable)
    assert upgradable.main_pid(HELLO) == before
    assert upgradable.show(HELLO, "NRestarts") == "0"
    assert upgradable.http(HELLO_URL)[0] == 200
    assert LATER in upgradable.run("musterctl", "status", "hello")
    wait_until(lambda: upgradable.state(HELLO) == "active", "the service is active")
    assert running_programs(upgradable) == {
        f"/usr/lib/muster/muster-{role}" for role in ("master", "agent", "worker")}
    assert upgradable.systemctl("is-enabled", "muster@hello.socket").strip() == "enabled"


def test_an_upgrade_waits_for_a_request_in_flight(upgradable, kind, later):
    configure(upgradable, "faults", "faults.conf", port=8081)
    upgradable.systemctl("start", "muster@faults.socket")
    assert upgradable.http(f"{FAULTS_URL}/")[0] == 200
    # It has arrived when curl has sent it, and curl says so
    slow = upgradable.popen("sh", "-c", "curl --silent --fail --verbose --output /dev/null --write-out '%{http_code}' "
                            f"'{FAULTS_URL}/slow?ms=3000' 2>/run/sent")
    wait_until(lambda: upgradable.succeeds("grep", "--quiet", "^> GET", "/run/sent"), "the request has been sent")

    upgradable.install(getattr(later, kind))

    assert slow.communicate(timeout=30)[0] == "200"
    assert upgradable.http(f"{FAULTS_URL}/") == (200, "hello world")
    assert upgradable.show(FAULTS, "Result") == "success"


def test_an_instance_that_cannot_be_upgraded_in_place_is_restarted(upgradable, kind, later):
    configure(upgradable, "hello", "hello.conf")
    upgradable.systemctl("enable", "--now", "muster@hello.socket")
    assert upgradable.http(HELLO_URL)[0] == 200
    before = upgradable.main_pid(HELLO)
    # Nobody can ask it
    upgradable.run("rm", "/run/muster/hello/control")

    sent, failed = requests_during(upgradable, HELLO_URL, lambda: upgradable.install(getattr(later, kind)))

    assert sent > 4
    assert failed == 0
    assert upgradable.main_pid(HELLO) not in (0, before)
    assert LATER in upgradable.run("musterctl", "status", "hello")


def test_a_module_that_no_longer_starts_does_not_end_the_service(upgradable, kind, later):
    configure(upgradable, "faults", "faults.conf", port=8081)
    upgradable.systemctl("start", "muster@faults.socket")
    assert upgradable.http(f"{FAULTS_URL}/")[0] == 200
    # What is read at the start of a worker, and not by the master
    upgradable.write("/etc/muster/faults.conf.d/module.conf", "[muster]\nmodule = /run/module.so\n")
    upgradable.run("find", "/usr", "-name", "faults.so", "-exec", "cp", "{}", "/run/module.so", ";")
    upgradable.systemctl("reload", FAULTS)
    before = muster_processes(upgradable)
    upgradable.run("rm", "/run/module.so")

    upgradable.install(getattr(later, kind))

    assert upgradable.http(f"{FAULTS_URL}/") == (200, "hello world")
    assert LATER in upgradable.run("musterctl", "status", "faults")
    assert set(before) == set(muster_processes(upgradable))
    assert "Upgrade failed" in upgradable.show(FAULTS, "StatusText")


def test_an_upgrade_starts_nothing_that_did_not_run(upgradable, kind, later):
    configure(upgradable, "hello", "hello.conf")

    upgradable.install(getattr(later, kind))

    assert muster_processes(upgradable) == {}
    assert upgradable.state("muster@hello.socket") == "inactive"
