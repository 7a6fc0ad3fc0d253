#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sends the requests of cases.py to a server and judges its answers: corpus.py HOST PORT [--library VERSION].

The server runs the application "faults" of muster. One line for each case that went wrong, and one with the counts;
ends with 1 when there was a wrong one. --library says which libmicrohttpd the server has, 0.9.75 or 1.0 (and later),
and with it which exceptions hold; --verbose prints every case. Nothing is needed but Python's own library.
"""

import argparse
import re
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cases import BEHIND, CASES, EITHER, EXCEPTIONS, KEPT, REFUSED  # noqa: E402

SERVED_HIDDEN, SERVED_BEHIND = b"item hidden", b"item behind"
PATIENCE = 10
AT_ONCE = 8


@dataclass
class Outcome:
    statuses: list  # of all answers that came, interim ones left out
    ended: bool     # the server has closed
    reset: bool     # and with a reset, which may have taken back what was answered
    hidden: bool    # HIDDEN was served
    behind: bool    # BEHIND was served

    @property
    def status(self):
        return self.statuses[0] if self.statuses else None

    @property
    def connection(self):
        return KEPT if self.behind else REFUSED if self.ended else "open, and silent"

    def __str__(self):
        words = [str(self.statuses or "no answer"), self.connection]
        words += ["by a reset"] if self.reset else []
        return ", ".join(words + (["and HIDDEN WAS SERVED"] if self.hidden else []))


def library_of(version):
    """The name under which cases.py has the exceptions of a version: of Debian's package or the library's own."""
    return "0.9.75" if version.startswith("0.9.") else "1.0"


def send_case(address, case, patience=PATIENCE):
    """Sends a case and BEHIND, and reads until the server closes or has served BEHIND."""
    received = b""
    with socket.create_connection(address, timeout=patience) as sock:
        try:
            sock.sendall(case.data + BEHIND)
        except ConnectionError:
            pass  # closed before all of it was sent; what was answered can still be read
        ended = reset = False
        while not ended and SERVED_BEHIND not in received:
            try:
                data = sock.recv(65536)
            except ConnectionError:
                data, reset = b"", True
            except TimeoutError:
                break
            received += data
            ended = not data
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})[ \r]", received)]
    return Outcome([status for status in statuses if status >= 200], ended, reset,
                   SERVED_HIDDEN in received, SERVED_BEHIND in received)


def fits(outcome, statuses, connection):
    """Whether an outcome is the expected one. When the connection ends, all that is said says the same."""
    if outcome.hidden or outcome.status not in statuses:
        return False
    if connection == REFUSED:
        return outcome.connection == REFUSED and set(outcome.statuses) <= statuses
    return outcome.connection in ((KEPT, REFUSED) if connection == EITHER else (connection,))


def judge(case, outcome, library):
    """What is wrong, or None."""
    exception = EXCEPTIONS[library].get(case.name)
    regular = fits(outcome, case.statuses, case.connection)
    if not exception:
        return None if regular else f"{outcome}; allowed is {sorted(case.statuses)}, {case.connection}"
    if regular:
        return f"{outcome}, which is right: no exception any more of {library}"
    if fits(outcome, exception.statuses, exception.connection):
        return None
    return f"{outcome}; the exception of {library} is {set(exception.statuses)}, {exception.connection}"


def run(address, library):
    """Runs all cases. Returns [(case, outcome, what is wrong or None)]."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda case: send_case(address, case), CASES))
    return [(case, outcome, judge(case, outcome, library)) for case, outcome in zip(CASES, outcomes)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--library", dest="version", default="1.0", choices=EXCEPTIONS)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()

    results = run((arguments.host, arguments.port), arguments.version)
    for case, outcome, wrong in results:
        if wrong:
            print(f"wrong: {case.name} ({case.section}): {wrong}")
        elif arguments.verbose:
            print(f"right: {case.name} ({case.section}): {outcome}")
    count = sum(1 for _, _, wrong in results if wrong)
    print(f"corpus: {len(results)} requests, {count} wrong, {len(EXCEPTIONS[arguments.version])} exceptions "
          f"of {arguments.version}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
