# SPDX-License-Identifier: MIT
"""What clients notice of a reload: requests that fail, and the worst latency beside that of as long a time without one.

The load throughout: 32 kept connections, each asking again 10 ms after its answer, 100 new connections a second, and
slow requests (500 ms) on connections of their own, four at a time. One line per round, and one for all:
`worst_ratio` is the median of the rounds' worst latencies with a reload over that without, of the quick requests;
`worst_slow_ratio` that of the slow ones. reload [ROUNDS]: 7 unless said otherwise.
"""

import multiprocessing
import pathlib
import signal
import statistics
import sys
import tempfile
import time

from measure import report

from muster import Service, wait_for
from steady import Load

WINDOW = 1.5  # seconds that one look lasts at least


def serve_load(address, stop, results):
    load = Load(address)
    load.run(stop.is_set)
    results.send((load.done, load.failures))


def reload(muster):
    """Until all old workers have gone, and no shorter than the window. Returns the span."""
    before = set(muster.worker_pids())
    began = time.monotonic()
    muster.kill(signal.SIGHUP)
    wait_for(lambda: not before & set(muster.worker_pids()), "the old workers' end", 60)
    took = time.monotonic() - began
    time.sleep(max(0.0, WINDOW - took))
    return began, time.monotonic(), took


def quiet(seconds):
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()


def worst(done, span, kinds):
    """In ms."""
    return 1e3 * max(latency for end, latency, kind in done if span[0] <= end - latency < span[1] and kind in kinds)


def compare(done, spans, kinds):
    """The medians of the worst latencies without and with a reload, and those of each round."""
    without = [worst(done, span, kinds) for span, _ in spans]
    during = [worst(done, span[:2], kinds) for _, span in spans]
    return statistics.median(without), statistics.median(during), without, during


def measure(muster, rounds):
    context = multiprocessing.get_context("fork")
    reading, writing = context.Pipe(duplex=False)
    stop = context.Event()
    clients = context.Process(target=serve_load, args=(muster.address(), stop, writing))
    clients.start()
    spans = []
    try:
        quiet(WINDOW)
        for _ in range(rounds):
            during = reload(muster)
            spans.append((quiet(during[1] - during[0]), during))
        quiet(WINDOW)
    finally:
        stop.set()
        done, failures = reading.recv()
        clients.join()
    return done, failures, spans


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        muster = Service(pathlib.Path(directory), {"worker.workers": 2}, name="bench").ready()
        try:
            done, failures, spans = measure(muster, rounds)
        finally:
            left = muster.close()
    without, during, each_without, each_during = compare(done, spans, ("kept", "new"))
    slow_without, slow_during, _, _ = compare(done, spans, ("slow",))
    for i, (_, span) in enumerate(spans):
        report("reload", round=i, without_ms=round(each_without[i], 2), with_ms=round(each_during[i], 2),
               took_ms=round(span[2] * 1e3))
    for failure in failures[:10]:
        print(failure, file=sys.stderr)
    report("reload", requests=len(done), failed=len(failures), reloads=rounds, without_ms=round(without, 2),
           with_ms=round(during, 2), worst_ratio=round(during / without, 2),
           worst_slow_ratio=round(slow_during / slow_without, 2))
    return 1 if failures or left else 0


if __name__ == "__main__":
    sys.exit(main())
