# SPDX-License-Identifier: MIT
"""The packages themselves, before anything is installed."""

import re

from build import TREE, package_fields
from roots import run_checked


def contents(deb):
    listing = run_checked("dpkg-deb", "--contents", deb)
    return {line.split()[5].lstrip(".") for line in listing.splitlines()}


def test_lintian_finds_nothing(packages):
    findings = re.findall(r"^[EW]: .*", packages.lintian, re.MULTILINE)
    assert not findings, packages.lintian


def test_the_package_holds_programs_applications_units_and_examples(packages):
    names = contents(packages.muster)
    for program in ("muster-master", "muster-agent", "muster-worker"):
        assert f"/usr/lib/muster/{program}" in names
    for pattern in (r"/usr/lib/[^/]+/muster/hello\.so", r"/usr/lib/[^/]+/muster/faults\.so",
                    r"(/usr)?/lib/systemd/system/muster@\.service", r"(/usr)?/lib/systemd/system/muster@\.socket",
                    r"/usr/lib/systemd/catalog/muster\.catalog",
                    r"/usr/share/doc/muster/examples/(hello|faults|muster|network)\.conf"):
        assert any(re.fullmatch(pattern, name) for name in names), pattern
    assert "/etc/muster/" in names


def test_the_pages_that_the_units_refer_to_are_there(packages):
    names = contents(packages.muster)
    units = "".join(path.read_text() for path in (TREE / "units").glob("muster@.*"))
    pages = re.findall(r"man:([\w.-]+)\((\d)\)", units)
    assert pages
    for name, section in pages:
        assert f"/usr/share/man/man{section}/{name}.{section}.gz" in names


def test_the_header_is_in_the_development_package_alone(packages):
    assert "/usr/include/muster/app.h" in contents(packages.dev)
    assert "/usr/include/muster/app.h" not in contents(packages.muster)


def test_both_packages_say_the_same_version(packages):
    assert package_fields(packages.muster)["Version"] == package_fields(packages.dev)["Version"]
