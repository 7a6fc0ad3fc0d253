#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Checks the tree against src/README.md: check-layers.py [--master PROGRAM] [--source DIRECTORY].

One TAP line a rule. A violation names the file and the line.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

# What each folder may include, besides itself and the public header
LAYERS = {
    "util": set(),
    "config": {"util"},
    "ipc": {"util"},
    "app": {"util", "config", "ipc"},
    "broker": {"util", "config"},
    "http": {"util", "config", "ipc", "app"},
    "worker": {"util", "config", "ipc", "app", "http"},
    "agent": {"util", "config", "ipc", "app", "http", "broker"},
    "child": {"util", "config", "ipc", "app"},
    "compute": {"util", "config", "ipc", "app"},
    "master": {"util", "config", "ipc", "app", "http"},
    "cli": {"util", "config", "ipc", "app", "http"},
    "apps": set(),
    "include": set(),
}

# Headers of others that only one place may see: a folder, or a file
GUARDED_HEADERS = {
    "microhttpd.h": "http/",
    "iniparser.h": "config/",
    "dictionary.h": "config/",
    "dlfcn.h": "app/",
    "nats.h": "broker/",
    "curl.h": "apps/",
    "jansson.h": "apps/",
}

LINES_MAX = 500
PUBLIC = "include/muster/app.h"  # is one file whatever its length, so that there is one place to look
SPDX = "SPDX-License-Identifier: MIT"
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def sources(source):
    return sorted(path for path in source.rglob("*") if path.suffix in (".c", ".h"))


def includes(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1], match[2]


def check_layers(source):
    """a folder includes only folders to its left, and the public header"""
    for path in sources(source):
        name = path.relative_to(source)
        folder = name.parts[0]
        if folder not in LAYERS:
            yield f"{name}: the folder {folder} has no place in the layers"
            continue
        for number, quote, header in includes(path):
            target = header.split("/")[0]
            if quote == "<" and target != "muster":
                continue
            if header == "muster/app.h":
                continue
            if (path.parent / header).exists() and "/" not in header and folder in ("apps", "include"):
                continue
            if target != folder and target not in LAYERS[folder]:
                yield f"{name}:{number}: {folder}/ includes {header}"


def check_paths(source):
    """our own headers are named from src/, so that the layer is seen"""
    for path in sources(source):
        name = path.relative_to(source)
        if name.parts[0] == "apps":
            continue
        for number, quote, header in includes(path):
            if quote == '"' and not (source / header).exists():
                yield f"{name}:{number}: {header} is no file below src/"


def check_guarded(source):
    """a foreign header is seen only where the table allows it"""
    for path in sources(source):
        name = path.relative_to(source)
        for number, _, header in includes(path):
            for guarded, place in GUARDED_HEADERS.items():
                if (header == guarded or header.endswith("/" + guarded)) and not str(name).startswith(place):
                    yield f"{name}:{number}: {header} belongs to {place}"


def check_table(source):
    """the table of headers in src/README.md is the one checked here"""
    text = (source / "README.md").read_text(encoding="utf-8")
    told = {}
    for headers, place in re.findall(r"^\| (`[^|]*\.h`) \| `([^`|]+)` \|$", text, re.MULTILINE):
        for header in re.findall(r"`([^`]+)`", headers):
            told[header] = place
    for header in sorted(told.keys() | GUARDED_HEADERS.keys()):
        if told.get(header) != GUARDED_HEADERS.get(header):
            yield f"{header}: README says {told.get(header)}, the check says {GUARDED_HEADERS.get(header)}"


def check_length(source):
    """no file but the public header is longer than 500 lines"""
    for path in sources(source):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LINES_MAX and path != source / PUBLIC:
            yield f"{path.relative_to(source)}: {lines} lines"


def check_spdx(source):
    """every source names its licence in its first lines"""
    tree = source.parent
    scripts = [tree / name for name in ("tests/run", "tests/lint", "tests/analyze", "tests/threads", "packaging/run",
                                        "packaging/build-rpm", "packaging/rpm/muster.spec", ".ci/run", "debian/rules",
                                        "debian/tests/operator", "debian/tests/application")]
    paths = sources(source) + scripts
    for folder in ("src", "tests", "units", "conf", "packaging"):
        paths += [path for path in (tree / folder).rglob("*") if path.suffix in (".py", ".sh", ".service", ".socket")]
        paths += (tree / folder).rglob("meson.build")
    for path in paths:
        head = path.read_text(encoding="utf-8").splitlines()[:3]
        if not any(SPDX in line for line in head):
            yield f"{path.relative_to(tree)}: no SPDX line"


def check_catalog(source):
    """every MESSAGE_ID has its text in the journal catalog"""
    tree = source.parent
    ids = re.findall(r'^#define (LOG_ID_\w+)\s+"([0-9a-f]{32})"', (source / "util/log-id.h").read_text(), re.MULTILINE)
    catalog = (tree / "packaging/catalog/muster.catalog").read_text(encoding="utf-8")
    told = re.findall(r"^-- ([0-9a-f]{32})$", catalog, re.MULTILINE)
    if not ids:
        yield "util/log-id.h: names no MESSAGE_ID"
    for name, identifier in ids:
        if identifier not in told:
            yield f"{name}: {identifier} has no entry"
    for identifier in told:
        if identifier not in (identifier_ for _, identifier_ in ids):
            yield f"muster.catalog: {identifier} is no MESSAGE_ID of ours"


def readelf(program, *options):
    command = ["readelf", "--wide", *options, str(program)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_master(program):
    """the master is linked with neither HTTP nor dlopen"""
    if not program.exists():
        yield f"{program} has not been built"
        return
    for needed in re.findall(r"\(NEEDED\).*\[(.+)\]", readelf(program, "--dynamic")):
        if needed.startswith(("libmicrohttpd", "libdl.")):
            yield f"{program}: needs {needed}"
    for symbol in re.findall(r"\bUND\s+((?:MHD_|dlm?open\b|dlsym\b)\S*)", readelf(program, "--dyn-syms")):
        yield f"{program}: calls {symbol}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, default=Path(__file__).resolve().parent.parent / "src")
    parser.add_argument("--master", type=Path, help="the built muster-master")
    arguments = parser.parse_args()

    checks = [
        (check_layers, arguments.source),
        (check_paths, arguments.source),
        (check_guarded, arguments.source),
        (check_table, arguments.source),
        (check_length, arguments.source),
        (check_spdx, arguments.source),
        (check_catalog, arguments.source),
    ]
    if arguments.master:
        checks.append((check_master, arguments.master))

    failed = False
    print(f"1..{len(checks)}")
    for number, (check, argument) in enumerate(checks, 1):
        violations = list(check(argument))
        failed |= bool(violations)
        print(f"{'not ok' if violations else 'ok'} {number} - {check.__doc__}")
        for violation in violations:
            print(f"# {violation}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
