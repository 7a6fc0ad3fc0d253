# SPDX-License-Identifier: MIT
"""The rpm package, from installation to removal, by the rpm of the booted Debian.

rpm cannot see the libraries that dpkg has installed, so dependencies are not checked; payload and scriptlets are.
"""

import pytest

from conftest import configure
from container import wait_until
from service import FAULTS, FAULTS_URL, HELLO, HELLO_URL, crash, muster_processes


@pytest.fixture
def installed_rpm(container, rpms):
    container.install(rpms.muster)
    return container


@pytest.fixture
def serving(installed_rpm):
    """Both bundled applications, enabled, and up."""
    configure(installed_rpm, "hello", "hello.conf")
    configure(installed_rpm, "faults", "faults.conf", port=8081)
    installed_rpm.systemctl("enable", "--now", "muster@hello.socket", "muster@faults.socket")
    assert installed_rpm.http(HELLO_URL)[0] == 200
    assert installed_rpm.http(f"{FAULTS_URL}/")[0] == 200
    return installed_rpm


def test_installing_starts_and_enables_nothing(installed_rpm):
    assert muster_processes(installed_rpm) == {}
    assert installed_rpm.run("find", "/etc/systemd/system", "-name", "muster*") == ""
    assert installed_rpm.run("find", "/etc/muster", "-mindepth", "1") == ""


def test_what_is_installed_is_what_was_packed(installed_rpm):
    # Says a line for each file that differs
    assert installed_rpm.run("rpm", "--verify", "--nodeps", "muster") == ""


def test_systemd_finds_no_fault_in_the_units(installed_rpm):
    assert installed_rpm.run("systemd-analyze", "--man=no", "verify", HELLO, "muster@hello.socket") == ""


def test_the_first_request_starts_the_service_and_is_answered(installed_rpm):
    configure(installed_rpm, "hello", "hello.conf")
    installed_rpm.systemctl("enable", "--now", "muster@hello.socket")
    assert installed_rpm.state(HELLO) == "inactive"

    status, body = installed_rpm.http(HELLO_URL)

    assert status == 200
    assert body.startswith("pid:")
    wait_until(lambda: installed_rpm.state(HELLO) == "active", "the service is active")


def test_systemctl_starts_the_service_too(installed_rpm):
    configure(installed_rpm, "hello", "hello.conf")
    installed_rpm.systemctl("enable", "--now", HELLO)
    assert installed_rpm.state(HELLO) == "active"
    assert installed_rpm.http(HELLO_URL)[0] == 200


def test_a_crash_is_in_the_journal_and_the_catalog_explains_it(serving):
    entry = crash(serving)

    assert entry["MUSTER_SIGNAL"] == "SIGSEGV"
    assert "faults.so" in entry["MUSTER_BACKTRACE"]
    assert serving.http(f"{FAULTS_URL}/")[0] == 200
    explained = serving.run("journalctl", "--no-pager", "--catalog", "-u", FAULTS, "-p", "crit")
    assert "A process of faults has crashed" in explained


def test_reload_does_not_disturb_the_service(serving):
    before = serving.main_pid(HELLO)
    serving.systemctl("reload", HELLO)
    assert serving.http(HELLO_URL)[0] == 200
    assert serving.main_pid(HELLO) == before


def test_the_development_package_has_the_header(container, rpms):
    container.install(rpms.devel)
    assert container.succeeds("test", "-e", "/usr/include/muster/app.h")
    assert not container.succeeds("test", "-e", "/usr/lib/muster")


def test_removing_leaves_only_what_the_operator_wrote(serving):
    crash(serving)

    serving.run("rpm", "--erase", "muster")

    assert muster_processes(serving) == {}
    left = serving.run("find", "/", "-xdev", "-not", "-path", "/proc/*", "-path", "*muster*", "-not", "-type", "d")
    assert sorted(left.split()) == ["/etc/muster/faults.conf", "/etc/muster/hello.conf",
                                    "/etc/systemd/system/muster@faults.socket.d/listen.conf"]
    left = serving.run("find", "/", "-xdev", "-not", "-path", "/proc/*", "-path", "*muster*", "-type", "d")
    assert sorted(left.split()) == ["/etc/muster", "/etc/systemd/system/muster@faults.socket.d"]
    for folder in ("/run", "/dev/shm", "/tmp", "/var/tmp"):
        assert serving.run("find", folder, "-iname", "*muster*") == ""
    units = serving.systemctl("list-units", "--all", "--plain", "--no-legend", "muster*")
    assert units.strip() == ""


def test_removing_keeps_what_an_application_has_stored(serving):
    serving.write("/var/lib/private/muster/hello/data", "precious")

    serving.run("rpm", "--erase", "muster")

    assert (serving.root / "var/lib/private/muster/hello/data").read_text() == "precious"
    assert not serving.succeeds("test", "-e", "/var/lib/private/muster/faults")
