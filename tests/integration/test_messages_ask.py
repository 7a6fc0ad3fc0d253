# SPDX-License-Identifier: MIT
"""Questions: each has one end, the reply or an error, whoever of the two ends meanwhile."""

import os
import signal

import pytest

from messages import CONFIG, close, peers
from muster import wait_for


@pytest.fixture
def trio(service):
    muster = service(CONFIG)
    found = peers(muster)
    yield (muster, *found)
    close(found)


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_a_question_is_replied_to(trio, size):
    _, one, two, agent = trio
    for to in (two.pid, one.pid, agent.pid, "agent", "random"):
        assert one.ask(to, "echo", "x" * size) == (200, "x" * size)


def test_a_question_is_replied_to_once(trio):
    _, one, two, _ = trio
    assert one.ask(two.pid, "echo", "hello") == (200, "hello")
    assert two.heard("echoed", "again") == ["echoed 0", "again ENOMSG"]
    assert one.do(f"say {two.pid} echo hello") == "0"
    two.wait("echoed", 2)
    assert two.heard("echoed")[1] == "echoed ENOMSG"


def test_a_large_reply_arrives(trio):
    _, one, two, _ = trio
    for _ in range(3000):
        assert two.do(f"say {two.pid} note xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx") == "0"
    two.wait("note", 3000)
    status, text = one.ask(two.pid, "notes")
    assert status == 200 and len(text) > 100_000 and text.count("\n") == 3001


def test_a_refusal_is_told(trio):
    _, one, two, _ = trio
    assert one.ask(two.pid, "refuse") == (502, "EACCES")


def test_nobody_who_listens_is_a_refusal(trio):
    _, one, two, _ = trio
    assert one.ask(two.pid, "no-such-action") == (502, "EOPNOTSUPP")


def test_a_reply_may_come_later(trio):
    _, one, two, _ = trio
    assert one.ask(two.pid, "later", "50") == (200, "later")
    assert two.heard("replied") == ["replied 0"]


def test_a_timeout_is_held_to_and_a_reply_after_it_is_nobodys(trio):
    _, one, two, _ = trio
    assert one.ask(two.pid, "silent", timeout=50) == (502, "ETIMEDOUT")
    assert one.ask(two.pid, "later", "300", timeout=50) == (502, "ETIMEDOUT")
    two.wait("replied")
    assert one.ask(two.pid, "echo", "on") == (200, "on")


def test_timeouts_come_in_their_own_order(trio):
    _, one, two, _ = trio
    for msec in (600, 100, 300):
        assert one.do(f"ask {two.pid} silent {msec} x") == "0"
    assert one.do(f"ask {two.pid} echo 10000 back") == "0"
    assert one.wait("answer", 4) == ["answer 0 back", "answer ETIMEDOUT", "answer ETIMEDOUT", "answer ETIMEDOUT"]


def test_one_who_ends_before_the_reply_is_told_at_once(trio):
    muster, one, two, agent = trio
    for to in (two.pid, agent.pid):
        one.client.request("GET", f"/ask?to={to}&action=silent&timeout=600000")
        wait_for(lambda to=to: "silent" in str(peer_notes(muster, one, to)), "the question has arrived")
        os.kill(to, signal.SIGKILL)
        response = one.client.response()
        assert (response.status, response.text) == (502, "ESRCH")
        wait_for(lambda to=to: muster.agent() not in (None, to), "the agent")


def peer_notes(muster, one, pid):
    """What a process has heard, asked for on another connection."""
    with muster.client_of(one.pid) as client:
        return client.get(f"/ask?to={pid}&action=notes").text


def test_one_who_is_not_there_is_an_error(trio):
    muster, one, two, _ = trio
    os.kill(two.pid, signal.SIGKILL)
    muster.wait_replaced(two.pid)
    assert one.ask(two.pid, "echo") == (409, "ESRCH")


def test_an_asker_that_ends_disturbs_nobody(trio):
    muster, one, two, _ = trio
    assert two.do(f"ask {one.pid} later 60000 300") == "0"
    one.settle()
    os.kill(two.pid, signal.SIGKILL)
    muster.wait_replaced(two.pid)
    one.wait("replied")
    assert one.heard("replied") in (["replied ESRCH"], ["replied 0"])
    assert one.ask("agent", "echo", "on") == (200, "on")


def test_many_questions_at_a_time(trio):
    _, one, two, _ = trio
    for _ in range(200):
        assert one.do(f"ask {two.pid} echo 60000 a") == "0"
        assert one.do("ask agent echo 60000 b") == "0"
    one.wait("answer 0 a", 200)
    one.wait("answer 0 b", 200)
    assert len(one.heard("answer")) == 400


def test_a_handle_comes_with_its_message_large_data_beside_it(trio):
    _, one, two, _ = trio
    assert one.do(f"pipe {two.pid} 0") == "0"
    assert one.do(f"pipe {two.pid} 1000000") == "0"
    assert sorted(one.wait("pipe", 2)) == [f"pipe {two.pid} got 0, then -1", f"pipe {two.pid} got 1000000, then -1"]


def test_a_handle_that_nobody_takes_is_closed(trio):
    _, one, two, _ = trio
    before = len(os.listdir(f"/proc/{two.pid}/fd"))
    assert two.get("/listen/off?action=handle").text == "1"
    for _ in range(20):
        assert one.do(f"pipe {two.pid} 100000") == "0"
    two.settle()
    assert len(os.listdir(f"/proc/{two.pid}/fd")) == before
