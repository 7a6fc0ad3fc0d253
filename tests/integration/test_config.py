# SPDX-License-Identifier: MIT
"""Configuration as the one who writes it meets it: errors that say what to do, --check, -o, drop-ins."""

import pathlib

import pytest

from muster import SOURCE, command, free_port


@pytest.fixture
def write(directory):
    def make(text, name="site.conf"):
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return make


GOOD = "[muster]\nmodule = hello\n"


def test_a_good_file_is_checked_silently(write):
    result = command("--check", "--config", write(GOOD))
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "text, said",
    [
        (GOOD + "[http]\nmax_bodi = 12\n", ["http", "max_bodi", "12", "max_body", ":4"]),
        (GOOD + "[worker]\nworkers = 9999\n", ["worker", "workers", "9999", "256", "auto"]),
        (GOOD + "[worker]\nworkers = 12abc\n", ["workers", "12abc"]),
        (GOOD + "[worker]\ndrain = maybe\n", ["drain", "maybe"]),
        (GOOD + "[htpp]\nmax_body = 1M\n", ["htpp", "http"]),
        (GOOD + "[log]\nlevel = loud\n", ["level", "loud", "debug"]),
        (GOOD + "[worker]\nready_timeout = soon\n", ["ready_timeout", "soon"]),
        (GOOD + "[http]\nlisten = nowhere\n", ["listen", "nowhere"]),
        ("[http]\nmax_body = 1M\n", ["module"]),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(write, text, said):
    path = write(text)
    result = command("--check", "--config", path)
    assert result.returncode == 1
    assert str(path) in result.stdout
    for word in said:
        assert word in result.stdout


def test_all_mistakes_are_named_at_once(write):
    result = command("--check", "--config", write(GOOD + "[worker]\nworkers = x\n[http]\nmax_header = 1\n"))
    assert "workers" in result.stdout and "max_header" in result.stdout


def test_a_missing_file_and_a_directory_are_errors(directory):
    for path in (directory / "none.conf", directory):
        result = command("--check", "--config", path)
        assert result.returncode == 1
        assert str(path) in result.stdout


def test_a_start_with_a_mistake_fails_the_same_way(start):
    muster = start({"http.max_bodi": "1M"})
    assert muster.wait() > 0
    muster.log.wait_for("max_bodi.*did you mean max_body")
    assert not muster.notify.values("READY")


def test_the_command_line_has_the_last_word(service):
    muster = service({"worker.workers": 3}, arguments=["-o", "worker.workers=1"])
    assert len(muster.workers()) == 1


def test_a_mistake_on_the_command_line_is_named(write):
    result = command("--check", "--config", write(GOOD), "-o", "worker.workers=0x10")
    assert result.returncode == 1
    assert "-o" in result.stdout and "0x10" in result.stdout


def test_drop_ins_are_read_in_order(write):
    path = write(GOOD)
    write("[worker]\nworkers = 2\n", "site.conf.d/10-first.conf")
    write("[worker]\nworkers = zwei\n", "site.conf.d/20-second.conf")
    write("[worker]\nworkers = nonsense\n", "site.conf.d/ignored.txt")
    result = command("--check", "--config", path)
    assert result.returncode == 1
    assert "20-second.conf" in result.stdout and "nonsense" not in result.stdout


def test_the_instance_is_named_after_the_file(start, directory):
    port = free_port()
    muster = start({"http.listen": f"127.0.0.1:{port}"}, name="named").ready()
    assert muster.agent() is not None  # found by the title, which has the name


def test_the_application_reads_its_own_section(service, directory):
    (directory / "files").mkdir()
    (directory / "files" / "text").write_text("from app")
    muster = service({"app.files": directory / "files"})
    assert muster.get("/files/text").text == "from app"


def test_an_unknown_option_is_refused(write):
    result = command("--config", write(GOOD), "--frobnicate")
    assert result.returncode != 0
    assert "frobnicate" in result.stdout


@pytest.mark.parametrize("path", sorted((SOURCE / "conf").glob("*.conf")), ids=lambda path: path.name)
def test_the_shipped_samples_are_right(path):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    arguments = [] if "\nmodule" in text else ["-o", "muster.module=hello"]
    result = command("--check", "--config", path, *arguments)
    assert result.returncode == 0, result.stdout
