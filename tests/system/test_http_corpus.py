# SPDX-License-Identifier: MIT
"""No request of the corpus (tests/corpus) is misunderstood by the installed package and its distribution's library.

The runner is this machine's python, which only its network has inside: a minimal Debian has no python.
"""

import subprocess
import sys
from pathlib import Path

from service import FAULTS

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
DEADLINE = 300

sys.path.insert(0, str(CORPUS))

from corpus import library_of  # noqa: E402


# One case of the corpus is answered only by the deadline
DEADLINES = "[http]\nheader_timeout = 2s\n"


def library_version(container):
    """The version of the package that the worker has libmicrohttpd from."""
    return container.run("dpkg-query", "--show", "--showformat=${Version}", "libmicrohttpd12*").strip()


def test_every_request_is_understood_as_the_rfc_says(faults):
    library = library_of(library_version(faults))
    faults.write("/etc/muster/faults.conf.d/deadlines.conf", DEADLINES)
    faults.systemctl("restart", FAULTS)

    done = subprocess.run(
        ["nsenter", "--target", str(faults.leader), "--net", "--", sys.executable, "-B", str(CORPUS / "corpus.py"),
         "127.0.0.1", "8081", "--library", library],
        check=False, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=DEADLINE)

    print(done.stdout)
    assert done.returncode == 0, done.stdout
