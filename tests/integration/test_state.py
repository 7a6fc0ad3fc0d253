# SPDX-License-Identifier: MIT
"""What is counted outlives the master, in a memfd that the manager keeps for the next one."""

import mmap
import os
import re
import signal
import socket
import struct

import pytest

from muster import SOON, free_port, listening_socket, wait_for

NAMES = "http:muster-state"
SINCE = r"Since (\S+ \S+): (\d+) starts, (\d+) restarts of processes, (\d+) crashes, (\d+) requests"


def kept(muster):
    """The descriptor that the manager would keep."""
    message = muster.notify.wait_for("FDSTORE", "1")
    assert message["FDNAME"] == "muster-state"
    (descriptor,) = message.descriptors
    return os.dup(descriptor)


def totals(muster):
    """(starts, restarts, crashes, requests) as the master found them."""
    return tuple(map(int, re.search(SINCE, muster.log.wait_for(SINCE).text).groups()[1:]))


@pytest.fixture
def sock():
    with listening_socket() as sock:
        yield sock


@pytest.fixture
def used(service, sock):
    """The state of a service in which a worker has crashed and was replaced, and whose master was then killed."""
    muster = service({"worker.workers": 1}, sockets=[sock])
    (worker,) = muster.worker_pids()
    for _ in range(5):
        assert muster.get("/").status == 200
    assert muster.get("/crash").status == 500
    muster.wait_replaced(worker)
    muster.notify.wait(lambda message: "1 restarts" in message.get("STATUS", ""), "the restart is shown")
    muster.log.wait_for("SIGSEGV")
    state = kept(muster)
    muster.kill(signal.SIGKILL)
    muster.wait()
    muster.nothing_left()
    yield state
    os.close(state)


def test_totals_outlive_a_master_that_is_killed(service, sock, used):
    muster = service({"worker.workers": 1}, sockets=[sock, used], names=NAMES)
    assert totals(muster)[:3] == (1, 1, 1)
    assert re.search(r"0 restarts \(1 since \d{4}-\d\d-\d\d \d\d:\d\d\)", muster.notify.values("STATUS")[-1])
    assert muster.get("/").status == 200
    # the manager has it still, and nothing is handed over again
    assert not muster.notify.values("FDSTORE")


def test_requests_are_all_there_after_an_orderly_end(service, sock):
    first = service({"worker.workers": 2}, sockets=[sock])
    for _ in range(7):
        assert first.get("/").status == 200
    state = kept(first)
    first.stop()

    second = service({"worker.workers": 2}, sockets=[sock, state], names=NAMES)
    assert totals(second) == (1, 0, 0, 7)
    second.stop()

    third = service({"worker.workers": 2}, sockets=[sock, state], names=NAMES)
    assert totals(third) == (2, 0, 0, 7)
    os.close(state)


def test_requests_are_brought_in_while_it_runs(service, sock):
    first = service({"worker.workers": 1}, sockets=[sock])
    for _ in range(7):
        assert first.get("/").status == 200
    state = kept(first)
    with mmap.mmap(state, 0, prot=mmap.PROT_READ) as memory:
        before = memory[:]
        wait_for(lambda: memory[:] != before, "the totals are written", 2 * SOON)
    first.kill(signal.SIGKILL)
    first.wait()
    first.nothing_left()

    second = service({"worker.workers": 1}, sockets=[sock, state], names=NAMES)
    assert totals(second) == (1, 0, 0, 7)
    os.close(state)


def test_without_sockets_from_systemd_it_binds_its_own(start, used):
    muster = start({"worker.workers": 1, "http.listen": f"127.0.0.1:{free_port()}"}, sockets=[used], names="muster-state").ready()
    assert totals(muster)[:3] == (1, 1, 1)
    assert muster.log.matching("Listening on 127.0.0.1")


def crash(muster):
    with muster.client() as client:
        return client.get("/items/7/crash")


def test_the_quarantine_holds_under_the_next_master(service, sock):
    """What has led to it so far counts too: a crash under each of two masters, and the third refuses."""
    config = {"worker.workers": 1, "restart.quarantine_after": 2}
    first = service(config, sockets=[sock])
    assert crash(first).status == 500
    state = kept(first)
    first.stop()

    second = service(config, sockets=[sock, state], names=NAMES)
    assert crash(second).status == 500
    second.log.wait_for("In quarantine for")
    second.kill(signal.SIGKILL)
    second.wait()
    second.nothing_left()

    third = service(config, sockets=[sock, state], names=NAMES)
    assert third.log.matching("Still in quarantine: 1")
    (worker,) = third.worker_pids()
    response = crash(third)
    assert response.status == 503
    assert int(response["Retry-After"]) > 0
    assert third.worker_pids() == [worker]
    os.close(state)


def spoil_quarantine(state):
    """A record of that type (2) that the quarantine has not written, in a bank that is whole: as another version of
    muster might have left it."""
    with mmap.mmap(state, 0) as memory:
        old = bytes(memory)
        content = old[40:40 + struct.unpack_from("<Q", old, 32)[0]]
        totals = content[:8 + struct.unpack_from("<I", content, 4)[0]]
        content = totals + struct.pack("<II", 2, 8) + b"whatever"
        sequence = 1000
        checksum = 0xCBF29CE484222325
        for byte in struct.pack("<QQ", sequence, len(content)) + content:
            checksum = (checksum ^ byte) * 0x100000001B3 % (1 << 64)
        memory[16:40 + len(content)] = struct.pack("<QQQ", sequence, checksum, len(content)) + content


def test_a_quarantine_that_is_no_good_costs_only_itself(service, sock, used):
    spoil_quarantine(used)
    muster = service({"worker.workers": 1}, sockets=[sock, used], names=NAMES)
    assert muster.log.matching("The quarantine that was kept is no good, ignoring")
    assert totals(muster)[0] == 1
    assert muster.get("/").status == 200


def test_no_child_has_it(service, sock, used):
    muster = service({"worker.workers": 1}, sockets=[sock, used], names=NAMES)
    for pid in [muster.agent(), *muster.worker_pids()]:
        files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert not [file for file in files if "muster-state" in file]


def damage(state):
    with mmap.mmap(state, 0) as memory:
        memory[16:] = b"\xa5" * (len(memory) - 16)


def change_version(state):
    with mmap.mmap(state, 0) as memory:
        memory[8] += 1


@pytest.mark.parametrize("spoil", [damage, change_version])
def test_what_is_no_good_is_said_and_begun_anew(service, sock, used, spoil):
    spoil(used)
    muster = service({"worker.workers": 1}, sockets=[sock, used], names=NAMES)
    assert len(muster.log.matching("is no good, beginning anew")) == 1
    assert not muster.log.matching(SINCE)
    # room is made first
    keys = [key for message in muster.notify.all() for key in message if key.startswith("FDSTORE")]
    assert keys == ["FDSTOREREMOVE", "FDSTORE"]
    assert muster.get("/").status == 200


def short():
    state = os.memfd_create("muster-state")
    os.ftruncate(state, 4096)
    return state


def unsealed():
    """Of the right size, but somebody could cut it away under us."""
    state = os.memfd_create("muster-state")
    os.ftruncate(state, 132 * 1024)
    return state


def pipe():
    reading, writing = os.pipe()
    os.close(writing)
    return reading


@pytest.mark.parametrize("make", [short, unsealed, pipe])
def test_what_is_no_state_at_all_does_no_harm(service, sock, make):
    descriptor = make()
    muster = service({"worker.workers": 1}, sockets=[sock, descriptor], names=NAMES)
    os.close(descriptor)
    assert len(muster.log.matching("is no good, beginning anew")) == 1
    assert muster.get("/").status == 200


def test_a_socket_of_that_name_is_served(service, sock):
    muster = service({"worker.workers": 1}, sockets=[sock], names="muster-state")
    assert muster.get("/").status == 200
    assert sock.family == socket.AF_INET
