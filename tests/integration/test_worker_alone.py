# SPDX-License-Identifier: MIT
"""A worker without a master, under systemd-socket-activate: for a debugger, or to see what an application does alone."""

import contextlib
import subprocess

import muster as harness
from client import Client
from muster import SOON, free_port


@contextlib.contextmanager
def alone(directory, module):
    """(process, a connection to it); process.log is what it has said at its end."""
    port = free_port()
    path = directory / "alone.conf"
    harness.write_config(path, {**harness.DEFAULTS, "muster.module": module, "worker.core": "no"})
    keep = [f"-E{key}" for key in ("MUSTER_LIBEXEC_DIR", "MUSTER_MODULE_DIR", "ASAN_OPTIONS")]
    process = subprocess.Popen(
        ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=http", *keep]
        + [str(harness.build_dir() / "src" / "muster-worker"), "--config", str(path)],
        env=harness.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        process.stderr.readline()  # "Listening on …"
        with Client(("127.0.0.1", port), 2 * SOON) as client:
            yield process, client
    except BaseException:
        process.kill()
        raise
    finally:
        _, process.log = process.communicate(timeout=3 * SOON)


def test_a_worker_serves_alone_and_says_itself_where_it_crashed(directory):
    with alone(directory, "faults") as (process, client):
        assert int(client.get("/pid").text) == process.pid
        assert client.get("/crash").status == 500
    assert process.returncode == 1
    assert b"SIGSEGV in GET /crash" in process.log and b"faults.so+0x" in process.log


def test_a_worker_alone_has_nobody_to_send_messages_to(directory):
    with alone(directory, "messages") as (process, client):
        assert client.get("/do?c=say+all+note+x").text == "ENOTCONN"
        assert client.get(f"/ask?to={process.pid}&action=echo").text == "ENOTCONN"
        assert client.get("/notes").text == "ready\n"
        process.terminate()
    assert process.returncode == 0
