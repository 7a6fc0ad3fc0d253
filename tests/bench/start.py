# SPDX-License-Identifier: MIT
"""From exec to the first answer, with 4 workers, against the bare loop's. start [ROUNDS]: 21 unless said otherwise.

Both get their listening socket as from systemd. The client asks at once and is answered as soon as anybody accepts.
"""

import sys

from measure import Muster, in_turn, median, ratio, report, tools
from muster import build_dir, environment, write_config

WORKERS = 4


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    with tools() as bench:
        with Muster(bench, 1) as muster:
            bench.write_answer(muster.address)
        config = bench.directory / "start.conf"
        write_config(config, {"muster.module": "hello", "worker.workers": WORKERS})
        master = [build_dir() / "src" / "muster-master", "--config", config, "--instance", "start"]
        reference = [bench.path("reference"), "3", bench.directory / "answer"]

        def measure(argv):
            return lambda: bench.launch(argv, env=environment()) / 1000

        in_turn(1, [measure(master), measure(reference)])  # warm
        ours, theirs = in_turn(rounds, [measure(master), measure(reference)])
    report("start", workers=WORKERS, rounds=rounds, muster_us=median(ours), worst_us=round(max(ours)),
           reference_us=median(theirs), ratio=ratio(ours, theirs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
