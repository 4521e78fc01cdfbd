"""Does a measured quantity settle, or does it grow without end? Robust against steps, teeth and single outliers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

_BLOCKS = 24
_FEWEST_POINTS = 9


@dataclass(frozen=True)
class Bound:
    """What may be added: `per_hour` for as long as is looked at, and `floor` besides, which no short look can tell from noise."""

    per_hour: float
    floor: float


@dataclass(frozen=True)
class Trend:
    """`grown` is what the last two thirds added by their slope, `spread` how unsure that is, `allowed` what the bound allows for them."""

    first: float
    last: float
    highest: float
    per_hour: float
    grown: float
    spread: float
    allowed: float

    @property
    def settles(self) -> bool:
        return self.grown - self.spread <= self.allowed


def trend(seconds: Sequence[float], values: Sequence[float], bound: Bound) -> Trend:
    """How `values` at `seconds` fare after the first third, in which everything warms up.

    The slope is the median of the slopes between all pairs of blocks (Theil and Sen), where a block is the median of its neighbours: a
    tooth, a step or an outlier moves it little. Its spread is the median distance of the blocks from that line.
    """
    if len(values) != len(seconds) or not values:
        raise ValueError("as many values as moments, and at least one")
    begin = seconds[0] + (seconds[-1] - seconds[0]) / 3
    late = [(at, value) for at, value in zip(seconds, values, strict=True) if at >= begin]
    if len(late) < _FEWEST_POINTS:
        return Trend(values[0], values[-1], max(values), 0.0, 0.0, 0.0, bound.floor)
    blocks = _blocks(late)
    slope = statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(blocks, 2) if b[0] > a[0])
    middle = statistics.median(value - slope * at for at, value in blocks)
    spread = statistics.median(abs(value - slope * at - middle) for at, value in blocks)
    length = late[-1][0] - late[0][0]
    allowed = bound.floor + bound.per_hour * length / 3600
    return Trend(values[0], values[-1], max(values), slope * 3600, slope * length, spread, allowed)


def _blocks(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    size = max(1, len(points) // _BLOCKS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(statistics.median(at for at, _ in group), statistics.median(value for _, value in group)) for group in groups]
