# SPDX-License-Identifier: MIT
"""Sockets: from systemd by name, or bound by the master itself."""

import contextlib
import os
import socket
import subprocess
import time

import pytest

import muster as harness
from muster import SOON, free_port, listening_socket, wait_for
from client import Client


def inodes(pid):
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            found.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


def test_several_addresses_are_listened_on(service, directory):
    path = directory / "app.sock"
    one, two = free_port(), free_port()
    muster = service({"http.listen": f"127.0.0.1:{one} 127.0.0.1:{two} {path}"})
    for index in range(3):
        assert muster.get("/", index=index).text == "hello world"


@needs_ipv6
def test_ipv6_is_listened_on(service):
    muster = service({"http.listen": f"[::1]:{free_port('::1')}"})
    assert muster.get("/").text == "hello world"
    assert "peer=[::1]:" in muster.get("/headers").text


def test_a_unix_socket_is_listened_on_and_taken_away_at_the_end(service, directory):
    path = directory / "app.sock"
    muster = service({"http.listen": str(path)})
    assert "peer=unix" in muster.get("/headers").text
    muster.stop()
    assert not path.exists()


def test_a_stale_unix_socket_is_in_nobodys_way(service, directory):
    path = directory / "app.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    assert service({"http.listen": str(path)}).get("/").text == "hello world"


def test_an_abstract_socket_is_listened_on(service):
    muster = service({"http.listen": f"@muster-test-{os.getpid()}"})
    assert muster.get("/").text == "hello world"


def test_a_port_that_is_taken_is_named(start):
    with listening_socket() as taken:
        address = "%s:%d" % taken.getsockname()
        muster = start({"http.listen": address})
        assert muster.wait() > 0
        muster.log.wait_for(address)


def test_sockets_of_systemd_are_used_and_listen_is_not(service):
    with listening_socket() as one, listening_socket() as two:
        unused = free_port()
        muster = service({"http.listen": f"127.0.0.1:{unused}"}, sockets=[one, two], names="http:admin")
        assert muster.get("/", index=0).text == "hello world"
        assert muster.get("/", index=1).text == "hello world"
        with pytest.raises(ConnectionRefusedError):
            Client(("127.0.0.1", unused))


def test_a_unix_socket_of_systemd_is_used(service, directory):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(directory / "systemd.sock"))
        sock.listen(10)
        muster = service(sockets=[sock])
        assert muster.get("/").text == "hello world"
        muster.stop()
        # It is systemd's, which wants it for the next start.
        assert (directory / "systemd.sock").exists()


def test_the_sockets_outlive_the_service(service, start):
    with listening_socket() as sock:
        muster = service(sockets=[sock])
        assert muster.get("/").status == 200
        muster.stop()
        with Client(sock.getsockname()) as waiting:
            waiting.request("GET", "/")
            start(sockets=[sock]).ready()
            assert waiting.response().text == "hello world"


def test_what_is_no_listening_stream_socket_is_closed_and_logged(service):
    with listening_socket() as good, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.bind(("127.0.0.1", 0))
        idle = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        reading, writing = os.pipe()
        try:
            odd = [os.readlink(f"/proc/self/fd/{fd}") for fd in (datagram.fileno(), idle.fileno(), reading)]
            muster = service(
                sockets=[datagram, good, idle, reading], names="datagram:http:idle:pipe"
            )
            for name in ("datagram", "idle", "pipe"):
                muster.log.wait_for(name)
            assert not inodes(muster.pid) & set(odd)
            assert not inodes(muster.worker_pids()[0]) & set(odd)
            assert muster.get("/", index=1).text == "hello world"
        finally:
            idle.close()
            os.close(reading)
            os.close(writing)


def test_a_start_with_no_usable_socket_fails_and_says_so(start):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.bind(("127.0.0.1", 0))
        muster = start(sockets=[datagram])
        assert muster.wait() > 0
        muster.log.wait_for("(?i)socket")


def test_systemd_socket_activate_starts_it(directory):
    port = free_port()
    path = directory / "activated.conf"
    harness.write_config(path, {**harness.DEFAULTS, "muster.module": "hello", "worker.workers": 1})
    env = harness.environment()
    keep = [f"-E{key}" for key in ("MUSTER_LIBEXEC_DIR", "MUSTER_MODULE_DIR", "ASAN_OPTIONS")]
    process = subprocess.Popen(
        ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=http", *keep]
        + [str(harness.build_dir() / "src" / "muster-master"), "--config", str(path)],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        process.stderr.readline()  # "Listening on …"
        with Client(("127.0.0.1", port), 2 * SOON) as client:
            pid = process.pid
            answer = client.get("/").text
        assert answer.endswith(f",ppid:{pid}")
    finally:
        process.terminate()
        process.communicate(timeout=3 * SOON)
    assert process.returncode == 0
    wait_for(lambda: not [p for p in harness.processes() if p.session == pid], "the end of all processes")


def test_a_connection_made_before_the_start_is_answered(start):
    """What socket activation is about: the queue is the kernel's."""
    with listening_socket() as sock, Client(sock.getsockname(), 2 * SOON) as early:
        early.request("GET", "/")
        began = time.monotonic()
        start(sockets=[sock])
        assert early.response().text == "hello world"
        assert time.monotonic() - began < 2 * SOON
