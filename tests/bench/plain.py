# SPDX-License-Identifier: MIT
"""A small request on a kept connection: the CPU time that one worker takes for it, against the bare loop's.

Server and client have a CPU each. plain [CONNECTIONS [ROUNDS]]: 64 and 15 unless said otherwise.

`sleeps` says how often a server went to sleep for a request. Our client hardly ever makes it wait, so that the server
takes many events at a time and does not pay for waking up: that shows most of what a server does by itself. wrk, with
which one may compare where it is installed, is slower than the bare loop, which then sleeps now and then while a slower
server does not: the ratios it gives are lower, and fall with the load of the machine.

With strace installed, a run of its own counts the system calls for a request, on one connection and on as many.
"""

import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys

from measure import Muster, Reference, cpu_per_request, in_turn, median, ratio, report, tools, wait_for

ROUND_MS = 400
COUNTED_REQUESTS = 5000


def is_traced(pid):
    return not re.search(r"^TracerPid:\t0$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)


def count_calls(bench, server, connections):
    """{system call: times for a request}, those that are made for one in a hundred requests at least."""
    output, (pid,) = bench.directory / "calls", server.pids()
    strace = subprocess.Popen(["strace", "-c", "-f", "-o", str(output), "-p", str(pid)], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: is_traced(pid) or strace.poll() is not None, "strace")
        answered = bench.load(server.port, connections, requests=COUNTED_REQUESTS)
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait()
    calls = {}
    for line in output.read_text().splitlines():
        fields = line.split()
        if len(fields) >= 5 and re.fullmatch(r"[\d.]+", fields[0]) and fields[-1] != "total":
            calls[fields[-1]] = round(int(fields[3]) / answered, 2)
    return {name: times for name, times in calls.items() if times >= 0.01}


def compare(muster, reference, rounds, load, **labels):
    """Measures both in turn; load(server) returns how many requests were answered."""

    def measure(server):
        return lambda: cpu_per_request(server, lambda: load(server))

    in_turn(1, [measure(muster), measure(reference)])  # warm
    ours, theirs = in_turn(rounds, [measure(muster), measure(reference)])
    ours, our_sleeps = zip(*ours)
    theirs, their_sleeps = zip(*theirs)
    report("plain", **labels, rounds=rounds, muster_ns=median(ours), reference_ns=median(theirs),
           ratio=ratio(ours, theirs), muster_sleeps=round(statistics.median(our_sleeps), 4),
           reference_sleeps=round(statistics.median(their_sleeps), 4))


def main():
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    with tools() as bench, Muster(bench, 1) as muster:
        bench.write_answer(muster.address)
        with Reference(bench) as reference:
            compare(muster, reference, rounds, connections=connections,
                    load=lambda server: bench.load(server.port, connections, milliseconds=ROUND_MS))
            if shutil.which("wrk"):
                compare(muster, reference, (rounds + 2) // 3, case="with wrk", connections=connections,
                        load=lambda server: bench.wrk(server.port, connections))
            if shutil.which("strace"):
                for n in sorted({1, connections}):
                    report("plain", case="system calls for a request", connections=n,
                           muster=count_calls(bench, muster, n), reference=count_calls(bench, reference, n))
    return 0


if __name__ == "__main__":
    sys.exit(main())
