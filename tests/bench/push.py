# SPDX-License-Identifier: MIT
"""How long a change takes from the moment it is published at the broker until the last worker has fetched the new data.

The application `source` with a real origin and a real NATS server, all on this machine. One line per number of workers:
the median and the worst of the runs. push [RUNS]: 20 unless said otherwise.
"""

import pathlib
import statistics
import sys
import tempfile
import time

from measure import report

import nats
from muster import Service, wait_for
from origin import Origin
from sources import DIRECT, config, loaded, statuses, wait_all

SUBJECT = "source.changed"


def publish(client, number):
    began = time.time()
    client.publish(SUBJECT, str(number))
    client.flush()
    return began


def push(muster, origin, client, number):
    """Seconds until the last worker has what is published now."""
    origin.set({"greeting": f"number {number}"})
    before = {found["version"] for found in statuses(muster).values()}
    began = publish(client, number)
    found = wait_all(muster, lambda found: found["version"] not in before, "the change in every worker", 60)
    time.sleep(0.2)  # past the spacing, so that the next is not held back by this one
    return max(worker["changedAt"] for worker in found.values()) - began


def hear(muster, client):
    """Waits until the agent hears what is published."""

    def heard():
        publish(client, 0)
        return all(found["lastUpdateBy"] == "push" for found in statuses(muster).values())

    wait_for(heard, "a push in every worker", 60)
    time.sleep(0.5)


def measure(directory, origin, server, workers, runs):
    values = config(origin, subject=SUBJECT, **{"worker.workers": workers, "broker.url": server.url, "log.level": "notice"})
    muster = Service(directory, values, name=f"push{workers}", variables=DIRECT).ready()
    client = server.client()
    try:
        wait_all(muster, loaded, "the data in every worker", 60)
        hear(muster, client)
        took = [push(muster, origin, client, number) for number in range(runs)]
    finally:
        client.close()
        muster.close()
    report("push", workers=workers, runs=runs, median_ms=round(1e3 * statistics.median(took), 1),
           worst_ms=round(1e3 * max(took), 1))


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory(prefix="muster-") as name:
        directory, origin = pathlib.Path(name), Origin()
        directory.chmod(0o755)
        server = nats.Server(directory)
        try:
            for workers in (2, 4, 16):
                measure(directory, origin, server, workers, runs)
        finally:
            server.close()
            origin.down()


if __name__ == "__main__":
    main()
