# SPDX-License-Identifier: MIT
"""What a fault costs: a steady load around it, what of that failed, and how long until the whole pool was back."""

import json
import subprocess
import sys
import time
from pathlib import Path

from container import wait_until
from service import FAULTS, muster_processes

STEADY = Path(__file__).resolve().parents[1] / "integration" / "steady.py"
PORT = 8081
KEPT, NEW_PER_SECOND, SLOW = 16, 50, 2
WORKERS = 4

table = []  # one line a fault, in the order of the tests


class Steady:
    """The load, in the container's network."""

    def __init__(self, container):
        self.process = subprocess.Popen(
            ["nsenter", "--target", str(container.leader), "--net", sys.executable, STEADY, "127.0.0.1", str(PORT),
             str(KEPT), str(NEW_PER_SECOND), str(SLOW)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def finish(self):
        output, _ = self.process.communicate(timeout=120)
        return json.loads(output)


def workers(container):
    """The pids of the workers there are, inside."""
    return {pid for pid, line in muster_processes(container).items() if line.startswith("muster-worker:")}


def agent(container):
    return next(pid for pid, line in muster_processes(container).items() if line.startswith("muster-agent:"))


def is_whole(container, without=()):
    """Whether systemd is told of all workers, and none of these processes is left."""
    if container.state(FAULTS) != "active":
        return False
    text = container.show(FAULTS, "StatusText")
    return (f"{WORKERS}/{WORKERS} workers ready" in text and "missing" not in text
            and not set(without) & set(muster_processes(container)) and len(workers(container)) == WORKERS)


class Result:
    def __init__(self, requests, failures, worst, back):
        self.requests, self.failures, self.worst, self.back = requests, failures, worst, back


def under_load(container, name, fault, promise, without=lambda: (), undo=None, settle=0.5):
    """Runs fault() under load, undo() after it, waits for the whole pool, and notes what it cost.

    The time until the pool is back counts from fault(), or from undo() where there is one. without() names processes
    that must be gone by then.
    """
    load = Steady(container)
    try:
        time.sleep(settle)  # some load before
        began = time.monotonic()
        fault()
        if undo:
            undo()
            began = time.monotonic()
        wait_until(lambda: is_whole(container, without()), f"the whole pool after: {name}", 90)
        back = time.monotonic() - began
        time.sleep(settle)  # and after
    finally:
        said = load.finish()
    result = Result(said["requests"], said["failures"], said["worst_s"], back)
    table.append({"fault": name, "promise": promise, "requests": result.requests, "failed": len(result.failures),
                  "worst_ms": round(result.worst * 1e3), "back_ms": round(back * 1e3)})
    return result
