# SPDX-License-Identifier: MIT
"""Load with crashes: clients of two kinds ask without pause while a worker crashes again and again.

What counts as failed: a connection that is refused or reset, an answer other than 200, and above all a request on a
kept connection that is closed without an answer. An answer that says Connection: close is none: the client
connects again. Only the requests that ask for the crash may fail.
"""

import contextlib
import multiprocessing
import statistics
import time

from client import Broken, Client, Closed

TARGETS = ["/", "/pid", "/slow?ms=20", "/items/7"]


def ask(address, keep, stop, results):
    """One client until it is told to stop; sends back [sent, [failures]]."""
    sent, failures, client, target = 0, [], None, 0
    while not stop.is_set():
        target = (target + 1) % len(TARGETS)
        try:
            if client is None:
                client = Client(address)
            sent += 1
            answer = client.get(TARGETS[target], [] if keep else [("Connection", "close")])
            if answer.status != 200:
                failures.append(f"{TARGETS[target]}: {answer}")
            if answer.closes or not keep:
                client.close()
                client = None
        except (OSError, Closed, Broken) as error:
            failures.append(f"{'kept' if keep else 'new'} connection, {TARGETS[target]}: {error!r}")
            client = None
    results.send((sent, failures))


def first_answer(address, known, deadline):
    """The moment a worker answers that is not one of these, and its pid."""
    while time.monotonic() < deadline:
        with Client(address) as client:
            pid = int(client.get("/pid", [("Connection", "close")]).text)
        if pid not in known:
            return time.monotonic(), pid
    raise AssertionError(f"no replacement within the time: only {known}")


def crash_one(muster, known):
    """Has one worker crash. Returns the span from the request that did it to the first answer of another, in s."""
    with muster.client() as client:
        old = int(client.get("/pid").text)
        began = time.monotonic()
        client.request("GET", "/crash")
        status = client.response().status
    assert status == 500
    answered, new = first_answer(muster.address(), known, began + 30)
    known.discard(old)
    known.add(new)
    return answered - began


@contextlib.contextmanager
def clients(muster, kept=4, new=4):
    """The load, while the block lasts. Yields a dict that has "sent" and "failures" afterwards."""
    context = multiprocessing.get_context("fork")
    stop, pipes, running, result = context.Event(), [], [], {}
    for number in range(kept + new):
        reading, writing = context.Pipe(duplex=False)
        pipes.append(reading)
        running.append(context.Process(target=ask, args=(muster.address(), number < kept, stop, writing)))
    for client in running:
        client.start()
    try:
        yield result
    finally:
        stop.set()
        results = [pipe.recv() for pipe in pipes]
        for client in running:
            client.join()
        result["sent"] = sum(sent for sent, _ in results)
        result["failures"] = [failure for _, failures in results for failure in failures]


def run(muster, crashes, period=1.0, kept=4, new=4):
    """Runs the load and the crashes. Returns {"sent", "failures", "spans"}."""
    known, spans = set(muster.worker_pids()), []
    with clients(muster, kept, new) as result:
        due = time.monotonic()
        for _ in range(crashes):
            due += period
            time.sleep(max(0.0, due - time.monotonic()))
            spans.append(crash_one(muster, known))
        time.sleep(period)
    return {**result, "spans": spans}


def summary(result):
    """The same as the numbers that are reported."""
    return {
        "sent": result["sent"],
        "failed": len(result["failures"]),
        "crashes": len(result["spans"]),
        "replacement_median_us": round(statistics.median(result["spans"]) * 1e6),
        "replacement_worst_us": round(max(result["spans"]) * 1e6),
    }
