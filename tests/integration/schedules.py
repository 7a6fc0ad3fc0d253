# SPDX-License-Identifier: MIT
"""Services with the module of tests/modules/schedules.c, and what is seen of their schedules."""

import json
import re

from muster import SOON, wait_for

BEGAN = r"began {} in worker (\d+), pid (\d+), attempt (\d+)"


def enabled(name, action=None, **keys):
    """The configuration that enables one schedule of the module, with these keys, and says what it does."""
    values = {f"schedule:{name}.{key}": value for key, value in {"disable": "no", **keys}.items()}
    if action:
        values[f"app.{name}"] = action
    return values


def configuration(*parts, **values):
    result = {"muster.module": "schedules"}
    for part in parts:
        result.update(part)
    result.update(values)
    return result


def runs(muster, name):
    """[(worker, pid, attempt)] of the runs that have begun, in order."""
    pattern = re.compile(BEGAN.format(re.escape(name)))
    return [tuple(map(int, match.groups())) for match in map(pattern.search, muster.log.text().splitlines()) if match]


def wait_runs(muster, name, count, within=SOON):
    wait_for(lambda: len(runs(muster, name)) >= count, f"{count} runs of {name}", within)
    return runs(muster, name)


def schedules(muster):
    """{name: {key: value}} as musterctl shows it."""
    done = muster.ctl("schedule", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {item["name"]: item for item in json.loads(done.stdout)}


def schedule(muster, name):
    return schedules(muster)[name]
