# SPDX-License-Identifier: MIT
"""Builds the Debian packages from a copy of the tree, in a clean root that has what Build-Depends= names and
nothing else. So the packages are those of the distribution asked for, whatever this machine runs, and a
dependency that was forgotten is found.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from roots import Copy, kept_root, run_checked

TREE = Path(os.environ.get("MUSTER_SOURCE_DIR", Path(__file__).resolve().parents[2]))


def paragraphs(text):
    """The fields of each paragraph of a control file."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        fields = re.findall(r"^(\S+):(.*(?:\n[ \t].*)*)", paragraph, re.MULTILINE)
        yield {name: value.strip() for name, value in fields}


def dependency_names(field, distribution):
    """Package names out of a dependency field: no versions, no profiles, of alternatives the one there is."""
    names = []
    for item in filter(None, (item.strip() for item in field.split(","))):
        choices = [re.match(r"[a-z0-9.+-]+", choice.strip())[0] for choice in item.split("|")]
        names.append(choices[-1] if distribution == "bookworm" else choices[0])
    return [name for name in names if name != "debhelper-compat"]


def build_root(distribution):
    control = next(paragraphs((TREE / "debian/control").read_text()))
    needed = dependency_names(control["Build-Depends"], distribution)
    return kept_root(distribution, "build", [*needed, "build-essential", "debhelper", "lintian"])


def tree_files():
    """What belongs to the project: what git knows or would add, or everything but what a build makes."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", TREE, "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], check=False, capture_output=True, text=True)
    if listed.returncode == 0:
        names = listed.stdout.split("\0")
    else:
        names = [str(path.relative_to(TREE)) for path in TREE.rglob("*")]
        names = [name for name in names if not re.match(r"\.git/|build|obj-", name)]
    return sorted(name for name in names if name and (TREE / name).is_file())


def copy_tree(target):
    for name in tree_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TREE / name, target / name)


class Builder:
    """A root with the sources in /build/muster, for as long as a `with` lasts."""

    def __init__(self, distribution):
        self.distribution = distribution
        self.copy = None

    def __enter__(self):
        self.copy = Copy(build_root(self.distribution))
        copy_tree(self.copy.path / "build/muster")
        # dpkg-buildpackage and the tests want /dev and /proc
        run_checked("mount", "--rbind", "/dev", self.copy.path / "dev")
        run_checked("mount", "--make-rslave", self.copy.path / "dev")
        run_checked("mount", "-t", "proc", "proc", self.copy.path / "proc")
        return self

    def __exit__(self, *_):
        for name in ("proc", "dev"):
            subprocess.run(["umount", "--recursive", self.copy.path / name], check=False)
        self.copy.remove()

    def run(self, *argv):
        return run_checked("chroot", self.copy.path, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                           "LC_ALL=C.UTF-8", "sh", "-c", 'cd /build/muster && exec "$@"', "sh", *argv)

    def build(self, result):
        """Builds the packages into a folder outside. Returns (their paths, lintian's words)."""
        self.run("dpkg-buildpackage", "--build=full", "--no-sign")
        built = sorted((self.copy.path / "build").glob("muster*.*"))
        for path in built:
            if path.is_file():
                shutil.copy2(path, result / path.name)
        changes = next(path.name for path in built if path.suffix == ".changes")
        tags = self.run("lintian", "--allow-root", "--tag-display-limit", "0", "--info", "--fail-on=none",
                        f"/build/{changes}")
        return sorted(path for path in result.iterdir() if path.suffix == ".deb"), tags


def package_fields(deb):
    return next(paragraphs(run_checked("dpkg-deb", "--field", deb)))
