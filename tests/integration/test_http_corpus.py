# SPDX-License-Identifier: MIT
"""No request of the corpus (tests/corpus) is misunderstood, with the libmicrohttpd of this machine."""

import ctypes
import sys

import pytest

from muster import SLOW, SOURCE, Service

sys.path.insert(0, str(SOURCE / "tests" / "corpus"))

from cases import CASES, EXCEPTIONS  # noqa: E402
from corpus import PATIENCE, judge, library_of, send_case  # noqa: E402


@pytest.fixture(scope="module")
def library():
    microhttpd = ctypes.CDLL("libmicrohttpd.so.12")
    microhttpd.MHD_get_version.restype = ctypes.c_char_p
    return library_of(microhttpd.MHD_get_version().decode())


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One service for all: whatever a request was taken for, its worker lives on."""
    config = {"worker.workers": 1, "http.header_timeout": f"{int(1000 * SLOW)}ms"}
    service = Service(tmp_path_factory.mktemp("corpus"), config).ready()
    workers = service.worker_pids()
    yield service
    print(service.log.text())
    now = service.worker_pids()
    assert not service.close()
    assert now == workers


def test_cases_have_names_of_their_own_and_every_exception_is_one():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert all(set(exceptions) <= set(names) for exceptions in EXCEPTIONS.values())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_is_understood_as_the_rfc_says(shared, library, case):
    wrong = judge(case, send_case(shared.address(), case, PATIENCE * SLOW), library)
    assert not wrong, f"RFC {case.section}: {wrong}"
