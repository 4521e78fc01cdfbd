"""Takes away what is past its period: a few rows in each transaction, until nothing is due or the run's time is up.

Rows that somebody holds are left for the next time, so nobody waits for a clean-up; two runs at once take different rows; what a run that
died has not done is still due. The rule that was run longest ago goes first, so that one with much to do keeps none of the others waiting
for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from services.operations.models import CleanUp
from services.operations.retention import periods
from services.operations.retention.rules import RULES
from services.operations.retention.shape import Rule, Step

FIRST_BATCH, MOST_AT_ONCE, LEAST_AT_ONCE = 1000, 5000, 50
# What a transaction should take at the most: somebody who wants one of its rows, or a lock of the table, waits that long.
_AIM_SECONDS = 0.25
_RUN_SECONDS = 120.0
log = structlog.get_logger(__name__)


@dataclass
class Removed:
    """What came of a run of one rule. `is_all` is False when the time was up before everything was done."""

    rule: str
    rows: int = 0
    transactions: int = 0
    longest_seconds: float = 0.0
    is_all: bool = True


@dataclass
class _Pace:
    """How many rows at once: as many as fit into the time that a transaction should take."""

    rows: int

    def took(self, seconds: float) -> None:
        if seconds > _AIM_SECONDS:
            self.rows = max(LEAST_AT_ONCE, int(self.rows * _AIM_SECONDS / seconds))
        elif seconds < _AIM_SECONDS / 2:
            self.rows = min(MOST_AT_ONCE, self.rows * 2)


@dataclass(frozen=True)
class _Run:
    begin: Begin
    now: datetime
    until: float
    at_once: int
    seconds: Callable[[], float]

    @property
    def is_over(self) -> bool:
        return self.seconds() >= self.until


def clean_up(
    begin: Begin,
    *,
    clock: Clock,
    for_seconds: float = _RUN_SECONDS,
    at_once: int = FIRST_BATCH,
    rules: Sequence[Rule] = RULES,
    seconds: Callable[[], float] = time.monotonic,
) -> list[Removed]:
    """Take away what is due, for `for_seconds` at most. Safe to run twice, at once, and to die in the middle."""
    now = clock()
    run = _Run(begin, now, seconds() + for_seconds, at_once, seconds)
    with begin() as session:
        ordered, kept_days = _in_turn(session, rules), periods.all_days(session)
    done = []
    for rule in ordered:
        if run.is_over:
            break
        removed = _one(run, rule, now - timedelta(days=kept_days[rule.name]))
        done.append(removed)
        if removed.rows:
            log.info("retention.removed", rule=rule.name, rows=removed.rows, transactions=removed.transactions, is_all=removed.is_all)
    return done


def _in_turn(session: Session, rules: Sequence[Rule]) -> list[Rule]:
    ran = dict(session.exec(select(CleanUp.rule, CleanUp.last_run_at)).all())
    return sorted(rules, key=lambda rule: (rule.name in ran, ran.get(rule.name)))


def _one(run: _Run, rule: Rule, before: datetime) -> Removed:
    removed, started = Removed(rule.name), run.seconds()
    try:
        for step in rule.steps:
            _step(run, rule, step, before, removed)
        if rule.own is not None and not run.is_over:
            removed.rows += (own := rule.own(run.begin, run.now, before))
            _note(run, rule, own)
    except sa.exc.OperationalError as error:
        # One table that is locked or slow keeps no other from its turn; what is left is still due.
        log.warning("retention.held_up", rule=rule.name, error=type(error.orig).__name__)
        removed.is_all = False
    took = round((run.seconds() - started) * 1000)
    with run.begin() as session:
        _count(session, rule, run.now, 0, took)
    return removed


def _step(run: _Run, rule: Rule, step: Step, before: datetime, removed: Removed) -> None:
    pace = _Pace(run.at_once)
    while True:
        if run.is_over:
            removed.is_all = False
            return
        at_once, began = pace.rows, run.seconds()
        with run.begin() as session:
            rows = _some(session, step, before, at_once)
            if rows:
                _count(session, rule, run.now, rows)
        took = run.seconds() - began
        pace.took(took)
        removed.rows += rows
        removed.transactions += 1
        removed.longest_seconds = max(removed.longest_seconds, took)
        if rows < at_once:
            return


def _some(session: Session, step: Step, before: datetime, at_once: int) -> int:
    # A lock that does not come is not waited for, and what a power cut takes back is due again.
    session.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
    session.execute(sa.text("SET LOCAL synchronous_commit = off"))
    found = session.execute(sa.text(step.statement), {"before": before, "batch": at_once})
    return int(found.rowcount)  # type: ignore[attr-defined]


def _note(run: _Run, rule: Rule, rows: int) -> None:
    if rows:
        with run.begin() as session:
            _count(session, rule, run.now, rows)


def _count(session: Session, rule: Rule, now: datetime, rows: int, took_ms: int | None = None) -> None:
    """In the transaction that took them away, so that the sum is right whatever dies."""
    row = insert(CleanUp).values(rule=rule.name, last_run_at=now, last_removed=rows, removed=rows, last_ms=took_ms or 0)
    same_run = col(CleanUp.last_run_at) == row.excluded.last_run_at
    session.execute(
        row.on_conflict_do_update(
            index_elements=["rule"],
            set_={
                "last_removed": row.excluded.last_removed + sa.case((same_run, col(CleanUp.last_removed)), else_=0),
                "removed": col(CleanUp.removed) + row.excluded.removed,
                "last_run_at": row.excluded.last_run_at,
                "last_ms": row.excluded.last_ms if took_ms is not None else col(CleanUp.last_ms),
            },
        )
    )
