# SPDX-License-Identifier: MIT
"""HTTP on the wire: kept connections, pipelining, bodies of every kind, and what routes answer by themselves."""

import email.utils
import threading
import time

import pytest

from client import Client, connect
from muster import SOON, wait_for


@pytest.fixture
def muster(service):
    return service({"worker.workers": 1})


def test_a_connection_is_kept(muster):
    with muster.client() as client:
        answers = [client.get("/") for _ in range(50)]
    assert {answer.text for answer in answers} == {"hello world"}
    assert not any(answer.closes for answer in answers)


def test_a_connection_is_closed_on_request(muster):
    with muster.client() as client:
        assert client.get("/", [("Connection", "close")]).closes
        assert client.eof()


def test_http_1_0_closes_unless_asked_to_keep(muster):
    with muster.client() as client:
        assert client.get("/", version="1.0").status == 200
        assert client.eof()
    with muster.client() as client:
        assert client.get("/", [("Connection", "keep-alive")], version="1.0").status == 200
        assert client.get("/", version="1.0").text == "hello world"


def test_pipelined_requests_are_answered_in_order(muster):
    with muster.client() as client:
        targets = ["/items/1", "/slow?ms=50", "/items/2", "/items/3"]
        client.send(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode() for target in targets))
        answers = [client.response().text for _ in targets]
    assert [answers[0], *answers[2:]] == ["item 1", "item 2", "item 3"]


def test_answers_have_date_and_server(muster):
    answer = muster.get("/")
    assert answer["Server"] == "muster"
    assert abs(email.utils.parsedate_to_datetime(answer["Date"]).timestamp() - time.time()) < 5 + SOON


def test_the_server_field_is_configured(service):
    assert service({"http.server_header": "shop"}).get("/")["Server"] == "shop"


def test_a_body_is_collected(muster):
    body = bytes(range(256)) * 1000
    with muster.client() as client:
        answer = client.post("/echo", body, [("Content-Type", "application/x-test")])
        assert answer.body == body
        assert answer["Content-Type"] == "application/x-test"
        assert client.post("/echo", b"").body == b""


def test_a_body_byte_by_byte_is_collected(muster):
    with muster.client() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        for byte in b"12345":
            client.send(bytes([byte]))
        assert client.response().body == b"12345"


def test_a_chunked_body_is_collected(muster):
    with muster.client() as client:
        client.request("POST", "/echo", [("Transfer-Encoding", "chunked")])
        client.send(b"5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\n\r\n")
        answer = client.response()
        assert answer.body == b"hello world"
        # An old libmicrohttpd frames chunks so loosely that nothing behind them on the connection is to be trusted.
        assert client.eof() if answer.closes else client.get("/").text == "hello world"


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(muster):
    with muster.client() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert client.response().status == 100
        client.send(b"body")
        assert client.response().text == "body"


def test_a_client_that_asks_first_is_spared_a_body_nobody_wants(muster):
    with muster.client() as client:
        client.send(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert client.response().status == 404


def test_head_is_get_without_the_body(muster):
    with muster.client() as client:
        client.request("HEAD", "/")
        answer = client.response(head=True)
        assert (answer.status, answer["Content-Length"]) == (200, "11")
        assert client.get("/items/7").text == "item 7"


def test_what_is_nowhere_is_404(muster):
    with muster.client() as client:
        assert client.get("/nowhere").status == 404
        assert client.get("/items/").status == 404
        assert client.get("/items/1/2").status == 404
        assert client.get("/").status == 200


def test_a_method_that_is_not_there_is_405_with_those_that_are(muster):
    with muster.client() as client:
        client.request("DELETE", "/echo")
        answer = client.response()
        assert answer.status == 405
        assert {"POST", "PUT"} <= set(answer["Allow"].replace(" ", "").split(","))
        client.request("POST", "/pid", body=b"1")
        answer = client.response()
        assert answer.status == 405
        assert {"GET", "HEAD"} <= set(answer["Allow"].replace(" ", "").split(","))


def test_options_are_answered_with_what_is_allowed(muster):
    with muster.client() as client:
        client.request("OPTIONS", "/pid")
        answer = client.response()
        assert answer.status in (200, 204)
        assert {"GET", "HEAD", "OPTIONS"} <= set(answer["Allow"].replace(" ", "").split(","))


def test_paths_are_decoded_and_cleaned(muster):
    with muster.client() as client:
        assert client.get("/items/a%20b").text == "item a b"
        assert client.get("/items/a%2Fb").text == "item a/b"
        assert client.get("/nowhere/../items/./9").text == "item 9"
        assert client.get("/nowhere/%2e%2e/items/9").text == "item 9"
        assert client.get("http://other.example/items/8").text == "item 8"


def test_the_application_sees_the_request_as_it_was_sent(muster):
    with muster.client() as client:
        port = client.sock.getsockname()[1]
        text = client.get("/headers?a=1&b=x%20y+z&c", [("X-Test", "one"), ("X-Test", "two")]).text
    assert "GET /headers?a=1&b=x%20y+z&c\n" in text
    assert "path=/headers\n" in text
    assert f"peer=127.0.0.1:{port}\n" in text
    assert "X-Test: one\nX-Test: two\n" in text
    assert text.endswith("a: 1\nb: x y z\nc: \n")


def test_the_host_of_an_absolute_target_goes_before_the_field(muster):
    """RFC 9112, 3.2.2: the application must not see another host than a proxy that has read the target."""
    with muster.client() as client:
        text = client.get("http://a.example:81/headers", [("X-Test", "y")]).text
        assert "Host: a.example:81\n" in text and "Host: test" not in text
        assert "X-Test: y\n" in text
        assert "Host: test\n" in client.get("/headers").text
        client.send(b"GET http://b.example/headers HTTP/1.0\r\n\r\n")
        assert "Host: b.example\n" in client.response().text


def test_options_of_the_server_are_answered(muster):
    with muster.client() as client:
        client.request("OPTIONS", "*")
        answer = client.response()
        assert (answer.status, answer.body) == (204, b"")
        assert client.get("/").status == 200


def test_no_path_climbs_by_its_dots(muster):
    with muster.client() as client:
        assert client.get("/../../items/1").text == "item 1"
        assert client.get("/items/x/..%2F..%2Fitems/1").status == 400
    with muster.client() as client:
        assert client.get("/items/%2E%2E/items/%2e/2").text == "item 2"
        assert client.get("/items/%252e").text == "item %2e"  # decoded once


def test_a_slow_answer_blocks_nobody(muster):
    with muster.client() as slow, muster.client() as fast:
        slow.request("GET", "/slow?ms=60000")
        for _ in range(20):
            assert fast.get("/").text == "hello world"


def test_many_slow_answers_run_at_once(muster):
    began = time.monotonic()
    clients = [muster.client() for _ in range(50)]
    for client in clients:
        client.request("GET", "/slow?ms=300")
    for client in clients:
        assert client.response().status == 200
        client.close()
    assert time.monotonic() - began < 0.3 * 50


def test_a_client_that_goes_away_does_no_harm(muster):
    for target in ("/slow?ms=100", "/stuck", "/compute?ms=20"):
        with muster.client() as client:
            client.request("GET", target)
    with muster.client() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    assert muster.get("/slow?ms=150").status == 200
    assert len(muster.workers()) == 1


def test_a_handler_that_forgets_to_answer_is_500_and_logged(muster):
    with muster.client() as client:
        assert client.get("/forget").status == 500
    muster.log.wait_for("/forget", role="worker")


def test_the_connection_limit_makes_others_wait(service):
    muster = service({"worker.workers": 1, "http.max_connections": 2})
    with muster.client() as one, muster.client() as two:
        assert one.get("/").status == two.get("/").status == 200
        with muster.client() as three:
            three.request("GET", "/")
            assert three.quiet(0.3)
            assert one.get("/").status == 200
            two.close()
            assert three.response().status == 200


def test_a_thousand_connections_are_served(service):
    muster = service({"worker.workers": 2})
    clients = [muster.client() for _ in range(400)]
    for client in clients:
        client.request("GET", "/")
    assert {client.response().status for client in clients} == {200}
    for client in clients:
        client.close()


def test_clients_of_many_kinds_at_once_get_their_own_answers(muster):
    failures = []

    def ask(number):
        try:
            with muster.client() as client:
                for i in range(20):
                    want = f"{number}-{i}"
                    if client.get(f"/items/{want}").text != f"item {want}":
                        failures.append(want)
                    if client.post("/echo", want.encode()).text != want:
                        failures.append(want)
        except Exception as error:  # reported by the test
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_log_calls_of_the_application_reach_the_log_with_fields(muster):
    assert muster.get("/log?text=well").status == 200
    line = muster.log.wait_for("Asked to say: well", role="worker")
    assert "FAULTS_ASKED=yes" in line.text
    assert "faults_refused" not in line.text


def test_the_access_log_has_a_line_for_each_request(service):
    muster = service({"log.access": "yes"})
    assert muster.get("/items/5").status == 200
    muster.log.wait_for("GET.*/items/", role="worker")


def test_slow_requests_are_logged_when_asked(service):
    muster = service({"log.slow": "100ms"})
    assert muster.get("/").status == 200
    assert muster.get("/slow?ms=150").status == 200
    muster.log.wait_for("/slow", role="worker")
    assert not muster.log.matching(r"GET /( |$|\])")


def test_an_answer_larger_than_every_buffer_arrives_whole(service):
    muster = service({"http.max_body": "32M"})
    body = bytes(range(251)) * 40000
    with muster.client() as client:
        threading.Thread(target=client.request, args=("POST", "/echo", (), body)).start()
        assert client.response().body == body


def test_a_connection_left_open_before_the_first_byte_costs_nothing(muster):
    idle = [connect(muster.address()) for _ in range(20)]
    with Client(muster.address()) as client:
        assert client.get("/").status == 200
    for sock in idle:
        sock.close()
    wait_for(lambda: muster.get("/").status == 200, "an answer")
