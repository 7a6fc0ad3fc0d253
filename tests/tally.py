#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Adds up what the suites have done: tally.py [--failed N] SUITE=LOG…, LOG being meson's JSON test log.

meson counts programs; people want to know how many tests ran. So the output of each program is read for what
its framework says: cmocka's "[       OK ]" lines, pytest's closing line, TAP's "ok" lines. A program that says
nothing of the kind counts as one test. A program that failed without naming a failed test (it crashed, or ran
out of time) counts as one failure more.

The last line is "N passed, N failed", with ", N skipped" where something was. Exits 1 when anything failed or
nothing ran.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

CMOCKA = re.compile(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] (?!\d+ test\(s\))\S", re.MULTILINE)
CMOCKA_CLOSING = re.compile(r"^ (\d+) (FAILED|SKIPPED) TEST\(S\)", re.MULTILINE)
PYTEST_CLOSING = re.compile(r"^=+ (.*) in [\d.]+s.* =+$", re.MULTILINE)
PYTEST_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)\b")
TAP = re.compile(r"^(ok|not ok)\b([^\n]*)", re.MULTILINE)
# meson's words for a test that did not go wrong
GOOD = {"OK", "EXPECTEDFAIL"}


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def total(self):
        return self.passed + self.failed + self.skipped

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def count_cmocka(output):
    # What failed or was skipped is named twice, once in a list at the end, and the two outputs come in any
    # order. The numbers below the lists are right; a program that died has none.
    words = CMOCKA.findall(output)
    closing = CMOCKA_CLOSING.findall(output)
    tally = Tally(passed=words.count("OK"))
    if closing or "test(s) run." in output:
        tally.failed = sum(int(number) for number, word in closing if word == "FAILED")
        tally.skipped = sum(int(number) for number, word in closing if word == "SKIPPED")
    else:
        tally.failed, tally.skipped = words.count("FAILED"), words.count("SKIPPED")
    return tally


def count_pytest(output):
    tally = Tally()
    closing = PYTEST_CLOSING.findall(output)
    for number, word in PYTEST_COUNT.findall(closing[-1] if closing else ""):
        if word in ("passed", "xfailed"):
            tally.passed += int(number)
        elif word == "skipped":
            tally.skipped += int(number)
        else:
            tally.failed += int(number)
    return tally


def count_tap(output):
    tally = Tally()
    for word, rest in TAP.findall(output):
        if re.search(r"#\s*SKIP\b", rest, re.IGNORECASE):
            tally.skipped += 1
        elif word == "ok":
            tally.passed += 1
        else:
            tally.failed += 1
    return tally


def count_program(entry):
    """What one line of meson's log stands for."""
    output = "\n".join(filter(None, (entry.get("stdout"), entry.get("stderr"))))
    for count in (count_cmocka, count_pytest, count_tap):
        tally = count(output)
        if tally.total():
            break
    if entry["result"] == "SKIP":
        return tally if tally.total() else Tally(skipped=1)
    if entry["result"] not in GOOD and not tally.failed:
        tally.failed = 1
    elif not tally.total():
        tally.passed = 1
    return tally


def count_log(path):
    tally = Tally()
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            tally.add(count_program(json.loads(line)))
    return tally


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--failed", type=int, default=0, help="failures that are in no log")
    parser.add_argument("logs", nargs="*", metavar="SUITE=LOG")
    arguments = parser.parse_args()

    total = Tally(failed=arguments.failed)
    for log in arguments.logs:
        suite, _, path = log.partition("=")
        tally = count_log(Path(path))
        if not tally.total():
            # A suite that was asked for and ran nothing proves nothing
            print(f"{suite}: nothing ran")
            tally.failed = 1
        print(f"{suite}: {tally}")
        total.add(tally)
    print(total)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
