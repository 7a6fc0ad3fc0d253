# SPDX-License-Identifier: MIT
"""The fixture of all integration tests: `service`, which starts a real master and leaves nothing behind."""

import errno
import os
import shutil
import tempfile
import pathlib

import pytest

from cgroups import Delegated, cgroup2_mount, own_cgroup, remove
from muster import Service, build_dir, wait_for
from origin import Origin


@pytest.fixture
def directory():
    """A short path, as Unix sockets want it, that every user may enter."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="muster-"))
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def start(directory):
    """Starts services and does not wait: start(config, **keywords of Service)."""
    services = []

    def make(config=None, **keywords):
        keywords.setdefault("name", f"test{len(services)}")
        services.append(Service(directory, config, **keywords))
        return services[-1]

    yield make
    left = []
    for service in services:
        left += service.close()
        print(f"--- log of {service.name}, ended with {service.process.returncode}")
        print(service.log.text())
        print(f"--- notifications of {service.name}")
        print("\n".join(str(dict(message)) for message in service.notify.all()))
    assert not left, "left behind: " + ", ".join(left)


@pytest.fixture
def service(start):
    """Starts services and waits until they are ready."""

    def make(config=None, **keywords):
        return start(config, **keywords).ready()

    return make


@pytest.fixture
def installed(directory):
    """A directory of programs, where one can be put in the place of another: replace(name, script)."""
    path = directory / "programs"
    path.mkdir()
    for program in (build_dir() / "src").glob("muster-*"):
        if program.is_file():
            os.symlink(program, path / program.name)

    def replace(name, text):
        """Nobody may find it half written, as with a package."""
        (path / "new").write_text(text)
        (path / "new").chmod(0o755)
        os.rename(path / "new", path / name)

    replace.path = path
    return replace


@pytest.fixture
def serve(service, installed):
    """A service of the programs in that directory. The sandbox would neither let scripts run nor what links lead to."""

    def make(config=None):
        variables = {"MUSTER_LIBEXEC_DIR": str(installed.path)}
        return service({"muster.sandbox": "no", **(config or {})}, variables=variables)

    return make


@pytest.fixture
def origin():
    """What the application `source` fetches its data from."""
    origin = Origin()
    yield origin
    origin.down()


@pytest.fixture
def unit():
    """A cgroup that is not delegated. Ask for it before the services that shall be in it."""
    mount = cgroup2_mount()
    if mount is None or os.geteuid() != 0:
        pytest.skip("needs cgroup version 2 and root")
    path = mount / (own_cgroup() or "/").lstrip("/") / f"muster-test-{os.getpid()}"
    try:
        path.mkdir()
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        pytest.skip(f"cgroups are read-only here: {error}")
    yield Delegated(path)
    for entry in [*path.glob("*/"), path]:
        wait_for(lambda entry=entry: remove(entry), f"{entry} is empty")


@pytest.fixture
def delegated(unit):
    """One that is."""
    try:
        unit.delegate()
    except OSError as error:
        pytest.skip(f"no extended attributes on cgroups: {error}")
    return unit
