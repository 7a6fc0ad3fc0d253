# SPDX-License-Identifier: MIT
"""Builds the packages from a copy of the tree, in a clean root that has what Build-Depends= names, the tools
that check packages, and nothing else. So the packages are those of the distribution asked for, whatever this
machine runs, and a dependency that was forgotten is found.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from roots import Copy, kept_root, run_checked

# What looks at packages, and what makes rpms of them
TOOLS = ["build-essential", "debhelper", "lintian", "blhc", "rpm", "rpmlint"]
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
    return kept_root(distribution, "build", [*needed, *TOOLS])


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


def replace_in(path, pattern, replacement):
    text, n = re.subn(pattern, replacement, path.read_text(), count=1, flags=re.MULTILINE)
    assert n == 1, f"{path} has no {pattern}"
    path.write_text(text)


def set_version(tree, version):
    """Makes another version out of a copy of the tree, as its maintainers would."""
    replace_in(tree / "meson.build", r"version: '[\d.]+'", f"version: '{version}'")
    replace_in(tree / "debian/changelog", r"\A", f"muster ({version}) unstable; urgency=medium\n\n  * A later version.\n\n"
               " -- The muster authors <muster@example.org>  Tue, 24 Nov 2026 12:00:00 +0000\n\n")
    replace_in(tree / "packaging/rpm/muster.spec", r"^Version:.*", f"Version: {version}")
    replace_in(tree / "packaging/rpm/muster.spec", r"^%changelog\n", "%changelog\n* Tue Nov 24 2026 The muster authors "
               f"<muster@example.org> - {version}-1\n- A later version.\n\n")


class Builder:
    """A root with the sources in /build/muster, for as long as a `with` lasts; perhaps as another version."""

    def __init__(self, distribution, version=None):
        self.distribution = distribution
        self.version = version
        self.copy = None

    def __enter__(self):
        self.copy = Copy(build_root(self.distribution))
        copy_tree(self.copy.path / "build/muster")
        if self.version:
            set_version(self.copy.path / "build/muster", self.version)
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
        """Builds the Debian packages into a folder outside. Returns (their paths, lintian's words, blhc's)."""
        log = self.run("env", *self.options(), "dpkg-buildpackage", "--build=full", "--no-sign")
        built = sorted((self.copy.path / "build").glob("muster*.*"))
        for path in built:
            if path.is_file():
                shutil.copy2(path, result / path.name)
        changes = next(path.name for path in built if path.suffix == ".changes")
        tags = self.run("lintian", "--allow-root", "--tag-display-limit", "0", "--info", "--pedantic",
                        "--display-info", "--fail-on=none", f"/build/{changes}")
        (self.copy.path / "build/log").write_text(log)
        # It ends with a status of its own where it finds something
        flags = self.run("sh", "-c", "blhc --all --debian /build/log || echo ended with $?")
        return sorted(path for path in result.iterdir() if path.suffix == ".deb"), tags, flags

    def build_rpm(self, result):
        """Builds the rpm packages into a folder outside. Returns (their paths, rpmlint's words)."""
        self.run("packaging/build-rpm", "--output", "/build/rpm", *(["--no-check"] if self.version else []))
        for path in (self.copy.path / "build/rpm").iterdir():
            shutil.copy2(path, result / path.name)
        words = self.run("sh", "-c", "rpmlint --strict --config packaging/rpm/rpmlintrc.toml /build/rpm/*.rpm"
                         " packaging/rpm/muster.spec || echo ended with $?")
        return sorted(result.iterdir()), words

    def options(self):
        # Another version differs from the one that has been tested by its number alone
        return ["DEB_BUILD_OPTIONS=nocheck"] if self.version else []


def package_fields(deb):
    return next(paragraphs(run_checked("dpkg-deb", "--field", deb)))
