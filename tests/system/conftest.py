# SPDX-License-Identifier: MIT
"""What the system tests share: the packages, built once, and a freshly booted container for each test."""

import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import campaign  # noqa: E402
from build import Builder, dependency_names, package_fields  # noqa: E402
from container import Container, wait_until  # noqa: E402
from roots import kept_root  # noqa: E402

# What the tests themselves use inside, besides what the packages depend on
TOOLS = ["systemd", "systemd-sysv", "dbus", "init-system-helpers", "curl", "procps", "rpm"]
# What debian/tests/control wants besides
TOOLS += ["gcc", "libc6-dev", "pkgconf"]
LATER = "9.0.0"
EXAMPLES = "usr/share/doc/muster/examples"


def pytest_terminal_summary(terminalreporter):
    """What the faults of test_fault_campaign.py cost."""
    if campaign.table:
        terminalreporter.section("faults under load")
    for line in campaign.table:
        terminalreporter.write_line(json.dumps(line))


@pytest.fixture(scope="session")
def distribution():
    return os.environ.get("MUSTER_TEST_DISTRIBUTION", "bookworm")


def built(what, *arguments):
    """What a function of a Builder returns, Builder(*arguments) being the builder."""
    try:
        with Builder(*arguments) as builder:
            return what(builder)
    except RuntimeError as failure:
        # Nothing else can be tried, and once is enough to say it
        pytest.exit(f"the packages did not build: {failure}", returncode=1)


@pytest.fixture(scope="session")
def packages(distribution, tmp_path_factory):
    """The Debian packages: .muster, .nats, .source, .dev, .all are paths; .lintian and .blhc is what those say of them."""
    debs, tags, flags = built(lambda builder: builder.build(tmp_path_factory.mktemp("packages")), distribution)
    by_name = {deb.name.split("_")[0]: deb for deb in debs}
    return SimpleNamespace(muster=by_name["muster"], dev=by_name["muster-dev"], nats=by_name["muster-nats"],
                           source=by_name["muster-source"], all=debs, lintian=tags, blhc=flags)


@pytest.fixture(scope="session")
def rpms(distribution, tmp_path_factory):
    """The rpm packages: .muster, .nats, .devel, .source are paths; .rpmlint is what that says of them."""
    paths, words = built(lambda builder: builder.build_rpm(tmp_path_factory.mktemp("rpms")), distribution)
    return SimpleNamespace(rpmlint=words, **name_rpms(paths))


def name_rpms(paths):
    return {"source": next(path for path in paths if path.name.endswith(".src.rpm")),
            "nats": next(path for path in paths if path.name.startswith("muster-nats-")),
            "application": next(path for path in paths if path.name.startswith("muster-source-")),
            "devel": next(path for path in paths if path.name.startswith("muster-devel-")),
            "muster": next(path for path in paths if re.match(r"muster-\d.*(?<!\.src)\.rpm$", path.name))}


@pytest.fixture(scope="session")
def later(distribution, tmp_path_factory):
    """Version LATER of the packages: .deb and .rpm."""
    def build(builder):
        debs, _, _ = builder.build(tmp_path_factory.mktemp("packages"))
        rpms, _ = builder.build_rpm(tmp_path_factory.mktemp("rpms"))
        return SimpleNamespace(deb=next(deb for deb in debs if deb.name.startswith("muster_")),
                               rpm=name_rpms(rpms)["muster"])

    return built(build, distribution, LATER)


@pytest.fixture(scope="session")
def root(distribution, packages):
    """The kept tree to boot: what the package depends on is installed, the package is not."""
    depends = dependency_names(package_fields(packages.muster)["Depends"], "")
    return kept_root(distribution, "boot", TOOLS + depends)


@pytest.fixture
def container(root):
    container = Container(root)
    yield container
    container.stop()


@pytest.fixture
def installed(container, packages):
    """A container with the package installed, and nothing configured."""
    container.install(packages.muster)
    return container


def configure(container, name, example, port=None):
    """Gives an instance its configuration from the shipped example, and a port by drop-in."""
    container.write(f"/etc/muster/{name}.conf", (container.root / EXAMPLES / example).read_text())
    if port:
        container.write(f"/etc/systemd/system/muster@{name}.socket.d/listen.conf",
                        f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n")
        container.systemctl("daemon-reload")


@pytest.fixture
def hello(installed):
    """The application "hello", its socket enabled on the default address, no request made yet."""
    configure(installed, "hello", "hello.conf")
    installed.systemctl("enable", "--now", "muster@hello.socket")
    return installed


@pytest.fixture
def faults(installed):
    """The application "faults" on port 8081, up and ready."""
    configure(installed, "faults", "faults.conf", port=8081)
    installed.systemctl("enable", "--now", "muster@faults.socket")
    assert installed.http("http://127.0.0.1:8081/")[0] == 200
    wait_until(lambda: installed.state("muster@faults.service") == "active", "muster@faults.service is active")
    return installed
