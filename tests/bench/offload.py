# SPDX-License-Identifier: MIT
"""What a computation costs those who only want an answer: the p99 of /, before and while as many sums are added up as
there are CPUs, one after another each.

Two workers, 200 requests a second, each counted from the time it was due. For each of the four ways to compute:
in the worker, in a process for each request, in a compute process, in a thread. offload [SECONDS] [ROUNDS]: 4 seconds each
and 3 rounds unless said otherwise; the figures are the medians of the rounds, and `ratio` the median of their ratios,
before to during: 1 is nobody noticed.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

from measure import HERE, Service, ratio, report

RATE = 200
VARIANTS = {"compute": "/compute", "fork": "/compute/fork", "thread": "/compute/thread", "offload": "/compute/offload"}
SPAN = 0.7  # seconds that one sum takes, more or less: long beside an answer, short beside a run


def median(values):
    return round(sorted(values)[len(values) // 2], 3)


class Pace:
    def __init__(self, directory):
        self.path = str(pathlib.Path(directory) / "pace")
        command = [os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-o", self.path]
        subprocess.run([*command, str(HERE / "pace.c")], check=True)

    def __call__(self, port, seconds):
        """The 99th percentile in ms."""
        result = subprocess.run([self.path, str(port), str(RATE), str(int(seconds * 1000)), "/"],
                                stdout=subprocess.PIPE, check=True)
        counts = json.loads(result.stdout)
        if counts["failed"] or not counts["answered"]:
            raise RuntimeError(f"not all were answered: {counts}")
        return counts["p99_us"] / 1000


def set_apart(muster):
    """Others on the machine shall not be what is measured: sessions share the CPUs first (autogroup), and ours gets the most
    of them; what holds within it, between workers and sums, stays as it is."""
    try:
        pathlib.Path(f"/proc/{muster.pid}/autogroup").write_text("-20")
    except OSError:
        pass  # not root, or no such thing


class Computing:
    """Somebody on each CPU who wants one sum after another."""

    def __init__(self, muster, target):
        self.muster, self.target = muster, target
        self.stop, self.sums, self.failures = threading.Event(), 0, []
        self.threads = [threading.Thread(target=self.run) for _ in os.sched_getaffinity(0)]

    def run(self):
        while not self.stop.is_set():
            answer = self.muster.get(self.target)
            if answer.status != 200:
                self.failures.append(repr(answer))
                return
            self.sums += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise RuntimeError(self.failures[0])


def size_of_sum(muster):
    """An n whose sum takes SPAN on a CPU of its own."""
    with muster.client(timeout=60) as client:
        n = 10_000_000
        while True:
            begin = os.times().elapsed
            client.get(f"/compute?n={n}")
            took = os.times().elapsed - begin
            if took >= 0.2 or n >= 3_000_000_000:
                return min(6_000_000_000, int(n * SPAN / max(took, 0.01)))
            n *= 4


def measure(muster, pace, target, seconds):
    port = muster.address()[1]
    before = pace(port, seconds)
    with Computing(muster, target) as computing:
        during = pace(port, seconds)
    return before, during, computing.sums


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        pace = Pace(directory)
        muster = Service(pathlib.Path(directory),
                         {"muster.module": "compute", "worker.workers": 2, "worker.children": "yes"}).ready()
        try:
            set_apart(muster)
            n = size_of_sum(muster)
            for variant, path in VARIANTS.items():
                results = [measure(muster, pace, f"{path}?n={n}", seconds) for _ in range(rounds)]
                first, then, sums = zip(*results)
                report("offload", variant=variant, before_p99_ms=median(first), during_p99_ms=median(then),
                       ratio=ratio(first, then), sums=sum(sums), rounds=rounds)
        finally:
            left = muster.close()
    if left:
        raise RuntimeError(f"left behind: {left}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
