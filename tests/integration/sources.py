# SPDX-License-Identifier: MIT
"""Looks at a service of the application `source`, worker by worker."""

import json

import pytest

from client import SOON
from muster import build_dir, wait_for

built = pytest.mark.skipif(
    not (build_dir() / "src/apps/source.so").exists(), reason="built without the application source"
)

# Whatever proxy this machine has, the origin is here.
DIRECT = {"no_proxy": "*", "NO_PROXY": "*"}


def schedule(name, interval):
    return {f"schedule:{name}.interval": interval} if interval else {f"schedule:{name}.disable": "yes"}


def config(origin, force=None, pull=None, **values):
    """One worker that asks an origin once, and then at the intervals that are given. Keys of [app] by keyword, others as
    "section.key"."""
    named = {key if "." in key else f"app.{key}": value for key, value in values.items()}
    return {
        **schedule("force", force),
        **schedule("pull", pull),
        "muster.module": "source",
        "worker.workers": 1,
        "log.level": "debug",
        "app.url": origin.url,
        **named,
    }


def status(service):
    """What some worker says."""
    return json.loads(service.get("/status").text)


def statuses(service):
    """What each worker says: {pid: its status}."""
    wanted, found = set(service.worker_pids()), {}

    def all_there():
        answer = status(service)
        found[answer["pid"]] = answer
        return wanted <= found.keys()

    wait_for(all_there, "an answer of every worker")
    return {pid: found[pid] for pid in wanted}


def wait_all(service, condition, what, within=SOON):
    """Waits until every worker's status fulfils this. Returns them."""

    def fulfilled():
        found = statuses(service)
        return found if all(map(condition, found.values())) else None

    return wait_for(fulfilled, what, within)


def wait_status(service, condition, what, within=SOON):
    """The same for a service with one worker."""
    (found,) = wait_all(service, condition, what, within).values()
    return found


def loaded(found):
    return found["version"] is not None


def value(service, key="greeting"):
    return service.get(f"/get?key={key}").text
