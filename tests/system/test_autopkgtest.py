# SPDX-License-Identifier: MIT
"""Debian's own tests of the package (debian/tests) pass on the installed package."""

import pytest

from build import TREE, dependency_names, paragraphs
from conftest import TOOLS

TESTS = list(paragraphs((TREE / "debian/tests/control").read_text()))


@pytest.mark.parametrize("test", TESTS, ids=[test["Tests"] for test in TESTS])
def test_it_passes(container, packages, test):
    needed = set(dependency_names(test["Depends"], ""))
    assert needed - {"muster", "muster-dev"} <= set(TOOLS)
    container.install(packages.muster, *([packages.dev] if "muster-dev" in needed else []))
    container.write("/var/tmp/source/README.md", (TREE / "README.md").read_text())
    container.write("/var/tmp/source/script", (TREE / "debian/tests" / test["Tests"]).read_text())

    container.run("env", "--chdir=/var/tmp/source", "sh", "script")
