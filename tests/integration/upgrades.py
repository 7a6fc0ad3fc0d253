# SPDX-License-Identifier: MIT
"""Upgrades in place, for the tests of them: to have one done, and to see that the old processes are gone."""

import signal

from muster import SOON, wait_for

MARK = "Took over from version"


def upgrade(muster, count=1):
    """Tells the master, and waits until all is done."""
    muster.kill(signal.SIGUSR2)
    muster.log.wait_for("Upgraded from .* the master and all processes", count=count, within=3 * SOON)


def settle(muster, old):
    """Waits until none of these processes is left."""
    wait_for(lambda: not set(old) & {process.pid for process in muster.children()}, "the end of the old processes")


def pids(muster):
    return [muster.agent(), *muster.worker_pids()]
