# SPDX-License-Identifier: MIT
"""Root and the service's own user may speak to the control socket; nobody can keep the master from its work by it."""

import os
import pwd
import resource
import shutil
import socket
import stat
import subprocess
import time

import pytest

from muster import SOON, Process, build_dir, musterctl, wait_for

OK, FAILED, USAGE, NOT_RUNNING, PERMISSION = range(5)
NOBODY = pwd.getpwnam("nobody").pw_uid
DAEMON = pwd.getpwnam("daemon").pw_uid
AUTHENTICATE = b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\nBEGIN\r\n"
CLIENTS_MAX = 32
PEER = "org.freedesktop.DBus.Peer"


def is_reachable(path):
    """Whether every user may enter all directories above."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


others_reach_it = pytest.mark.skipif(not is_reachable(build_dir() / "src" / "musterctl"), reason="other users may not enter the build directory")


def connect(muster):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(muster.control))
    sock.settimeout(SOON)
    return sock


def authenticated(muster):
    sock = connect(muster)
    sock.sendall(AUTHENTICATE)
    assert sock.recv(100).startswith(b"OK ")
    return sock


def descriptors(muster):
    """How many the master has open."""
    return len(os.listdir(f"/proc/{muster.pid}/fd"))


def string(text):
    return len(text).to_bytes(4, "little") + text.encode() + b"\0"


def pad(data, to):
    return data + b"\0" * (-len(data) % to)


def call(serial, member="GetAll", interface="org.freedesktop.DBus.Properties", path="/org/muster",
         body=string("org.muster.Service")):
    """One method call as D-Bus has it on the wire."""
    fields = b""
    for code, kind, text in ((1, "o", path), (2, "s", interface), (3, "s", member)):
        fields = pad(fields, 8) + bytes([code, 1]) + kind.encode() + b"\0" + string(text)
    if body:
        fields = pad(fields, 8) + bytes([8, 1]) + b"g\0" + b"\1s\0"
    head = b"l\1\0\1" + len(body).to_bytes(4, "little") + serial.to_bytes(4, "little")
    return pad(head + len(fields).to_bytes(4, "little") + fields, 8) + body


def answered(sock):
    """Reads until there is the head of a method's answer among the signals."""
    data = b""
    while b"l\2\1\1" not in data:
        more = sock.recv(1 << 16)
        assert more, "closed"
        data += more


def closed_by_peer(sock):
    try:
        while sock.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


# Who may


@others_reach_it
def test_only_its_user_can_even_connect(service):
    muster = service({"worker.workers": 1})
    assert stat.S_IMODE(muster.control.stat().st_mode) == 0o600
    for verb in "status", "reload", "config":
        done = muster.ctl(verb, user=NOBODY)
        assert done.returncode == PERMISSION
        assert "only root and the user of the service" in done.stderr
    assert "not permitted" in musterctl(muster.directory, "list", user=NOBODY).stdout
    assert muster.ctl("status").returncode == OK


@others_reach_it
def test_another_user_is_refused_even_where_the_socket_lets_everybody_in(service):
    muster = service({"worker.workers": 1}, arguments=["-o", "log.level=debug"])
    os.chmod(muster.control, 0o666)
    for user in NOBODY, DAEMON:
        done = muster.ctl("status", user=user)
        assert done.returncode == PERMISSION
        assert not done.stdout
    muster.log.wait_for("Somebody who may not", count=2)
    assert muster.ctl("status").returncode == OK


@others_reach_it
def test_the_user_of_the_service_may_and_so_may_root(start, directory):
    os.chown(directory, DAEMON, -1)
    # Started by setpriv, since the build may lie where another user may not look
    muster = start({"worker.workers": 1}, wrapper=["setpriv", f"--reuid={DAEMON}", "--clear-groups", "--"],
                   preexec=lambda: (os.mkdir(directory / "run" / "test0"), os.chown(directory / "run" / "test0", DAEMON, -1)))
    muster.ready()
    assert muster.control.stat().st_uid == DAEMON
    assert muster.ctl("reload", user=DAEMON).returncode == OK
    assert muster.ctl("reload").returncode == OK
    assert muster.ctl("reload", user=NOBODY).returncode == PERMISSION


def test_a_client_can_hand_over_no_descriptors(service):
    muster = service({"worker.workers": 1})
    before = descriptors(muster)
    with authenticated(muster) as sock:
        socket.send_fds(sock, [call(1)], [sock.fileno()] * 50)
        assert closed_by_peer(sock)
    wait_for(lambda: descriptors(muster) <= before, "no descriptor more")


# Floods


def test_a_flood_of_connections_keeps_nobody_out_and_is_bounded(service):
    muster = service({"worker.workers": 1})
    before = descriptors(muster)
    flood = []
    try:
        for _ in range(500):
            flood.append(connect(muster))
        wait_for(lambda: descriptors(muster) <= before + CLIENTS_MAX, "a bounded number")
        done = muster.ctl("status")
        assert done.returncode == OK, done.stderr
        assert muster.get("/").status == 200
    finally:
        for sock in flood:
            sock.close()
    wait_for(lambda: descriptors(muster) <= before, "none of them left")


def test_silent_clients_that_have_authenticated_give_way_too(service):
    muster = service({"worker.workers": 1})
    flood = [authenticated(muster) for _ in range(CLIENTS_MAX)]
    try:
        assert muster.ctl("status").returncode == OK
        assert closed_by_peer(flood[0])
    finally:
        for sock in flood:
            sock.close()


def test_who_waits_for_an_answer_keeps_his_place(service):
    muster = service({"worker.workers": 1, "worker.ready_timeout": "60s"})
    muster.configure({"app.start": "hang"})
    waiting = [authenticated(muster) for _ in range(CLIENTS_MAX)]
    try:
        for sock in waiting:
            # What is asked second is answered once the first has been taken
            sock.sendall(call(1, "Reload", "org.muster.Service", body=b"") + call(2, "Ping", PEER, body=b""))
            answered(sock)
        assert muster.ctl("status").returncode == FAILED
        for sock in waiting:
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    assert sock.recv(1 << 16)
        assert muster.get("/").status == 200
    finally:
        for sock in waiting:
            sock.close()
    wait_for(lambda: muster.ctl("status").returncode == OK, "a place again")


def test_a_client_that_does_not_authenticate_is_closed(service):
    muster = service({"worker.workers": 1})
    with connect(muster) as sock:
        sock.settimeout(3 * SOON)
        begin = time.monotonic()
        sock.sendall(b"\0AUTH")
        assert closed_by_peer(sock)
        assert time.monotonic() - begin > 4


def test_a_client_that_reads_no_answers_is_closed_and_the_master_does_not_grow(service):
    muster = service({"worker.workers": 2})
    pages = int(open(f"/proc/{muster.pid}/statm", encoding="ascii").read().split()[1])
    with authenticated(muster) as sock:
        sock.settimeout(SOON)
        with pytest.raises((ConnectionError, BrokenPipeError)):
            for serial in range(1, 100000):
                sock.sendall(call(serial))
    grown = int(open(f"/proc/{muster.pid}/statm", encoding="ascii").read().split()[1]) - pages
    # The sanitizer keeps what is freed
    if b"__asan_init" not in (build_dir() / "src" / "muster-master").read_bytes():
        assert grown * resource.getpagesize() < 8 << 20
    assert muster.ctl("status").returncode == OK


@pytest.mark.parametrize(
    "bytes_sent",
    [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5000, b"\0AUTH EXTERNAL 31303030\r\nBEGIN\r\n" + call(1), os.urandom(4000)],
    ids=["HTTP", "zeros", "another user's name", "noise"],
)
def test_nonsense_is_refused(service, bytes_sent):
    muster = service({"worker.workers": 1})
    with connect(muster) as sock:
        sock.settimeout(3 * SOON)
        try:
            sock.sendall(bytes_sent)
        except ConnectionError:
            pass
        assert closed_by_peer(sock)
    with authenticated(muster) as sock:
        try:
            sock.sendall(b"\xff" * 5000)
        except ConnectionError:
            pass
        assert closed_by_peer(sock)
    assert muster.ctl("status").returncode == OK


def test_without_descriptors_left_the_master_waits_and_does_not_spin(service):
    muster = service({"worker.workers": 1}, preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    highest = max(int(name) for name in os.listdir(f"/proc/{muster.pid}/fd"))
    resource.prlimit(muster.pid, resource.RLIMIT_NOFILE, (highest + 1, 64))
    flood = [connect(muster) for _ in range(16)]
    try:
        muster.log.wait_for("Cannot accept a connection on the control socket")
        ticks = Process(muster.pid).ticks
        muster.log.wait_for("Cannot accept a connection on the control socket", count=3)
        assert Process(muster.pid).ticks - ticks < os.sysconf("SC_CLK_TCK") // 4
        assert muster.get("/").status == 200
    finally:
        resource.prlimit(muster.pid, resource.RLIMIT_NOFILE, (64, 64))
        for sock in flood:
            sock.close()
    wait_for(lambda: muster.ctl("status").returncode == OK, "a connection again")


# Without a socket


def test_a_service_without_a_place_for_the_socket_serves_all_the_same(service):
    muster = service({"worker.workers": 1}, variables={"MUSTER_RUNTIME_DIR": ""})
    assert muster.get("/").status == 200
    muster.log.wait_for("No control socket")


def test_where_nothing_is_said_it_is_in_the_usual_place(start, directory):
    name = f"test-{os.getpid()}"
    muster = start(name=name, variables={"MUSTER_RUNTIME_DIR": None}).ready()
    assert os.path.exists(f"/run/muster/{name}/control")
    muster.stop()
    assert not os.path.exists(f"/run/muster/{name}")


def test_a_second_master_of_the_name_does_not_take_the_socket(start):
    muster = start({"worker.workers": 1}).ready()
    other = start({"worker.workers": 1}, arguments=["--instance", muster.name]).ready()
    other.log.wait_for("No control socket.*Address already in use")
    other.stop()
    assert f"pid {muster.pid}," in muster.ctl("status").stdout


# Other clients


@pytest.mark.skipif(not shutil.which("busctl"), reason="busctl is not installed")
def test_busctl_sees_the_interface(service):
    muster = service({"worker.workers": 1})
    address = f"--address=unix:path={muster.control}"
    shown = subprocess.run(["busctl", address, "introspect", "org.muster", "/org/muster"], capture_output=True,
                           text=True, check=True, timeout=SOON).stdout
    for word in ".Reload", ".GetConfiguration", ".Workers", ".LastReload", ".ReloadFinished":
        assert word in shown
    done = subprocess.run(["busctl", address, "call", "org.muster", "/org/muster", "org.muster.Service", "Reload"],
                          capture_output=True, text=True, check=True, timeout=SOON)
    assert done.stdout == "t 2\n"
