"""When the console looks through everything it keeps for garbage, and what its short collections leave alone."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from pages.garbage import Keeping, put_aside


class Circle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    yield
    # What the suite had put aside stays so (tests/pages/conftest.py).
    gc.freeze()


def test_a_circle_that_was_put_aside_goes_when_all_is_looked_at() -> None:
    circle = Circle()
    gone = weakref.ref(circle)
    put_aside()
    del circle
    put_aside()
    assert gone() is not None
    gc.unfreeze()
    put_aside()
    assert gone() is None


def test_a_young_circle_goes_at_once() -> None:
    gone = weakref.ref(Circle())
    put_aside()
    assert gone() is None


def test_while_pages_are_open_all_is_looked_at_only_after_very_many() -> None:
    keeping = Keeping(0.0)
    for _ in range(4_999):
        keeping.closed()
    assert not keeping.is_time_for_all(has_pages=True, now=1000.0)
    keeping.closed()
    assert keeping.is_time_for_all(has_pages=True, now=1001.0)
    assert not keeping.is_time_for_all(has_pages=True, now=1002.0)


def test_when_nobody_has_been_there_for_a_minute_a_hundred_pages_are_worth_it() -> None:
    keeping = Keeping(0.0)
    for _ in range(100):
        keeping.closed()
    assert not keeping.is_time_for_all(has_pages=True, now=100.0)
    assert not keeping.is_time_for_all(has_pages=False, now=159.0)
    assert keeping.is_time_for_all(has_pages=False, now=160.0)


def test_a_quiet_process_in_which_little_was_opened_is_left_alone() -> None:
    keeping = Keeping(0.0)
    keeping.closed()
    assert not keeping.is_time_for_all(has_pages=False, now=10_000.0)
