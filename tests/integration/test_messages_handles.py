# SPDX-License-Identifier: MIT
"""A descriptor that is sent with a message works where it arrives: it is the same socket, the same memory."""

import os
import socket

import pytest

from muster import SOON, wait_for


@pytest.fixture
def two(service):
    """(the service, a connection to a worker, another worker's pid)."""
    muster = service({"muster.module": "handles", "worker.workers": 2})
    giver, getter = muster.worker_pids()
    with muster.client_of(giver) as client:
        yield muster, client, getter


def give(client, kind, to, **values):
    more = "".join(f"&{key}={value}" for key, value in values.items())
    return client.get(f"/give?kind={kind}&to={to}{more}")


def given(client, kind, to, **values):
    """Gives it and returns the port it is bound to, or 0."""
    response = give(client, kind, to, **values)
    assert response.status == 200, response.text
    return int(response.text)


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_a_connected_tcp_socket_is_spoken_on_by_the_worker_that_gets_it(two):
    _, client, getter = two
    with socket.create_server(("127.0.0.1", 0)) as server:
        given(client, "tcp", getter, port=server.getsockname()[1])
        connection, _ = server.accept()
        with connection:
            connection.settimeout(SOON)
            # To its end: the giver's own descriptor does not keep it open
            text = b"".join(iter(lambda: connection.recv(100), b""))
    assert text == f"tcp of {getter}\n".encode()


def test_a_listening_socket_accepts_in_the_worker_that_gets_it(two):
    _, client, getter = two
    port = given(client, "listen", getter)
    with socket.create_connection(("127.0.0.1", port), timeout=SOON) as connection:
        assert connection.makefile().read() == f"listen of {getter}\n"


def test_a_udp_socket_answers_in_the_worker_that_gets_it(two):
    _, client, getter = two
    port = given(client, "udp", getter)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(SOON)
        sock.sendto(b"who?", ("127.0.0.1", port))
        answer, address = sock.recvfrom(100)
    assert (answer, address) == (f"udp of {getter}\n".encode(), ("127.0.0.1", port))


def test_a_memfd_is_one_memory_for_both(two):
    _, client, getter = two
    given(client, "memfd", getter)
    expected = f"written by the one who gave it, memfd of {getter}\n"
    wait_for(lambda: client.get("/look").text == expected, "what the other has written")


def test_what_is_no_descriptor_is_refused_at_once(two):
    _, client, getter = two
    response = give(client, "nothing", getter)
    assert (response.status, response.text) == (500, "EBADF")


def test_a_handle_to_nobody_is_refused_and_nothing_is_left_open(two):
    muster, client, _ = two
    before = descriptors(muster.pid)
    for _ in range(20):
        response = give(client, "udp", 1)
        assert (response.status, response.text) == (500, "ESRCH")
    assert descriptors(muster.pid) == before


def test_handles_and_plain_messages_keep_their_order_and_what_nobody_takes_is_closed(two):
    muster, client, getter = two
    with muster.client_of(getter) as receiver:
        before = {pid: descriptors(pid) for pid in (muster.pid, *muster.worker_pids())}
        for count in range(1, 6):
            assert client.get(f"/heap?to={getter}&count=40").status == 200
            expected = f"{40 * count} messages, {10 * count} handles, in order"
            wait_for(lambda: receiver.get("/heard").text == expected, expected)
        wait_for(lambda: all(descriptors(pid) <= before[pid] for pid in before), "all handles to be closed")
