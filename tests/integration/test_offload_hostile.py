# SPDX-License-Identifier: MIT
"""A worker or a compute process that was taken over may say of jobs what it likes: only its own fail."""

import os
import re
import select
import struct

import pytest

from frames import SEALS, frame, memfd, send
from hostile import Hostile, descriptors, rss_kib, settled
from jobs import computes, jobs
from muster import SOON, wait_for

DONE, CRASHED, LATE, REFUSED, HOMELESS, BROKEN = range(6)
GROWTH_KIB = 16 * 1024  # of the master: full queues, and what the allocator keeps


def call(number=1, task=b"echo", data=b"", size=None, timeout=10_000_000, route=b"", request=b"", end=b"\0"):
    """The frame of a job; every part of it may be a lie."""
    head = struct.pack("<QQQQQ64s64s192s", number, len(data) if size is None else size, timeout, 0, 0, task, route, request)
    return frame("JOB", head + data + end)


def answer(number=1, data=b"", size=None, error=0, outcome=DONE, end=b"\0"):
    return frame("RESULT", struct.pack("<QQiI", number, len(data) if size is None else size, error, outcome) + data + end)


@pytest.fixture
def worker(directory, start):
    """(the service, its worker 0, which was taken over)"""
    hostile = Hostile(directory)
    muster = start(jobs({"restart.limit": 1000, "worker.hang_timeout": "10min"}), variables=hostile.variables)
    child = hostile.child().ready()
    muster.ready()
    yield muster, child, hostile
    hostile.close()


@pytest.fixture
def compute(directory, start):
    """(the service, its only compute process, which was taken over)"""
    hostile = Hostile(directory, "muster-compute")
    muster = start(jobs({"compute.processes": 1, "restart.limit": 1000, "worker.hang_timeout": "10min"}),
                   variables=hostile.variables)
    child = hostile.child().ready()
    muster.ready()
    yield muster, child, hostile
    hostile.close()


def received(child, kind):
    """The payload of the next frame of this kind."""
    while True:
        for name, payload in child.receive():
            if name == kind:
                return payload


@pytest.mark.parametrize(
    "datagram",
    [
        frame("JOB", b""),
        frame("JOB", b"x" * 359),
        call(task=b""),
        call(task=b"a\nb"),
        call(task=b"x" * 64),
        call(route=b"\x1b[2J"),
        call(request=b"GET /\xff"),
        call(timeout=0),
        call(timeout=2**64 - 1),
        call(data=b"12345", size=4),
        call(data=b"12345", size=6),
        call(data=b"12345", size=2**64 - 1),
        call(data=b"12345", end=b""),
        call(data=b"12345", end=b"x"),
        frame("CANCEL", b"1234567"),
        frame("CANCEL", b"123456789"),
        answer(),
    ],
    ids=range(17),
)
def test_a_job_that_is_none_ends_its_worker_alone(worker, datagram):
    muster, child, _ = worker
    send(child.channel, datagram)
    assert child.ended()
    muster.log.wait_for(rf"worker 0 \(pid {child.pid}\) was killed by SIGKILL.*sent what it may not")


def test_a_descriptor_where_none_may_be_ends_it_too(worker):
    muster, child, _ = worker
    before = descriptors(muster.pid)
    fd = memfd(6)
    send(child.channel, call(data=b"12345"), [fd])
    os.close(fd)
    assert child.ended()
    settled(muster, before)


def test_what_is_cancelled_that_was_never_asked_is_nothing(worker):
    _, child, _ = worker
    send(child.channel, frame("CANCEL", struct.pack("<Q", 4711)))
    send(child.channel, call(5, data=b"hello"))
    assert received(child, "RESULT") == struct.pack("<QQiI", 5, 5, 0, DONE) + b"hello\0"


def test_a_task_that_is_none_is_an_error(worker):
    _, child, _ = worker
    send(child.channel, call(6, task=b"nonsense"))
    assert struct.unpack_from("<QQiI", received(child, "RESULT")) == (6, 0, -2, BROKEN)


def test_a_job_that_crashes_is_not_given_to_another_since_there_was_one_that_is_none(worker):
    muster, child, _ = worker
    for i in range(4):
        send(child.channel, call(i, task=b"nonsense"))
        assert struct.unpack_from("<QQiI", received(child, "RESULT"))[3] == BROKEN
    send(child.channel, call(6, task=b"crash", data=b"11"))
    assert struct.unpack_from("<QQiI", received(child, "RESULT")) == (6, 0, 0, CRASHED)
    muster.log.wait_for("The compute process .* crashed: SIGSEGV")
    wait_for(lambda: len(computes(muster)) == 2, "its replacement")
    muster.ctl("status")  # whatever was logged before is there now
    assert len(muster.log.matching("The compute process .* crashed: SIGSEGV")) == 1


@pytest.mark.parametrize("seals, size", [(0, 6), (SEALS, 5), (SEALS, 7)], ids=["open", "short", "long"])
def test_memory_that_is_not_what_it_should_be_is_an_error(worker, seals, size):
    _, child, _ = worker
    fd = memfd(size, seals)
    send(child.channel, frame("JOB", struct.pack("<QQQQQ64s64s192s", 7, 5, 10**7, 0, 0, b"echo", b"", b"")), [fd])
    os.close(fd)
    assert struct.unpack_from("<QQiI", received(child, "RESULT"))[3] == BROKEN


def test_a_flood_of_jobs_delays_nobody_for_long_and_is_not_kept(worker):
    """It does not read what it is answered either."""
    muster, child, _ = worker
    before, held = descriptors(muster.pid), rss_kib(muster.pid)
    child.channel.setblocking(False)
    data, sent = b"".join(call(i, data=b"x" * 1000) for i in range(40)), 0
    while sent < 500:
        select.select([], [child.channel], [], SOON)
        try:
            send(child.channel, data)
            sent += 1
        except BlockingIOError:
            pass
        if sent % 50 == 0:
            assert muster.get("/run?task=echo&in=hello").text == "hello"
    assert rss_kib(muster.pid) < held + GROWTH_KIB
    assert descriptors(muster.pid) <= before + 2
    wait_for(lambda: muster.get("/run?task=echo&in=hello").text == "hello", "the others' results")


def outcomes(child, number):
    """How so many jobs have ended, by their number."""
    ends = {}
    while len(ends) < number:
        for kind, payload in child.receive():
            if kind == "RESULT":
                which, _, _, outcome = struct.unpack_from("<QQiI", payload)
                ends[which] = outcome
    return ends


def test_a_job_without_the_memory_it_announces_is_refused(worker):
    """So it looks when the master can't have any more descriptors, which is no fault of the worker."""
    muster, child, _ = worker
    send(child.channel, call(7, size=1 << 20, end=b""))
    assert outcomes(child, 1) == {7: REFUSED}
    assert child.pid in muster.worker_pids()


def test_who_reads_no_results_for_a_while_loses_none(worker):
    """Its jobs wait until it does, and those of others do not wait for it."""
    muster, child, _ = worker
    for number in range(1, 121):
        send(child.channel, call(number, data=b"x" * 60000))
    wait_for(lambda: re.search(r"\b0 running, [1-9]\d* waiting", muster.ctl("status").stdout), "jobs wait")
    assert muster.get("/run?task=echo&in=hello").text == "hello"
    assert set(outcomes(child, 120).values()) == {DONE}


# ---- A compute process


def ask(muster, target="/run?task=echo&in=hello"):
    client = muster.client()
    client.request("GET", target)
    return client


@pytest.mark.parametrize(
    "make",
    [
        lambda number: frame("RESULT", b""),
        lambda number: answer(number, size=1),
        lambda number: answer(number, b"12345", size=2**64 - 1),
        lambda number: answer(number, b"12345", end=b"x"),
        lambda number: answer(number, outcome=6),
        lambda number: answer(number, outcome=REFUSED),
        lambda number: answer(number, outcome=CRASHED),
        lambda number: call(number),
        lambda number: frame("CANCEL", struct.pack("<Q", number)),
        lambda number: frame("APP", b"x" * 40),
    ],
    ids=range(10),
)
def test_a_result_that_is_none_fails_the_job_and_ends_the_process(compute, make):
    muster, child, hostile = compute
    with ask(muster) as client:
        (number,) = struct.unpack_from("<Q", received(child, "JOB"))
        hostile.enough()
        send(child.channel, make(number))
        assert child.ended()
        # It has not begun what it was given, as its slot says: the real one that takes its place does
        assert client.response().status in (200, 500)
    muster.log.wait_for(rf"compute process 0 \(pid {child.pid}\) was killed by SIGKILL.*sent what it may not")
    wait_for(lambda: muster.get("/run?task=echo&in=x").text == "x", "the one in its place")


def test_a_result_without_the_memory_it_announces_fails_the_job_alone(compute):
    muster, child, _ = compute
    with ask(muster) as client:
        (number,) = struct.unpack_from("<Q", received(child, "JOB"))
        send(child.channel, answer(number, size=1 << 20, end=b""))
        assert client.response().status == 500
    with ask(muster) as client:
        (number,) = struct.unpack_from("<Q", received(child, "JOB"))
        send(child.channel, answer(number, b"right"))
        assert client.response().text == "right"


def test_results_that_nobody_asked_for_go_nowhere(compute):
    muster, child, _ = compute
    for number in range(1000, 1100):
        send(child.channel, answer(number, b"surprise"))
    with ask(muster) as client:
        (number,) = struct.unpack_from("<Q", received(child, "JOB"))
        for other in (number + 1, number - 1, 0, 2**64 - 1):
            send(child.channel, answer(other, b"wrong"))
        assert client.quiet(0.2)
        send(child.channel, answer(number, b"right"))
        assert client.response().text == "right"
        send(child.channel, answer(number, b"again"))
    assert muster.get("/").status == 200


@pytest.mark.parametrize("seals, size", [(0, 6), (SEALS, 5)], ids=["open", "short"])
def test_an_output_in_memory_that_is_not_what_it_should_be_is_an_error(compute, seals, size):
    muster, child, _ = compute
    before = descriptors(muster.pid)
    with ask(muster) as client:
        (number,) = struct.unpack_from("<Q", received(child, "JOB"))
        fd = memfd(size, seals)
        send(child.channel, frame("RESULT", struct.pack("<QQiI", number, 5, 0, DONE)), [fd])
        os.close(fd)
        assert client.response().status == 500
    settled(muster, before)


def test_one_that_answers_nothing_loses_its_job_to_the_deadline(compute):
    muster, child, hostile = compute
    with ask(muster, "/run?task=echo&in=x&timeout=300") as client:
        received(child, "JOB")
        hostile.enough()
        assert client.response().status == 504
    wait_for(lambda: muster.get("/run?task=echo&in=x").text == "x", "the one in its place", 2 * SOON)
