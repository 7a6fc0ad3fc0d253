# SPDX-License-Identifier: MIT
"""Root trees of a Debian, made once by mmdebstrap and kept, and throw-away copies of them.

A tree is named by its distribution and a hash of what is installed in it, so that a changed list of packages
makes another tree. Nobody ever writes to a kept tree: who wants one gets an overlay on it, or a copy where the
kernel cannot mount one. Both are gone with the object.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(os.environ.get("MUSTER_TEST_CACHE", "/var/cache/muster-tests"))
# of a command that failed; a package build says a lot
LINES_SHOWN = 400


def run_checked(*argv, **options):
    """Runs a command; the end of its output is in the exception when it fails, and returned when it does not."""
    argv = [str(word) for word in argv]
    done = subprocess.run(argv, check=False, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-LINES_SHOWN:])
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{tail}")
    return done.stdout


@contextmanager
def locked(path):
    """Two runs at a time make one tree, not two."""
    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kept_root(distribution, purpose, packages):
    """The kept tree with these packages; made when it is not there. Returns its path."""
    packages = sorted(set(packages))
    digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    path = CACHE / f"{distribution}-{purpose}-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / f"{distribution}-{purpose}.lock"):
        if not path.is_dir():
            # One is left for whoever runs an older or newer revision at the same time
            for older in sorted(CACHE.glob(f"{distribution}-{purpose}-*"), key=lambda path: path.stat().st_mtime)[:-1]:
                shutil.rmtree(older)
            making = Path(tempfile.mkdtemp(prefix=f".{distribution}-{purpose}.", dir=CACHE))
            try:
                run_checked("mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}",
                            distribution, making / "root")
                (making / "root").rename(path)
            finally:
                shutil.rmtree(making, ignore_errors=True)
    return path


class Copy:
    """A tree of one's own that begins as a kept one."""

    def __init__(self, kept):
        self.base = Path(tempfile.mkdtemp(prefix="root."))
        # nspawn and dpkg want a root that others may enter; mkdtemp makes 0700
        self.base.chmod(0o755)
        self.path = self.base / "root"
        self.path.mkdir()
        self.mounted = self._mount(kept)
        if not self.mounted:
            self.path.rmdir()
            run_checked("cp", "--archive", "--reflink=auto", kept, self.path)

    def _mount(self, kept):
        upper, work = self.base / "upper", self.base / "work"
        upper.mkdir()
        work.mkdir()
        options = f"lowerdir={kept},upperdir={upper},workdir={work}"
        mounted = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.path], check=False,
                                 capture_output=True)
        return mounted.returncode == 0

    def remove(self):
        if self.mounted:
            run_checked("umount", "--recursive", self.path)
            self.mounted = False
        shutil.rmtree(self.base)
