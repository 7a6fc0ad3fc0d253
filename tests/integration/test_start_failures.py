# SPDX-License-Identifier: MIT
"""A start that cannot succeed ends, soon, with the reason where a person looks for it."""

import os
import shutil
import signal
import subprocess

import pytest

from muster import SLOW, SOON, SOURCE, wait_for


def failed(muster, reason, within=None):
    """The service ends with a failure, says why, has never been ready, and leaves nothing."""
    assert muster.wait(within or 3 * SOON) > 0
    muster.log.wait_for(reason)
    assert not muster.notify.values("READY")
    muster.nothing_left()


def test_a_worker_that_fails_to_start_ends_the_start_with_its_reason(start):
    muster = start({"app.start": "fail"})
    failed(muster, r"\[app\] start = fail, so it does")
    assert any("start = fail" in status for status in muster.notify.values("STATUS"))


def test_an_agent_that_fails_to_start_ends_the_start_with_its_reason(start):
    muster = start({"app.agent_start": "fail"})
    failed(muster, r"\[app\] agent_start = fail, so it does")
    assert any("agent_start = fail" in status for status in muster.notify.values("STATUS"))


def test_one_worker_of_several_that_fails_keeps_ready_back_and_is_tried_again(start):
    """Where starting can succeed, it is not given up; but nobody is told that all is well."""
    muster = start({"worker.workers": 3, "app.start": "fail", "app.start_only": 1})
    muster.log.wait_for("start = fail, so it does", count=3)
    muster.notify.wait_for("STATUS", "starting: 2/3 workers ready")
    assert not muster.notify.values("READY")
    assert muster.process.poll() is None


@pytest.mark.parametrize("key", ["start", "agent_start"])
def test_a_crash_while_starting_ends_the_start(start, key):
    muster = start({f"app.{key}": "crash"})
    failed(muster, "SIGSEGV|SEGV")


@pytest.mark.parametrize("key", ["start", "agent_start"])
def test_an_exit_while_starting_ends_the_start(start, key):
    muster = start({f"app.{key}": "exit"})
    failed(muster, r"\b7\b")


@pytest.mark.parametrize("key", ["start", "agent_start"])
def test_a_start_that_hangs_is_ended_by_ready_timeout(start, key):
    muster = start({f"app.{key}": "hang", "worker.ready_timeout": f"{int(1000 * SLOW)}ms"})
    failed(muster, "not ready in time|ready_timeout", SOON + SLOW)


def test_a_wrong_value_in_app_is_a_reason(start):
    failed(start({"app.start_delay": "soon"}), "start_delay")


def test_a_module_that_is_not_there_is_named(start):
    failed(start({"muster.module": "nowhere"}), "nowhere")


def test_a_module_that_is_none_is_named(start, directory):
    path = directory / "text.so"
    path.write_text("this is no shared object")
    failed(start({"muster.module": path}), "text.so")


def compile_module(directory, text):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no compiler")
    (directory / "module.c").write_text(text)
    path = directory / "module.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-I", str(SOURCE / "src" / "include"), "module.c", "-o", str(path)],
        cwd=directory,
        check=True,
    )
    return path


@pytest.mark.parametrize(
    "text, reason",
    [
        ("int nothing;", "muster_application"),
        (
            "#include <muster/app.h>\n"
            "MUSTER_PUBLIC const struct muster_application muster_application = \n"
            "{ .api = 99, .size = sizeof(struct muster_application) };",
            "99|interface",
        ),
        (
            "#include <muster/app.h>\n"
            "static void f(struct muster_request *r) {}\n"
            'static const struct muster_route routes[] = {{"GET", "/x/{a}", f}, {"GET", "/x/{b}", f}, {}};\n'
            "MUSTER_APPLICATION(.routes = routes);",
            "/x/",
        ),
        (
            "#include <muster/app.h>\n"
            "static void f(struct muster_request *r) {}\n"
            'static const struct muster_route routes[] = {{"GET", "no-slash", f}, {}};\n'
            "MUSTER_APPLICATION(.routes = routes);",
            "no-slash",
        ),
        ("void missing(void);\nvoid *p = (void *) missing;", "missing"),
    ],
    ids=["no application", "another API", "routes alike", "a bad route", "an unknown symbol"],
)
def test_a_module_that_does_not_fit_is_refused_with_the_reason(start, directory, text, reason):
    failed(start({"muster.module": compile_module(directory, text)}), reason)


def test_an_agent_that_is_killed_comes_back_and_the_workers_stay(service):
    muster = service()
    agent, workers = muster.agent(), muster.workers()
    muster.log.wait_for("Agent of faults knows that all are ready")
    os.kill(agent, signal.SIGKILL)
    wait_for(lambda: muster.agent() not in (None, agent), "another agent")
    assert muster.workers() == workers
    muster.log.wait_for("Agent of faults knows that all are ready", count=2)
