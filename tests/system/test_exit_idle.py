# SPDX-License-Identifier: MIT
"""With exit_idle a service goes away when nobody needs it, and systemd brings it back with the first request."""

from container import wait_until
from service import HELLO, HELLO_URL, muster_processes

SOCKET = "muster@hello.socket"


def test_an_idle_service_is_down_until_the_next_request_which_is_answered(hello):
    hello.write("/etc/muster/hello.conf.d/idle.conf", "[muster]\nexit_idle = 2s\n")
    for _ in range(3):
        assert hello.http(HELLO_URL)[0] == 200
        wait_until(lambda: hello.state(HELLO) == "inactive", "the service is down")
        assert muster_processes(hello) == {}
        assert hello.show(HELLO, "Result") == "success"
        assert hello.show(HELLO, "NRestarts") == "0"
        assert hello.state(SOCKET) == "active"
        assert hello.show(SOCKET, "SubState") == "listening"
    text = hello.run("journalctl", "--no-pager", "-u", HELLO)
    assert text.count("No request for 2s (exit_idle), stopping until somebody connects") == 3


def test_a_request_at_the_very_end_is_answered(hello):
    hello.write("/etc/muster/hello.conf.d/idle.conf", "[muster]\nexit_idle = 1s\n")
    assert hello.http(HELLO_URL)[0] == 200
    for _ in range(10):
        wait_until(lambda: hello.state(HELLO) != "active", "the service begins to end")
        assert hello.http(HELLO_URL)[0] == 200
    assert hello.state(SOCKET) == "active"
