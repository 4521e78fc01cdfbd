"""The clocks counted minute by minute by somebody who knows nothing of the product's code: slow, plain, and meant to be read."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
# A night span of an earlier day may still be open at the beginning.
LEAD = 3 * 1440
MOST = 40 * 1440


@dataclass(frozen=True)
class Hours:
    """Spans a weekday in minutes since midnight (past 1440: the next day), and the days on which none begins."""

    zone: str
    spans: Mapping[int, Sequence[tuple[int, int]]]
    shut: frozenset[date]


@dataclass(frozen=True)
class Promise:
    hours: Hours
    minutes: Mapping[str, int]
    pauses: Mapping[str, frozenset[str]]


def open_minutes(hours: Hours, start: datetime, count: int) -> list[bool]:
    """For each of `count` minutes from `start`: does somebody work? What counts is the latest time that the wall clock has shown so far."""
    shown = _shown(hours.zone, start)[: LEAD + count]
    marks = [False] * len(shown)
    for number in range(len(shown) // 1440 + 2):
        day = shown[0].date() + timedelta(days=number)
        if day in hours.shut:
            continue
        midnight = datetime.combine(day, time())
        for one, two in hours.spans.get(day.weekday(), ()):
            for minute in range(bisect_left(shown, midnight + one * MINUTE), bisect_left(shown, midnight + two * MINUTE)):
                marks[minute] = True
    return marks[LEAD:]


@lru_cache(maxsize=16)
def _shown(zone: str, start: datetime) -> list[datetime]:
    local, latest, shown = ZoneInfo(zone), datetime(1, 1, 1), []
    for number in range(-LEAD, MOST):
        latest = max(latest, (start + number * MINUTE).astimezone(local).replace(tzinfo=None))
        shown.append(latest)
    return shown


@dataclass
class Counted:
    clock: str
    started: int
    minutes: int = 0
    due: int | None = None
    met: int | None = None
    breached: int | None = None
    share: float | None = None
    target: float | None = None


@dataclass
class Count:
    """Minutes since the beginning stand for moments."""

    promises: Mapping[int, Promise]
    events: Sequence[tuple[int, str, Mapping[str, object]]]
    until: int
    horizon: int
    start: datetime
    runs: dict[str, list[Counted]] = field(default_factory=lambda: {"first_response": [], "next_response": [], "resolution": []})

    def run(self) -> dict[str, list[Counted]]:
        """Count to `until`, then look ahead to `horizon` for when what runs will be due if nothing else happens."""
        self.policy: int | None = None
        self.state, self.hold, self.merged, self.replied = "new", None, False, False
        self.waiting: list[object] = []
        opened = {number: open_minutes(one.hours, self.start, self.horizon) for number, one in self.promises.items()}
        queue = list(self.events)
        for minute in range(self.until):
            self._apply(queue, minute)
            self._count(opened, minute)
        self._apply(queue, self.until)
        frozen = {id(run): (run.breached, run.minutes) for runs in self.runs.values() for run in runs}
        for minute in range(self.until, self.horizon):
            self._count(opened, minute)
            if all(run.due is not None or not self._ticking(run) for runs in self.runs.values() for run in runs):
                break
        for runs in self.runs.values():
            for run in runs:
                run.breached, run.minutes = frozen[id(run)]
        return self.runs

    def _apply(self, queue: list[tuple[int, str, Mapping[str, object]]], minute: int) -> None:
        while queue and queue[0][0] <= minute:
            _, kind, data = queue.pop(0)
            self._event(kind, data, minute)
            for run in self._live():
                self._retarget(run, minute)

    def _live(self) -> list[Counted]:
        return [runs[-1] for runs in self.runs.values() if runs and runs[-1].met is None]

    def _event(self, kind: str, data: Mapping[str, object], minute: int) -> None:
        live = {run.clock: run for run in self._live()}
        if kind == "created":
            self.runs["first_response"].append(Counted("first_response", minute))
            self.runs["resolution"].append(Counted("resolution", minute))
        elif kind == "policy":
            self.policy = data["version_id"]  # type: ignore[assignment]
        elif kind == "merged":
            self.merged = True
            for run in self.runs["resolution"][-1:]:
                if run.met == minute:
                    run.met = None
        elif kind == "unmerged":
            self.merged = False
        elif kind == "message" and data["kind"] == "reply":
            self.replied, self.waiting = True, []
            for clock in ("first_response", "next_response"):
                if clock in live:
                    live[clock].met = minute
        elif (kind == "message" and data["kind"] == "customer") or (kind == "took_in" and data["unanswered"]):
            if self.replied:
                self.waiting.append(data.get("operation_id", "own words"))
                if "next_response" not in live:
                    self.runs["next_response"].append(Counted("next_response", minute))
        elif kind == "gave_back" and data.get("operation_id") in self.waiting:
            self.waiting = [one for one in self.waiting if one != data["operation_id"]]
            if not self.waiting and "next_response" in live:
                live["next_response"].met = minute
        elif kind == "state":
            done_before, done = self.state in ("resolved", "closed"), data["to"] in ("resolved", "closed")
            self.state, self.hold = str(data["to"]), data.get("hold_reason")  # type: ignore[assignment]
            if self.merged:
                return
            if done and "resolution" in live:
                live["resolution"].met = minute
            if done_before and not done and "resolution" not in live:
                last = self.runs["resolution"][-1]
                self.runs["resolution"].append(
                    Counted("resolution", minute, share=None if last.target is None else last.target - last.minutes)
                )

    def _retarget(self, run: Counted, minute: int) -> None:
        target: float | None = None if self.policy is None else self.promises[self.policy].minutes.get(run.clock)
        if target is not None and run.share is not None:
            target = max(run.share, target / 4)
        changed, run.target = target != run.target, target
        if target is None:
            run.due = None
        elif run.minutes >= target:
            if run.due is None or run.due > minute:
                run.due = minute
            run.breached = run.due if run.breached is None else run.breached
        elif changed:
            run.due = None

    def _ticking(self, run: Counted) -> bool:
        if run.met is not None or run.target is None or self.merged or self.state in ("resolved", "closed"):
            return False
        pauses = self.promises[self.policy].pauses  # type: ignore[index]
        key = f"on_hold:{self.hold}"
        stopped = pauses[key] if self.state == "on_hold" and key in pauses else pauses.get(self.state, frozenset())
        return run.clock not in stopped

    def _count(self, opened: Mapping[int, list[bool]], minute: int) -> None:
        for run in self._live():
            if self._ticking(run) and opened[self.policy][minute]:  # type: ignore[index]
                run.minutes += 1
                if run.due is None and run.minutes >= run.target:  # type: ignore[operator]
                    run.due = minute + 1
                    run.breached = minute + 1 if run.breached is None else run.breached
