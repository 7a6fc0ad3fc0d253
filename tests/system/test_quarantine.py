# SPDX-License-Identifier: MIT
"""The quarantine under the shipped unit, whose sandbox the shared memory must pass, and what the operator sees of it."""

from container import wait_until
from service import FAULTS, FAULTS_URL

QUARANTINE_ID = "b7d3f06a15c84e92a8047b6dc9e2315f"


def test_a_path_that_crashes_is_closed_and_the_operator_told(faults):
    master = faults.main_pid(FAULTS)
    for _ in range(3):
        assert faults.http(f"{FAULTS_URL}/items/7/crash")[0] == 500
    entries = wait_until(lambda: faults.journal("-u", FAULTS, f"MESSAGE_ID={QUARANTINE_ID}"), "it is in the log")

    assert [faults.http(f"{FAULTS_URL}/items/7/crash")[0] for _ in range(20)] == [503] * 20
    assert faults.http(f"{FAULTS_URL}/items/8") == (200, "item 8")
    assert [entry["MUSTER_REQUEST"] for entry in entries] == ["GET /items/7/crash"]
    wait_until(lambda: "1 in quarantine" in faults.systemctl("status", FAULTS), "it is in the status")
    explained = faults.run("journalctl", "--no-pager", "--catalog", "-u", FAULTS, f"MESSAGE_ID={QUARANTINE_ID}")
    assert "Requests to faults are in quarantine" in explained
    assert "served GET /items/7/crash" in explained
    assert "musterctl quarantine faults --lift 1" in explained
    assert faults.main_pid(FAULTS) == master
