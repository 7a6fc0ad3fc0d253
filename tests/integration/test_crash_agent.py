# SPDX-License-Identifier: MIT
"""The agent must not die: a fault in its callback is reported, and it lives on."""

import os
import signal

import pytest

from muster import SOON, is_waiting, wait_for


def test_the_agent_survives_a_fault_in_its_callback(service):
    muster = service({"app.agent_crash_after": "300ms"})
    agent, workers = muster.agent(), muster.workers()
    muster.log.wait_for("SIGSEGV")
    assert (muster.agent(), muster.workers()) == (agent, workers)
    assert muster.get("/").text == "hello world"
    muster.stop()
    muster.log.wait_for("Agent of faults ends in good order")


def test_the_agent_survives_fault_after_fault(service):
    muster = service({"app.agent_crash_every": "100ms", "agent.fault_limit": 1000})
    agent = muster.agent()
    for count in (1, 2, 3, 4, 5):
        muster.log.wait_for("SIGSEGV", count=count)
    assert muster.agent() == agent


@pytest.mark.parametrize("name", ["STACK", "ABRT", "FPE"])
def test_the_agent_survives_faults_of_every_kind(service, name):
    muster = service({"app.agent_crash_after": "300ms", "app.agent_signal": name})
    agent = muster.agent()
    muster.log.wait_for({"STACK": "SIGSEGV", "ABRT": "SIGABRT", "FPE": "SIGFPE"}[name])
    assert muster.agent() == agent
    muster.stop()


def test_too_many_faults_restart_the_agent_and_the_workers_stay(service):
    muster = service({"app.agent_crash_every": "200ms", "agent.fault_limit": 3})
    agent, workers = muster.agent(), muster.workers()
    wait_for(lambda: muster.agent() not in (None, agent), f"another agent than {agent}", 2 * SOON)
    assert muster.workers() == workers
    assert muster.get("/").text == "hello world"


def test_a_fault_outside_a_callback_restarts_the_agent(service):
    muster = service()
    agent, workers = muster.agent(), muster.workers()
    # Its last callback of the start is over when it has logged and sleeps
    muster.log.wait_for("knows that all are ready", role="agent")
    wait_for(lambda: is_waiting(agent), "the agent to wait")
    os.kill(agent, signal.SIGSEGV)
    wait_for(lambda: muster.agent() not in (None, agent), f"another agent than {agent}")
    assert muster.workers() == workers
    muster.log.wait_for("SIGSEGV")


def test_requests_go_on_without_an_agent(service):
    muster = service()
    with muster.client() as client:
        assert client.get("/").status == 200
        os.kill(muster.agent(), signal.SIGKILL)
        answers = [client.get("/") for _ in range(20)]
        assert [(answer.status, answer.closes) for answer in answers] == [(200, False)] * 20
    wait_for(muster.agent, "another agent")
