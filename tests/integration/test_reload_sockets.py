# SPDX-License-Identifier: MIT
"""A reload that changes `listen` binds what is new, keeps what stays, gives up what is gone, and undoes it on failure."""

import contextlib
import os
import socket

import pytest

from client import Client
from muster import free_port, listening_socket, wait_for
from test_reload import failure, reload


def two_ports():
    first, second = free_port(), free_port()
    while first == second:
        second = free_port()
    return f"127.0.0.1:{first}", f"127.0.0.1:{second}"


def is_refused(address):
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port))).close()
    except ConnectionRefusedError:
        return True
    return False


def test_another_address_is_served_beside_the_first(service):
    one, two = two_ports()
    muster = service({"http.listen": one})
    muster.configure({"http.listen": f"{one} {two}"})
    assert failure(reload(muster)) is None
    assert muster.get("/", index=0).status == muster.get("/", index=1).status == 200


def test_an_address_that_is_gone_is_refused_and_its_connections_get_one_more_answer(service):
    one, two = two_ports()
    muster = service({"http.listen": one})
    with muster.client() as kept:
        assert kept.get("/").status == 200
        kept.request("GET", "/slow?ms=300")
        muster.configure({"http.listen": two})
        assert failure(reload(muster)) is None
        assert kept.response().status == 200
    assert muster.get("/").status == 200
    wait_for(lambda: is_refused(one), "the end of the old address")


def test_an_address_in_use_fails_the_reload_and_nothing_is_lost(service):
    one, two = two_ports()
    with listening_socket() as taken:
        busy = "127.0.0.1:%d" % taken.getsockname()[1]
        muster = service({"http.listen": one})
        before = muster.workers()
        muster.configure({"http.listen": f"{two} {busy}"})
        assert f"Cannot listen on {busy}: Address already in use" in failure(reload(muster))
    assert is_refused(two)
    assert muster.workers() == before
    muster.configure({"http.listen": one})
    assert muster.get("/").status == 200


def test_a_reload_that_fails_later_gives_the_new_address_back(service):
    one, two = two_ports()
    muster = service({"http.listen": one})
    muster.configure({"http.listen": f"{one} {two}", "app.start": "fail"})
    assert failure(reload(muster))
    wait_for(lambda: is_refused(two), "the new address to be given up")
    assert muster.get("/").status == 200


def test_the_files_of_sockets_are_kept_or_removed_with_them(service, directory):
    kept, gone = str(directory / "kept"), str(directory / "gone")
    muster = service({"http.listen": f"{kept} {gone}"})
    inode = os.stat(kept).st_ino
    muster.configure({"http.listen": kept})
    assert failure(reload(muster)) is None
    assert not os.path.exists(gone)
    assert os.stat(kept).st_ino == inode
    assert muster.get("/").status == 200
    muster.stop()
    assert not os.path.exists(kept)


def watched(muster):
    """How many processes the master has not collected; what it has for one is closed before its pidfd."""
    links = []
    for name in os.listdir(f"/proc/{muster.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/{muster.pid}/fd/{name}"))
    return links.count("anon_inode:[pidfd]")


@pytest.mark.parametrize("reloads", [1, 3])
def test_descriptors_do_not_pile_up(service, reloads):
    one, two = two_ports()
    muster = service({"http.listen": one, "worker.workers": 1})
    reload(muster)
    wait_for(lambda: watched(muster) == 2, "the old ones' end")
    # One more where the last notification has been received and its socket is not closed yet
    before = len(os.listdir(f"/proc/{muster.pid}/fd"))
    for _ in range(reloads):
        for listen in (f"{one} {two}", one):
            muster.configure({"http.listen": listen})
            assert failure(reload(muster)) is None
            # A worker that is still draining may hold the address for a moment
            wait_for(lambda: watched(muster) == 2, "the old ones' end")
    wait_for(lambda: len(os.listdir(f"/proc/{muster.pid}/fd")) <= before, "as few descriptors as before")


def test_sockets_from_systemd_stay_whatever_the_file_says(service):
    with listening_socket() as sock:
        muster = service(sockets=[sock])
        muster.configure({"http.listen": f"127.0.0.1:{free_port()}"})
        assert failure(reload(muster)) is None
        muster.log.wait_for("the sockets come from systemd, ignoring")
        with Client(sock.getsockname()[:2]) as client:
            assert client.get("/").status == 200
