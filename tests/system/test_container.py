# SPDX-License-Identifier: MIT
"""What the other tests take for granted about their container."""


def test_it_has_no_network_but_loopback(container):
    interfaces = container.run("ls", "/sys/class/net").split()
    assert interfaces == ["lo"]


def test_a_failing_command_is_told(container):
    assert not container.succeeds("false")
    assert container.succeeds("true")
