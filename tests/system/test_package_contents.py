# SPDX-License-Identifier: MIT
"""The packages themselves, before anything is installed."""

import re

from build import TREE, package_fields
from roots import run_checked


# The packages keep to the policy of Debian 12; later ones say so
KNOWN = "out-of-date-standards-version"


def contents(deb):
    listing = run_checked("dpkg-deb", "--contents", deb)
    return {line.split()[5].lstrip(".") for line in listing.splitlines()}


def rpm_contents(rpm):
    return set(run_checked("rpm", "--query", "--list", "--package", rpm).splitlines())


def test_lintian_finds_nothing(packages):
    findings = [tag for tag in re.findall(r"^[EWIP]: .*", packages.lintian, re.MULTILINE) if KNOWN not in tag]
    assert not findings, packages.lintian


def test_everything_is_compiled_with_all_hardening(packages):
    assert packages.blhc.strip() == ""


def test_rpmlint_finds_nothing(rpms):
    assert re.search(r" 0 errors, 0 warnings", rpms.rpmlint) and "ended with" not in rpms.rpmlint, rpms.rpmlint


def test_the_package_holds_programs_applications_units_and_examples(packages):
    names = contents(packages.muster)
    assert "/usr/bin/musterctl" in names
    for program in ("muster-master", "muster-agent", "muster-worker", "muster-compute", "muster-child"):
        assert f"/usr/lib/muster/{program}" in names
    for pattern in (r"/usr/lib/[^/]+/muster/hello\.so", r"/usr/lib/[^/]+/muster/faults\.so",
                    r"(/usr)?/lib/systemd/system/muster@\.service", r"(/usr)?/lib/systemd/system/muster@\.socket",
                    r"/usr/lib/systemd/catalog/muster\.catalog",
                    r"/usr/share/bash-completion/completions/musterctl",
                    r"/usr/share/doc/muster/examples/(compute|hello|faults|muster|network)\.conf"):
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


def test_the_examples_are_there_to_be_read_in_the_development_package_alone(packages):
    names = contents(packages.dev)
    sources = {path.name for path in (TREE / "src/apps/examples").glob("*.c")}
    assert sources and sources | {"README.md"} <= {name.rpartition("/")[2] for name in names if "/muster-dev/examples/" in name}
    assert not any(name.endswith(f"/{source[:-2]}.so") for name in contents(packages.muster) for source in sources)


def test_the_application_with_libraries_of_its_own_is_in_a_package_of_its_own(packages, rpms):
    assert any(name.endswith("/muster/source.so") for name in contents(packages.source))
    assert any(name.endswith("/muster/source.so") for name in rpm_contents(rpms.application))
    assert any(name.endswith("/examples/source.conf") for name in contents(packages.source))
    assert not any(name.endswith(("/source.so", "/source.conf")) for name in contents(packages.muster) | rpm_contents(rpms.muster))
    for library in ("libcurl", "libjansson"):
        assert library in package_fields(packages.source)["Depends"]
        assert library not in package_fields(packages.muster)["Depends"]


def test_all_packages_say_the_version_of_the_build(packages, rpms):
    version = re.search(r"version: '([\d.]+)'", (TREE / "meson.build").read_text())[1]
    assert package_fields(packages.muster)["Version"] == version
    assert package_fields(packages.dev)["Version"] == version
    assert f"muster-{version}-" in rpms.muster.name
    assert f"muster-devel-{version}-" in rpms.devel.name
