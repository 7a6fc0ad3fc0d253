# SPDX-License-Identifier: MIT
"""What an operator has done to the pool holds, and whoever serves is never taken away for somebody who does not."""

import concurrent.futures
import signal

from muster import SOON, wait_for


def test_a_failed_roll_is_no_loss_and_spends_no_restart(service):
    muster = service({"worker.workers": 4, "restart.limit": 1, "restart.on_limit": "exit"})
    muster.configure({"app.start": "fail", "app.start_only": 3})
    muster.kill(signal.SIGHUP)
    muster.notify.wait(lambda message: "Reload failed" in message.get("STATUS", ""), "the failure", within=3 * SOON)
    wait_for(lambda: len(muster.workers()) == 4, "the old number of workers", 3 * SOON)
    assert muster.process.poll() is None
    assert muster.get("/").status == 200


def test_the_only_worker_that_serves_is_not_scaled_away(service):
    muster = service({"worker.workers": 2})
    assert muster.ctl("stop", "0").returncode == 0
    done = muster.ctl("scale", "1")
    assert done.returncode != 0
    assert "none of the workers that would stay is ready" in done.stderr
    assert muster.get("/").status == 200
    assert [number for number, _ in muster.workers()] == [1]


def test_an_upgrade_leaves_empty_what_was_stopped(service):
    muster = service({"worker.workers": 3})
    assert muster.ctl("stop", "2").returncode == 0
    before = muster.worker_pids()
    assert muster.ctl("upgrade").returncode == 0
    wait_for(lambda: not set(before) & set(muster.worker_pids()), "the old workers' end")
    assert [number for number, _ in muster.workers()] == [0, 1]


def test_who_waits_for_a_replacement_is_told_when_it_is_not_wanted_any_more(service):
    muster = service({"worker.workers": 2, "app.start_delay": "2s"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(muster.ctl, "restart", "1")
        wait_for(lambda: [number for number, _ in muster.workers()].count(1) == 2, "the successor of worker 1")
        assert muster.ctl("stop", "1").returncode == 0
        done = waiting.result(3 * SOON)
    assert done.returncode != 0
    assert "not wanted any more" in done.stderr
