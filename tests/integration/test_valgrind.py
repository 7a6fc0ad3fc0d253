# SPDX-License-Identifier: MIT
"""Under valgrind: what has children and what computes reads nothing it should not, and leaves no memory and nothing open.

A sanitizer does not look at descriptors. Both the unit tests and the real programs are run, each process to its end.
"""

import fcntl
import os
import re
import shutil
import subprocess

import pytest

import children
from client import wait_for
from jobs import jobs
from muster import SOON, build_dir

pytestmark = pytest.mark.skipif(not shutil.which("valgrind"), reason="needs valgrind")

# It runs a program some fifty times slower
LONG = 12 * SOON

VALGRIND = [
    "valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible",
    "--errors-for-leak-kinds=definite,indirect,possible", "--track-fds=yes", "--child-silent-after-fork=yes",
]

# What it says of descriptors that were there at the start
INHERITED = re.compile(r"^==\d+== Open file descriptor \d+:.*\n==\d+==\s+<inherited from parent>\n", re.MULTILINE)

UNIT_TESTS = [
    "compute-queue", "counter", "counters", "environment", "exec", "job", "link", "offload", "result", "spawn", "store",
    "threads",
]

# It makes a fork() of what is none, so that here nobody hears why a program was not started: see util/spawn.c
NOT_TOLD = {
    "exec": {"what_cannot_be_started_leaves_nothing"},
    "spawn": {"what_cannot_be_started_is_told_with_its_reason", "a_text_without_an_interpreter_is_not_given_to_the_shell"},
}


# What the module keeps of a child is its own to free, in on_close; that does not come where the worker ends before
OF_THE_MODULE = """
{
   of-the-module
   Memcheck:Leak
   match-leak-kinds: definite
   fun:calloc
   obj:*/children.so
}
"""


def complaints(text):
    """What it has found."""
    lines = INHERITED.sub("", text).splitlines()
    said = [re.sub(r"^==\d+== ?", "", line) for line in lines]
    return [line for line in said if line.strip() and not line.startswith("FILE DESCRIPTORS: ")]


@pytest.mark.parametrize("name", UNIT_TESTS)
def test_the_unit_tests_of_children_and_computing_are_clean(directory, name):
    log = directory / "valgrind"
    with open(log, "wb") as file:
        fd = fcntl.fcntl(file, fcntl.F_DUPFD, 200)  # out of the way of those that a test places
        done = subprocess.run(
            [*VALGRIND, f"--log-fd={fd}", build_dir() / "src" / f"test-{name}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=[fd], text=True,
            timeout=LONG, check=False,
        )
        os.close(fd)
    assert re.search(r"^\[ +PASSED +\] [1-9]", done.stdout, re.MULTILINE), done.stdout
    failed = set(re.findall(r"^\[ +FAILED +\] (\w+)$", done.stdout, re.MULTILINE))
    assert failed == NOT_TOLD.get(name, set()), done.stdout
    assert not complaints(log.read_text())


@pytest.fixture
def watched(start, installed, directory):
    """Services whose processes, but for the master, run under valgrind. What it says is looked at when they have ended."""
    logs = directory / "valgrind"
    logs.mkdir()
    suppressions = directory / "suppressions"
    suppressions.write_text(OF_THE_MODULE)
    running = []
    for role in ("agent", "worker", "compute", "child"):
        words = [*VALGRIND, f"--suppressions={suppressions}", f"--log-file={logs}/{role}.%p",
                 str(build_dir() / "src" / f"muster-{role}")]
        installed(f"muster-{role}", f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')

    def make(config):
        variables = {"MUSTER_LIBEXEC_DIR": str(installed.path)}
        # valgrind is a script's program here, and makes calls of its own: a sandbox lets neither be
        values = {"muster.sandbox": "no", "muster.stop_timeout": "2min", "worker.workers": 1}
        values |= {f"worker.{key}_timeout": "1min" for key in ("ready", "hang", "drain", "kill")}
        running.append(start({**config, **values}, variables=variables).ready(LONG))
        return running[-1]

    yield make, logs
    for service in running:
        assert service.process.poll() is not None, "the test must stop it"
    found = {path.name: said for path in sorted(logs.iterdir()) if (said := complaints(path.read_text()))}
    assert not found


def ended(logs, role):
    """How many processes of this role have come to their ends: each has told of its descriptors."""
    return len([path for path in logs.glob(f"{role}.*") if "FILE DESCRIPTORS" in path.read_text()])


def test_a_worker_and_its_children_leave_nothing(watched, directory):
    make, logs = watched
    service = make(children.config())

    def spawn(**values):
        return children.spawn(service, LONG, **values)

    def run(**values):
        return children.run(service, LONG, **values)

    assert spawn(command="echo out; echo err >&2; exit 3")["code"] == 3
    assert spawn(arg=["cat"], input="pipe", write=1_000_000)["output"] == 1_000_000
    assert spawn(command="exec <&-; sleep 0.2; exit 6", input="pipe", write=1_000_000)["code"] == 6
    assert spawn(command="cat", input="null", output=str(directory / "output"), errors="inherit")["code"] == 0
    assert spawn(command="exec >&- 2>&-; sleep 0.3; exit 5")["code"] == 5
    assert spawn(command="sleep 1000 & exit 4", linger=300)["code"] == 4
    assert spawn(command="kill -STOP $$", timeout=300)["error"] != 0
    assert spawn(file="/nonexistent/program", arg=["x"])["code"] == 127, "as valgrind has it"
    assert run(command="echo text")["code"] == 0
    assert run(command="yes")["error"] != 0
    assert run(command="sleep 100", timeout=300)["error"] != 0
    children.start(service, command="trap '' TERM; sleep 1000; sleep 1000")
    children.start(service, command="sleep 1000", detached=1)
    service.stop(within=LONG)
    assert ended(logs, "worker") == 1 and ended(logs, "agent") == 1


def test_a_worker_that_leaves_while_children_run_leaves_nothing(watched):
    make, logs = watched
    service = make(children.config())
    children.start(service, command="sleep 1000")
    with service.client(timeout=LONG) as client:
        client.request("GET", children.target("/spawn", command="sleep 1; exit 9"))
        service.kill(1)  # SIGHUP: a reload
        assert children.Outcome(client.response())["code"] == 9
    wait_for(lambda: ended(logs, "worker") == 1, "the end of the old worker", LONG)
    service.stop(within=LONG)
    assert ended(logs, "worker") == 2


def test_a_function_that_is_a_process_leaves_nothing_on_either_side(watched):
    make, logs = watched
    service = make(children.config(muster__module=build_dir() / "src" / "apps" / "forks.so"))

    def fork(name, **values):
        return children.ask(service, "/fork", LONG, name=name, **values)

    assert fork("describe", one=1)["code"] == 0
    assert fork("timer")["code"] == 3
    assert fork("fails")["code"] == 1
    assert fork("compute", text="1000", wanted=1, kill=1)["n"] == 1
    wait_for(lambda: ended(logs, "child") >= 3, "the ends of those that were not killed", LONG)
    service.stop(within=LONG)
    assert ended(logs, "worker") == 1


def test_compute_processes_and_threads_leave_nothing(watched):
    make, logs = watched
    service = make({**jobs(), "compute.processes": 1, "compute.threads": 2})
    with service.client(timeout=LONG) as client:
        for where in ("", "&where=thread"):
            assert client.get(f"/run?task=echo&in=text{where}").text == "text"
            for size in (0, 65536, 65537, 3_000_000):
                assert len(client.get(f"/run?task=fill&in={size}{where}").body) == size
    service.stop(within=LONG)
    assert ended(logs, "worker") == 1 and ended(logs, "compute") == 1


def test_what_it_finds_is_found(directory):
    """The tests above can fail."""
    source = directory / "leak.c"
    source.write_text("#include <fcntl.h>\n#include <stdlib.h>\n"
                      'int main(void) { open("/dev/null", O_RDONLY); return malloc(10) ? 0 : 1; }\n')
    subprocess.run(["cc", "-g", source, "-o", directory / "leak"], check=True)
    log = directory / "log"
    subprocess.run([*VALGRIND, f"--log-file={log}", directory / "leak"], check=True)
    found = "\n".join(complaints(log.read_text()))
    assert "Open file descriptor" in found and "10 bytes in 1 blocks are definitely lost" in found
