# SPDX-License-Identifier: MIT
"""The agent reaches a message broker from inside the shipped unit; and who does not want one needs no library of it."""

import os
import re
from pathlib import Path

import pytest

from build import dependency_names, package_fields
from conftest import EXAMPLES, TOOLS
from container import Container, wait_until
from roots import kept_root, run_checked
from test_package_contents import contents

UNIT = "muster@broker.service"
DROP_INS = f"/etc/systemd/system/{UNIT}.d"
URL = "http://127.0.0.1:8082/"
DRIVER = "/usr/lib/muster/broker-nats.so"


@pytest.fixture
def container(distribution, packages):
    """With a NATS server, as Debian has it, beside what is always there."""
    depends = dependency_names(package_fields(packages.muster)["Depends"], "")
    depends += [name for name in dependency_names(package_fields(packages.nats)["Depends"], "") if name != "muster"]
    container = Container(kept_root(distribution, "broker", [*TOOLS, *depends, "nats-server"]))
    yield container
    container.stop()


def configure(container, network=True, **keys):
    """An instance whose application does what it is told by the broker: tests/modules/broker.c."""
    module = Path(os.environ["MUSTER_BUILD_DIR"]) / "src/apps/broker.so"
    (container.root / "usr/local/lib/broker.so").write_bytes(module.read_bytes())
    sections = {"muster": {"module": "/usr/local/lib/broker.so"}, "broker": {"url": "nats://127.0.0.1:4222"},
                "worker": {"workers": 1}}
    for name, value in keys.items():
        section, key = name.split("__")
        sections[section][key] = value
    container.write("/etc/muster/broker.conf", "".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
        for section, values in sections.items()))
    container.write("/etc/systemd/system/muster@broker.socket.d/listen.conf",
                    "[Socket]\nListenStream=\nListenStream=127.0.0.1:8082\n")
    if network:
        container.write(f"{DROP_INS}/network.conf", (container.root / EXAMPLES / "network.conf").read_text())
    container.systemctl("daemon-reload")


def start(container):
    container.systemctl("enable", "--now", "muster@broker.socket")
    assert container.http(URL) == (200, "EPERM EPERM 0")


def broker_line(container):
    return re.search(r"^ *Broker: (.*)$", container.run("musterctl", "status", "broker"), re.MULTILINE)[1]


def connected(container):
    wait_until(lambda: broker_line(container).startswith("connected to "), "a connection")


def ask(container, command, connect='{"verbose":false}'):
    """What the application answers to a command."""
    lines = [f"CONNECT {connect}", "SUB reply 1", f"PUB command {len(command)}", command]
    text = "".join(f"{line}\\r\\n" for line in lines)
    script = f"exec 3<>/dev/tcp/127.0.0.1/4222; printf '%b' '{text}' >&3; timeout 10 sed -u -n '/^MSG reply/{{n;p;q}}' <&3"
    return container.run("bash", "-c", script).strip()


def test_only_the_package_of_the_driver_needs_its_library(packages, rpms):
    assert "libnats" not in package_fields(packages.muster)["Depends"]
    depends = package_fields(packages.nats)["Depends"]
    assert re.search(r"\blibnats[\d.]+ ", depends)
    assert f"muster (= {package_fields(packages.muster)['Version']})" in depends
    assert DRIVER in contents(packages.nats)
    assert DRIVER not in contents(packages.muster) | contents(packages.dev)
    listing = {path: run_checked("rpm", "-qlp", path) for path in (rpms.muster, rpms.nats)}
    assert DRIVER in listing[rpms.nats] and DRIVER not in listing[rpms.muster]
    assert "libnats" not in run_checked("rpm", "-qp", "--requires", rpms.muster)
    assert "libnats.so" in run_checked("rpm", "-qp", "--requires", rpms.nats)


def test_the_agent_is_connected_under_the_shipped_unit_and_again_after_a_restart_of_the_broker(container, packages):
    container.install(packages.muster, packages.nats)
    configure(container)
    start(container)
    connected(container)
    assert ask(container, "count").endswith("0 0")
    container.systemctl("restart", "nats-server")
    wait_until(lambda: " 2 connections" in broker_line(container), "another connection")
    wait_until(lambda: ask(container, "pid"), "an answer")
    (lost,) = [entry for entry in container.journal("-u", UNIT) if "No connection to the broker" in entry["MESSAGE"]]
    assert lost["MUSTER_BROKER"] == "nats://127.0.0.1:4222"
    assert "has no connection to the message broker" in container.run(
        "journalctl", "--no-pager", "--catalog", f"MESSAGE_ID={lost['MESSAGE_ID']}")


def test_a_password_that_systemd_hands_over_is_read_where_reading_is_narrow(container, packages):
    container.install(packages.muster, packages.nats)
    container.write("/etc/nats-server.conf", 'listen: 127.0.0.1:4222\nauthorization: { user: me, password: "s3cret" }\n')
    container.systemctl("restart", "nats-server")
    container.write("/etc/muster/broker.secret", "me:s3cret\n")
    (container.root / "etc/muster/broker.secret").chmod(0o600)
    configure(container, broker__credentials="/run/credentials/muster@broker.service/broker",
              worker__read_paths="/usr/local/lib")
    container.write(f"{DROP_INS}/credentials.conf", "[Service]\nLoadCredential=broker:/etc/muster/broker.secret\n")
    container.systemctl("daemon-reload")
    start(container)
    connected(container)
    assert ask(container, "count", '{"verbose":false,"user":"me","pass":"s3cret"}').endswith("0 0")
    assert "s3cret" not in "".join(str(entry) for entry in container.journal("-u", UNIT))


def test_without_a_network_the_service_goes_on_and_says_why(container, packages):
    container.install(packages.muster, packages.nats)
    configure(container, network=False)
    start(container)
    said = wait_until(lambda: [entry["MESSAGE"] for entry in container.journal("-u", UNIT)
                               if "Cannot connect to the broker" in entry["MESSAGE"]], "the reason")
    assert "Address family not supported by protocol" in said[0]
    assert container.http(URL)[0] == 200


def test_without_the_package_the_start_fails_and_names_it(container, packages):
    container.install(packages.muster)
    configure(container)
    container.systemctl("start", UNIT, check=False)
    assert container.state(UNIT) != "active"
    assert "needs the package muster-nats, which is not installed" in "".join(
        str(entry["MESSAGE"]) for entry in container.journal("-u", UNIT))
