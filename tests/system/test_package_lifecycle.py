# SPDX-License-Identifier: MIT
"""From installation to purge, as an operator lives it, in a booted system."""

import pytest

from conftest import configure
from container import CommandFailed, wait_until
from service import CRASH_ID, FAULTS, FAULTS_URL, HELLO, HELLO_URL, crash, muster_processes, requests_during


def test_installing_starts_and_enables_nothing(installed):
    assert muster_processes(installed) == {}
    assert installed.systemctl("list-units", "--all", "--plain", "--no-legend", "muster@*").strip() == ""
    assert installed.run("find", "/etc/systemd/system", "-name", "muster*") == ""
    assert installed.run("find", "/etc/muster", "-mindepth", "1") == ""


def test_the_first_request_starts_the_service_and_is_answered(hello):
    assert hello.state("muster@hello.socket") == "active"
    assert hello.state(HELLO) == "inactive"

    status, body = hello.http(HELLO_URL)

    assert status == 200
    assert body.startswith("pid:")
    wait_until(lambda: hello.state(HELLO) == "active", "the service is active")
    titles = list(muster_processes(hello).values())
    assert "muster-master: hello" in titles
    assert "muster-agent: hello" in titles
    assert "muster-worker: hello/0" in titles


def test_enabling_the_service_starts_it_with_its_socket(installed):
    configure(installed, "hello", "hello.conf")

    installed.systemctl("enable", "--now", HELLO)

    assert installed.state(HELLO) == "active"
    assert installed.state("muster@hello.socket") == "active"
    assert installed.systemctl("is-enabled", "muster@hello.socket").strip() == "enabled"
    assert installed.http(HELLO_URL)[0] == 200


def test_an_address_of_the_file_system_works_too(installed):
    configure(installed, "hello", "hello.conf")
    installed.write("/etc/systemd/system/muster@hello.socket.d/listen.conf",
                    "[Socket]\nListenStream=\nListenStream=/run/hello.sock\n")
    installed.systemctl("daemon-reload")
    installed.systemctl("start", "muster@hello.socket")

    status, _ = installed.http("http://localhost/", "--unix-socket", "/run/hello.sock")
    assert status == 200

    installed.systemctl("stop", "muster@hello.socket", HELLO)
    assert not installed.succeeds("test", "-e", "/run/hello.sock")


def test_status_tells_how_many_workers_are_ready(faults):
    def ready():
        return "workers ready" in faults.systemctl("status", FAULTS)

    wait_until(ready, "STATUS names the workers")
    text = faults.systemctl("status", FAULTS)
    count, total = text.split(" workers ready")[0].split()[-1].strip('"').split("/")
    assert count == total and int(total) >= 1


def test_a_crash_costs_one_request_and_leaves_one_readable_entry(faults):
    master = faults.main_pid(FAULTS)

    entry = crash(faults)

    assert faults.http(f"{FAULTS_URL}/") == (200, "hello world")
    assert faults.main_pid(FAULTS) == master
    assert "SIGSEGV" in entry["MESSAGE"]
    assert entry["PRIORITY"] == "2"
    assert entry["MUSTER_INSTANCE"] == "faults"
    assert entry["MUSTER_ROLE"] == "worker"
    assert entry["MUSTER_WORKER"].isdigit()
    assert int(entry["MUSTER_PID"]) > 1
    assert entry["MUSTER_SIGNAL"] == "SIGSEGV"
    assert int(entry["MUSTER_ADDRESS"], 16) >= 0
    assert "/crash" in entry["MUSTER_ROUTE"]
    assert "faults.so" in entry["MUSTER_BACKTRACE"]
    assert len(faults.journal("-u", FAULTS, f"MESSAGE_ID={CRASH_ID}")) == 1


def test_status_shows_the_crash_and_the_replacement(faults):
    workers = faults.systemctl("status", FAULTS).count("muster-worker: faults/")

    crash(faults)

    def replaced():
        text = faults.systemctl("status", FAULTS)
        return "1 restarts" in text and text.count("muster-worker: faults/") == workers

    wait_until(replaced, "STATUS counts the restart, and as many workers as before")
    assert "SIGSEGV" in faults.systemctl("status", FAULTS)


def test_the_catalog_explains_the_crash(faults):
    crash(faults)
    text = faults.run("journalctl", "--no-pager", "--catalog", "-u", FAULTS, f"MESSAGE_ID={CRASH_ID}")
    assert "A process of faults has crashed" in text
    assert "A replacement has been started" in text


def test_after_a_stop_the_socket_brings_the_service_back(hello):
    assert hello.http(HELLO_URL)[0] == 200

    hello.systemctl("stop", HELLO)

    assert muster_processes(hello) == {}
    assert hello.show(HELLO, "Result") == "success"
    assert hello.state("muster@hello.socket") == "active"
    assert hello.http(HELLO_URL)[0] == 200


def test_stopping_the_socket_stops_the_service(hello):
    assert hello.http(HELLO_URL)[0] == 200

    hello.systemctl("stop", "muster@hello.socket")

    assert hello.state(HELLO) == "inactive"
    assert muster_processes(hello) == {}


def test_no_request_fails_during_a_restart(hello):
    assert hello.http(HELLO_URL)[0] == 200
    before = hello.main_pid(HELLO)

    sent, failed = requests_during(hello, HELLO_URL, lambda: hello.systemctl("restart", HELLO))

    assert hello.main_pid(HELLO) != before
    assert sent > 1
    assert failed == 0


def test_no_request_fails_when_the_package_is_installed_again(hello, packages):
    assert hello.http(HELLO_URL)[0] == 200
    before, processes = hello.main_pid(HELLO), muster_processes(hello)

    _, failed = requests_during(hello, HELLO_URL, lambda: hello.install(packages.muster))

    assert hello.main_pid(HELLO) == before
    wait_until(lambda: not (processes.keys() & muster_processes(hello).keys()) - {before}, "all other processes are new")
    assert failed == 0


def test_a_killed_master_comes_back_without_anyone_left_behind(hello):
    assert hello.http(HELLO_URL)[0] == 200
    before = muster_processes(hello)

    hello.run("kill", "-KILL", str(hello.main_pid(HELLO)))

    assert hello.http(HELLO_URL)[0] == 200
    wait_until(lambda: hello.state(HELLO) == "active", "the service is active again")
    assert not before.keys() & muster_processes(hello).keys()
    assert hello.show(HELLO, "NRestarts") == "1"


def test_reload_does_not_disturb_the_service(hello):
    assert hello.http(HELLO_URL)[0] == 200
    before = hello.main_pid(HELLO)

    hello.systemctl("reload", HELLO)

    assert hello.http(HELLO_URL)[0] == 200
    assert hello.main_pid(HELLO) == before


@pytest.mark.parametrize("text, said", [
    ("[muster]\nmodule = hello\n[worker]\nwrokers = 2\n", "wrokers"),
    ("[muster]\nmodule = nosuchthing\n", "nosuchthing"),
    ("[muster]\nmodule = faults\n[app]\nstart = fail\n", "start = fail, so it does"),
], ids=["a misspelt key", "a module that is not there", "a worker_start that fails"])
def test_a_failing_start_says_why_and_keeps_the_socket(installed, text, said):
    installed.write("/etc/muster/hello.conf", text)

    with pytest.raises(CommandFailed):
        installed.systemctl("start", HELLO)

    assert said in installed.systemctl("status", "--full", HELLO, check=False)
    # and so it stays, however often systemd tries again
    wait_until(lambda: int(installed.show(HELLO, "NRestarts")) >= 6, "systemd tries again")
    assert installed.state("muster@hello.socket") == "active"

    # A mended configuration needs nobody's hand
    installed.write("/etc/muster/hello.conf", "[muster]\nmodule = hello\n")
    assert installed.http(HELLO_URL)[0] == 200


def test_removing_stops_everything_and_keeps_the_configuration(hello):
    assert hello.http(HELLO_URL)[0] == 200

    hello.run("dpkg", "--remove", "muster")

    assert muster_processes(hello) == {}
    assert hello.succeeds("test", "-e", "/etc/muster/hello.conf")


def test_purging_leaves_nothing(faults):
    configure(faults, "hello", "hello.conf")
    faults.systemctl("enable", "--now", "muster@hello.socket")
    assert faults.http(HELLO_URL)[0] == 200
    crash(faults)

    faults.purge("muster")

    assert muster_processes(faults) == {}
    left = faults.run("find", "/", "-xdev", "-not", "-path", "/proc/*", "-iname", "*muster*")
    assert left == ""
    for folder in ("/run", "/dev/shm", "/tmp", "/var/tmp"):
        assert faults.run("find", folder, "-iname", "*muster*") == ""
    units = faults.systemctl("list-units", "--all", "--plain", "--no-legend", "muster*")
    assert units.strip() == ""
    assert "muster" not in faults.systemctl("list-unit-files", "muster*", check=False).replace("muster*", "")
