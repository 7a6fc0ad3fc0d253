# SPDX-License-Identifier: MIT
"""Reloads by the dozen under load: not one request fails."""

import multiprocessing
import signal
import time

from client import Broken, Client, Closed
from muster import SOON, wait_for
from test_reload import failure, reload


def ask(address, number, count, results):
    """So many requests: kept connections for even numbers, a new one each for odd ones."""
    failures, client = [], None
    for i in range(count):
        target = "/slow?ms=5" if i % 50 == 0 else "/pid"
        try:
            client = client or Client(address)
            answer = client.get(target, [] if number % 2 == 0 else [("Connection", "close")])
            if answer.status != 200:
                failures.append(repr(answer))
            if answer.closes:
                client.close()
                client = None
        except (OSError, Closed, Broken) as error:
            failures.append(f"request {i} of client {number}: {error!r}")
            client = None
    results.put(failures)


def load(muster, clients, count):
    """Starts that many clients in processes of their own. Returns what waits for their end and tells what failed."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    running = [context.Process(target=ask, args=(muster.address(), n, count, results)) for n in range(clients)]
    for process in running:
        process.start()

    def finish():
        failures = [failure for _ in running for failure in results.get()]
        for process in running:
            process.join()
        return failures

    finish.running = lambda: any(process.is_alive() for process in running)
    return finish


def test_no_request_of_3000_by_10_clients_fails_across_reloads(service):
    muster = service({"worker.workers": 2})
    finish = load(muster, 10, 3000)
    reloads = 0
    while finish.running():
        assert failure(reload(muster)) is None
        reloads += 1
    assert not finish()
    assert reloads > 1
    wait_for(lambda: len(muster.workers()) == 2, "the old workers' end")


def test_25_reloads_at_any_distance_leave_one_pool_and_no_failed_request(service):
    muster = service({"worker.workers": 2})
    finish = load(muster, 4, 500)
    began = len(muster.notify.values("READY"))
    for milliseconds in range(25):
        muster.kill(signal.SIGHUP)
        time.sleep(milliseconds / 1000)
    # Those that came while one went on are one: it begins when that has ended, and sees what was written last.
    muster.configure({"http.server_header": "last"})
    muster.kill(signal.SIGHUP)
    wait_for(lambda: muster.get("/")["Server"] == "last", "the last configuration", 3 * SOON)
    assert not finish()
    wait_for(lambda: len(muster.workers()) == 2, "the old workers' end")
    reloads = len(muster.notify.values("READY")) - began
    assert 2 <= reloads <= 26
    assert failure(muster.notify.all()) is None
