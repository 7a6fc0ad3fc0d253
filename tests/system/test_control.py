# SPDX-License-Identifier: MIT
"""musterctl under the shipped unit: who may, what it shows, and a reload whose end systemd hears of."""

import json

import pytest

from conftest import configure
from container import CommandFailed, wait_until
from service import FAULTS, FAULTS_URL, HELLO, HELLO_URL, crash, requests_during

PERMISSION = 4


def as_user(container, user, *command):
    return container.run(*by_user(user), *command)


def by_user(user):
    return "setpriv", f"--reuid={user}", "--clear-groups"


def service_user(container, unit):
    """The number of the user that systemd has made for it."""
    pid = container.main_pid(unit)
    return container.run("stat", "--format=%u", f"/proc/{pid}").strip()


def test_root_sees_the_service_through_its_sandbox(faults):
    shown = json.loads(faults.run("musterctl", "status", "faults", "--json"))
    assert shown["state"] == "running"
    assert shown["pid"] == faults.main_pid(FAULTS)
    assert [socket["address"] for socket in shown["sockets"]] == ["127.0.0.1:8081"]
    workers = {pid for pid, line in faults.processes().items() if "muster-worker: faults/" in line}
    assert {worker["pid"] for worker in shown["workers"]} == workers
    # The master may see it under ProtectProc= and ProcSubset=
    assert all(worker["rss"] > 0 for worker in shown["workers"])
    assert "faults: running" in faults.run("musterctl", "status")


def test_the_user_of_the_service_may_and_another_may_not(faults):
    user = service_user(faults, FAULTS)
    assert user not in ("0", "65534")
    assert "faults: running" in as_user(faults, user, "musterctl", "status", "faults")
    for stranger in "65534", "1", str(int(user) + 1):
        with pytest.raises(CommandFailed) as refused:
            as_user(faults, stranger, "musterctl", "status", "faults")
        assert refused.value.status == PERMISSION
        assert "only root and the user of the service" in refused.value.output

    # Through the user namespace of the master, too, when the file's mode does not keep them out
    faults.run("chmod", "0666", "/run/muster/faults/control")
    with pytest.raises(CommandFailed) as refused:
        as_user(faults, "65534", "musterctl", "status", "faults")
    assert refused.value.status == PERMISSION
    assert "faults: running" in as_user(faults, user, "musterctl", "status", "faults")
    assert "faults: running" in faults.run("musterctl", "status", "faults")


def test_reload_tells_systemd_that_it_has_worked(faults):
    before = json.loads(faults.run("musterctl", "status", "faults", "--json"))

    faults.systemctl("reload", FAULTS)

    after = json.loads(faults.run("musterctl", "status", "faults", "--json"))
    assert after["pid"] == before["pid"]
    assert after["generation"] == before["generation"] + 1
    assert after["last_reload"]["result"] == "ok"
    assert faults.state(FAULTS) == "active"


def test_reload_tells_systemd_that_it_has_failed_and_the_service_serves_on(faults):
    faults.write("/etc/muster/faults.conf.d/wrong.conf", "[http]\nmax_bodi = 1M\n")

    with pytest.raises(CommandFailed):
        faults.systemctl("reload", FAULTS)

    assert faults.state(FAULTS) == "active"
    assert faults.http(f"{FAULTS_URL}/") == (200, "hello world")
    assert "max_bodi" in faults.show(FAULTS, "StatusText")
    assert "max_bodi" in faults.run("musterctl", "status", "faults")
    with pytest.raises(CommandFailed) as failed:
        faults.run("musterctl", "reload", "faults")
    assert failed.value.status == 1 and "max_bodi" in failed.value.output

    faults.run("rm", "/etc/muster/faults.conf.d/wrong.conf")
    faults.systemctl("reload", FAULTS)
    assert "max_bodi" not in faults.show(FAULTS, "StatusText")


def test_a_reload_that_takes_its_time_is_not_given_up(faults):
    faults.write("/etc/systemd/system/muster@faults.service.d/time.conf", "[Service]\nTimeoutStartSec=4s\n")
    faults.systemctl("daemon-reload")
    slow = "[worker]\nworkers = 3\nready_timeout = 10s\n[app]\nstart_delay = 2s\n"
    faults.write("/etc/muster/faults.conf.d/slow.conf", slow)

    faults.systemctl("reload", FAULTS)

    shown = json.loads(faults.run("musterctl", "status", "faults", "--json"))
    assert shown["last_reload"]["result"] == "ok"
    assert shown["last_reload"]["took_usec"] > 4000000
    assert shown["workers_ready"] == 3


def test_restart_scale_and_stop_work_through_the_sandbox(faults):
    def ready():
        shown = json.loads(faults.run("musterctl", "status", "faults", "--json"))
        return {worker["worker"]: worker["pid"] for worker in shown["workers"] if worker["state"] == "ready"}

    faults.run("musterctl", "scale", "faults", "3")
    before = ready()
    assert sorted(before) == [0, 1, 2]
    sent, failed = requests_during(faults, f"{FAULTS_URL}/", lambda: faults.run("musterctl", "restart", "faults"))
    assert sent > 4 and failed == 0
    assert sorted(ready()) == [0, 1, 2] and not set(ready().values()) & set(before.values())
    faults.run("musterctl", "stop", "faults", "2")
    assert sorted(ready()) == [0, 1]
    assert "1 stopped" in faults.run("musterctl", "status", "faults")


def test_a_message_is_sent_and_watched_through_the_sandbox_by_those_who_may(faults):
    user = service_user(faults, FAULTS)
    seen = []

    def watched():
        """One message that a monitor, run by the service's own user, has seen pass."""
        monitor = faults.popen(*by_user(user), "musterctl", "monitor", "faults", "--json", "--iterations", "1")
        while monitor.poll() is None:
            seen.append(faults.run("musterctl", "send", "faults", "refresh", "force", "--to", "app"))
        return json.loads(monitor.communicate()[0].splitlines()[-1])

    shown = watched()
    workers = len([line for line in faults.processes().values() if "muster-worker: faults/" in line])
    assert set(seen) == {f"faults: sent to {workers} processes\n" if workers > 1 else "faults: sent to 1 process\n"}
    assert (shown["from"], shown["to"], shown["receivers"]) == ("operator", "app", workers)
    assert (shown["action"], shown["size"], shown["first"]) == ("refresh", 5, "force")

    assert as_user(faults, user, "musterctl", "send", "refresh", "--to", "agent") == "faults: sent to 1 process\n"
    for words in ("send", "faults", "refresh", "--to", "all"), ("monitor", "faults"):
        with pytest.raises(CommandFailed) as refused:
            as_user(faults, "65534", "musterctl", *words)
        assert refused.value.status == PERMISSION
    with pytest.raises(CommandFailed) as failed:
        faults.run("musterctl", "send", "faults", "refresh", "--to", "1")
    assert failed.value.status == 1 and "no worker or agent with the pid 1" in failed.value.output


def test_list_knows_what_runs_and_what_does_not(faults):
    configure(faults, "hello", "hello.conf")
    shown = {item["instance"]: item["state"] for item in json.loads(faults.run("musterctl", "list", "--json"))}
    assert shown == {"faults": "running", "hello": "stopped"}
    with pytest.raises(CommandFailed) as stopped:
        faults.run("musterctl", "status", "hello")
    assert stopped.value.status == 3


def test_logs_are_those_of_the_instance(faults):
    crash(faults)
    faults.run("journalctl", "--sync")
    text = faults.run("musterctl", "logs", "faults", "--no-pager", "--priority=crit")
    assert "SIGSEGV" in text
    assert "Started" in faults.run("musterctl", "logs", "--no-pager")


def test_config_names_the_files(hello):
    assert hello.http(HELLO_URL)[0] == 200
    wait_until(lambda: hello.state(HELLO) == "active", "the service is active")
    shown = json.loads(hello.run("musterctl", "config", "hello", "--json"))
    assert shown["muster"]["module"]["value"] == "hello"
    assert shown["muster"]["module"]["origin"].startswith("/etc/muster/hello.conf:")
    assert hello.run("musterctl", "check") == "/etc/muster/hello.conf: good\n"


def test_bash_completes_what_is_installed(faults):
    script = (
        "source /usr/share/bash-completion/completions/musterctl; "
        'COMP_WORDS=(musterctl status ""); COMP_CWORD=2; _musterctl; echo "${COMPREPLY[@]}"'
    )
    assert faults.run("bash", "-c", script) == "faults\n"
