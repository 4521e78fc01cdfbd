"""What one version of a policy promises, read and checked: targets, what stops which clock, and the steps taken when time runs out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, cast, get_args

from app.errors import InvalidInput
from services.tickets.sla.calendar import WorkCalendar

Clock = Literal["first_response", "next_response", "resolution"]
FIRST, NEXT, RESOLUTION = CLOCKS = get_args(Clock)
Deed = Literal["warn", "breach", "escalate"]
MAX_TARGET_SECONDS = 400 * 86400
MAX_STEPS = 20
# What may stop a clock: states, and reasons of holding. `new` and `open` are ours to work on and never do.
STOPPING = ("pending", "on_hold", "on_hold:part", "on_hold:third_party", "on_hold:site_access", "on_hold:outage")
_AT = re.compile(r"0|-(\d{1,2})%|([+-])(\d{1,9})s")


@dataclass(frozen=True)
class Step:
    """What is done when a clock comes to a point: `at` is `-20%` (of the target, before it is due), `0`, or `+3600s` of open time."""

    clock: Clock
    at: str
    do: Deed
    to: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """By which it is known to have been taken, once in a run."""
        return f"{self.do}:{self.at}"

    def goal(self, target: timedelta) -> timedelta:
        """How much time must have been counted for it to be taken."""
        if self.at == "0":
            return target
        if self.at.endswith("%"):
            return target * (100 - int(self.at[1:-1])) / 100
        return max(target + timedelta(seconds=int(self.at[:-1])), timedelta(0))


@dataclass(frozen=True)
class Terms:
    """A policy version: what a ticket was promised, and the calendar by which it is counted."""

    version_id: int
    name: str
    calendar: WorkCalendar
    targets: Mapping[Clock, timedelta]
    pauses: Mapping[str, frozenset[Clock]] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()

    def stops(self, clock: Clock, state: str, hold_reason: str | None) -> bool:
        """Whether this clock stands while a ticket is in that state; a reason of its own says more than `on_hold` alone."""
        if state == "on_hold" and hold_reason is not None and (own := self.pauses.get(f"on_hold:{hold_reason}")) is not None:
            return clock in own
        return clock in self.pauses.get(state, frozenset())


def parse_steps(raw: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """Raises InvalidInput naming the step that cannot be understood, or that would be known by the same name as another."""
    if len(raw) > MAX_STEPS:
        raise InvalidInput(f"A policy takes at most {MAX_STEPS} steps.", field="steps")
    steps = tuple(_step(number, one) for number, one in enumerate(raw, 1))
    known = {(step.clock, step.key) for step in steps}
    if len(known) < len(steps):
        raise InvalidInput("Two steps do the same at the same time. Put whoever is told together into one of them.", field="steps")
    return steps


def _step(number: int, raw: Mapping[str, Any]) -> Step:
    clock, at, do, to = (raw.get(name) for name in ("clock", "at", "do", "to"))
    if clock not in CLOCKS or do not in get_args(Deed) or not isinstance(to, Mapping | None):
        raise InvalidInput(f"Step {number}: it needs a clock, and one of warn, breach, escalate.", field="steps")
    if not isinstance(at, str) or _AT.fullmatch(at) is None:
        raise InvalidInput(f"Step {number}: '{at}' is no point in time; write -20%, 0 or +3600s.", field="steps")
    if do == "breach" and at != "0":
        raise InvalidInput(f"Step {number}: a breach is at the deadline itself, 0.", field="steps")
    return Step(cast(Clock, clock), at, cast(Deed, do), dict(to or {}))


def parse_pauses(raw: Mapping[str, Any]) -> dict[str, frozenset[Clock]]:
    """Raises InvalidInput for a state that cannot stop anything, or a clock that does not exist."""
    parsed = {}
    for state, clocks in raw.items():
        if state not in STOPPING or not isinstance(clocks, list | tuple | set | frozenset) or not set(clocks) <= set(CLOCKS):
            raise InvalidInput(f"'{state}' is no reason for a clock to stand, or it names a clock that does not exist.", field="pauses")
        parsed[state] = frozenset(clocks)
    return parsed


def parse_targets(raw: Mapping[str, int | None]) -> dict[Clock, timedelta]:
    """Seconds by clock; None promises nothing. Raises InvalidInput for what is not between a minute and 400 days."""
    targets: dict[Clock, timedelta] = {}
    for clock in CLOCKS:
        seconds = raw.get(clock)
        if seconds is None:
            continue
        if not 60 <= seconds <= MAX_TARGET_SECONDS:
            raise InvalidInput("A promise is between a minute and 400 days of open time.", field=f"{clock}_seconds")
        targets[clock] = timedelta(seconds=seconds)
    if not targets:
        raise InvalidInput("A policy promises at least one of first response, next response and resolution.", field="resolution_seconds")
    return targets
