# SPDX-License-Identifier: MIT
"""The application `source` keeps every worker's data fresh in three ways: force, pull and push.

With a real origin and a real NATS server. How long a push takes until the last worker has the new data is printed as a
line of JSON.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
import types

import pytest

import nats
from client import SLOW, SOON, wait_for
from muster import build_dir, free_port
from sources import DIRECT, built, config, loaded, status, statuses, value, wait_all

pytestmark = built

SUBJECT = "source.changed"
WORKERS = 4


@pytest.fixture
def server(directory):
    """A broker, and who says there that the data has changed."""
    if not (build_dir() / "src" / "broker-nats.so").exists():
        pytest.skip("built without NATS")
    server = nats.Server(directory)
    yield server
    server.close()


@pytest.fixture
def source(service, origin):
    """Starts a service in which every worker has the data."""

    def start(workers=WORKERS, **values):
        muster = service(config(origin, **{"worker.workers": workers, **values}), variables=DIRECT)
        wait_all(muster, loaded, "the data in every worker")
        return muster

    return start


@pytest.fixture
def pushed(source, server):
    """The same, told by the broker."""

    def start(**values):
        muster = source(subject=SUBJECT, **{"broker.url": server.url, **values})
        wait_until_heard(muster, server)
        return muster

    return start


def publish(server):
    client = server.client()
    client.publish(SUBJECT, "changed")
    client.flush()
    client.close()


def wait_until_heard(muster, server):
    """Waits until the agent hears what is published: every worker has then been told at least once."""

    def heard():
        publish(server)
        return all(found["lastUpdateBy"] == "push" for found in statuses(muster).values())

    wait_for(heard, "a push in every worker")
    settle(muster)


def settle(muster):
    """Waits until no worker asks any more."""

    def asked():
        return sorted((pid, found["requests"]) for pid, found in statuses(muster).items())

    def quiet():
        before = asked()
        time.sleep(0.3)  # three times the spacing: what is to follow has followed
        return asked() == before

    wait_for(quiet, "an end of the requests")


def wait_everywhere(muster, text, by, within=SOON):
    """Waits until every worker has this greeting. Returns their statuses."""
    version = None

    def condition(found):
        return found["lastUpdateBy"] == by and found["version"] == version

    def new():
        nonlocal version
        version = status(muster)["version"]
        return value(muster) == text

    wait_for(new, f"the greeting {text}", within)
    wait_for(lambda: all(value(muster) == text for _ in range(4 * WORKERS)), f"{text} everywhere", within)
    version = status(muster)["version"]
    found = wait_all(muster, condition, f"{text} by {by} in every worker", within)
    assert len({worker["version"] for worker in found.values()}) == 1
    return found


# ---- Each alone


def test_force_fetches_the_whole_in_every_worker_again_and_again(source, origin):
    muster = source(force="300ms")
    before = {pid: found["requests"] for pid, found in statuses(muster).items()}
    wait_all(muster, lambda found: found["requests"] >= before[found["pid"]] + 3, "three more requests by each worker")
    assert all(asked_by is None for _, asked_by, _ in origin.asked)
    origin.set({"greeting": "forced"})
    wait_everywhere(muster, "forced", "force")


def test_pull_asks_in_one_worker_and_refreshes_all(source, origin):
    muster = source(pull="500ms")
    origin.asked.clear()
    wait_for(lambda: origin.count() >= 4, "checks")
    asked = list(origin.asked)
    assert {asked_by for _, asked_by, _ in asked} == {origin.etag}
    # One worker at each tick, not each of them
    assert all(later[0] - earlier[0] > 0.25 for earlier, later in zip(asked, asked[1:]))
    assert {found["lastUpdateBy"] for found in statuses(muster).values()} == {"force"}
    origin.set({"greeting": "pulled"})
    wait_everywhere(muster, "pulled", "pull")


def test_push_refreshes_every_worker_at_once(pushed, server, origin):
    muster = pushed()
    took = []
    for number in range(5):
        origin.set({"greeting": f"pushed {number}"})
        published = time.time()
        publish(server)
        found = wait_everywhere(muster, f"pushed {number}", "push")
        took.append(max(worker["changedAt"] for worker in found.values()) - published)
        settle(muster)
    print(json.dumps({"bench": "push", "workers": WORKERS, "runs": len(took),
                      "last_worker_ms": [round(1000 * seconds, 1) for seconds in took]}))
    assert max(took) < 1 * SLOW
    assert min(took) < 1


def test_an_origin_that_takes_few_connections_at_once_is_not_overrun(service, server, directory):
    """Python's own, as in the README: five may wait in its socket, and whoever comes on top tries again after a second."""
    folder = directory / "origin"
    folder.mkdir()
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as origin:
        try:
            took = push_to_many(service, server, folder, port)
            assert statistics.median(took) < 0.9, took
        finally:
            origin.kill()


def push_to_many(service, server, folder, port):
    """How long each of some pushes took until the last of sixteen workers had the data."""

    def change(text):
        (folder / "new").write_text(json.dumps({"greeting": text}))
        (folder / "new").rename(folder / "data.json")

    where = types.SimpleNamespace(url=f"http://127.0.0.1:{port}/data.json")
    change("first")
    muster = service(config(where, subject=SUBJECT, **{"worker.workers": 16, "broker.url": server.url}), variables=DIRECT)
    wait_all(muster, loaded, "the data in every worker")
    wait_until_heard(muster, server)
    took = []
    for number in range(5):
        change(f"pushed {number}")
        published = time.time()
        publish(server)
        found = wait_everywhere(muster, f"pushed {number}", "push")
        took.append(max(worker["changedAt"] for worker in found.values()) - published)
        settle(muster)
    return took


# ---- Together, and in need


def test_all_together_agree(pushed, server, origin):
    muster = pushed(force="700ms", pull="500ms")
    for number in range(6):
        origin.set({"greeting": f"number {number}"})
        if number % 2:
            publish(server)
        wait_for(lambda text=f"number {number}": all(value(muster) == text for _ in range(4 * WORKERS)), "the change")
    versions = {found["version"] for found in statuses(muster).values()}
    assert len(versions) == 1
    assert not any(found["stale"] or found["failures"] for found in statuses(muster).values())


def test_a_hundred_changes_in_a_second_are_fetched_together(pushed, server, origin):
    muster = pushed()
    origin.asked.clear()
    client = server.client()
    begun = time.monotonic()
    for number in range(100):
        origin.set({"greeting": f"change {number}"})
        client.publish(SUBJECT, str(number))
        time.sleep(max(0, begun + number / 100 - time.monotonic()))
    client.flush()
    published = time.time()
    client.close()
    found = wait_everywhere(muster, "change 99", "push")
    spent = time.monotonic() - begun
    assert max(worker["changedAt"] for worker in found.values()) - published < 1 * SLOW
    settle(muster)
    # One request in 100 ms, and one more at the end
    assert WORKERS <= origin.count() <= WORKERS * (10 * spent + 2)
    print(json.dumps({"bench": "coalesce", "workers": WORKERS, "changes": 100, "requests": origin.count()}))


def test_changes_while_the_origin_is_slow_are_one_request_and_one_after(pushed, server, origin):
    muster = pushed()
    origin.asked.clear()
    origin.delay = 1.0
    client = server.client()
    begun = time.monotonic()
    for number in range(50):
        origin.set({"greeting": f"slow {number}"})
        client.publish(SUBJECT, str(number))
        time.sleep(0.01)
    client.flush()
    spent = time.monotonic() - begun
    client.close()
    wait_everywhere(muster, "slow 49", "push")
    # As many as fit, which is one where it took no longer than the origin does, and one after
    assert origin.count() <= WORKERS * (int(spent / origin.delay) + 2)


def test_when_the_origin_is_down_every_worker_knows_though_one_asks(source, origin):
    muster = source(pull="300ms")
    origin.down()
    found = wait_all(muster, lambda found: found["stale"], "stale data in every worker")
    assert all("127.0.0.1" in worker["error"] for worker in found.values())
    assert all(value(muster) == "hello" for _ in range(2 * WORKERS))
    assert all(muster.get("/get?key=greeting")["Warning"] for _ in range(2 * WORKERS))
    origin.up()
    wait_all(muster, lambda found: not found["stale"], "fresh data in every worker")


def test_a_broken_change_reaches_no_worker(source, origin):
    muster = source(pull="300ms")
    versions = {found["version"] for found in statuses(muster).values()}
    origin.asked.clear()
    origin.mode = "no_json"
    wait_all(muster, lambda found: found["stale"], "stale data in every worker")
    assert {found["version"] for found in statuses(muster).values()} == versions
    # Who found it broken did not send the others to fetch it too
    assert len({port for _, _, port in origin.asked}) < WORKERS or origin.count() < 2 * WORKERS
    origin.mode = "good"
    origin.set({"greeting": "whole"})
    wait_everywhere(muster, "whole", "pull")


def test_a_broker_that_is_down_and_back_brings_what_was_missed(pushed, server, origin):
    muster = pushed()
    server.stop()
    muster.log.wait_for("No connection to the broker")
    origin.set({"greeting": "missed"})
    assert value(muster) == "hello"
    server.start()
    wait_everywhere(muster, "missed", "push", within=6 * SOON)
    origin.set({"greeting": "heard"})
    wait_until_heard(muster, server)
    wait_everywhere(muster, "heard", "push")


def test_an_agent_that_crashes_returns_and_brings_what_was_missed(pushed, server, origin):
    muster = pushed()
    agent = muster.agent()
    os.kill(agent, signal.SIGSTOP)
    origin.set({"greeting": "missed"})
    publish(server)
    os.kill(agent, signal.SIGKILL)
    wait_for(lambda: muster.agent() not in (None, agent), "another agent")
    wait_everywhere(muster, "missed", "push")
    origin.set({"greeting": "heard"})
    wait_until_heard(muster, server)
    wait_everywhere(muster, "heard", "push")


def test_a_worker_that_crashes_is_replaced_by_one_with_the_data(pushed, server, origin):
    muster = pushed()
    (worker, *_) = muster.worker_pids()
    os.kill(worker, signal.SIGKILL)
    muster.wait_replaced(worker)
    assert all(value(muster) == "hello" for _ in range(4 * WORKERS))
    origin.set({"greeting": "all"})
    publish(server)
    wait_everywhere(muster, "all", "push")


def test_a_reload_fails_no_request_and_keeps_all_fresh(pushed, server, origin):
    muster = pushed()
    before = set(muster.worker_pids())
    muster.kill(signal.SIGHUP)
    while before & set(muster.worker_pids()):
        answer = muster.get("/get?key=greeting")
        assert (answer.status, answer.text) == (200, "hello")
    origin.set({"greeting": "reloaded"})
    wait_until_heard(muster, server)
    wait_everywhere(muster, "reloaded", "push")


def test_an_operator_refreshes_by_a_message(source, origin):
    muster = source()
    origin.set({"greeting": "sent"})
    result = muster.ctl("send", "refresh", "push", "--to", "app")
    assert result.returncode == 0, result.stderr
    wait_everywhere(muster, "sent", "push")
    muster.ctl("send", "refresh", "nonsense", "--to", "app")
    muster.log.wait_for("none of force, pull, push")
