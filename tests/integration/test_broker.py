# SPDX-License-Identifier: MIT
"""The agent talks to a message broker, whatever becomes of it, and of them: with a real NATS server."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

import nats
from client import SLOW, SOON, wait_for
from muster import build_dir
from nats import answering, broker_line, client_of, config

CONNECTED = r"Connected to the broker nats://127\.0\.0\.1:\d+"


@pytest.fixture
def server(directory):
    """Starts NATS servers."""
    if not (build_dir() / "src" / "broker-nats.so").exists():
        pytest.skip("built without NATS")
    servers = []

    def make(**keywords):
        servers.append(nats.Server(directory, **keywords))
        return servers[-1]

    yield make
    for each in servers:
        each.close()


def test_messages_are_delivered_and_published(service, server):
    nats_server = server()
    muster = service(config(nats_server, app__subscribe="news"))
    client = client_of(nats_server)
    answering(client)
    client.publish("news", "1")
    assert client.ask("count") == "1 0 news"
    muster.log.wait_for("Before there is a connection: EAGAIN")
    muster.log.wait_for("The application sees a connection")
    assert re.search(rf"connected to {nats_server.url} for \S+, 1 connections, \d+ received, \d+ published, 0 dropped",
                     broker_line(muster))


def test_ten_thousand_at_once_arrive_in_order(service, server):
    nats_server = server()
    service(config(nats_server, app__subscribe="news"))
    client = client_of(nats_server)
    answering(client)
    client.publish_many("news", 10000)
    assert client.ask("count") == "10000 0 news"


def test_ten_thousand_published_at_once_arrive_in_order(service, server):
    nats_server = server()
    muster = service(config(nats_server))
    client = client_of(nats_server).subscribe("flood")
    answering(client)
    client.publish("command", "flood 10000")
    for number in range(1, 10001):
        assert client.next() == ("flood", str(number).encode())
    muster.log.wait_for("Flood: 10000 0")


def test_patterns_match_as_nats_says(service, server):
    nats_server = server()
    service(config(nats_server, app__subscribe="a.* b.>"))
    client = client_of(nats_server)
    answering(client)
    for number, subject in enumerate(("a.1", "a.1.2", "a", "b.1", "b.1.2.3", "b", "c.1"), 1):
        client.publish(subject, str(number))
    assert client.ask("count") == "3 0 b.1.2.3"


def test_subscriptions_come_and_go(service, server):
    nats_server = server()
    service(config(nats_server, app__subscribe="one"))
    client = client_of(nats_server)
    answering(client)
    assert client.ask("subscribe two") == "0"
    wait_for(lambda: client.publish("two", "1") or client.ask("count").startswith("1 "), "the second subscription")
    assert client.ask("unsubscribe") == "0"
    # What is published after an answer is seen after the command that was answered
    wait_for(lambda: client.ask("count") == (client.publish("two", "2") or client.ask("count")), "the end of it")
    count = int(client.ask("count").split()[0])
    client.publish("one", "3")
    assert client.ask("count") == f"{count + 1} 0 one"


def test_what_is_no_subject_is_refused(service, server):
    nats_server = server()
    service(config(nats_server))
    client = client_of(nats_server)
    answering(client)
    for subject in ("a..b", ".a", "a.", "a b", "a.>.b"):
        assert client.ask(f"subscribe {subject}") == "EINVAL"
        assert client.ask(f"to {subject}") == "EINVAL"
    for subject in ("*", "a.>", ">"):
        assert client.ask(f"to {subject}") == "EINVAL"


def test_a_message_is_as_large_as_the_broker_allows(service, server):
    nats_server = server(options="max_payload: 100000")
    service(config(nats_server))
    client = client_of(nats_server).subscribe("large")
    answering(client)
    client.publish("command", "size 100000")
    assert sorted((client.next(), client.next())) == [("large", b"x" * 100000), ("reply", b"1 0")]
    assert client.ask("size 100001") == "EMSGSIZE"


def test_a_worker_may_not(service, server):
    nats_server = server()
    assert service(config(nats_server)).get("/").text == "EPERM EPERM 0"


def test_without_a_broker_it_says_so(service):
    muster = service({"muster.module": "broker", "app.without": "yes"})
    muster.log.wait_for("Without a broker: ENOTCONN ENOTCONN 0")
    assert broker_line(muster) is None


# ---- The connection ----


def test_a_broker_that_comes_later_is_found(service, server):
    nats_server = server(start=False)
    muster = service(config(nats_server, app__subscribe="news"))
    muster.log.wait_for(rf"Cannot connect to the broker {nats_server.url}: Connection refused; trying again")
    assert broker_line(muster).startswith(f"connecting to {nats_server.url} for ")
    assert "(Connection refused)" in broker_line(muster)
    nats_server.start()
    muster.log.wait_for(CONNECTED)
    client = client_of(nats_server)
    answering(client)
    client.publish("news", "1")
    assert client.ask("count") == "1 0 news"
    assert len(re.findall("Cannot connect", muster.log.text())) == 1


def test_a_broker_that_comes_back_has_all_subscriptions(service, server):
    nats_server = server()
    muster = service(config(nats_server, app__subscribe="news.*"))
    client = client_of(nats_server)
    pid = answering(client)
    for number in range(1, 4):
        nats_server.stop()
        muster.log.wait_for(f"No connection to the broker {nats_server.url}: ", count=number)
        muster.log.wait_for("The application sees no connection", count=number)
        assert broker_line(muster).startswith("reconnecting to ")
        nats_server.start()
        muster.log.wait_for(CONNECTED + r" again, after \S+", count=number)
        muster.log.wait_for("The application is told of a loss", count=number)
        muster.log.wait_for("The application is told of a connection", count=number + 1)
        client = client_of(nats_server)
        assert answering(client) == pid
        client.publish("news.x", str(number))
        assert client.ask("count") == f"{number} 0 news.x"
    assert " 4 connections" in broker_line(muster)
    assert len(re.findall("No connection to the broker", muster.log.text())) == 3


def test_a_broker_that_falls_silent_is_given_up(service, server):
    nats_server = server()
    muster = service(config(nats_server))
    answering(client_of(nats_server))
    nats_server.freeze()
    muster.log.wait_for("No connection to the broker", within=45 + SOON)
    nats_server.thaw()
    muster.log.wait_for(CONNECTED + " again")
    answering(client_of(nats_server))


def test_another_server_of_the_list_takes_over(service, server):
    servers = [server(), server()]
    muster = service(config(servers[0], broker__url=" ".join(each.url for each in servers)))
    muster.log.wait_for(CONNECTED)
    first = servers[0] if servers[0].url in broker_line(muster) else servers[1]
    other = servers[1] if first is servers[0] else servers[0]
    first.stop()
    muster.log.wait_for(f"Connected to the broker {other.url} again")
    answering(client_of(other))


def test_who_answers_without_being_a_broker_does_no_harm(service, directory):
    """Neither does one that accepts and is silent."""
    if not (build_dir() / "src" / "broker-nats.so").exists():
        pytest.skip("built without NATS")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"nats://127.0.0.1:{listener.getsockname()[1]}"

        def answer():
            try:
                while True:
                    listener.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            except OSError:
                pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        muster = service({"muster.module": "broker", "broker.url": url})
        muster.log.wait_for("Cannot connect to the broker")
        assert muster.get("/").status == 200
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_stopping_while_a_connection_is_being_made_is_quick(service):
    if not (build_dir() / "src" / "broker-nats.so").exists():
        pytest.skip("built without NATS")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        muster = service({"muster.module": "broker", "broker.url": f"nats://127.0.0.1:{listener.getsockname()[1]}"})
        listener.settimeout(SOON)
        connection, _ = listener.accept()
        with connection:
            muster.stop()
    assert "killed" not in muster.log.text()


# ---- Who we are ----

USERS = 'authorization: { users: [ { user: "me", password: "s3cr:t@x" } ] }'


def test_user_and_password_are_in_the_url_and_nowhere_else(service, server):
    nats_server = server(options=USERS)
    url = f"nats://me:s3cr%3at%40x@127.0.0.1:{nats_server.port}"
    muster = service(config(nats_server, broker__url=url, log__level="debug"))
    muster.log.wait_for(CONNECTED)
    client = client_of(nats_server, user="me", **{"pass": "s3cr:t@x"})
    answering(client)
    shown = muster.ctl("status").stdout + muster.ctl("config").stdout + muster.ctl("status", "--json").stdout
    nats_server.stop()
    muster.log.wait_for("No connection to the broker")
    assert f"nats://***@127.0.0.1:{nats_server.port}" in shown
    assert "s3cr" not in shown + muster.log.text()


def test_a_wrong_password_is_said_and_one_that_is_mended_works(service, server, directory):
    nats_server = server(options=USERS)
    path = directory / "credentials"
    path.write_text("me:wrong\n")
    muster = service(config(nats_server, broker__credentials=path))
    muster.log.wait_for("Cannot connect to the broker .*: Authorization Violation")
    path.write_text("me:s3cr:t@x\n")
    muster.log.wait_for(CONNECTED)
    answering(client_of(nats_server, user="me", **{"pass": "s3cr:t@x"}))
    path.write_text("me:wrong again\n")
    nats_server.stop()
    nats_server.start()
    muster.log.wait_for("No connection to the broker .*: Authorization Violation")
    assert "wrong" not in muster.log.text()


def test_a_token_will_do(service, server, directory):
    nats_server = server(options='authorization: { token: "let-me-in" }')
    path = directory / "credentials"
    path.write_text("let-me-in")
    muster = service(config(nats_server, broker__credentials=path))
    muster.log.wait_for(CONNECTED)


def test_a_file_of_credentials_that_is_not_there_is_named(service, server, directory):
    nats_server = server()
    muster = service(config(nats_server, broker__credentials=directory / "nowhere"))
    muster.log.wait_for(f"Cannot read {directory}/nowhere: No such file or directory")
    (directory / "nowhere").write_text("\n")
    muster.log.wait_for("holds neither")


def test_what_the_broker_does_not_permit_is_said(service, server):
    nats_server = server(options='authorization: { users: [ { user: "me", password: "x", permissions: '
                                 '{ subscribe: ["command"], publish: [ "reply" ] } }, { user: "you", password: "x" } ] }')
    muster = service(config(nats_server, broker__url=nats_server.url.replace("//", "//me:x@"), app__subscribe="secret"))
    muster.log.wait_for('The broker refuses: Permissions Violation for Subscription to "secret"')
    answering(client_of(nats_server, user="you", **{"pass": "x"}))


@pytest.mark.parametrize("url", ["127.0.0.1:4222", "http://127.0.0.1", "nats://:secret@", "nats://me:secret@host:99999"])
def test_a_bad_url_is_an_error_of_the_configuration(start, url):
    muster = start({"muster.module": "broker", "broker.url": url})
    assert muster.wait() > 0
    muster.log.wait_for(r"\[broker\] url = .*: not a valid list, allowed are .*nats://")
    assert "me:secret" not in muster.log.text()


def test_what_is_not_installed_is_named(start, directory):
    """The programs without the driver beside them."""
    programs = directory / "programs"
    programs.mkdir()
    for name in ("muster-master", "muster-agent", "muster-worker"):
        shutil.copy(build_dir() / "src" / name, programs)
    muster = start({"muster.module": "broker", "broker.url": "nats://127.0.0.1"},
                   variables={"MUSTER_LIBEXEC_DIR": str(programs)})
    assert muster.wait() > 0
    reason = r"\[broker\] url needs the package muster-nats, which is not installed \(.*/broker-nats\.so: No such file"
    muster.log.wait_for(reason)
    assert any(re.search(reason, status) for status in muster.notify.values("STATUS"))


# ---- TLS ----


@pytest.fixture
def certificates(directory):
    """A certificate for "localhost" that signs itself: certificate.pem and key.pem."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("no openssl")
    subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                         "-keyout", "key.pem", "-out", "certificate.pem"],
                        cwd=directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return f'tls: {{ cert_file: "{directory}/certificate.pem", key_file: "{directory}/key.pem" }}'


def test_tls_trusts_who_it_is_told_to(service, server, directory, certificates):
    nats_server = server(options=certificates)
    values = config(nats_server, broker__url=f"tls://localhost:{nats_server.port}")
    muster = service({**values, "broker.tls_ca": directory / "certificate.pem"})
    muster.log.wait_for(rf"Connected to the broker tls://localhost:{nats_server.port}")
    stranger = service(values)
    stranger.log.wait_for("Cannot connect to the broker tls://localhost.*(self.signed|verify failed)")


def test_a_certificate_for_another_name_is_refused(service, server, directory, certificates):
    nats_server = server(options=certificates)
    values = config(nats_server, broker__url=f"tls://127.0.0.1:{nats_server.port}")
    muster = service({**values, "broker.tls_ca": directory / "certificate.pem"})
    muster.log.wait_for("Cannot connect to the broker tls://127.0.0.1.*(mismatch|verify failed)")


# ---- The application ----


def test_a_fault_in_a_handler_costs_that_message(service, server):
    nats_server = server()
    muster = service(config(nats_server, app__subscribe="news"))
    client = client_of(nats_server)
    pid = answering(client)
    for number in range(1, 4):
        client.publish("command", "crash")
        client.publish("command", "publish-crash")
        client.publish("news", str(number))
        assert client.ask("count") == f"{number} 0 news"
    assert client.ask("pid") == pid == str(muster.agent())
    muster.log.wait_for(r"SIGSEGV in a callback of the agent \(broker command\)", count=6)


def test_a_slow_handler_loses_what_does_not_fit_and_it_is_counted(service, server):
    nats_server = server()
    muster = service(config(nats_server, app__subscribe="news", broker__queue="64K"))
    client = client_of(nats_server)
    answering(client)
    client.publish("command", f"sleep {int(1000 * SLOW)}")
    client.publish_many("news", 10000)
    muster.log.wait_for(r"(\d+) messages of the broker were dropped: .*\[broker\] queue is full")
    answering(client)  # what asks may be dropped, too
    count, disorder, _ = client.ask("count").split()
    received, dropped = (int(re.search(rf"(\d+) {word}", broker_line(muster))[1]) for word in ("received", "dropped"))
    assert disorder == "0"
    # The news, the command to sleep, and every question, of which some may have found the queue full
    assert received + dropped == 10000 + 1 + client.questions
    assert 100 < int(count) < 10000
    assert dropped >= 10000 - int(count)


def test_an_agent_that_hangs_in_a_handler_lives_on(service, server):
    nats_server = server()
    muster = service(config(nats_server, worker__hang_timeout="1s", worker__kill_timeout="20s"))
    client = client_of(nats_server)
    pid = answering(client)
    client.publish("command", "sleep 600000")
    muster.log.wait_for(r"A callback of the agent \(broker command\) hung")
    assert answering(client) == pid


def test_a_new_agent_subscribes_again(service, server):
    nats_server = server()
    muster = service(config(nats_server, app__subscribe="news"))
    client = client_of(nats_server)
    pid = answering(client)
    for end in (lambda: os.kill(int(pid), signal.SIGKILL), lambda: client.publish("command", "exit")):
        end()
        wait_for(lambda: muster.agent() not in (None, int(pid)), "another agent")
        pid = answering(client)
        assert int(pid) == muster.agent()
        client.publish("news", "1")
        assert client.ask("count") == "1 0 news"


def test_a_fault_in_a_thread_of_the_library_ends_the_agent_and_another_comes(service, server):
    nats_server = server()
    muster = service(config(nats_server))
    client = client_of(nats_server)
    pid = int(answering(client))
    threads = [int(entry) for entry in os.listdir(f"/proc/{pid}/task") if int(entry) != pid]
    assert len(threads) >= 4
    # Sent to the thread alone, as a fault would be
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(234, pid, threads[0], signal.SIGSEGV) == 0
    wait_for(lambda: muster.agent() not in (None, pid), "another agent")
    assert int(answering(client)) == muster.agent()


def test_signals_reach_the_loop_and_not_the_library(service, server):
    """All threads but the first have them blocked."""
    nats_server = server()
    muster = service(config(nats_server))
    answering(client_of(nats_server))
    agent = muster.agent()
    wanted = sum(1 << (number - 1) for number in (signal.SIGTERM, signal.SIGABRT, signal.SIGCHLD, signal.SIGHUP))
    for thread in os.listdir(f"/proc/{agent}/task"):
        status = open(f"/proc/{agent}/task/{thread}/status", encoding="ascii").read()
        blocked = int(re.search(r"SigBlk:\s+(\w+)", status)[1], 16)
        assert (blocked & wanted) == (0 if int(thread) == agent else wanted)


def test_a_reload_delivers_to_one_agent_only(service, server):
    nats_server = server()
    muster = service(config(nats_server, app__subscribe="news"))
    client = client_of(nats_server)
    pid = answering(client)
    assert muster.ctl("reload").returncode == 0
    wait_for(lambda: answering(client) != pid, "the new agent's answers")
    muster.wait_gone(int(pid))
    client.publish("news", "1")
    assert client.ask("count") == "1 0 news"


def test_an_agent_in_standby_is_connected_and_hears_nothing(service, server):
    """The worker of the new generation takes its time, so its agent waits."""
    nats_server = server()
    muster = service(config(nats_server))
    client = client_of(nats_server)
    pid = answering(client)
    muster.configure({"app.start_delay": f"{int(1000 * SLOW)}ms"})
    muster.kill(signal.SIGHUP)
    muster.log.wait_for(CONNECTED, count=2)
    assert muster.agent() is not None
    for _ in range(20):
        assert client.ask("pid") == pid
    client.flush()
    assert not client.messages, "somebody else has answered too"
    muster.log.wait_for("Reloaded: generation 2")
    muster.wait_gone(int(pid))
    assert answering(client) == str(muster.agent())


def test_a_reload_brings_another_broker(service, server):
    servers = [server(), server()]
    muster = service(config(servers[0]))
    answering(client_of(servers[0]))
    muster.configure({"broker.url": servers[1].url})
    assert muster.ctl("reload").returncode == 0
    answering(client_of(servers[1]))
    wait_for(lambda: servers[1].url in (broker_line(muster) or ""), "the new broker in the status")


def test_what_the_stop_function_publishes_is_sent(service, server):
    nats_server = server()
    muster = service(config(nats_server))
    client = client_of(nats_server)
    answering(client)
    muster.stop()
    assert client.next()[1].endswith(b" stopping")


def test_the_sandbox_lets_it_work_where_reading_is_narrow(service, server, directory):
    nats_server = server()
    path = directory / "credentials"
    path.write_text("me:x")
    muster = service(config(nats_server, broker__credentials=path, worker__read_paths=build_dir() / "src" / "apps"))
    answering(client_of(nats_server))
    muster.stop()


