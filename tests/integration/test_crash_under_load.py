# SPDX-License-Identifier: MIT
"""Under load, with a crash every second, no request fails but those that asked for it."""

import json

import load
from muster import alive


def test_no_request_fails_but_those_that_asked_for_the_crash(service):
    muster = service({"worker.workers": 4, "worker.drain_timeout": "5s"})
    result = load.run(muster, crashes=5)
    print(json.dumps(load.summary(result)))
    assert result["failures"] == []
    assert result["sent"] > 500
    assert alive(muster.pid)
    assert len({number for number, _ in muster.workers()}) == 4
