# SPDX-License-Identifier: MIT
"""The shipped units are valid, and their sandbox is what it says it is."""

import re

from conftest import EXAMPLES, configure
from container import wait_until

HELLO = "muster@hello.service"
NETWORK_DROP_IN = f"/etc/systemd/system/{HELLO}.d/network.conf"
URL = "http://127.0.0.1:8080/"


def exposure(container, unit):
    text = container.run("systemd-analyze", "--no-pager", "security", unit)
    return float(re.search(r"Overall exposure level for .*: ([\d.]+)", text)[1])


def verify(container, *units):
    # It would run man(1), which is not in the container; test_package_contents.py looks for the pages
    return container.run("systemd-analyze", "--man=no", "verify", *units)


def open_network(container):
    container.write(NETWORK_DROP_IN, (container.root / EXAMPLES / "network.conf").read_text())
    container.systemctl("daemon-reload")


def status_field(container, pid, name):
    text = container.run("cat", f"/proc/{pid}/status")
    return re.search(rf"^{name}:\s+(.*)$", text, re.MULTILINE)[1]


def workers(container):
    return [pid for pid, line in container.processes().items() if line.startswith("muster-worker: hello/")]


def test_systemd_finds_no_fault_in_the_units(installed):
    assert verify(installed, HELLO, "muster@hello.socket") == ""


def test_systemd_finds_no_fault_in_the_network_drop_in(installed):
    open_network(installed)
    assert verify(installed, HELLO) == ""


def test_the_unit_is_exposed_by_at_most_0_6(installed):
    assert exposure(installed, HELLO) <= 0.6


def test_with_the_network_drop_in_it_is_at_most_1_3(installed):
    open_network(installed)
    assert exposure(installed, HELLO) <= 1.3


def test_its_processes_have_no_rights(hello):
    assert hello.http(URL)[0] == 200
    for pid in [hello.main_pid(HELLO), *workers(hello)]:
        assert status_field(hello, pid, "Uid").split()[0] != "0"
        assert int(status_field(hello, pid, "CapBnd"), 16) == 0
        assert status_field(hello, pid, "NoNewPrivs") == "1"
        # 2: filtered by a program
        assert status_field(hello, pid, "Seccomp") == "2"


def test_what_computes_gives_way_to_what_serves(installed):
    """With the drop-in for it: the unit's filter lets nobody change a priority."""
    drop_in = (installed.root / EXAMPLES / "priority.conf").read_text()
    installed.write("/etc/systemd/system/muster@sums.service.d/priority.conf", drop_in)
    installed.systemctl("daemon-reload")
    configure(installed, "sums", "compute.conf")
    installed.systemctl("start", "muster@sums.socket")
    assert installed.http(f"{URL}compute/offload?n=1000") == (200, "sum is 499500\n")
    titles = installed.processes()
    computes = [pid for pid, line in titles.items() if line.startswith("muster-compute: sums/")]
    assert computes
    for pid in computes:
        assert installed.run("ps", "-o", "cls=,ni=", "-p", str(pid)).split() == ["IDL", "-"]
    for pid in [pid for pid, line in titles.items() if line.startswith("muster-worker: sums/")]:
        assert installed.run("ps", "-o", "cls=,ni=", "-p", str(pid)).split() == ["TS", "0"]


def test_a_worker_serves_without_a_network(hello):
    assert hello.http(URL)[0] == 200
    outside = hello.run("readlink", "/proc/1/ns/net")
    for pid in workers(hello):
        assert hello.run("readlink", f"/proc/{pid}/ns/net") != outside


def test_the_service_runs_with_the_network_drop_in(hello):
    open_network(hello)
    assert hello.http(URL)[0] == 200
    outside = hello.run("readlink", "/proc/1/ns/net")
    assert workers(hello)
    for pid in workers(hello):
        assert hello.run("readlink", f"/proc/{pid}/ns/net") == outside


def test_it_writes_only_to_its_own_directories(hello):
    assert hello.http(URL)[0] == 200
    wait_until(lambda: hello.state(HELLO) == "active", "the service is active")
    for folder in ("/run/muster/hello", "/var/lib/muster/hello", "/var/log/muster/hello"):
        assert hello.succeeds("test", "-d", f"{folder}/")
    pid = str(hello.main_pid(HELLO))
    mounts = hello.run("cat", f"/proc/{pid}/mounts").splitlines()
    root = [line.split()[3].split(",") for line in mounts if line.split()[1] == "/"]
    assert "ro" in root[-1]


def test_systemd_takes_cores_where_the_distribution_would_not(hello):
    assert hello.http(URL)[0] == 200
    limits = hello.run("cat", f"/proc/{hello.main_pid(HELLO)}/limits")
    assert re.search(r"^Max core file size\s+unlimited", limits, re.MULTILINE)


def test_an_instance_uses_the_address_of_its_drop_in(installed):
    configure(installed, "hello", "hello.conf", port=8099)
    installed.systemctl("start", "muster@hello.socket")
    assert installed.http("http://127.0.0.1:8099/")[0] == 200
