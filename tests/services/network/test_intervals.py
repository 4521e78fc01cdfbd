from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.network.intervals import Interval, difference, intersection, total, union
from tests.conftest import NOON

SECOND = timedelta(seconds=1)
_instants = st.integers(0, 60).map(lambda second: NOON + second * SECOND)
# In any order, overlapping, empty and backward ones too.
_stretches = st.lists(st.tuples(_instants, _instants), max_size=12)


def _seconds(stretches: list[Interval]) -> set[int]:
    """Counted second by second."""
    return {second for second in range(60) if any(start <= NOON + second * SECOND < end for start, end in stretches)}


@given(_stretches)
def test_the_total_is_what_counting_second_by_second_gives(stretches: list[Interval]) -> None:
    assert total(stretches) == len(_seconds(stretches)) * SECOND


@given(_stretches, _stretches)
def test_union_intersection_and_difference_are_those_of_the_seconds(first: list[Interval], second: list[Interval]) -> None:
    a, b = _seconds(first), _seconds(second)
    for found, wanted in ((union(first, second), a | b), (intersection(first, second), a & b), (difference(first, second), a - b)):
        assert _seconds(found) == wanted
        assert total(found) == len(wanted) * SECOND


@given(_stretches, _stretches)
def test_every_answer_is_sorted_and_disjoint(first: list[Interval], second: list[Interval]) -> None:
    for found in (union(first, second), intersection(first, second), difference(first, second)):
        assert all(start < end for start, end in found)
        assert all(one[1] <= next_one[0] for one, next_one in pairwise(found))
