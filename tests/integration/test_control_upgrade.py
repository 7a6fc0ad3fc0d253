# SPDX-License-Identifier: MIT
"""musterctl upgrade waits for the end and says what became of it, and the control socket is there all the time."""

import concurrent.futures
import json
import re
import socket
import threading

from muster import build_dir, wait_for
from upgrades import pids, settle


def test_musterctl_waits_for_the_end_and_says_what_became_of_it(service):
    muster = service({"worker.workers": 2})
    before = pids(muster)
    result = muster.ctl("upgrade")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.match(rf"{muster.name}: upgraded from [\d.]+ to [\d.]+, in ", result.stdout)
    settle(muster, before)
    status = json.loads(muster.ctl("status", "--json").stdout)
    assert status["pid"] == muster.pid
    assert status["last_upgrade"]["result"] == "ok" and status["last_upgrade"]["reason"] == ""
    assert status["last_upgrade"]["taken_over"] is True and status["last_upgrade"]["number"] == 1
    assert {worker["generation"] for worker in status["workers"]} == {2}
    assert "Last upgrade: ok, from " in muster.ctl("status").stdout


def test_two_who_ask_wait_for_the_same_end(service):
    muster = service({"worker.workers": 1})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = [call.result() for call in [pool.submit(muster.ctl, "upgrade") for _ in range(4)]]
    assert {result.returncode for result in results} == {0}


def test_musterctl_says_why_it_was_refused(serve, installed):
    muster = serve()
    installed("muster-master", "#!/bin/sh\necho too old; exit 1\n")
    result = muster.ctl("upgrade")
    assert result.returncode == 1
    assert "cannot take over: too old" in result.stderr
    assert "Upgrade failed" in muster.ctl("status").stdout


def test_musterctl_says_that_only_the_master_is_new(serve, installed):
    muster = serve()
    installed("muster-worker", "#!/bin/sh\nexit 3\n")
    result = muster.ctl("upgrade")
    assert result.returncode == 5
    assert "worker 0 exited with status 3" in result.stderr


def test_a_reload_that_waits_is_answered_before_the_change(serve, installed):
    muster = serve({"worker.workers": 1})
    installed(
        "muster-master",
        f'#!/bin/sh\nif [ "$1" = --check ]; then until [ -e {installed.path}/go ]; do sleep 0.01; done; fi\n'
        f'exec {build_dir()}/src/muster-master "$@"\n',
    )
    with concurrent.futures.ThreadPoolExecutor() as pool:
        upgraded = pool.submit(muster.ctl, "upgrade")
        wait_for(lambda: len(muster.children()) > 2, "the trial")
        reloaded = pool.submit(muster.ctl, "reload")
        muster.log.wait_for("Told to reload on the control socket")
        (installed.path / "go").touch()
        assert reloaded.result().returncode == 0
        assert upgraded.result().returncode == 0


def test_the_control_socket_is_never_refused(service):
    muster = service({"worker.workers": 1})
    done = threading.Event()
    refused = []

    def connect():
        while not done.is_set():
            with socket.socket(socket.AF_UNIX) as sock:
                try:
                    sock.connect(str(muster.control))
                except OSError as error:
                    refused.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        for _ in range(3):
            assert muster.ctl("upgrade").returncode == 0
    finally:
        done.set()
        thread.join()
    assert not refused
    muster.stop()
    assert not muster.control.exists() and not muster.control.parent.exists()
