# SPDX-License-Identifier: MIT
"""Messages between two workers through the master: how many in a second, how long there and back, what a broadcast takes.

Beside it, in turn in the same call: the relay of Node's cluster module, where `node` is installed, and three bare
processes on the same kind of sockets (messenger-bare.c), below which no round trip can be. The same messages with the
same number of them under way; the receiver counts, once a quarter of each run is over. Node is measured a second time
as programs for it are often written, whose sender waits for nothing; the ratio is to the faster of the two.

A round trip is mostly spent waking processes up, and how long that takes depends on where they are: the kernel moves
three processes on two CPUs as it likes, and the same round trip takes 9 us or 80. So everybody has a fixed place: the
one in the middle on one CPU, both others on the other, which is what `rtt_ratio_to_bare` is of; and a second time all
on one CPU (`one_cpu`), where nobody has to be woken on another, so that what a process does by itself counts most.

    messenger [ROUNDS [MILLISECONDS]]: 5 and 1000 unless said otherwise.
"""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys

from measure import HERE, PATIENCE, cpu_ns, cpus, in_turn, ratio, report, tools, wait_for

from muster import Process, Service, build_dir, environment

SIZE = 32  # bytes of data of a small message
WINDOW = 1024  # messages under way
TRIPS = 3000
MIB = 1 << 20
RECEIVERS = (2, 4, 8, 16, 32, 64)
BROADCASTS = 32  # in a row
LARGE_IN_A_ROW = 4
LARGE_WORKERS = 16


# ---- What is compared


class Bare:
    """Three bare processes, anew for each run."""

    def __init__(self, bench):
        self.program = bench.build("messenger-bare")

    def run(self, *arguments):
        result = subprocess.run([self.program, *map(str, arguments)], stdout=subprocess.PIPE, timeout=PATIENCE, check=True)
        return json.loads(result.stdout)

    def rtt(self, middle, outside):
        return self.run("rtt", TRIPS, SIZE, middle, outside)

    def flood(self, milliseconds):
        return self.run("rate", milliseconds, WINDOW, SIZE)


class Node:
    """Node's cluster: a primary and two workers."""

    def __init__(self):
        self.process = subprocess.Popen(["node", str(HERE / "messenger-node.js")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.pids = self.answer()["pids"]

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return self.answer()

    def rtt(self):
        return self.ask("rtt", TRIPS, SIZE)

    def flood(self, milliseconds):
        return self.ask("flood", milliseconds, WINDOW, SIZE)

    def unthrottled(self, milliseconds):
        return self.ask("unthrottled", milliseconds, SIZE)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.wait(PATIENCE)


class Muster:
    """A service whose workers run messenger-module.c."""

    def __init__(self, bench, workers, name):
        directory = bench.directory / name
        directory.mkdir()
        config = {"muster.module": bench.path("messenger-module"), "worker.workers": workers,
                  "http.request_timeout": f"{PATIENCE}s"}
        self.service = Service(directory, config, name=name)
        self.service.ready()
        self.sender, self.receiver = self.service.worker_pids()[:2]
        self.client = self.service.client_of(self.sender)
        self.client.sock.settimeout(PATIENCE)

    @property
    def pids(self):
        return [self.service.pid, self.service.agent(), *self.service.worker_pids()]

    def ask(self, what, **values):
        target = f"/{what}?" + "&".join(f"{key}={value}" for key, value in values.items())
        response = self.client.get(target)
        if response.status not in (200, 204):
            raise RuntimeError(f"{target}: {response.status} {response.text}")
        return json.loads(response.text) if response.body else None

    def rtt(self):
        return self.ask("rtt", to=self.receiver, count=TRIPS, size=SIZE)

    def flood(self, milliseconds):
        return self.ask("flood", to=self.receiver, ms=milliseconds, window=WINDOW, size=SIZE)

    def scale(self, workers):
        result = self.service.ctl("scale", workers)
        if result.returncode != 0:
            raise RuntimeError(result.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.client.close()
        left = self.service.close()
        if left:
            raise RuntimeError(f"left behind: {left}")


# ---- One way


def flow(server, milliseconds, kind="flood"):
    """(messages in a second, CPU µs of the one in the middle for a message, of all three)."""
    relay, everybody = server.pids[:1], server.pids
    before, all_before = cpu_ns(relay), cpu_ns(everybody)
    counted = getattr(server, kind)(milliseconds)
    # What was sent while nobody counted has cost the same
    total = counted["total"] * 1000
    return counted["count"] * 1e9 / counted["ns"], (cpu_ns(relay) - before) / total, (cpu_ns(everybody) - all_before) / total


def bare_flow(bare, milliseconds):
    counted = bare.flood(milliseconds)
    return counted["count"] * 1e9 / counted["ns"]


def compare_flows(rounds, milliseconds, muster, bare, node):
    measures = [lambda: flow(muster, milliseconds), lambda: bare_flow(bare, milliseconds)]
    if node:
        measures += [lambda: flow(node, milliseconds), lambda: flow(node, milliseconds, "unthrottled")]
    in_turn(1, measures)  # warm
    ours, least, *theirs = in_turn(rounds, measures)
    rates, relay_us, all_us = zip(*ours)
    values = {"muster_per_s": round(statistics.median(rates)), "bare_per_s": round(statistics.median(least)),
              "master_cpu_us_per_message": round(statistics.median(relay_us), 3),
              "cpu_us_per_message": round(statistics.median(all_us), 3)}
    for name, rounds_of_it in zip(("node", "node_unthrottled"), theirs):
        its_rates, its_relay_us, its_us = zip(*rounds_of_it)
        values[f"{name}_per_s"] = round(statistics.median(its_rates))
        values[f"{name}_primary_cpu_us_per_message"] = round(statistics.median(its_relay_us), 3)
        values[f"{name}_cpu_us_per_message"] = round(statistics.median(its_us), 3)
        values[f"ratio_to_{name}"] = ratio(rates, its_rates)
    report("messenger", case="one way", size=SIZE, under_way=WINDOW, rounds=rounds, **values)
    return values


def watched_flow(muster, milliseconds):
    """The same while an operator watches."""
    arguments = ["monitor", muster.service.name]
    env = environment(MUSTER_RUNTIME_DIR=str(muster.service.directory / "run"))
    monitor = subprocess.Popen([str(build_dir() / "src" / "musterctl"), *arguments], env=env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        monitor.stderr.readline()  # says that it watches
        return flow(muster, milliseconds)
    finally:
        monitor.kill()
        monitor.wait()


def measure_watching(rounds, milliseconds, muster):
    watched, alone = in_turn(rounds, [lambda: watched_flow(muster, milliseconds)[0], lambda: flow(muster, milliseconds)[0]])
    values = {"watched_per_s": round(statistics.median(watched)), "watched_ratio": ratio(watched, alone)}
    report("messenger", case="one way, watched by musterctl monitor", size=SIZE, under_way=WINDOW, rounds=rounds, **values)
    return values


# ---- There and back


def place(server, middle, outside):
    """Has the one in the middle on one CPU and the others on another."""
    for pid in server.pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), {middle if pid == server.pids[0] else outside})


def compare_trips(rounds, muster, bare, node, middle, outside):
    for server in filter(None, (muster, node)):
        place(server, middle, outside)
    measures = [lambda: muster.rtt()["median_ns"], lambda: bare.rtt(middle, outside)["median_ns"]]
    if node:
        measures.append(lambda: node.rtt()["median_ns"])
    in_turn(1, measures)  # warm
    ours, least, *theirs = in_turn(rounds, measures)
    values = {"rtt_us": round(statistics.median(ours) / 1000, 1),
              "bare_rtt_us": round(statistics.median(least) / 1000, 1), "rtt_ratio_to_bare": ratio(ours, least)}
    if theirs:
        values["node_rtt_us"] = round(statistics.median(theirs[0]) / 1000, 1)
    report("messenger", case="there and back", one_cpu=middle == outside, size=SIZE, trips=TRIPS, rounds=rounds, **values)
    return values


# ---- To everybody


def rollup(pid, *names):
    """The sum of these of a process, in bytes."""
    lines = (line.split() for line in open(f"/proc/{pid}/smaps_rollup", encoding="ascii"))
    return sum(int(words[1]) * 1024 for words in lines if words[0].rstrip(":") in names)


def memfds(pid, least):
    """The inodes of the shared memory of at least this size that a process has mapped."""
    found = set()
    for line in open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace"):
        words = line.split()
        begin, end = (int(word, 16) for word in words[0].split("-"))
        if len(words) > 5 and words[5].startswith("/memfd:") and end - begin >= least:
            found.add(words[4])
    return found


def stopped(pid):
    return Process(pid).state == "T"


def hold(muster, size):
    """Has everybody hold a message, and returns (bytes of memory that it takes, those of the master, how many pieces of
    shared memory have come). What is shared counts once."""

    def memory(pid):
        return rollup(pid, "Pss_Anon", "Pss_Shmem")

    def inodes():
        return set().union(*(memfds(pid, size) for pid in receivers))

    receivers = muster.pids[1:]
    before, inodes_before = {pid: memory(pid) for pid in muster.pids}, inodes()
    muster.client.request("GET", f"/hold?size={size}")
    try:
        for pid in receivers:
            wait_for(lambda pid=pid: stopped(pid), f"{pid} to hold the message")
        grown = {pid: memory(pid) - before[pid] for pid in muster.pids}
        come = inodes() - inodes_before
    finally:
        for pid in receivers:
            os.kill(pid, signal.SIGCONT)
    muster.client.response()
    return sum(grown.values()), grown[muster.service.pid], len(come)


def measure_copies(bench):
    """What 1 MiB takes that 16 workers, and the agent, have in their hands at once."""
    with Muster(bench, LARGE_WORKERS, "copies") as muster:
        muster.ask("prepare", size=MIB)
        hold(muster, SIZE)  # warm
        small, _, _ = hold(muster, SIZE)
        grown, master, come = hold(muster, MIB)
        large_ns = broadcast_cost(muster, LARGE_WORKERS, 8, LARGE_IN_A_ROW, MIB)
    values = {"copies_of_1_mib": round((grown - small) / MIB, 3), "memfds": come, "master_grows_kib": master // 1024,
              "master_us": round(large_ns / 1000, 1)}
    report("messenger", case="1 MiB to everybody", workers=LARGE_WORKERS, **values)
    return values


def broadcast_cost(muster, workers, rounds, batch, size):
    """The master's CPU time for a broadcast, in ns."""
    muster.ask("broadcast", receivers=workers + 1, rounds=1, batch=batch, size=size)  # warm
    before = cpu_ns([muster.service.pid])
    muster.ask("broadcast", receivers=workers + 1, rounds=rounds, batch=batch, size=size)
    return (cpu_ns([muster.service.pid]) - before) / rounds / batch


def measure_growth(bench, rounds):
    """What a broadcast costs the master with more and more receivers, the agent among them."""
    costs = {}
    with Muster(bench, RECEIVERS[0], "growth") as muster:
        for workers in RECEIVERS:
            muster.scale(workers)
            values = [broadcast_cost(muster, workers, 8, BROADCASTS, SIZE) for _ in range(rounds)]
            costs[workers] = statistics.median(values) / (workers + 1)
            report("messenger", case="to everybody", workers=workers, size=SIZE, rounds=rounds,
                   master_ns=round(costs[workers] * (workers + 1)), master_ns_per_receiver=round(costs[workers]))
    return {"broadcast_ns_per_receiver": {str(workers): round(cost) for workers, cost in costs.items()},
            "broadcast_growth": round(costs[RECEIVERS[-1]] / costs[RECEIVERS[0]], 3)}


# ---- All of it


def measure_two(rounds, milliseconds, bench, has_node):
    """What is between two workers."""
    first, second = cpus()
    bare = Bare(bench)
    with contextlib.ExitStack() as stack:
        muster = stack.enter_context(Muster(bench, 2, "bench"))
        node = stack.enter_context(Node()) if has_node else None
        values = compare_flows(rounds, milliseconds, muster, bare, node)
        values.update(measure_watching(rounds, milliseconds, muster))
        values.update(compare_trips(rounds, muster, bare, node, first, second))
        values["one_cpu"] = compare_trips(rounds, muster, bare, node, second, second)
    return values


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    milliseconds = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    has_node = shutil.which("node") is not None
    if not has_node:
        report("messenger", case="node", skipped="no node in PATH: nothing to compare the rate with")
    with tools() as bench:
        bench.build_module("messenger-module")
        values = measure_two(rounds, milliseconds, bench, has_node)
        values.update(measure_copies(bench))
        values.update(measure_growth(bench, rounds))
    fastest = max(values.get("node_per_s", 0), values.get("node_unthrottled_per_s", 0)) or None
    ratios = [values[name] for name in ("ratio_to_node", "ratio_to_node_unthrottled") if name in values]
    values["node_per_s"] = fastest
    report("messenger", **{"muster_per_s": values.pop("muster_per_s"), "node_per_s": values.pop("node_per_s"),
                           "ratio": min(ratios) if ratios else None,
                           "rtt_ratio_to_bare": values.pop("rtt_ratio_to_bare"), **values})
    return 0


if __name__ == "__main__":
    sys.exit(main())
