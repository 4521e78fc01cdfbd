"""How long things took, in time that counted: as the clocks of the SLA count it (services/tickets/sla/replay.py), for thousands at once."""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.tickets.sla.calendar import WorkCalendar
from services.tickets.sla.replay import DONE
from services.tickets.sla.terms import Clock, Terms


@dataclass(frozen=True)
class Times:
    """Seconds of time that counted, as the clocks of the SLA count."""

    number: int
    median: float
    p90: float


class OpenTime:
    """How much open time of a calendar lies between two moments, answered at once: its pieces are laid out beforehand."""

    def __init__(self, calendar: WorkCalendar, start: datetime, end: datetime) -> None:
        self._starts: list[float] = []
        self._ends: list[float] = []
        self._before: list[float] = []
        total = 0.0
        for piece in calendar.stretches(start, end):
            if piece.is_open:
                begins, ends = piece.start.timestamp(), piece.end.timestamp()
                self._starts.append(begins)
                self._ends.append(ends)
                self._before.append(total)
                total += ends - begins

    def between(self, start: float, end: float) -> float:
        return max(0.0, self._until(end) - self._until(start))

    def _until(self, at: float) -> float:
        last = bisect_right(self._starts, at) - 1
        return 0.0 if last < 0 else self._before[last] + min(at, self._ends[last]) - self._starts[last]


def open_times(terms: Mapping[int, Terms], start: datetime, end: datetime) -> dict[int, OpenTime]:
    """By policy version; versions of one calendar share what was laid out."""
    laid_out: dict[int, OpenTime] = {}
    for one in terms.values():
        if id(one.calendar) not in laid_out:
            laid_out[id(one.calendar)] = OpenTime(one.calendar, start, end)
    return {version_id: laid_out[id(one.calendar)] for version_id, one in terms.items()}


def counted(
    row: Any, clock: Clock, known: Mapping[int, Terms], hours: Mapping[int, OpenTime], history: Sequence[tuple[float, str, str | None]]
) -> float:
    """Seconds that counted until then, under the terms that the ticket has now; where nothing is promised, every second does."""
    terms = known.get(row.version_id)
    end, at, total = row.at.timestamp(), row.created_at.timestamp(), 0.0
    state, hold = "new", None
    for when, to, reason in (*history, (end, "", None)):
        until = min(max(when, at), end)
        if state not in DONE and (terms is None or not terms.stops(clock, state, hold)):
            total += until - at if terms is None else hours[row.version_id].between(at, until)
        if when >= end:
            break
        at, state, hold = until, to, reason
    return total


def times(seconds: list[float]) -> Times | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    return Times(len(ordered), statistics.median(ordered), ordered[math.ceil(len(ordered) * 0.9) - 1])
