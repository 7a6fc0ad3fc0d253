# SPDX-License-Identifier: MIT
"""The checkers can fail: what they are there to find, they find; and the tally counts what was said."""

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def load(name):
    specification = importlib.util.spec_from_file_location(name.replace("-", "_"), HERE / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


layers = load("check-layers")
tally = load("tally")


@pytest.fixture
def source(tmp_path):
    return tmp_path / "src"


def write(source, name, *lines):
    path = source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def test_an_include_of_a_folder_to_the_left_is_fine(source):
    write(source, "util/fd.h")
    write(source, "ipc/channel.c", '#include "util/fd.h"', "#include <muster/app.h>", "#include <errno.h>")
    assert not list(layers.check_layers(source))
    assert not list(layers.check_paths(source))


@pytest.mark.parametrize("name, include", [
    ("util/fd.c", '"config/config.h"'),
    ("config/config.c", '"ipc/channel.h"'),
    ("master/pool.c", '"worker/loop.h"'),
    ("apps/hello/hello.c", '"util/fd.h"'),
    ("surprise/new.c", '"util/fd.h"'),
])
def test_an_include_against_the_layers_is_found(source, name, include):
    write(source, name, f"#include {include}")
    assert list(layers.check_layers(source))


def test_an_include_that_hides_its_layer_is_found(source):
    write(source, "worker/loop.h")
    write(source, "worker/loop.c", '#include "loop.h"')
    assert list(layers.check_paths(source))


@pytest.mark.parametrize("header, wrong, right", [
    ("microhttpd.h", "worker/main.c", "http/server.c"),
    ("iniparser/iniparser.h", "master/main.c", "config/ini.c"),
    ("dlfcn.h", "master/main.c", "app/module.c"),
])
def test_a_guarded_header_elsewhere_is_found(source, header, wrong, right):
    write(source, wrong, f"#include <{header}>")
    write(source, right, f"#include <{header}>")
    assert len(list(layers.check_guarded(source))) == 1


def test_a_long_file_is_found(source):
    write(source, "util/short.c", *[""] * 500)
    write(source, "util/long.c", *[""] * 501)
    write(source, "include/muster/app.h", *[""] * 501)
    assert [line.split(":")[0] for line in layers.check_length(source)] == ["util/long.c"]


def test_a_program_that_calls_dlopen_is_found():
    # The interpreter loads its modules by dlopen
    assert any("dlopen" in line for line in layers.check_master(Path("/usr/bin/python3")))


def test_a_program_without_the_thread_sanitizer_proves_nothing():
    done = subprocess.run([HERE / "threads", "/bin/true"], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "not ok 1 - true was built with the sanitizer" in done.stdout


FUZZ_TARGET = """#!/bin/bash
for word; do
        case $word in
        -artifact_prefix=*) prefix=${word#*=} ;;
        -max_total_time=*) echo offending >"${prefix}crash-1"; echo "deadly signal"; exit 77 ;;
        esac
done
echo stat::number_of_executed_units: 2
"""


def run_fuzz_target(tmp_path, seconds):
    target, corpus = tmp_path / "fuzz-thing", tmp_path / "corpus"
    target.write_text(FUZZ_TARGET)
    target.chmod(0o755)
    corpus.mkdir()
    for name in ("one", "two"):
        (corpus / name).write_text(name)
    return subprocess.run([HERE / "fuzz/run-one", target, corpus, tmp_path / "findings"], check=False, text=True,
                          capture_output=True, env={**os.environ, "MUSTER_FUZZ_SECONDS": seconds})


def test_what_breaks_a_fuzz_target_is_a_failure_and_kept(tmp_path):
    done = run_fuzz_target(tmp_path, "1")
    kept = tmp_path / "findings/fuzz-thing-crash-1"
    assert done.returncode == 1
    assert "ok 1 - fuzz-thing: the 2 inputs of the corpus" in done.stdout
    assert "not ok 2 - fuzz-thing: new inputs for 1 s" in done.stdout
    assert kept.read_text() == "offending\n"
    assert str(kept) in done.stderr and "deadly signal" in done.stderr


def test_a_fuzz_target_can_run_its_corpus_alone(tmp_path):
    done = run_fuzz_target(tmp_path, "0")
    assert done.returncode == 0
    assert tally.count_tap(done.stdout) == tally.Tally(passed=1, skipped=1)


CMOCKA = """[==========] Running 4 test(s).
[ RUN      ] one
[       OK ] one
[ RUN      ] two
[  SKIPPED ] two
[ RUN      ] three
[  FAILED  ] three
[ RUN      ] four
[==========] 4 test(s) run.
"""
CMOCKA_CLOSING = """Could not run test: Test setup failed
[  ERROR   ] four
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] two

 1 SKIPPED TEST(S)
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] three

 2 FAILED TEST(S)
"""


@pytest.mark.parametrize("output, result, counts", [
    (CMOCKA + CMOCKA_CLOSING, "FAIL", (1, 2, 1)),
    (CMOCKA_CLOSING + CMOCKA, "FAIL", (1, 2, 1)),
    ("==== 3 failed, 97 passed, 2 skipped, 1 error in 10.01s ====\n", "FAIL", (97, 4, 2)),
    ("==== 4 passed in 61.20s (0:01:01) ====\n", "OK", (4, 0, 0)),
    ("1..3\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP no tool\n", "FAIL", (1, 1, 1)),
    ("nothing known", "OK", (1, 0, 0)),
    ("nothing known", "FAIL", (0, 1, 0)),
    ("", "SKIP", (0, 0, 1)),
    ("[ RUN      ] a\n[       OK ] a\n[ RUN      ] b\n", "FAIL", (1, 1, 0)),
    ("==== test session starts ====\ntest_a.py::test_a PASSED\n", "TIMEOUT", (0, 1, 0)),
])
def test_the_tally_counts_what_was_said(output, result, counts):
    counted = tally.count_program({"stdout": output, "result": result})
    assert (counted.passed, counted.failed, counted.skipped) == counts


def test_a_suite_that_ran_nothing_is_no_success(tmp_path):
    log = tmp_path / "log.json"
    assert tally.count_log(log).total() == 0
    log.write_text(json.dumps({"stdout": "", "result": "OK"}) + "\n")
    assert tally.count_log(log).passed == 1
