# SPDX-License-Identifier: MIT
"""What the benches share: the C programs of this directory, CPU time, servers on their own CPU, medians.

The machine may be small and busy with other things. So nothing is compared with a number of another day: what is
measured and its reference are run in turn, round after round in the same call, and the result is the median of the
ratios of the rounds. CPU time is what the scheduler has counted for the process, in nanoseconds; it does not grow
while somebody else runs.
"""

import contextlib
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from client import Client, wait_for  # noqa: E402
from muster import Service  # noqa: E402

PATIENCE = 120  # seconds for a run of any tool


def cpus():
    """(the server's CPU, the client's): not the same one where there are two."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


def on_cpu(cpu):
    return lambda: os.sched_setaffinity(0, {cpu})


def report(bench, **values):
    print(json.dumps({"bench": bench, **values}), flush=True)


def ratio(values, references):
    """The median of the ratios of the rounds."""
    return round(statistics.median(value / reference for value, reference in zip(values, references)), 3)


def median(values):
    return round(statistics.median(values))


# ---- Processes, as the kernel counts them


def threads_at_rest(pids):
    """All threads of these processes, once they sleep: nothing that was sent to them waits to be looked at then."""
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            wait_for(lambda task=task: "S" == task.joinpath("stat").read_text().rsplit(")", 1)[1].split()[0],
                     f"thread {task} to sleep")
            yield task


def cpu_ns(pids):
    """The CPU time of all threads of these processes, in ns, once they sleep: until then it is not all booked."""
    return sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in threads_at_rest(pids))


def sleeps(pids):
    """How often these processes have given up the CPU to wait for something."""
    texts = (pathlib.Path(f"/proc/{pid}/status").read_text() for pid in pids)
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.MULTILINE)[1]) for text in texts)


def pss_kib(pid):
    """The proportional set size of a process."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"no Pss of {pid}")


# ---- The tools


class Tools:
    """The C programs of this directory, built for the time of a bench, and the runs of them."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        for name in ("reference", "load", "launch"):
            self.build(name)

    def build(self, name, *flags):
        """Builds a program of this directory and returns its path."""
        command = [os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", *flags, "-o", self.path(name)]
        subprocess.run([*command, str(HERE / f"{name}.c")], check=True)
        return self.path(name)

    def build_module(self, name):
        """The same for an application."""
        return self.build(name, "-shared", "-fPIC", "-I", str(HERE.parents[1] / "src" / "include"))

    def path(self, name):
        return str(self.directory / name)

    def load(self, port, connections, requests=10**12, milliseconds=600_000, mode="keep", target="/plain"):
        """Runs the load and returns how many requests were answered. One that fails spoils the measurement."""
        result = subprocess.run(
            [self.path("load"), *map(str, (port, connections, requests, milliseconds)), mode, target],
            stdout=subprocess.PIPE, preexec_fn=on_cpu(cpus()[1]), timeout=PATIENCE, check=True)
        counts = json.loads(result.stdout)
        if counts["failed"] or not counts["answered"]:
            raise RuntimeError(f"{counts['failed']} requests failed, {counts['answered']} were answered")
        return counts["answered"]

    @staticmethod
    def wrk(port, connections, seconds=1, target="/plain"):
        """The same by wrk, where it is installed."""
        result = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}{target}"],
            stdout=subprocess.PIPE, text=True, preexec_fn=on_cpu(cpus()[1]), timeout=PATIENCE, check=True)
        found = re.search(r"(\d+) requests in", result.stdout)
        if not found or "Non-2xx" in result.stdout or "Socket errors" in result.stdout:
            raise RuntimeError(result.stdout)
        return int(found[1])

    def write_answer(self, address, target="/plain"):
        """Asks a server and writes its answer, every byte of it, to the file that the reference serves."""
        with Client(address) as client:
            client.request("GET", target, [("Connection", "close")])
            header, body = client.rest().split(b"\r\n\r\n", 1)
        # As on a kept connection.
        lines = [line for line in header.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        self.directory.joinpath("answer").write_bytes(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    def launch(self, argv, target="/plain", **keywords):
        """Starts a server, and returns the ns to its first answer."""
        result = subprocess.run([self.path("launch"), target, *map(str, argv)], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, timeout=PATIENCE, check=True, **keywords)
        return int(result.stdout)


@contextlib.contextmanager
def tools():
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        yield Tools(directory)


# ---- The servers


class Muster:
    """A service with the application hello, on one CPU or on all but the client's."""

    def __init__(self, bench, workers, name="bench", spread=False):
        config = {"muster.module": "hello", "worker.workers": workers}
        directory = bench.directory / name
        directory.mkdir()
        server, client = cpus()
        allowed = os.sched_getaffinity(0) - {client} if spread else {server}
        self.service = Service(directory, config, name=name,
                               preexec=lambda: os.sched_setaffinity(0, allowed or {server}))
        self.service.ready()
        self.address = self.service.address()
        self.port = self.address[1]

    def pids(self):
        return self.service.worker_pids()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        left = self.service.close()
        if left:
            raise RuntimeError(f"left behind: {left}")


class Reference:
    """The bare loop, with the answer that was written for it."""

    def __init__(self, bench):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1024)
            self.port = listener.getsockname()[1]
            self.process = subprocess.Popen(
                [bench.path("reference"), str(listener.fileno()), str(bench.directory / "answer")],
                pass_fds=[listener.fileno()], preexec_fn=on_cpu(cpus()[0]))

    def pids(self):
        return [self.process.pid]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()


def in_turn(rounds, measures):
    """Calls each of these so many times, in turn and in changing order. Returns a list of values for each."""
    values = [[] for _ in measures]
    for number in range(rounds):
        order = range(len(measures)) if number % 2 == 0 else reversed(range(len(measures)))
        for index in order:
            values[index].append(measures[index]())
    return values


def cpu_per_request(server, load):
    """Runs a load, which returns its number of requests. Returns the server's CPU time for one of them, in ns, and
    how often it went to sleep for one."""
    pids = server.pids()
    before, slept = cpu_ns(pids), sleeps(pids)
    answered = load()
    return (cpu_ns(pids) - before) / answered, (sleeps(pids) - slept) / answered
