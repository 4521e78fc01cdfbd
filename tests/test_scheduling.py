"""A test that fails is run once more, and many such are a failed run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.scheduling import MOST_RUN_TWICE

# Each fails when it is run for the first time and passes from then on.
_ODD = """
import pytest

seen = set()

@pytest.mark.parametrize("number", range({count}))
def test_odd(number):
    first = number not in seen
    seen.add(number)
    assert not first or number >= {odd}
"""


def run(directory: Path, source: str, *options: str) -> tuple[int, str]:
    (directory / "test_odd.py").write_text(source)
    root = str(Path(__file__).parent.parent)
    command = [sys.executable, "-m", "pytest", "-p", "tests.scheduling", "-raR", "--rootdir", str(directory), *options, str(directory)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_few_tests_that_pass_the_second_time_are_named_and_pass(tmp_path: Path, workers: str) -> None:
    status, said = run(tmp_path, _ODD.format(count=20, odd=MOST_RUN_TWICE), "-n", workers)
    assert status == 0, said
    assert said.count("RERUN ") == MOST_RUN_TWICE


@pytest.mark.parametrize("workers", ["0", "2"])
def test_one_more_of_them_fails_the_run(tmp_path: Path, workers: str) -> None:
    status, said = run(tmp_path, _ODD.format(count=20, odd=MOST_RUN_TWICE + 1), "-n", workers)
    assert status == 1, said
    assert f"{MOST_RUN_TWICE + 1} tests were run twice" in said


def test_what_fails_twice_has_failed(tmp_path: Path) -> None:
    status, said = run(tmp_path, "def test_wrong():\n    assert 1 == 2\n", "-n", "0")
    assert status == 1
    assert "1 failed, 1 rerun" in said


_ALIKE = """
import pytest

class Odd(pytest.Module):
    def collect(self):
        for one in [*super().collect(), *super().collect()]:
            yield one

def pytest_pycollect_makemodule(module_path, parent):
    return Odd.from_parent(parent, path=module_path)
"""


def test_two_tests_of_one_address_are_an_error_and_not_one_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_ALIKE)
    status, said = run(tmp_path, "def test_right():\n    assert 1 == 1\n", "-n", "0")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "only one would be run" in said


def test_every_operation_that_is_asked_by_its_document_has_a_test_of_its_own(tmp_path: Path) -> None:
    status, said = run(tmp_path, _OF_A_DOCUMENT, "-n", "2")
    assert status == 0, said
    assert "3 passed" in said


_OF_A_DOCUMENT = """
import schemathesis

ANSWERS = {"responses": {"200": {"description": "Fine"}}}
PATHS = {"/a": {"get": ANSWERS, "post": ANSWERS}, "/b": {"get": ANSWERS}}
schema = schemathesis.openapi.from_dict({"openapi": "3.1.0", "info": {"title": "", "version": "1"}, "paths": PATHS})


@schema.parametrize()
def test_operation(case):
    assert case.operation.path in PATHS
"""
