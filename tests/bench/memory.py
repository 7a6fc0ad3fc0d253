# SPDX-License-Identifier: MIT
"""The memory of a worker after 2 s of load with 64 connections: its proportional set size (PSS).

PSS counts a page that several processes share by their shares, so it depends on how many workers there are: 4 here,
and the fewer, the more each has to bear. `muster_kib` is the mean of the workers, `worst_kib` the one that has taken the
most connections. The reference is the bare loop after the same load.
"""

import statistics
import sys

from measure import Muster, Reference, pss_kib, report, tools

CONNECTIONS, MILLISECONDS, WORKERS = 64, 2000, 4


def main():
    with tools() as bench, Muster(bench, WORKERS, spread=True) as muster:
        bench.write_answer(muster.address)
        bench.load(muster.port, CONNECTIONS, milliseconds=MILLISECONDS)
        values = [pss_kib(pid) for pid in muster.pids()]
        mean = round(statistics.mean(values))
        others = {"master_kib": pss_kib(muster.service.pid), "agent_kib": pss_kib(muster.service.agent())}
        with Reference(bench) as reference:
            bench.load(reference.port, CONNECTIONS, milliseconds=MILLISECONDS)
            reference_kib = pss_kib(reference.pids()[0])
    report("memory", workers=WORKERS, connections=CONNECTIONS, muster_kib=mean, worst_kib=max(values),
           reference_kib=reference_kib, ratio=round(mean / reference_kib, 3),
           total_kib=sum(values) + sum(others.values()), **others)
    return 0


if __name__ == "__main__":
    sys.exit(main())
