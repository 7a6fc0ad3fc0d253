# SPDX-License-Identifier: MIT
"""What the module of the tests of children is asked, and says: see tests/modules/children.c."""

import os
import pathlib
import time
import urllib.parse

from muster import SOON, alive, build_dir, processes


def config(**values):
    """The configuration of a service that may start children."""
    return {
        "muster.module": build_dir() / "src" / "apps" / "children.so",
        "worker.workers": 1,
        "worker.children": "yes",
        **{key.replace("__", "."): value for key, value in values.items()},
    }


class Outcome:
    """The answer to a request that starts a child: `values` of its first line, and the output behind it."""

    def __init__(self, response):
        assert response.status == 200, response
        first, _, self.output = response.body.partition(b"\n")
        self.values = dict(word.split("=", 1) for word in first.decode().split(" "))

    def __getitem__(self, name):
        text = self.values[name]
        return int(text) if text.lstrip("-").isdigit() else text

    def __repr__(self):
        return f"<{self.values} {self.output[:200]!r}>"

    @property
    def text(self):
        return self.output.decode()


def target(path, /, **values):
    return path + "?" + urllib.parse.urlencode(values, doseq=True)


def ask(service, path, within=3 * SOON, /, **values):
    with service.client(timeout=within) as client:
        return Outcome(client.get(target(path, **values), [("Connection", "close")]))


def spawn(service, within=3 * SOON, /, **values):
    return ask(service, "/spawn", within, **values)


def run(service, within=3 * SOON, /, **values):
    return ask(service, "/exec", within, **values)


def start(service, **values):
    """Starts a child that goes on. Returns its pid."""
    pid = int(service.get(target("/spawn", at_once=1, **values)).text)
    assert alive(pid)
    return pid


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def children_of(pid):
    return [process for process in processes() if process.parent == pid]


def rss(pid):
    """Resident memory in bytes."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def timed(function):
    """Returns what it returns, and how many seconds it took."""
    began = time.monotonic()
    result = function()
    return result, time.monotonic() - began
