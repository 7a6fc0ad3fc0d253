# SPDX-License-Identifier: MIT
"""musterctl shows what is in quarantine, lets it out and puts in by hand."""

import json

import pytest

from muster import wait_for

OK, FAILED, USAGE = range(3)


def quarantine(muster):
    done = muster.ctl("quarantine", "--json")
    assert done.returncode == OK, done.stderr
    return json.loads(done.stdout)


def crash_until_refused(muster):
    """Crashes workers until the route is refused."""
    for _ in range(3):
        assert muster.get("/crash").status == 500
    wait_for(lambda: quarantine(muster), "an entry")
    assert muster.get("/crash").status == 503


def test_what_crashes_again_and_again_is_shown_and_can_be_lifted(service):
    muster = service({"worker.workers": 2, "restart.quarantine_after": None, "restart.quarantine_time": "1h"})
    assert quarantine(muster) == []
    crash_until_refused(muster)
    (entry,) = quarantine(muster)
    assert entry["kind"] == "request" and entry["text"] == "GET /crash"
    assert entry["crashes"] == 3 and not entry["by_hand"]
    assert 3500 < entry["ends_in_usec"] / 1e6 <= 3600
    assert "faults.so" in entry["place"]
    assert "GET /crash" in muster.ctl("quarantine").stdout
    assert "GET /crash" in muster.ctl("status").stdout
    status = json.loads(muster.ctl("status", "--json").stdout)
    assert status["quarantine"][0]["number"] == entry["number"]
    assert status["quarantine_refused"] >= 1

    done = muster.ctl("quarantine", "--lift", entry["number"])
    assert done.returncode == OK, done.stderr
    assert quarantine(muster) == []
    assert muster.get("/crash").status == 500


def test_a_request_and_a_route_can_be_put_in_by_hand(service):
    muster = service({"worker.workers": 2})
    assert muster.get("/pid").status == 200
    assert muster.ctl("quarantine", "--add", "GET /pid", "--time", "1h").returncode == OK
    assert muster.get("/pid").status == 503
    assert muster.get("/").status == 200
    assert muster.ctl("quarantine", "--add-route", "GET /slow").returncode == OK
    assert muster.get("/slow?ms=1").status == 503
    entries = {entry["text"]: entry for entry in quarantine(muster)}
    assert entries["GET /pid"]["by_hand"] and entries["GET /pid"]["ends_in_usec"] > 3500 * 1e6
    assert entries["GET /slow"]["kind"] == "route"

    done = muster.ctl("quarantine", "--lift", "all")
    assert done.returncode == OK and "lifted 2" in done.stdout
    assert muster.get("/pid").status == muster.get("/slow?ms=1").status == 200


@pytest.mark.parametrize(
    "words, status",
    [
        (["--lift", "12"], FAILED),
        (["--lift", "99999999999999999999"], USAGE),
        (["--lift", "this"], USAGE),
        (["--add", "nonsense"], FAILED),
        (["--add", "GET /a", "--time", "2d"], FAILED),
        (["--add", "GET /a", "--time", "0"], USAGE),
        (["--add", "GET /a", "--lift", "all"], USAGE),
    ],
)
def test_what_makes_no_sense_is_refused(service, words, status):
    muster = service({"worker.workers": 1})
    done = muster.ctl("quarantine", *words)
    assert done.returncode == status
    assert done.stderr
    assert quarantine(muster) == []
