# SPDX-License-Identifier: MIT
"""What an ordinary client notices of a thousand slow ones: the p99 of its requests, alone and beside them.

The slow ones are ours (tests/integration/slow.py), and, where it is installed, those of slowhttptest: slow headers
(-H), slow bodies (-B), slow reading (-X). The deadlines are short, and ours drip every 2 s. slow [ROUNDS]: 3 unless
said otherwise.

`longest_s` is how long the last of our slow clients stayed, `most` how many of them there were at once.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

from measure import median, report

from slow_clients import CLIENTS, HEADER_TIMEOUT, LOOKS, ask_beside_slow_clients, ask_for, ask_until, start_service

SPAN = 2  # seconds alone
TOOL_SPAN = HEADER_TIMEOUT + 2 * LOOKS
MODES = {
    "-H": ["-H", "-t", "GET", "-i", "2", "-x", "8"],
    "-B": ["-B", "-i", "2", "-s", "100000", "-x", "8"],
    "-X": ["-X", "-w", "1", "-y", "64", "-n", "2", "-z", "10"],
}
TARGETS = {"-H": "/", "-B": "/echo", "-X": "/files/large"}


def microseconds(seconds):
    return round(seconds * 1e6)


def summary(alone, beside):
    return {
        "alone_p99_us": microseconds(alone.p99),
        "p99_us": microseconds(beside.p99),
        "alone_median_us": microseconds(alone.median),
        "median_us": microseconds(beside.median),
        "requests": len(beside.seconds),
    }


def measure_ours(muster):
    alone = ask_for(muster.address(), SPAN)
    beside, most, span, _ = ask_beside_slow_clients(muster)
    return {**summary(alone, beside), "most": most, "longest_s": round(span, 1)}


def measure_tool(muster, mode):
    """slowhttptest connects again what was ended, as long as it runs."""
    host, port = muster.address()
    alone = ask_for(muster.address(), SPAN)
    tool = subprocess.Popen(
        ["slowhttptest", *MODES[mode], "-c", str(CLIENTS), "-r", "500", "-l", str(TOOL_SPAN), "-p", "3", "-v", "1",
         "-u", f"http://{host}:{port}{TARGETS[mode]}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        beside = ask_until(muster.address(), lambda: tool.poll() is not None)
    finally:
        tool.kill()
        tool.wait()
    return summary(alone, beside)


def run(case, rounds, measure):
    results = [measure() for _ in range(rounds)]
    values = {name: median([result[name] for result in results]) for name in results[0]}
    report("slow", case=case, clients=CLIENTS, rounds=rounds, **values,
           ratio=round(values["p99_us"] / values["alone_p99_us"], 2))


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        muster = start_service(pathlib.Path(directory)).ready()
        try:
            run("ours", rounds, lambda: measure_ours(muster))
            for mode in MODES if shutil.which("slowhttptest") else ():
                run(f"slowhttptest {mode}", rounds, lambda mode=mode: measure_tool(muster, mode))
        finally:
            left = muster.close()
    if left:
        raise RuntimeError(f"left behind: {left}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
