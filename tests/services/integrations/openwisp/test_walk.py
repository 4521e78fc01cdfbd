from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.integrations.openwisp import MalformedAnswer
from services.integrations.openwisp.walk import CursorWalk, Following, Numbered, NumberedWalk, Row, window_after


class ChangingList:
    """A list in a stable order, cut by position or by cursor; `changes` come one before each answer after the first."""

    def __init__(self, keys: list[int], changes: list[list[tuple[str, int]]], cap: int = 1000) -> None:
        self.keys, self.changes, self.cap = sorted(set(keys)), list(changes), cap
        self.all_along = set(self.keys)
        self.answers = 0

    def change(self) -> None:
        self.answers += 1
        if self.answers == 1 or not self.changes:
            return
        for part in self.changes.pop(0):
            self.apply(*part)

    def apply(self, what: str, key: int) -> None:
        if what == "add" and key not in self.keys:
            self.keys = sorted([*self.keys, key])
        elif what == "remove" and self.keys:
            self.all_along.discard(self.keys.pop(key % len(self.keys)))

    def numbered(self, page: int, size: int) -> Numbered[int] | None:
        self.change()
        size = min(size, self.cap)
        start = (page - 1) * size
        if start and start >= len(self.keys):
            return None
        return Numbered(len(self.keys), _rows(self.keys[start : start + size]))

    def following(self, cursor: str | None) -> Following[int]:
        self.change()
        rest = [key for key in self.keys if cursor is None or key > int(cursor)]
        return Following(len(self.keys), _rows(rest[:7]), str(rest[6]) if len(rest) > 7 else None)


def _rows(keys: list[int]) -> tuple[Row[int], ...]:
    return tuple(Row(str(key), key) for key in keys)


# Even keys are there from the start and odd ones are added, so none ever comes back after it was removed.
starts = st.lists(st.integers(0, 60).map(lambda n: n * 2), max_size=60)
part = st.one_of(st.tuples(st.just("add"), st.integers(0, 60).map(lambda n: n * 2 + 1)), st.tuples(st.just("remove"), st.integers(0, 99)))
moments = st.lists(st.lists(part, max_size=4), max_size=30)


@given(starts, moments, st.integers(3, 12))
def test_what_was_there_all_along_is_seen_or_the_reading_says_it_is_not_whole(keys: list[int], changes: Any, size: int) -> None:
    changing = ChangingList(keys, changes)
    walk = NumberedWalk("devices", changing.numbered, size)
    got = list(walk.items())
    assert len(got) == len(set(got)) == walk.completeness.count_got
    assert not walk.completeness.is_complete or changing.all_along <= set(got)


@given(starts, moments)
def test_the_same_holds_for_a_list_read_by_cursor(keys: list[int], changes: Any) -> None:
    changing = ChangingList(keys, changes)
    walk = CursorWalk("devices", changing.following)
    got = list(walk.items())
    assert not walk.completeness.is_complete or changing.all_along <= set(got)


@given(st.integers(0, 250), st.integers(20, 100), st.integers(10, 100))
def test_a_list_that_stays_as_it_is_is_read_whole_at_the_first_reading(length: int, size: int, cap: int) -> None:
    quiet = ChangingList(list(range(length)), [], cap)
    walk = NumberedWalk("devices", quiet.numbered, size)
    assert list(walk.items()) == list(range(length))
    assert walk.completeness.is_complete
    assert walk.completeness.count_said == length


@pytest.mark.parametrize("parts", [[("remove", 0)], [("add", 1)], [("remove", 0), ("add", 1001)], [("remove", 0)] * 5])
def test_one_disturbance_is_read_around(parts: list[tuple[str, int]]) -> None:
    changing = ChangingList([n * 2 for n in range(250)], [[], parts])
    walk = NumberedWalk("devices", changing.numbered)
    assert changing.all_along <= set(walk.items())
    assert walk.completeness.is_complete


def test_a_loss_that_no_count_shows_is_seen_by_the_overlap() -> None:
    # The classic: one leaves the front, another comes at the end, and position 100 of the second page was 101 before.
    for page_border in range(96, 104):
        changing = ChangingList(
            [n * 2 for n in range(250)],
            [[("remove", 0), ("remove", 0), ("remove", page_border)] + [("add", 1001 + 2 * n) for n in range(3)]],
        )
        walk = NumberedWalk("devices", changing.numbered)
        assert changing.all_along <= set(walk.items())


def test_a_list_that_never_rests_is_read_twice_and_called_incomplete() -> None:
    changing = ChangingList([n * 2 for n in range(300)], [[("add", 2 * n + 1)] for n in range(100)])
    walk = NumberedWalk("devices", changing.numbered)
    assert changing.all_along <= set(walk.items())
    assert not walk.completeness.is_complete
    assert changing.answers <= 12


def test_a_rename_that_moves_a_device_behind_the_reader_is_found_by_the_count() -> None:
    keys = list(range(200))

    def fetch(page: int, size: int) -> Numbered[int]:
        start = (page - 1) * size
        rows = _rows(keys[start : start + size])
        if start == 0 and keys[-1] == 199:
            keys.insert(0, keys.pop())
        return Numbered(200, rows)

    walk = NumberedWalk("devices", fetch)
    assert set(walk.items()) == set(range(200))
    assert walk.completeness.is_complete


def test_dropped_rows_with_an_honest_count_are_not_a_whole_list() -> None:
    def half(page: int, size: int) -> Numbered[int] | None:
        start = (page - 1) * size
        return None if start >= 240 else Numbered(240, _rows([n for n in range(start, min(start + size, 240)) if n % 2]))

    walk = NumberedWalk("devices", half)
    got = list(walk.items())
    assert set(got) <= set(range(1, 240, 2))
    assert not walk.completeness.is_complete


def test_a_reading_that_was_broken_off_is_not_whole() -> None:
    walk = NumberedWalk("devices", ChangingList(list(range(250)), []).numbered)
    next(walk)
    assert not walk.completeness.is_complete


def test_a_list_without_an_end_is_given_up() -> None:
    walk = NumberedWalk("devices", lambda page, size: Numbered(10**9, _rows([page])), 2)
    with pytest.raises(MalformedAnswer, match="no end"):
        list(walk)


def test_a_cursor_that_comes_again_is_refused() -> None:
    walk = CursorWalk("devices", lambda _: Following(None, (), "again"))
    with pytest.raises(MalformedAnswer, match="twice"):
        list(walk)


def test_without_a_total_a_cursor_list_is_whole_at_its_end() -> None:
    answers: Callable[[str | None], Following[int]] = lambda cursor: Following(None, _rows([1 if cursor else 0]), None if cursor else "c")  # noqa: E731
    walk = CursorWalk("devices", answers)
    assert list(walk.items()) == [0, 1]
    assert walk.completeness.is_complete


@given(st.integers(0, 100_000))
def test_windows_go_on_overlap_and_hardly_cost_more_than_plain_pages(end: int) -> None:
    page, size = window_after(end, 100)
    start = (page - 1) * size
    assert size <= 100
    assert start + size > end
    assert end == 0 or start < end


def test_five_thousand_devices_cost_at_most_eight_pages_more_than_fifty() -> None:
    quiet = ChangingList(list(range(5000)), [])
    assert len(list(NumberedWalk("devices", quiet.numbered).items())) == 5000
    assert quiet.answers <= 58
