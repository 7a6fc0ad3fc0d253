# SPDX-License-Identifier: MIT
"""A cgroup such as systemd makes for a unit, in the part of the tree that the tests run in."""

import os
import pathlib


def cgroup2_mount():
    """Where cgroups of version 2 are seen, None for nowhere."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ", 1)
        if after.startswith("cgroup2 "):
            return pathlib.Path(before.split()[4])
    return None


def own_cgroup(pid="self"):
    lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next((line[3:] for line in lines if line.startswith("0::")), None)


class Delegated:
    """A cgroup such as systemd makes for a unit with Delegate=yes."""

    def __init__(self, path):
        self.path = path

    def enter(self):
        (self.path / "cgroup.procs").write_text("0")

    def delegate(self):
        os.setxattr(self.path, "user.delegate", b"1")

    def names(self):
        return sorted(entry.name for entry in self.path.iterdir() if entry.is_dir())

    def pids(self, name="."):
        return [int(pid) for pid in (self.path / name / "cgroup.procs").read_text().split()]


def cgroup_of(pid):
    """The name of the cgroup that a process is in."""
    return own_cgroup(pid).rsplit("/", 1)[1]


def remove(path):
    try:
        path.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True
