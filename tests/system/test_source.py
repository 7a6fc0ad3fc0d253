# SPDX-License-Identifier: MIT
"""The README's walk through the application `source`, line by line, with the installed packages and units: an origin on the
container's loopback, a broker, and the network drop-in.
"""

import json
import re

import pytest

from build import TREE, dependency_names, package_fields
from conftest import TOOLS
from container import Container, wait_until
from roots import kept_root

SERVICE = "muster@source.service"
REFUSED_ID = "180dfb91adee46dd882a1ea167a481e5"
README = (TREE / "README.md").read_text().split("\n## An example: data of others", 1)[1].split("\n## ", 1)[0]


def block(containing):
    return next(text for text in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if containing in text)


class Walk:
    """Follows the README inside."""

    def __init__(self, container):
        self.container = container
        self.started = []

    def follow(self, containing):
        """Runs the block with this text as root does it: what ends in & is left running, the rest must do well. Returns
        the output."""
        output = ""
        lines = block(containing).replace("sudo ", "")
        for part in re.split(r"^(.* &)\n", lines, flags=re.MULTILINE):
            if part.endswith(" &"):
                self.started.append(self.container.popen(
                    "bash", "-c", f"echo $$ >/run/started.{len(self.started)}; exec {part[:-2]} >/dev/null 2>&1"))
            elif part:
                output += self.container.run("bash", "-ec", part)
        return output

    def listens(self, port):
        wait_until(lambda: self.container.succeeds("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"), f"port {port}")

    def end(self, index):
        if self.started[index]:
            self.container.run("bash", "-c", f"kill $(</run/started.{index})")
            self.started[index].communicate()
            self.started[index] = None

    def statuses(self):
        """What so many answers say that every worker is among them."""
        answers = [self.container.http("http://127.0.0.1:8080/status") for _ in range(16)]
        return [json.loads(body) for status, body in answers if status == 200]

    def greeting(self):
        return self.container.http("http://127.0.0.1:8080/get?key=greeting")

    def everywhere(self, greeting, by):
        wait_until(lambda: self.greeting() == (200, greeting), greeting)
        wait_until(lambda: {found["lastUpdateBy"] for found in self.statuses()} == {by}, f"{greeting} by {by}")
        assert len({found["version"] for found in self.statuses()}) == 1


@pytest.fixture
def container(distribution, packages):
    """With what the packages need, Python for the origin and a broker, as Debian has them."""
    fields = [package_fields(deb) for deb in (packages.muster, packages.source, packages.nats)]
    depends = {name for each in fields for name in dependency_names(each["Depends"], "")} - {"muster"}
    container = Container(kept_root(distribution, "source", [*TOOLS, *depends, "python3", "nats-server"]))
    yield container
    container.stop()


@pytest.fixture
def walk(container, packages):
    container.install(packages.muster, packages.source, packages.nats)
    walk = Walk(container)
    yield walk
    for index in range(len(walk.started)):
        walk.end(index)


def started(walk):
    walk.follow("http.server")
    walk.listens(8000)
    output = walk.follow("muster@source.socket")
    # Otherwise a worker that is slow to start finds the next data by itself
    wait_until(lambda: all(found["version"] for found in walk.statuses()), "the data in every worker")
    return output


def test_the_three_ways_of_the_readme(walk):
    output = started(walk)
    assert "hello" in output and '"lastUpdateBy":"force"' in output
    walk.follow("good morning")
    walk.everywhere("good morning", "pull")
    walk.follow("good day")
    walk.everywhere("good day", "force")
    walk.listens(4222)  # Debian's package has started it
    walk.follow("[broker]")
    # Otherwise a worker that is slow to start finds the next data by itself
    wait_until(lambda: not any(found["stale"] for found in walk.statuses()), "the data in every new worker")
    walk.follow("good evening")
    walk.everywhere("good evening", "push")
    # The sandbox, which lets all that through, has refused nothing
    assert not walk.container.journal("-u", SERVICE, f"MESSAGE_ID={REFUSED_ID}")
    walk.end(0)
    wait_until(lambda: all(found["stale"] for found in walk.statuses()), "stale data")
    assert walk.greeting() == (200, "good evening")
    assert "Warning: 110" in walk.container.run("curl", "--silent", "--include",
                                                "http://127.0.0.1:8080/get?key=greeting")


def test_data_outlives_a_restart_without_the_origin(walk):
    started(walk)
    wait_until(lambda: walk.container.succeeds("test", "-s", "/var/lib/muster/source/source.data"), "a copy")
    walk.end(0)
    walk.container.systemctl("restart", SERVICE)
    assert walk.greeting() == (200, "hello")


def test_names_are_looked_up_also_where_little_can_be_read(walk):
    walk.container.write("/etc/muster/source.conf.d/name.conf",
                         "[app]\nurl = http://localhost:8000/data.json\n[worker]\nread_paths = /var/lib/muster\n")
    assert "hello" in started(walk)
    assert not walk.container.journal("-u", SERVICE, f"MESSAGE_ID={REFUSED_ID}")
