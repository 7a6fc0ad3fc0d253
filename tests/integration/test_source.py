# SPDX-License-Identifier: MIT
"""The application `source` serves the origin's data from memory, whatever the origin does meanwhile."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from client import SLOW
from muster import SOON, free_port, wait_for
from origin import Origin
from sources import DIRECT, built, config, loaded, status, value, wait_status

pytestmark = built


@pytest.fixture
def source(service, origin):
    """Starts a service whose worker has the origin's data, unless `wait` says otherwise."""

    def start(wait=True, **values):
        muster = service(config(origin, **values), variables=DIRECT)
        if wait:
            wait_status(muster, loaded, "the data")
        return muster

    return start


def refresh_fails(muster, why):
    """Makes the worker ask again by replacing it; what it has then is what the origin gave."""
    return wait_status(muster, lambda found: found["failures"] > 0 and why in (found["error"] or ""), why)


def test_values_are_served_as_what_they_are(source, origin):
    origin.set({"greeting": "hello", "ä b": "ö\n", "n": 7, "list": [1, {"a": None}], "empty": ""})
    muster = source()
    for key, text, kind in [
        ("greeting", "hello", "text/plain; charset=utf-8"),
        ("%C3%A4+b", "ö\n", "text/plain; charset=utf-8"),
        ("empty", "", "text/plain; charset=utf-8"),
        ("n", "7", "application/json"),
        ("list", '[1,{"a":null}]', "application/json"),
    ]:
        answer = muster.get(f"/get?key={key}")
        assert (answer.status, answer.text, answer["Content-Type"]) == (200, text, kind)
        assert int(answer["Age"]) >= 0 and answer["Warning"] is None
    assert muster.get("/get?key=other").status == 404
    assert muster.get("/get").status == 400


def test_status_says_what_the_worker_has(source, origin):
    muster = source()
    found = status(muster)
    (worker,) = muster.worker_pids()
    assert (found["pid"], found["worker"], found["keys"], found["stale"]) == (worker, 0, 1, False)
    assert found["lastUpdateBy"] == "force"
    assert found["etag"] == origin.etag
    assert 0 <= found["age"] < SOON and abs(found["changedAt"] - time.time()) < SOON
    assert (found["requests"], found["failures"], found["error"]) == (1, 0, None)


def test_requests_that_come_before_the_data_wait_for_it(source, origin):
    origin.delay = 0.5
    muster = source(wait=False, first_wait="30s")
    assert origin.count() <= 1 and status(muster)["version"] is None
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(value(muster))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["hello"] * 8
    assert origin.count() == 1


def test_but_not_for_ever(source, origin):
    origin.mode = "hang"
    muster = source(wait=False, first_wait="200ms", timeout="30s")
    answer = muster.get("/get?key=greeting")
    assert answer.status == 503 and int(answer["Retry-After"]) >= 1


def test_without_an_origin_the_service_starts_and_finds_it_later(source, origin):
    origin.down()
    muster = source(wait=False)
    answer = muster.get("/get?key=greeting")
    assert answer.status == 503 and int(answer["Retry-After"]) >= 1
    found = status(muster)
    assert (found["lastUpdateBy"], found["version"], found["age"]) == (None, None, None)
    origin.up()
    wait_status(muster, loaded, "the data")
    assert value(muster) == "hello"
    assert muster.log.wait_for("The origin is back after")


def test_who_starts_while_the_origin_is_down_has_what_others_had(service, origin, directory):
    variables = {**DIRECT, "STATE_DIRECTORY": str(directory / "state")}
    (directory / "state").mkdir()
    before = service(config(origin), variables=variables)
    version = wait_status(before, loaded, "the data")["version"]
    origin.down()
    (worker,) = before.worker_pids()
    os.kill(worker, signal.SIGKILL)
    before.wait_replaced(worker)
    answer = before.get("/get?key=greeting")
    assert (answer.status, answer.text) == (200, "hello") and answer["Warning"]
    before.stop()
    after = service(config(origin), variables=variables)
    assert value(after) == "hello"
    found = status(after)
    assert (found["version"], found["stale"], found["lastUpdateBy"]) == (version, True, None)
    origin.up()
    assert wait_status(after, lambda found: not found["stale"], "fresh data")["lastUpdateBy"] == "force"
    elsewhere = service(config(origin, url=f"http://127.0.0.1:{free_port()}/"), variables=variables)
    assert elsewhere.get("/get?key=greeting").status == 503


def test_what_was_there_is_served_and_said_to_be_stale(source, origin):
    muster = source(force="500ms")
    origin.down()
    found = wait_status(muster, lambda found: found["stale"], "stale data")
    assert "127.0.0.1" in found["error"] and found["version"]
    answer = muster.get("/get?key=greeting")
    assert (answer.status, answer.text) == (200, "hello")
    assert answer["Warning"].startswith("110 ")
    origin.set({"greeting": "back"})
    origin.up()
    wait_status(muster, lambda found: not found["stale"], "fresh data")
    answer = muster.get("/get?key=greeting")
    assert (answer.text, answer["Warning"]) == ("back", None)


def test_data_that_nobody_confirms_grows_stale(source):
    muster = source(fresh_for="300ms")
    wait_status(muster, lambda found: found["stale"] and found["age"] > 0.3, "stale data")
    assert muster.get("/get?key=greeting")["Warning"]


@pytest.mark.parametrize("mode, why", [
    ("error", "status 500"),
    ("unasked", "status 304"),
    ("no_json", "no JSON"),
    ("no_object", "no JSON object"),
    ("cut_short", "transfer closed"),
    ("large", "larger than max_size"),
    ("large_unannounced", "larger than max_size"),
    ("bomb", "larger than max_size"),
    ("loop", "redirects"),
    ("file", "file"),
    ("hang", "timed out"),
    ("trickle", "timed out"),
])
def test_an_answer_that_cannot_be_used_keeps_what_was_there(source, origin, mode, why):
    muster = source(timeout="500ms", force="500ms")
    version = status(muster)["version"]
    origin.mode = mode
    found = wait_status(muster, lambda found: why in (found["error"] or ""), why)
    assert found["stale"] and found["version"] == version
    assert value(muster) == "hello"
    origin.mode = "good"
    origin.set({"greeting": "again"})
    wait_status(muster, lambda found: not found["stale"] and found["version"] != version, "fresh data")
    assert value(muster) == "again"


def test_while_the_origin_hangs_requests_are_answered_at_once(source, origin):
    muster = source(timeout="1s", force="500ms")
    origin.mode = "trickle"
    slowest = 0
    with muster.client() as client:
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            begin = time.monotonic()
            assert client.get("/get?key=greeting").text == "hello"
            slowest = max(slowest, time.monotonic() - begin)
    assert slowest < 0.2 * SLOW
    assert status(muster)["failures"] > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a resolv.conf of its own")
def test_while_a_name_is_looked_up_in_vain_requests_are_answered_at_once(service, origin, directory):
    """A name server that never answers: the resolver would wait for a minute, and nobody waits for the resolver."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.97", 53))
        (directory / "resolv.conf").write_text("nameserver 127.0.0.97\noptions timeout:30 attempts:2\n")
        script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        muster = service(
            config(origin, url="http://origin.example/data.json", timeout="500ms"), variables=DIRECT,
            wrapper=["unshare", "--mount", "sh", "-c", script, str(directory / "resolv.conf")])
        slowest = 0
        with muster.client() as client:
            while json.loads(client.get("/status").text)["failures"] < 2:
                begin = time.monotonic()
                assert client.get("/get?key=greeting").status == 503
                slowest = max(slowest, time.monotonic() - begin)
        deaf.settimeout(0)
        assert b"\6origin\7example" in deaf.recv(512)
        assert "timed out" in status(muster)["error"].lower()
        assert slowest < 0.7 * SLOW  # the first waits for the first try, which takes half a second
        muster.stop()


def test_names_are_looked_up_also_where_little_can_be_read(source, origin):
    muster = source(url=origin.url.replace("127.0.0.1", "localhost"), **{"worker.read_paths": "/var/lib"})
    assert value(muster) == "hello"


def test_the_connection_is_kept_and_asked_by_what_it_gave(source, origin):
    muster = source(pull="200ms")
    wait_for(lambda: origin.count() >= 4, "checks")
    asked = list(origin.asked)
    assert [by for _, by, _ in asked[:4]] == [None] + [origin.etag] * 3
    assert len({port for _, _, port in asked}) == 1
    assert status(muster)["lastUpdateBy"] == "force"


def test_an_origin_without_etags_is_believed_by_what_it_sends(source, origin):
    origin.etags = False
    muster = source(pull="200ms")
    changed = status(muster)["changedAt"]
    wait_for(lambda: origin.count() >= 4, "checks")
    found = status(muster)
    assert (found["changedAt"], found["lastUpdateBy"]) == (changed, "force")
    origin.set({"greeting": "other"})
    wait_status(muster, lambda found: found["lastUpdateBy"] == "pull", "the change")
    assert value(muster) == "other"


def test_compressed_answers_are_read(source, origin):
    origin.mode = "compressed"
    assert value(source()) == "hello"


@pytest.fixture
def certificate(directory):
    """A certificate for 127.0.0.1 with its key in one file, signed by itself."""
    path = directory / "origin.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
         "2", "-subj", "/CN=origin", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out",
         directory / "certificate.pem"], check=True, capture_output=True)
    path.write_text(path.read_text() + (directory / "certificate.pem").read_text())
    return path


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_https_is_checked_against_the_certificates_it_was_given(service, certificate):
    secure = Origin(certificate=certificate)
    try:
        trusting = service(config(secure, ca_file=certificate), variables=DIRECT)
        wait_status(trusting, loaded, "the data")
        assert value(trusting) == "hello"
        wary = service(config(secure), variables=DIRECT)
        assert "certificate" in refresh_fails(wary, "certificate")["error"]
        assert wary.get("/get?key=greeting").status == 503
    finally:
        secure.down()


@pytest.mark.parametrize("values, why", [
    ({"url": None}, "url is missing"),
    ({"url": "ftp://127.0.0.1/"}, "no address of http or https"),
    ({"url": "127.0.0.1"}, "no address of http or https"),
    ({"url": "http://user:secret@:0/"}, "no address of http or https"),
    ({"max_size": 0}, "max_size = 0: must be a number from 1"),
    ({"timeout": "2h"}, "timeout = 2h: must be from 1ms to 3600s"),
    ({"subject": "source.changed"}, "[broker] url is not set"),
])
def test_what_it_cannot_work_with_is_refused_at_the_start(start, origin, values, why):
    muster = start(config(origin, **values), variables=DIRECT)
    assert muster.wait() != 0
    assert muster.log.wait_for(re.escape(why))
    assert "secret" not in muster.log.text()


def test_a_password_in_the_address_is_not_logged(service, origin):
    origin.down()
    url = f"http://user:secret@127.0.0.1:{free_port()}/"
    muster = service(config(origin, url=url), variables=DIRECT)
    refresh_fails(muster, "127.0.0.1")
    assert "secret" not in muster.log.text()
    assert "secret" not in muster.get("/status").text
