# SPDX-License-Identifier: MIT
"""One crash per second for ten seconds under mixed load: what was sent, what failed, how soon the next worker answers.

Prints one JSON line per case. The spans are measured from outside, by a client: from the request that crashes the worker
to the first answer of the worker that takes its place, connection included.
"""

import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import load  # noqa: E402
from muster import Service  # noqa: E402


def measure(name, crashes, kept, new, config):
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as directory:
        values = {"worker.workers": 4, **config}
        muster = Service(pathlib.Path(directory), values, name="bench").ready()
        try:
            result = load.run(muster, crashes, kept=kept, new=new)
        finally:
            left = muster.close()
        print(json.dumps({"bench": "crash", "case": name, "workers": values["worker.workers"], **load.summary(result)}), flush=True)
        for failure in result["failures"][:10]:
            print(failure, file=sys.stderr)
        return not result["failures"] and not left


def main():
    crashes = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    # The purest span: nobody else can answer, so the connection waits for the replacement.
    good = measure("one worker, idle", crashes, 0, 0, {"worker.workers": 1})
    good &= measure("idle", crashes, 0, 0, {})
    good &= measure("mixed load", crashes, 4, 4, {})
    good &= measure("mixed load, core dumps", crashes, 4, 4, {"worker.core": "yes"})
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
