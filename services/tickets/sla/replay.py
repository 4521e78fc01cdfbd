"""A ticket's clocks as a pure function of its history: the same events give the same deadlines, to the second, for ever.

Three clocks. *First response* runs from the creation until our first public reply; *next response* from a customer's first words after
a reply of ours until our next one, and from the moment at which a merge brings in words that nobody has answered; *resolution* from the
creation until the ticket is resolved or closed, and again when it is reopened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from services.tickets.sla.calendar import NeverOpen
from services.tickets.sla.terms import CLOCKS, FIRST, NEXT, RESOLUTION, Clock, Step, Terms

# A reopened ticket gets what was left, and never less than this part of the whole.
REOPENED_SHARE = 4
DONE = ("resolved", "closed")
# Everything else that happens to a ticket leaves its clocks as they are.
_MOVING = frozenset({"created", "policy", "message", "state", "merged", "unmerged", "took_in", "gave_back"})
_ZERO = timedelta(0)
_SAID_HERE = "said here"
_WORDS = {
    "pending": "waiting for the customer",
    "on_hold": "on hold",
    "on_hold:part": "waiting for a part",
    "on_hold:third_party": "waiting for somebody outside",
    "on_hold:site_access": "waiting to be let in at the site",
    "on_hold:outage": "waiting for an outage to end",
}


@dataclass(frozen=True)
class Happened:
    """One event of the history: `kind` and `data` as services/tickets/changes.py writes them."""

    at: datetime
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Segment:
    """A piece of a run under one set of terms and in one state: `before` is what had been counted when it began, `counted` was added."""

    start: datetime
    end: datetime
    terms: Terms | None
    # None while the clock runs (open hours count), else why it stands.
    stands: str | None
    target: timedelta | None
    before: timedelta
    counted: timedelta


@dataclass
class Run:
    """One run of one clock. `due_at` is None while it stands, or when nothing is promised."""

    clock: Clock
    round: int
    started_at: datetime
    segments: list[Segment] = field(default_factory=list)
    counted: timedelta = _ZERO
    target: timedelta | None = None
    # Of a reopened resolution: the promise is this, not the policy's whole target.
    share: timedelta | None = None
    due_at: datetime | None = None
    met_at: datetime | None = None
    breached_at: datetime | None = None
    stands: str | None = None
    terms: Terms | None = None
    # When this way of counting began (the last change of state or terms), and what had been counted by then.
    since: datetime | None = None
    before: timedelta = _ZERO

    @property
    def remaining(self) -> timedelta | None:
        """Open time left at the moment of the replay; negative when overdue."""
        return None if self.target is None else self.target - self.counted

    def reached_at(self, goal: timedelta) -> datetime | None:
        """When `goal` was or will be counted under the terms that hold; None if the clock stands or was met before.

        What had been counted before the terms came to hold was reached when they did.
        """
        under = list(takewhile(lambda one: (one.terms, one.target) == (self.terms, self.target), reversed(self.segments)))
        for segment in reversed(under):
            if segment.before >= goal:
                return segment.start
            if segment.before + segment.counted >= goal and segment.terms is not None:
                return _added(segment.terms, segment.start, goal - segment.before)
        if self.terms is None or self.since is None or self.met_at is not None:
            return None
        if self.before >= goal:
            return self.since
        return _added(self.terms, self.since, goal - self.before) if self.stands is None else None


@dataclass(frozen=True)
class Replayed:
    """All runs of a ticket's clocks at one moment, and the terms that hold."""

    runs: Mapping[Clock, tuple[Run, ...]]
    terms: Terms | None
    now: datetime

    def current(self, clock: Clock) -> Run | None:
        runs = self.runs[clock]
        return runs[-1] if runs else None

    def all(self) -> Iterable[Run]:
        return (run for clock in CLOCKS for run in self.runs[clock])


def replay(events: Iterable[Happened], terms: Mapping[int, Terms], now: datetime) -> Replayed:
    """Play the history until `now`; events after it are left out. `terms` holds every policy version that the history names."""
    player = _Player(terms)
    for event in events:
        if event.at > now:
            break
        player.play(event)
    return player.result(now)


class _Player:
    def __init__(self, known: Mapping[int, Terms]) -> None:
        self._known = known
        self._terms: Terms | None = None
        self._state, self._merged, self._replied = "new", False, False
        self._hold: str | None = None
        # What the next response is to answer: words that were said here since our last reply, and merges by their operation.
        self._asked: set[object] = set()
        self._runs: dict[Clock, list[Run]] = {clock: [] for clock in CLOCKS}
        self._at: datetime | None = None

    def play(self, event: Happened) -> None:
        if event.kind not in _MOVING:
            return
        # Clocks of two hosts may differ a little: time never goes back within a history.
        at = event.at if self._at is None or event.at > self._at else self._at
        self._count_until(at)
        self._at = at
        match event.kind:
            case "created":
                self._start(FIRST, at)
                self._start(RESOLUTION, at)
            case "policy":
                version = event.data.get("version_id")
                self._terms = None if version is None else self._known[int(version)]
            case "message":
                self._message(str(event.data.get("kind")), at)
            case "state":
                self._change_state(str(event.data["to"]), event.data.get("hold_reason"), at)
            case "merged":
                self._merge(at)
            case "unmerged":
                self._merged = False
            case "took_in" if event.data.get("unanswered"):
                self._ask(event.data.get("operation_id"), at)
            case "gave_back":
                self._take_back(event.data.get("operation_id"), at)
        self._settle(at)

    def result(self, now: datetime) -> Replayed:
        if self._at is not None and now > self._at:
            self._count_until(now)
        return Replayed({clock: tuple(runs) for clock, runs in self._runs.items()}, self._terms, now)

    def _start(self, clock: Clock, at: datetime, share: timedelta | None = None) -> None:
        runs = self._runs[clock]
        runs.append(Run(clock, len(runs) + 1, at, share=share))

    def _message(self, kind: str, at: datetime) -> None:
        if kind == "customer":
            self._ask(_SAID_HERE, at)
        elif kind == "reply":
            self._replied = True
            self._asked.clear()
            for clock in (FIRST, NEXT):
                if (run := self._live(clock)) is not None:
                    self._meet(run, at)

    def _ask(self, what: object, at: datetime) -> None:
        """Words to be answered. Until our first reply they wait for that one."""
        if not self._replied:
            return
        self._asked.add(what)
        if self._live(NEXT) is None:
            self._start(NEXT, at)

    def _take_back(self, operation: object, at: datetime) -> None:
        """A merge was undone: what came in with it is answered elsewhere. The run goes on if anything else waits for an answer here."""
        if operation not in self._asked:
            return
        self._asked.remove(operation)
        if not self._asked and (run := self._live(NEXT)) is not None:
            self._meet(run, at)

    def _change_state(self, to: str, hold_reason: str | None, at: datetime) -> None:
        was_done, self._state, self._hold = self._state in DONE, to, hold_reason
        if self._merged:
            return
        run = self._live(RESOLUTION)
        if to in DONE and run is not None:
            self._meet(run, at)
        elif to not in DONE and was_done and run is None and (earlier := self._runs[RESOLUTION]):
            self._start(RESOLUTION, at, share=earlier[-1].remaining)

    def _merge(self, at: datetime) -> None:
        """A ticket that lies in another is neither answered nor solved by that: what its closing seemed to meet at that moment stands."""
        self._merged = True
        for runs in self._runs.values():
            if runs and runs[-1].met_at == at and runs[-1].clock == RESOLUTION:
                runs[-1].met_at = None

    def _live(self, clock: Clock) -> Run | None:
        runs = self._runs[clock]
        return runs[-1] if runs and runs[-1].met_at is None else None

    def _meet(self, run: Run, at: datetime) -> None:
        if run.due_at is None and run.target is not None and run.terms is not None:
            # It stood: the deadline that it would have had, had it gone on at that moment.
            run.due_at = _added(run.terms, at, run.target - run.counted)
        run.met_at = at

    def _settle(self, at: datetime) -> None:
        for clock in CLOCKS:
            if (run := self._live(clock)) is not None:
                self._refresh(run, at)

    def _refresh(self, run: Run, at: datetime) -> None:
        """Put a run under the terms and the state that hold now, and say when it is due."""
        terms = self._terms
        target = None if terms is None else terms.targets.get(run.clock)
        if target is not None and run.share is not None:
            target = max(run.share, target / REOPENED_SHARE)
        stands = self._why_it_stands(run.clock, target)
        if (run.terms, run.target, run.stands) == (terms, target, stands) and run.since is not None:
            return
        run.terms, run.target, run.stands, run.since, run.before = terms, target, stands, at, run.counted
        if target is None:
            run.due_at = None
        elif run.counted >= target:
            # Already more than is promised: due at once, or since it was first overdue under these terms.
            if run.due_at is None or run.due_at > at:
                run.due_at = at
            run.breached_at = run.breached_at or run.due_at
        else:
            assert terms is not None
            run.due_at = _added(terms, at, target - run.counted) if stands is None else None

    def _why_it_stands(self, clock: Clock, target: timedelta | None) -> str | None:
        if self._merged:
            return "merged into another ticket"
        if self._terms is None:
            return "no policy"
        if target is None:
            return f"{self._terms.name} promises none"
        if self._state in DONE:
            return f"the ticket was {self._state}"
        if self._terms.stops(clock, self._state, self._hold):
            return _WORDS.get(f"{self._state}:{self._hold}", _WORDS.get(self._state, self._state))
        return None

    def _count_until(self, at: datetime) -> None:
        if self._at is None or at <= self._at:
            return
        for clock in CLOCKS:
            if (run := self._live(clock)) is not None and run.since is not None:
                _count(run, self._at, at)


def _count(run: Run, start: datetime, end: datetime) -> None:
    counted = run.terms.calendar.between(start, end) if run.stands is None and run.terms is not None else _ZERO
    last = run.segments[-1] if run.segments else None
    if last is not None and (last.terms, last.stands, last.target, last.end) == (run.terms, run.stands, run.target, start):
        run.segments[-1] = Segment(last.start, end, run.terms, run.stands, run.target, last.before, last.counted + counted)
    else:
        run.segments.append(Segment(start, end, run.terms, run.stands, run.target, run.counted, counted))
    run.counted += counted
    if run.due_at is not None and run.breached_at is None and run.due_at <= end:
        run.breached_at = run.due_at


def _added(terms: Terms, start: datetime, duration: timedelta) -> datetime | None:
    try:
        return terms.calendar.add(start, duration)
    except NeverOpen:
        return None


__all__ = ["CLOCKS", "DONE", "FIRST", "NEXT", "RESOLUTION", "Clock", "Happened", "Replayed", "Run", "Segment", "Step", "Terms", "replay"]
