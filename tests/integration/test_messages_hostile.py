# SPDX-License-Identifier: MIT
"""A child that was taken over may say what it likes: the others are served, their messages pass in order, and the master
neither stops, nor grows, nor keeps what it was sent."""

import errno
import fcntl
import json
import os
import random
import re
import socket
import struct
import time

import pytest

from frames import (AGENT, ALIGN, APP, ASKS, BROADCAST, DATA_MAX, DATAGRAM_MAX, HANDLE, MASTERS, PID, RANDOM, REPLY, SEALS,
                    SHARED, TYPES, VERSION, frame, memfd, message, send)
from hostile import Hostile, descriptors, rss_kib, settled, steady
from muster import SLOW, SOON, alive, wait_for

GROWTH_KIB = 1024  # of the master, for what the allocator keeps
QUEUES_KIB = 16 * 1024  # and for what waits for those that do not read


@pytest.fixture
def hostile(directory):
    taken = Hostile(directory)
    yield taken
    taken.close()


@pytest.fixture
def taken(hostile, start):
    """(the service, the child that was taken over): worker 0 of three, with two witnesses."""
    muster = start({"muster.module": "witness", "worker.workers": 3, "restart.limit": 1000, "worker.hang_timeout": "10min"},
                   variables=hostile.variables)
    child = hostile.child().ready()
    muster.ready()
    yield muster, child
    hostile.close() # so that the last of them ends by itself


class Witness:
    """What one of the other workers has seen."""

    def __init__(self, muster, pid):
        self.pid, self.client = pid, muster.client_of(pid)

    def seen(self):
        *numbers, error = self.client.get("/seen").text.split()
        count, missing, disordered, bursts, undelivered = map(int, numbers)
        return {"count": count, "missing": missing, "disordered": disordered, "bursts": bursts,
                "undelivered": undelivered, "error": error}

    def goes_on(self, more=20, missing=0):
        """Messages still come, all in order, and no more than so many are missing."""
        want = self.seen()["count"] + more
        wait_for(lambda: self.seen()["count"] >= want, f"worker {self.pid} to get messages")
        seen = self.seen()
        assert seen["missing"] <= missing and seen["disordered"] == 0, seen


def witnesses(muster, child):
    return [Witness(muster, pid) for pid in muster.worker_pids() if pid != child.pid]


def breach(muster, hostile, child, datagram, fds=()):
    """Does it, sees the child killed for it, and returns the next one, ready."""
    try:
        send(child.channel, datagram, fds)
    except BrokenPipeError:
        pass  # it was seen before all was sent
    assert child.ended()
    muster.log.wait_for(rf"worker 0 \(pid {child.pid}\) was killed by SIGKILL.*sent what it may not")
    return hostile.child().ready()


def frames_it_may_not_send():
    """Name → datagram."""
    good, ready = frame("READY"), TYPES["READY"]
    yield "less than a header", good[:5]
    yield "one byte", b"\0"
    yield "another version", frame("READY", version=VERSION + 1)
    yield "version 0", frame("READY", version=0)
    yield "a type there is not", frame(len(TYPES))
    yield "the largest type", frame(0xffff)
    for name in MASTERS:
        yield f"{name} of the master", frame(name)
        yield f"{name} with something in it", frame(name, b"x" * 64)
    yield "a size that is not there", frame("READY", size=8)
    yield "a size past everything", frame("FAILED", b"text", size=0xffffffff)
    yield "a size that wraps with its header", frame("FAILED", b"text", size=0xfffffff8)
    yield "a size that wraps when it is padded", frame("FAILED", b"text", size=0xfffffff9)
    yield "something where there is nothing", frame("READY", b"12345678")
    yield "a reason without end", frame("FAILED", b"x" * 60000)
    yield "a call that is cut off", frame("REFUSED", b"1234")
    yield "no padding", struct.pack("<HHI", VERSION, TYPES["FAILED"], 3) + b"why"
    yield "padding that is none", frame("FAILED", b"why", padding=b"x")
    yield "a second frame that is cut off", good + frame("FAILED", b"x" * 100)[:-ALIGN]
    yield "a second header that is cut off", good + good[:4]
    yield "rubbish behind many good ones", good * 500 + b"\xff" * 8
    yield "a master's frame behind many good ones", good * 500 + frame("DRAIN")
    yield "a good one behind rubbish", b"\xff" * 8 + good
    yield "as many zeros as go in", bytes(DATAGRAM_MAX)
    yield "more than goes in", good * (DATAGRAM_MAX // len(good) + 1)
    yield "a size in the wrong order", struct.pack(">HHI", VERSION, ready, 0)


def test_frames_that_are_none_end_the_child_and_nobody_else_notices(taken, hostile):
    muster, child = taken
    others = witnesses(muster, child)
    with steady(muster):
        child = breach(muster, hostile, child, b"\0")
        before, size = descriptors(muster.pid), rss_kib(muster.pid)
        for name, datagram in frames_it_may_not_send():
            print(name)
            child = breach(muster, hostile, child, datagram)
        settled(muster, before)
        assert rss_kib(muster.pid) <= size + GROWTH_KIB
        for witness in others:
            witness.goes_on()
        # Worker 0 is a real one in the end
        hostile.enough()
        send(child.channel, b"\0")
        wait_for(lambda: any(number == 0 and pid != child.pid for number, pid in muster.workers()), "another worker 0")
        muster.client_of(dict(muster.workers())[0]).close()


def test_random_bytes_end_the_child_and_nobody_else_notices(taken, hostile):
    muster, child = taken
    others = witnesses(muster, child)
    chance = random.Random(5)
    with steady(muster):
        for _ in range(25):
            child = breach(muster, hostile, child, chance.randbytes(chance.choice((9, 64, 1000, 60000))))
        for _ in range(25):
            # What looks good and is spoilt in one place
            datagram = bytearray(frame("READY") * chance.randrange(1, 100))
            at = chance.randrange(len(datagram))
            datagram[at] ^= 1 + chance.randrange(255)
            child = breach(muster, hostile, child, bytes(datagram))
        for witness in others:
            witness.goes_on()


def descriptors_it_may_not_send():
    """Name → (kind of frame, how many)."""
    for name in TYPES:
        if name not in MASTERS and name not in ("LISTENER", "APP", "REFUSED"):
            yield f"{name} with one", name, 1
            yield f"{name} with many", name, 16
    yield "LISTENER with two", "LISTENER", 2
    yield "LISTENER with as many as the kernel takes", "LISTENER", 253


def test_descriptors_it_may_not_pass_end_the_child_and_are_closed(taken, hostile):
    muster, child = taken
    others = witnesses(muster, child)
    reading, writing = os.pipe()
    with steady(muster):
        child = breach(muster, hostile, child, frame("READY"), [writing])
        before = descriptors(muster.pid)
        for name, kind, count in descriptors_it_may_not_send():
            print(name)
            child = breach(muster, hostile, child, frame(kind), [writing] * count)
        child = breach(muster, hostile, child, frame("READY") * 2, [writing])
        settled(muster, before)
        for witness in others:
            witness.goes_on()
    # Nobody has it any more: the end of the pipe is seen
    os.close(writing)
    os.set_blocking(reading, False)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_a_listener_that_is_none_is_no_harm(taken):
    """The descriptor by which the kernel asks about refused calls may be any; one more takes the place of the one before."""
    muster, child = taken
    before = descriptors(muster.pid)
    others = witnesses(muster, child)
    with steady(muster):
        for _ in range(50):
            reading, writing = os.pipe()
            send(child.channel, frame("LISTENER"), [reading])
            send(child.channel, frame("LISTENER"), [writing])
            os.close(reading)
            os.close(writing)
        with open("/dev/zero", "rb") as always_ready, socket.socket() as sock:
            for fd in always_ready.fileno(), sock.fileno():
                send(child.channel, frame("LISTENER"), [fd])
        for witness in others:
            witness.goes_on(100)
    settled(muster, before + 2)


def flood(child, datagram, seconds):
    """Sends as fast as it can and never reads. Returns how many bytes went through."""
    sent, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        sent += send(child.channel, datagram)
    return sent


@pytest.mark.parametrize("datagram", [frame("READY"), frame("READY") * 8000, frame("FAILED", b"x" * 1024) * 60],
                         ids=["small datagrams", "packed ones", "reasons"])
def test_a_flood_of_what_it_may_send_keeps_nobody_waiting(taken, datagram):
    """Each of these is good by itself; that there is no end to them must cost the others little."""
    muster, child = taken
    others = witnesses(muster, child)
    size = rss_kib(muster.pid)
    with steady(muster) as figures:
        sent = flood(child, datagram, 1)
        for witness in others:
            witness.goes_on()
    assert sent > 0
    assert figures["worst_s"] < 1 * SLOW
    assert rss_kib(muster.pid) <= size + GROWTH_KIB
    assert alive(child.pid)


# ---- Messages of the application


def messages_that_are_none():
    """Name → datagram, descriptors beside it."""
    large = DATA_MAX + 1
    yield "less than an envelope", frame("APP", b"x" * 23), 0
    yield "an envelope and nothing", frame("APP", bytes(24)), 0
    for target in PID + 1, 255:
        yield f"target {target}", message(target), 0
    yield "flags there are not", message(APP, flags=128), 0
    yield "no action", message(APP, b""), 0
    yield "an action longer than the message", message(APP, b"say", action_size=255), 0
    yield "an action shorter than it is", message(APP, b"say it", action_size=3), 0
    yield "an action with an end in it", message(APP, b"s\0y"), 0
    yield "an action without an end", message(APP, b"say", room=b"xxxx"), 0
    yield "padding that is none", message(APP, b"say", room=b"\0\0\0x"), 0
    yield "less data than it says", message(APP, data=b"data", size=5), 0
    yield "more data than it says", message(APP, data=b"data", size=3), 0
    yield "data past everything", message(APP, data=b"data", size=0xffffffff), 0
    yield "data that wraps", message(APP, data=b"data", size=0xffffffff - 40), 0
    yield "data without an end", message(APP, data=b"data", end=b"x"), 0
    yield "a pid that nobody can have", message(PID, pid=-1), 0
    yield "the least of all pids", message(PID, pid=-2**31), 0
    yield "to a pid that is not said", message(PID), 0
    yield "a pid where none is wanted", message(APP, pid=1), 0
    yield "a question to everybody", message(BROADCAST, flags=ASKS, number=1), 0
    yield "a question without a number", message(AGENT, flags=ASKS), 0
    yield "a number without a question", message(AGENT, number=1), 0
    yield "a question that is a reply", message(PID, pid=1, flags=ASKS | REPLY, number=1), 0
    yield "a reply to all", message(APP, flags=REPLY, number=1), 0
    yield "an error that is none", message(PID, pid=1, flags=REPLY, number=1, error=1), 0
    yield "an error past all", message(PID, pid=1, flags=REPLY, number=1, error=-2**31), 0
    yield "too little shared data", message(APP, flags=SHARED, size=DATA_MAX), 1
    yield "too much shared data", message(APP, flags=SHARED, size=2**24 + 1), 1
    yield "a descriptor that is not said", message(APP), 1
    yield "two where one is said", message(APP, flags=HANDLE), 2
    yield "three", message(APP, flags=SHARED | HANDLE, size=large), 3
    yield "as many as the kernel takes", message(APP, flags=HANDLE), 253
    yield "one beside two messages", message(APP, flags=HANDLE) * 2, 1
    yield "one beside a message and rubbish", message(APP, flags=HANDLE) + b"x" * 8, 1
    yield "a good message and one that is none", message(APP) + message(255), 0


def test_messages_that_are_none_end_the_child_and_nobody_else_notices(taken, hostile):
    muster, child = taken
    others = witnesses(muster, child)
    reading, writing = os.pipe()
    with steady(muster):
        child = breach(muster, hostile, child, message(255))
        before, size = descriptors(muster.pid), rss_kib(muster.pid)
        for name, datagram, count in messages_that_are_none():
            print(name)
            child = breach(muster, hostile, child, datagram, [writing] * count)
        settled(muster, before)
        assert rss_kib(muster.pid) <= size + GROWTH_KIB
        for witness in others:
            witness.goes_on()
    os.close(writing)
    os.set_blocking(reading, False)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_descriptors_that_are_not_there_are_a_message_that_was_not_delivered(taken):
    """They may have been lost on the way, where a process has as many as it may: that is no breach."""
    muster, child = taken
    others = witnesses(muster, child)
    reading, writing = os.pipe()
    before = descriptors(muster.pid)
    for flags, fds in (SHARED, []), (HANDLE, []), (SHARED | HANDLE, [writing]):
        send(child.channel, message(APP, b"lost", flags=flags, size=DATA_MAX + 1 if flags & SHARED else None), fds)
    told, deadline = 0, time.monotonic() + SOON
    while told < 3 and time.monotonic() < deadline:
        for kind, payload in child.receive():
            if kind == "UNDELIVERED":
                error, _, count = struct.unpack_from("<iiI", payload)
                assert error == -errno.ENOBUFS and b"lost" in payload
                told += count
    assert told == 3
    settled(muster, before)
    for witness in others:
        witness.goes_on()
    os.close(reading)
    os.close(writing)


def test_nobody_speaks_in_the_name_of_another(taken):
    muster, child = taken
    others = witnesses(muster, child)
    for sender, role in (others[0].pid, 0), (muster.agent(), 1), (0, 4), (muster.pid, 4), (-5, 255):
        send(child.channel, message(PID, data=b"forged", pid=others[1].pid, sender=sender, role=role))
    found = muster.log.wait_for(rf"{others[1].pid} heard 6 bytes of worker {child.pid}: forged", count=5)
    assert found
    assert not re.search(rf"heard 6 bytes of (?!worker {child.pid}:)", muster.log.text())
    for witness in others:
        witness.goes_on()


def shared_data_that_is_none():
    """Name → a descriptor that is not sealed shared memory of `size` bytes."""
    size, half = 4 * DATA_MAX, 2 * DATA_MAX
    yield "too small", lambda: memfd(half)
    yield "empty", lambda: memfd(0)
    yield "not sealed", lambda: memfd(size, 0)
    yield "may shrink", lambda: memfd(size, SEALS & ~fcntl.F_SEAL_SHRINK)
    yield "may be written", lambda: memfd(size, SEALS & ~fcntl.F_SEAL_WRITE)
    yield "a file", lambda: os.open("/bin/true", os.O_RDONLY)
    yield "a directory", lambda: os.open("/", os.O_RDONLY)
    yield "a device", lambda: os.open("/dev/zero", os.O_RDWR)
    yield "a socket", lambda: socket.socket().detach()
    yield "only a name", lambda: os.open("/", os.O_PATH)


def test_shared_data_that_lies_harms_nobody_who_gets_it(taken):
    """No receiver touches memory that may go away or change under it; what is no such message is left out."""
    muster, child = taken
    others = witnesses(muster, child)
    workers, size = muster.workers(), 4 * DATA_MAX
    before = {pid: descriptors(pid) for pid in (muster.pid, muster.agent(), *(witness.pid for witness in others))}
    with steady(muster):
        for name, make in shared_data_that_is_none():
            print(name)
            for target, pid in (APP, 0), (AGENT, 0), (PID, others[0].pid):
                fd = make()
                send(child.channel, message(target, flags=SHARED, pid=pid, size=size), [fd])
                if name in ("not sealed", "may shrink"):
                    os.ftruncate(fd, 0)
                os.close(fd)
        fd = memfd(size + 1)
        send(child.channel, message(BROADCAST, flags=SHARED, size=size), [fd])
        os.close(fd)
        # That one is in order: it comes behind the others, to all but the one who does not read
        muster.log.wait_for(rf"heard {size} bytes of worker {child.pid}", count=3)
        for witness in others:
            witness.goes_on()
    assert len(re.findall(rf"heard \d+ bytes of worker {child.pid}", muster.log.text())) == 3
    assert muster.workers() == workers
    for pid, count in before.items():
        wait_for(lambda pid=pid, count=count: descriptors(pid) <= count, f"{pid} to close what it got")


@pytest.mark.parametrize("target, size", [(BROADCAST, 0), (BROADCAST, DATA_MAX), (APP, 100), (AGENT, DATA_MAX), (AGENT, 0),
                                          (RANDOM, 100)])
def test_a_flood_of_messages_keeps_nobody_waiting(taken, target, size):
    """It sends without an end and reads nothing; what others send goes on, in order, and the master does not grow. Who
    gets the flood may have no room left for others at times: that is counted."""
    muster, child = taken
    others = witnesses(muster, child)
    one = message(target, b"flood", b"x" * size)
    datagram = one * max(1, min(64, DATAGRAM_MAX // len(one)))
    with steady(muster) as figures:
        flood(child, datagram, 0.5)
        peak = rss_kib(muster.pid)
        flood(child, datagram, 1)
        grown = rss_kib(muster.pid) - peak
        dropped = json.loads(muster.ctl("status", "--json").stdout)["messages_dropped"]
        for witness in others:
            witness.goes_on(missing=dropped)
        # Once it is over nothing more is lost
        missing = [witness.seen()["missing"] for witness in others]
        for witness, count in zip(others, missing):
            witness.goes_on(missing=count)
    assert figures["worst_s"] < 2 * SLOW
    assert grown < QUEUES_KIB
    assert alive(child.pid)


def test_a_flood_of_handles_is_bounded_and_leaves_none_open(taken):
    muster, child = taken
    others = witnesses(muster, child)
    before = {pid: descriptors(pid) for pid in (muster.pid, muster.agent(), *(witness.pid for witness in others))}
    reading, writing = os.pipe()
    datagram, end, most, sent = message(BROADCAST, b"flood", flags=HANDLE), time.monotonic() + 2, 0, 0
    with steady(muster):
        while time.monotonic() < end:
            send(child.channel, datagram, [writing])
            sent += 1
            if sent % 100 == 0:
                most = max(most, descriptors(muster.pid))
        for witness in others:
            witness.goes_on()
    # 64 at most wait for each of the four, where all are slow, and one or two are on their way
    assert most <= before[muster.pid] + 4 * 64 + 2, f"{most} descriptors after {sent} messages"
    for pid, count in before.items():
        # The master's queue to the one that does not read holds a few
        allowed = count + (100 if pid == muster.pid else 0)
        wait_for(lambda pid=pid, allowed=allowed: descriptors(pid) <= allowed, f"{pid} to close what it got")
    os.close(reading)
    os.close(writing)


def test_one_that_reads_nothing_costs_the_others_nothing(taken):
    """Others send 64 KiB at a time to everybody: what it does not take is dropped, counted, and its senders are told."""
    muster, child = taken
    others = witnesses(muster, child)
    size, sent = rss_kib(muster.pid), 0
    with steady(muster) as figures:
        while sent < 400:
            sent += int(others[0].client.get(f"/burst?count=10&size={DATA_MAX}").text)
            wait_for(lambda: all(witness.seen()["bursts"] == sent for witness in others), "those that read to get all")
        for witness in others:
            witness.goes_on()
        wait_for(lambda: others[0].seen()["undelivered"], "the sender to be told")
        assert others[0].seen()["error"] == "ENOBUFS"
        assert rss_kib(muster.pid) <= size + QUEUES_KIB
    assert figures["worst_s"] < 2 * SLOW
    # As many as were not dropped are there for it, in order, once it reads
    bursts, deadline = 0, time.monotonic() + SOON
    while bursts + others[0].seen()["undelivered"] < sent and time.monotonic() < deadline:
        bursts += sum(kind == "APP" and b"burst" in payload[:64] for kind, payload in child.receive())
    assert bursts > 0 and bursts + others[0].seen()["undelivered"] == sent
    wait_for(lambda: rss_kib(muster.pid) <= size + GROWTH_KIB, "the master to give the memory back")
