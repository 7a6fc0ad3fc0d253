# SPDX-License-Identifier: MIT
"""The README is true: its application is built as it says and answers what it says."""

import re
import shlex
import subprocess

import pytest

from muster import SOURCE, command, free_port, wait_for
from sources import DIRECT, built, value, wait_status

README = (SOURCE / "README.md").read_text(encoding="utf-8")


def block(language, containing):
    """The code block of this language that contains this text."""
    for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL):
        if containing in text:
            return text
    raise AssertionError(f"no {language} block with {containing}")


@pytest.fixture
def greet(directory):
    (directory / "greet.c").write_text(block("c", "MUSTER_APPLICATION"))
    line = block("sh", "greet.so").strip()
    # What the installed package would say.
    line = line.replace("$(pkg-config --cflags muster)", "-I " + shlex.quote(str(SOURCE / "src" / "include")))
    line += " -Wall -Wextra -Werror"
    subprocess.run(["sh", "-c", line], cwd=directory, check=True)
    return directory / "greet.so"


def test_the_first_application_answers_what_the_readme_says(service, greet):
    muster = service({"muster.module": greet, "worker.workers": 1})
    console = block("console", "curl")
    request, answer = re.search(r"curl http://127.0.0.1:8080(\S+)\n(.*)", console, re.DOTALL).groups()
    assert muster.get(request).text == answer


def test_the_first_application_is_fifteen_lines_long():
    assert len(block("c", "MUSTER_APPLICATION").splitlines()) <= 15


def test_the_configuration_of_the_readme_is_right(directory, greet):
    text = block("ini", "greet.so").replace("/usr/local/lib/greet.so", str(greet))
    (directory / "greet.conf").write_text(text.replace(":8080", f":{free_port()}"))
    result = command("--check", "--config", directory / "greet.conf")
    assert result.returncode == 0, result.stdout


def test_the_keys_and_limits_of_the_readme_exist_with_these_defaults():
    sample = (SOURCE / "conf" / "muster.conf").read_text(encoding="utf-8")
    for section, key, default in re.findall(r"^\| `\[(\w+)\] (\w+)` \| (\w+)", README, re.MULTILINE):
        body = sample.split(f"\n[{section}]\n", 1)[1].split("\n[", 1)[0]
        assert re.search(rf"^#{key} = {default}\b", body, re.MULTILINE), (section, key, default)


def test_the_files_the_readme_names_exist():
    for path in re.findall(r"\]\(([\w./]+)\)", README) + re.findall(r"\./(packaging/run|tests/run)", README):
        assert (SOURCE / path).exists(), path


def test_the_manual_of_the_interface_names_every_call_of_its_header():
    header = (SOURCE / "src" / "include" / "muster" / "app.h").read_text(encoding="utf-8")
    manual = (SOURCE / "packaging" / "man" / "muster-app.3.scd").read_text(encoding="utf-8")
    calls = re.findall(r"^MUSTER_PUBLIC\s[^(]*?(muster_[a-z_]+)\(", header, re.MULTILINE)
    assert len(calls) > 100
    assert not [call for call in calls if f"*{call}*()" not in manual]
    members = re.search(r"^struct muster_application \{\n(.*?)^\};", header, re.MULTILINE | re.DOTALL)[1]
    names = set(re.findall(r"(\w+)\)?(?:\([^()]*\))?;", members)) - {"api", "size"}
    assert {"routes", "forks", "tasks", "schedules", "compute_stop"} < names
    assert not [name for name in names if f"*{name}*" not in manual]


def test_the_bundled_application_answers_what_the_readme_says(service):
    muster = service({"muster.module": "hello", "worker.workers": 1})
    (worker,) = muster.worker_pids()
    assert muster.get("/").text == f"pid:{worker},ppid:{muster.pid}"
    answer = muster.get("/plain")
    assert (answer.text, answer["Content-Type"]) == ("hello world", "text/plain")


@pytest.fixture
def readme_origin(directory):
    """The README's origin, in a folder and on a port of ours. Its address, and what runs one of the README's lines there."""
    port = free_port()

    def ours(text):
        return text.replace("/tmp/origin", str(directory / "origin")).replace("8000", str(port))

    def run(text):
        subprocess.run(["sh", "-c", ours(text)], check=True)

    *lines, server = block("sh", "http.server").strip().splitlines()
    run("\n".join(lines))
    with subprocess.Popen(["sh", "-c", "exec " + ours(server).rstrip(" &")], stderr=subprocess.DEVNULL) as process:
        yield f"http://127.0.0.1:{port}/data.json", run
        process.terminate()


@built
def test_the_origin_of_the_readme_tells_what_has_changed(service, readme_origin):
    url, run = readme_origin
    muster = service({"muster.module": "source", "worker.workers": 1, "app.url": url, "schedule:pull.interval": "300ms"},
                     variables=DIRECT)
    wait_status(muster, lambda found: found["version"], "the data")
    assert value(muster) == "hello"
    for text, line in re.findall(r"^(echo '{\"greeting\": \"(.*)\"}' > .*)$", README, re.MULTILINE):
        run(text)
        wait_for(lambda expected=line: value(muster) == expected, f"the greeting {line}")
    assert wait_status(muster, lambda found: found["lastUpdateBy"], "an update")["lastUpdateBy"] == "pull"
