# SPDX-License-Identifier: MIT
"""What the tests of hangs and of the watchdog share."""

from client import SLOW, SOON

HANG_TIMEOUT = max(1, int(SLOW))
QUICK = {"worker.hang_timeout": f"{HANG_TIMEOUT}s"}

# What may come on top where nothing of ours waits: the tests' own way to the processor.
SLACK = 0.5 * SLOW


def hung(muster, pid, **keywords):
    """The entry that says that this process hung."""
    return muster.log.wait_for(rf"\(pid {pid}\) hung", role="master", within=2 * SOON, **keywords)
