# SPDX-License-Identifier: MIT
"""Messages between the processes of an instance: to whom they go, in which order, and what becomes of those that cannot."""

import json
import os
import signal

import pytest

from messages import CONFIG, Peer, close, peers
from muster import alive, wait_for


@pytest.fixture
def trio(service):
    """(service, worker, other worker, agent)"""
    muster = service(CONFIG)
    found = peers(muster)
    yield (muster, *found)
    close(found)


# To whom


def test_everybody_hears_when_all_have_started(trio):
    for peer in trio[1:]:
        assert peer.notes() == ["ready"]


def test_a_broadcast_reaches_everybody_and_its_sender(trio):
    _, one, two, agent = trio
    assert one.do("say all note hello") == "0"
    for peer in (one, two, agent):
        assert peer.wait("note") == [f"note {one.pid} worker 5 hello"]


def test_what_is_sent_to_the_application_reaches_all_workers_and_not_the_agent(trio):
    _, one, two, agent = trio
    assert one.do("say app note hello") == "0"
    for peer in (one, two):
        assert peer.wait("note") == [f"note {one.pid} worker 5 hello"]
    agent.settle()
    assert agent.heard(f"note {one.pid}") == []


def test_the_agent_can_be_sent_to_and_sends_as_all_do(trio):
    _, one, two, agent = trio
    assert one.do("say agent note hello") == "0"
    assert agent.wait("note") == [f"note {one.pid} worker 5 hello"]
    for to in ("all", "app", "agent", str(two.pid)):
        assert agent.do(f"say {to} note {to}") == "0"
    assert two.wait("note", 3) == [f"note {agent.pid} agent {len(to)} {to}" for to in ("all", "app", str(two.pid))]
    assert one.wait("note", 2) == [f"note {agent.pid} agent 3 all", f"note {agent.pid} agent 3 app"]
    assert agent.wait("note", 3)[1:] == [f"note {agent.pid} agent 3 all", f"note {agent.pid} agent 5 agent"]


def test_a_process_can_be_sent_to_itself_too(trio):
    _, one, two, agent = trio
    assert one.do(f"say {two.pid} note you") == "0"
    assert one.do(f"say {one.pid} note me") == "0"
    assert two.wait("note") == [f"note {one.pid} worker 3 you"]
    assert one.wait("note") == [f"note {one.pid} worker 2 me"]
    one.settle()
    agent.settle()
    assert len(agent.heard("note")) == 1


def test_what_any_may_get_is_spread_over_the_workers(trio):
    _, one, two, agent = trio
    assert one.do("send random count 20 1000") == "0"
    wait_for(lambda: sum(p.streams().get(one.pid, (0,))[0] for p in (one, two)) == 1000, "1000 messages")
    for peer in (one, two):
        count, disorder, _ = peer.streams()[one.pid]
        assert 300 < count < 700 and disorder == 0
    assert one.pid not in agent.streams()


def test_what_any_may_get_goes_to_who_is_not_busy(trio):
    _, one, two, _ = trio
    busy = Peer(two.client, two.pid)
    assert one.do(f"say {two.pid} slow 1500") == "0"
    wait_for(lambda: one.do("say random note x") == "0" and len(one.heard("note")) >= 20, "messages to the idle worker")
    given = len(one.heard("note"))
    busy.settle()
    assert len(busy.heard(f"note {one.pid}")) <= given // 4


# Order, size


def test_messages_keep_their_order_whatever_they_carry(trio):
    """Small ones share a datagram, large ones travel beside theirs; and they come one behind the other."""
    _, one, two, _ = trio
    total = 0
    for size, count in ((16, 2000), (70000, 3), (40, 500), (65536, 5), (65537, 2), (1000, 300), (5_000_000, 1), (8, 2000)):
        assert one.do(f"send {two.pid} count {size} {count}") == "0"
        total += count
    two.wait_count(one.pid, total)


def test_sixteen_mebibytes_arrive_and_one_byte_more_is_refused(trio):
    _, one, two, agent = trio
    size = 16 * 1024 * 1024
    assert one.do(f"send all count {size} 2") == "0"
    assert one.do(f"send all count {size + 1} 1") == "EMSGSIZE"
    for peer in (one, two, agent):
        peer.wait_count(one.pid, 2)
        assert peer.streams()[one.pid][2] == 2 * size


def test_calls_that_make_no_sense_are_refused(trio):
    _, one, _, _ = trio
    assert one.get("/try").text == "EINVAL EINVAL EINVAL EINVAL EMSGSIZE EINVAL EINVAL EBADF EINVAL"
    one.settle()
    assert len(one.heard("note")) == 1


def test_what_is_sent_while_the_master_does_not_run_waits(trio):
    muster, one, _, _ = trio
    muster.kill(signal.SIGSTOP)
    try:
        assert one.do("say all note x") == "0"
    finally:
        muster.kill(signal.SIGCONT)
    one.wait("note")


# Listening


def test_once_is_once_and_off_is_off(trio):
    _, one, two, _ = trio
    assert two.get("/listen/once?action=special").text == "0"
    assert two.get("/listen/on?action=other").text == "0"
    assert two.get("/listen/on?action=other").text == "0"
    for action in ("special", "other", "special"):
        assert one.do(f"say {two.pid} {action} x") == "0"
    two.settle()
    assert [line.split()[0] for line in two.heard("special", "other")] == ["special", "other", "other"]
    assert two.get("/listen/off?action=other").text == "2"
    assert two.get("/listen/off?action=other").text == "0"
    assert one.do(f"say {two.pid} other x") == "0"
    two.settle()
    assert len(two.heard("other")) == 2


def test_a_handler_may_end_itself_begin_another_and_send(trio):
    _, one, two, _ = trio
    assert one.do(f"say {two.pid} chain go") == "0"
    two.wait("second")
    assert two.heard("first", "off", "second") == ["first go", "off 1", "second again"]


# Who is not there


def test_a_pid_that_nobody_has_is_an_error_at_once(trio):
    muster, one, _, _ = trio
    assert one.do(f"say {os.getpid()} note x") == "ESRCH"
    assert one.do(f"say {muster.pid} note x") == "ESRCH"


def test_one_that_ended_is_an_error(trio):
    muster, one, two, _ = trio
    os.kill(two.pid, signal.SIGKILL)
    muster.wait_replaced(two.pid)
    assert one.do(f"say {two.pid} note x") == "ESRCH"


def test_what_waits_for_one_that_ends_is_told(service, directory):
    gate = directory / "gate"
    muster = service({**CONFIG, "app.gate": gate})
    one, two, _ = peers(muster)
    gate.touch()
    os.kill(two.pid, signal.SIGKILL)
    late = wait_for(lambda: set(muster.worker_pids()) - {one.pid, two.pid}, "another worker").pop()
    wait_for(lambda: one.do(f"say {late} note x") == "0", "the new worker is in the scoreboard")
    os.kill(late, signal.SIGKILL)
    assert one.wait("failed") == [f"failed ESRCH note {late} 1"]
    gate.unlink()


# Waiting


def test_what_is_sent_before_everything_has_started_waits(service):
    muster = service({**CONFIG, "app.early": "say all note early"})
    everybody = peers(muster)
    for peer in everybody:
        assert peer.wait("note", 3)
        assert [line.split()[0] for line in peer.heard("sent", "ready", "note")] == ["sent", "ready", "note", "note", "note"]
        assert {int(line.split()[1]) for line in peer.heard("note")} == {other.pid for other in everybody}


def test_a_late_worker_gets_what_was_sent_since_its_start_when_it_is_ready(service, directory):
    gate = directory / "gate"
    muster = service({**CONFIG, "app.gate": gate})
    one, two, _ = peers(muster)
    gate.touch()
    os.kill(two.pid, signal.SIGKILL)
    late = wait_for(lambda: set(muster.worker_pids()) - {one.pid, two.pid}, "another worker").pop()
    for command in ("say all note broadcast", "say app note application", "send all count 70000 2"):
        assert one.do(command) == "0"
    one.settle()
    gate.unlink()
    peer = Peer(muster.client_of(late), late)
    peer.wait_count(one.pid, 2)
    assert [line.split()[-1] for line in peer.notes()] == ["ready", "broadcast", "application"]


# Bounds


def test_the_queue_to_a_slow_receiver_is_bounded_and_drops_are_told(trio):
    muster, one, two, agent = trio
    size, count, sent = 30000, 20, 0
    assert one.do(f"say {two.pid} slow 2000") == "0"
    while sent < 500:
        assert one.do(f"send {two.pid} count {size} {count}") == "0"
        sent += count
    # To others it still flows, and in order.
    assert one.do("send agent count 20 1000") == "0"
    agent.wait_count(one.pid, 1000)
    two.settle()

    def told():
        return sum(int(line.split()[4]) for line in one.heard("failed"))

    wait_for(lambda: told() + two.streams()[one.pid][0] == sent, "each message arrived or was told of")
    assert told() > 0 and two.streams()[one.pid][1] == 0
    assert {line.rsplit(" ", 1)[0] for line in one.heard("failed")} == {f"failed ENOBUFS count {two.pid}"}
    assert json.loads(muster.ctl("status", "--json").stdout)["messages_dropped"] == told()
    assert f" relayed, {told()} dropped" in muster.ctl("status").stdout


def test_a_sender_whose_own_queue_is_full_is_told_at_once(trio):
    muster, one, two, _ = trio
    muster.kill(signal.SIGSTOP)
    try:
        assert one.do(f"send {two.pid} count 30000 1000") == "ENOBUFS"
    finally:
        muster.kill(signal.SIGCONT)
    wait_for(lambda: two.streams().get(one.pid, (0,))[0] > 100, "what was sent")
    assert one.do(f"send {two.pid} count 20 100") == "0"
    assert two.streams()[one.pid][1] == 0


# Faults


def test_a_receiver_that_crashes_gets_no_more_and_another_takes_its_place(trio):
    muster, one, two, agent = trio
    assert one.do(f"say {two.pid} crash") == "0"
    assert one.do(f"send {two.pid} count 20 100") in ("0", "ESRCH")
    muster.wait_replaced(two.pid)
    entry = muster.log.wait_for("SIGABRT")
    assert entry.fields["MUSTER_ROUTE"] == "message crash"
    assert one.do("say all note after") == "0"
    agent.wait("note")
    (late,) = set(muster.worker_pids()) - {one.pid}
    Peer(muster.client_of(late), late).wait("note")


def test_the_agent_survives_a_handler_that_faults(trio):
    muster, one, _, agent = trio
    assert one.do("say agent crash") == "0"
    assert one.do("say agent note alive") == "0"
    agent.wait("note")
    assert muster.log.wait_for("lives on").fields["MUSTER_ROUTE"] == "message crash"
    assert muster.agent() == agent.pid


def test_a_worker_that_drains_still_receives(trio):
    muster, one, two, _ = trio
    held = muster.client_of(two.pid)
    held.request("GET", f"/ask?to={two.pid}&action=later&data=1500&timeout=10000")
    two.wait("ready")
    wait_for(lambda: one.heard("ready"), "ready")
    two.settle()
    os.kill(two.pid, signal.SIGTERM)
    wait_for(lambda: len(muster.worker_pids()) == 3, "its replacement")
    assert one.do(f"say {two.pid} note draining") == "0"
    response = held.response()
    assert response.text == "later" and response.closes
    muster.wait_gone(two.pid)
    assert alive(one.pid)


def test_what_one_has_got_when_it_ends_it_handles(trio):
    muster, one, two, _ = trio
    two.settle()
    two.client.close()
    os.kill(two.pid, signal.SIGSTOP)
    for i in range(40):
        assert one.do(f"say {two.pid} do say,{one.pid},note,{i}") == "0"
    os.kill(two.pid, signal.SIGTERM)
    os.kill(two.pid, signal.SIGCONT)
    muster.wait_gone(two.pid)

    # The last of them may still have been on their way to the master, and their sender is told
    told = lambda: sum(int(line.split()[-1]) for line in one.heard(f"failed ESRCH do {two.pid}"))
    wait_for(lambda: len(one.heard("note")) + told() >= 40, "all to be handled, or told")
    assert one.heard("note") == [f"note {two.pid} worker {len(str(i))} {i}" for i in range(40 - told())]
    assert told() < 10


def test_what_is_sent_to_one_that_ends_just_now_is_told(service, directory):
    gate = directory / "gate"
    muster = service({**CONFIG, "app.stop_gate": gate})
    one, two, agent = peers(muster)
    gate.touch()
    two.client.close()
    os.kill(two.pid, signal.SIGTERM)
    muster.log.wait_for(f"{two.pid} is stopped")
    assert one.do(f"say {two.pid} note x") == "0"
    assert one.wait("failed") == [f"failed ESRCH note {two.pid} 1"]
    gate.unlink()
    muster.wait_gone(two.pid)
    agent.client.close()
