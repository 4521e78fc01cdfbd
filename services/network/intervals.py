"""Arithmetic of half-open stretches of time [start, end), as up-time and compensation count it. Every answer is sorted and disjoint."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

Interval = tuple[datetime, datetime]


def union(*groups: Iterable[Interval]) -> list[Interval]:
    """What any of the stretches covers; those that touch become one, empty and backward ones vanish."""
    merged: list[Interval] = []
    for start, end in sorted(stretch for group in groups for stretch in group if stretch[0] < stretch[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def intersection(first: Iterable[Interval], second: Iterable[Interval]) -> list[Interval]:
    """What both cover."""
    a, b = union(first), union(second)
    common: list[Interval] = []
    i = j = 0
    while i < len(a) and j < len(b):
        start, end = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if start < end:
            common.append((start, end))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return common


def difference(first: Iterable[Interval], second: Iterable[Interval]) -> list[Interval]:
    """What the first covers and the second does not."""
    left: list[Interval] = []
    holes = union(second)
    for start, end in union(first):
        at = start
        for hole_start, hole_end in holes:
            if hole_end <= at:
                continue
            if hole_start >= end:
                break
            if at < hole_start:
                left.append((at, hole_start))
            at = hole_end
        if at < end:
            left.append((at, end))
    return left


def total(stretches: Iterable[Interval]) -> timedelta:
    """How long they cover together; what overlaps counts once."""
    return sum((end - start for start, end in union(stretches)), timedelta())
