# SPDX-License-Identifier: MIT
"""A thousand slow clients are ended by their deadlines, and nobody else notices them."""

import collections
import resource

import pytest

from slow_clients import (
    BODY,
    CLIENTS,
    HEADER,
    HEADER_TIMEOUT,
    LOOKS,
    READER,
    SLOW,
    ask_beside_slow_clients,
    ask_for,
    start_service,
)

# How much slower an ordinary request may be. Generous: the machine has other things to do, and how fast it is is a
# matter of the bench.
RATIO = 50
SHORTEST = 0.001  # seconds; less than this is not told apart


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(latencies without slow clients, the same beside them, most of them at once, how long they stayed, results)"""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    muster = start_service(tmp_path_factory.mktemp("slow"))
    try:
        muster.ready()
        workers = muster.worker_pids()
        alone = ask_for(muster.address(), 1)
        beside, most, span, results = ask_beside_slow_clients(muster)
        assert muster.worker_pids() == workers
        yield alone, beside, most, span, results
    finally:
        print(muster.log.text())
        left = muster.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert not left


def test_all_are_there_at_once(run):
    _, _, most, _, results = run
    assert most > 0.9 * CLIENTS
    counts = collections.Counter(kind for kind, _, _ in results)
    assert sum(counts.values()) == CLIENTS and min(counts.values()) > CLIENTS // 4


def test_the_server_ends_with_the_last_by_its_deadline(run):
    _, _, _, span, _ = run
    assert HEADER_TIMEOUT <= span < HEADER_TIMEOUT + 2 * LOOKS + 3 * SLOW


@pytest.mark.parametrize("kind", [HEADER, BODY])
def test_those_who_send_slowly_are_told_408_and_not_too_early(run, kind):
    _, _, _, _, results = run
    mine = [(lived, status) for other, lived, status in results if other == kind]
    assert {status for _, status in mine} == {408}
    assert min(lived for lived, _ in mine) > HEADER_TIMEOUT - 0.5


def test_those_who_read_slowly_got_no_end_of_their_answer(run):
    """They were all established and are not any more (see above), and none of them ended by itself."""
    _, _, most, _, results = run
    readers = [status for kind, _, status in results if kind == READER]
    assert most > CLIENTS - len(readers)
    assert set(readers) == {None}


def test_an_ordinary_client_hardly_notices(run):
    alone, beside, _, _, _ = run
    print(f"p99 alone {alone.p99 * 1e3:.2f} ms, beside {CLIENTS} slow clients {beside.p99 * 1e3:.2f} ms")
    assert len(beside.seconds) > 500
    assert beside.p99 < RATIO * max(alone.p99, SHORTEST)
    assert beside.median < RATIO * max(alone.median, SHORTEST / 10)
