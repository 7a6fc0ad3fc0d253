# SPDX-License-Identifier: MIT
"""New connections: what they cost when many workers wait for them, and whether all workers get their share.

The cost is the CPU time of all workers for a request on a connection of its own, with 32 workers against 2: the
difference is that of workers that are woken for nothing. The spread is that of 256 kept connections among 4 workers,
the fullest one against the mean, opened one after the other or all at once: the median and the worst of the rounds.
A round begins when the workers have seen the end of the connections of the one before, since they share by counting
what each of them has.
"""

import collections
import statistics
import sys

from measure import Client, Muster, cpu_per_request, in_turn, median, ratio, report, threads_at_rest, tools

FEW, MANY = 2, 32
COST_ROUNDS, COST_REQUESTS, COST_CONNECTIONS = 11, 6000, 16
SPREAD_ROUNDS, SPREAD_WORKERS, SPREAD_CONNECTIONS = 9, 4, 256


def measure_cost(bench):
    with Muster(bench, FEW, "few", spread=True) as few, Muster(bench, MANY, "many", spread=True) as many:

        def measure(server):
            return lambda: cpu_per_request(
                server, lambda: bench.load(server.port, COST_CONNECTIONS, requests=COST_REQUESTS, mode="new"))[0]

        in_turn(1, [measure(many), measure(few)])  # warm
        ours, theirs = in_turn(COST_ROUNDS, [measure(many), measure(few)])
    report("connections", case="cost", workers=MANY, reference_workers=FEW, rounds=COST_ROUNDS,
           muster_ns=median(ours), reference_ns=median(theirs), ratio=ratio(ours, theirs))


def spread(muster, at_once):
    """The connections of the fullest worker against the mean."""
    address, clients, texts = muster.address, [], []
    list(threads_at_rest(muster.pids()))
    try:
        for _ in range(SPREAD_CONNECTIONS):
            clients.append(Client(address))
            if not at_once:
                texts.append(clients[-1].get("/").text)
        if at_once:
            for client in clients:
                client.request("GET", "/")
            texts = [client.response().text for client in clients]
    finally:
        for client in clients:
            client.close()
    return max(collections.Counter(texts).values()) * SPREAD_WORKERS / SPREAD_CONNECTIONS


def measure_spread(bench):
    with Muster(bench, SPREAD_WORKERS, "spread", spread=True) as muster:
        for name, at_once in (("one after the other", False), ("all at once", True)):
            values = [spread(muster, at_once) for _ in range(SPREAD_ROUNDS)]
            report("connections", case=f"spread, {name}", workers=SPREAD_WORKERS, connections=SPREAD_CONNECTIONS,
                   rounds=SPREAD_ROUNDS, max_of_mean=round(statistics.median(values), 3), worst=round(max(values), 3))


def main():
    with tools() as bench:
        measure_cost(bench)
        measure_spread(bench)
    return 0


if __name__ == "__main__":
    sys.exit(main())
