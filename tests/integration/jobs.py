# SPDX-License-Identifier: MIT
"""Services that offload, and jobs that go on until they are let go."""

import contextlib
import re
import urllib.parse

from muster import wait_for


def jobs(config=None):
    """The configuration of a service that runs the module of tests/modules/jobs.c."""
    return {"muster.module": "jobs", "compute.processes": 2, "compute.timeout": "120s", **(config or {})}


def computes(muster):
    """The pids of the compute processes there are, by number."""
    found = []
    for process in muster.children():
        match = re.fullmatch(rf"muster-compute: {re.escape(muster.name)}/(\d+)", process.title)
        if match:
            found.append((int(match[1]), process.pid))
    return [pid for _, pid in sorted(found)]


def gate(directory, name="gate"):
    return directory / name


def begun(directory, name="gate"):
    """Those who have begun a job that waits for this gate, by pid."""
    return [int(path.suffix[1:]) for path in directory.glob(f"{name}.*")]


def release(directory, name="gate"):
    """Lets the jobs come to their ends."""
    gate(directory, name).touch()


def wait_target(directory, query="", name="gate"):
    return f"/run?task=wait&in={urllib.parse.quote(str(gate(directory, name)))}{query}"


@contextlib.contextmanager
def held(muster, directory, n, query="", begun=None, name="gate"):
    """Clients whose requests are held by a job each, until release()."""
    clients = [muster.client() for _ in range(n)]
    started = globals()["begun"]
    try:
        for client in clients:
            client.request("GET", wait_target(directory, query, name))
        wanted = n if begun is None else begun
        wait_for(lambda: len(started(directory, name)) >= wanted, f"{wanted} jobs have begun")
        yield clients
    finally:
        release(directory, name)
        for client in clients:
            client.close()
