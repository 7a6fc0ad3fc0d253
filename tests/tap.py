# SPDX-License-Identifier: MIT
"""What the checkers share: the files of the tree, the commands of a build, and one TAP line for each job.

A job is (what it is called, its command or None where its tool is missing). It is good when the command ends
with 0; its output is shown when it does not. Jobs run side by side, one a CPU.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
# What the tools say changes from one version to the next, so the verdict is that of Debian 12's
VERSIONS = {"clang": "14", "gcc": "12", "cppcheck": "2.10"}


def is_ours(tool, family="clang"):
    """Whether a tool is there, in the version whose opinion counts."""
    if not shutil.which(tool):
        return False
    version = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False).stdout
    return bool(re.search(rf"(?<![\d.]){re.escape(VERSIONS[family])}(?!\d)", version))


def compile_commands(build):
    """The C files that the build knows how to compile, with the command for each."""
    database = build / "compile_commands.json"
    if not database.exists():
        return {}
    entries = json.loads(database.read_text())
    return {(Path(entry["directory"]) / entry["file"]).resolve(): entry["command"] for entry in entries}


def run(job):
    name, command = job
    if not command:
        return name, None, ""
    done = subprocess.run([str(word) for word in command], check=False, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return name, done.returncode == 0, done.stdout


def run_jobs(jobs):
    """Runs them all and says so in TAP. Returns the exit status."""
    jobs = list(jobs)
    failed = False
    print(f"1..{len(jobs)}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, (name, good, output) in enumerate(pool.map(run, jobs), 1):
            skip = " # SKIP not there, or not the version of Debian 12" if good is None else ""
            print(f"{'not ok' if good is False else 'ok'} {number} - {name}{skip}", flush=True)
            if good is False:
                failed = True
                # meson shows stderr of a test that failed, and keeps TAP to itself
                print("".join(f"# {line}\n" for line in output.splitlines()), end="", flush=True, file=sys.stderr)
    return 1 if failed else 0
