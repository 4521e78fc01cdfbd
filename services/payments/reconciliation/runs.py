"""Runs of the reconciliation: ordered by a person or by the night, driven by their row. A death anywhere costs the step it was in."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.errors import InvalidInput
from app.events import publish
from app.failpoints import boundary
from app.outbound import OutboundError
from app.queue import ring
from app.settings import get_settings
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.integrations.clients import Outside
from services.integrations.portabilling import PortaPage
from services.integrations.wave import WaveTransaction
from services.payments.reconciliation import clear, gather, totals
from services.payments.reconciliation.compare import Sides, compare, days_of
from services.payments.reconciliation.models import ReconciliationRun, RunState

RUN_JOB = "jobs.reconciliation.run"
LONGEST = 92
TOPIC = "reconciliation"
_MOST_ATTEMPTS = 40
_AGAIN_AFTER = timedelta(minutes=30)
_MOST_RETRIES = 8
# The night's run begins when the last purchases of the day have settled.
_NIGHT = 1
# A job may take two minutes: what is left goes on in another one.
BUDGET_SECONDS = 75.0
_UNDER_WAY = (RunState.QUEUED, RunState.RUNNING)


def young() -> timedelta:
    """How old a row must be to be compared: a purchase under way stands on one side a moment before it does on the other."""
    return timedelta(seconds=get_settings().reconciliation_young_seconds)


def order_run(session: Session, *, actor: Principal, from_day: date, to_day: date, now: datetime) -> ReconciliationRun:
    """Have the days from `from_day` to `to_day` compared; the same days that are under way already are not begun again.

    Raises Forbidden, or InvalidInput at `from_day` or `to_day`.
    """
    actor.require(Permission.MONEY_READ)
    if to_day < from_day:
        raise InvalidInput("The last day is not before the first.", field="to_day")
    if to_day > now.date():
        raise InvalidInput("That day is still to come.", field="to_day")
    if (to_day - from_day).days >= LONGEST:
        raise InvalidInput(f"At most {LONGEST} days at once: take a shorter range.", field="from_day")
    session.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('reconciliation-order'))"))
    under_way = session.exec(
        select(ReconciliationRun).where(
            ReconciliationRun.from_day == from_day, ReconciliationRun.to_day == to_day, col(ReconciliationRun.state).in_(_UNDER_WAY)
        )
    ).first()
    if under_way is not None:
        return under_way
    run = ReconciliationRun(from_day=from_day, to_day=to_day, asked_by=actor.label[:120], created_at=now, next_attempt_at=now)
    session.add(run)
    session.flush()
    assert run.id is not None
    after = {"from_day": from_day.isoformat(), "to_day": to_day.isoformat()}
    audit.record(session, actor, "reconciliation.run", target=("reconciliation_run", run.id), now=now, after=after)
    _ring(session, run)
    return run


def start_nightly(session: Session, *, now: datetime) -> None:
    """Order yesterday's run, once a day. Days end at midnight UTC, which is Banjul's, as in Wave's list."""
    if now.hour < _NIGHT:
        return
    yesterday = now.date() - timedelta(days=1)
    session.execute(
        insert(ReconciliationRun)
        .values(
            from_day=yesterday,
            to_day=yesterday,
            is_nightly=True,
            state=RunState.QUEUED,
            asked_by="system",
            created_at=now,
            next_attempt_at=now,
            attempts=0,
            totals={},
            found=0,
        )
        .on_conflict_do_nothing(index_elements=["from_day"], index_where=sa.text("is_nightly"))
    )


def _lease() -> timedelta:
    """Between two signs of life lies at most one page of an outside service and what is written of it: longer than a payment's one call."""
    return timedelta(seconds=9 * get_settings().lease_seconds)


def ring_due(session: Session, *, now: datetime) -> int:
    """The sweep of runs that are due: new ones, those whose worker died, and nights that a side slept through."""
    due = session.exec(
        select(ReconciliationRun).where(col(ReconciliationRun.next_attempt_at) <= now).limit(10).with_for_update(skip_locked=True)
    ).all()
    for run in due:
        run.next_attempt_at = now + timedelta(seconds=get_settings().lease_seconds)
        _ring(session, run)
    session.flush()
    return len(due)


def _ring(session: Session, run: ReconciliationRun) -> None:
    assert run.id is not None
    ring(session, RUN_JOB, run.id, queue="bulk")
    publish(session, TOPIC, run.id)


def run(begin: Begin, run_id: int, outside: Outside, *, clock: Clock, budget_seconds: float = BUDGET_SECONDS) -> None:
    """Gather, clear and compare. Safe to run twice, at once, late, or to die anywhere; what takes too long goes on in another job."""
    with begin() as session:
        taken = _take(session, run_id, now=clock())
    if taken is None:
        return
    drive = _Drive(begin, taken, outside, clock, budget_seconds)
    try:
        if not drive.read_wave() or not drive.read_accounts():
            drive.go_on_later()
            return
        boundary("reconciliation.read")
        drive.clear_and_compare()
    except LostHold:
        # What was read stays; the other worker goes on from there.
        return


def _take(session: Session, run_id: int, *, now: datetime) -> ReconciliationRun | None:
    found = session.get(ReconciliationRun, run_id, with_for_update=True, populate_existing=True)
    if found is None or found.state in (RunState.DONE, RunState.FAILED) or found.next_attempt_at is None:
        return None
    if found.lease_until is not None and found.lease_until > now:
        return None
    if found.state is not RunState.RUNNING:
        # A night that was read in part begins anew: both sides as they are now.
        retries = int(found.totals.get("retries", 0)) + int(found.state is RunState.PARTIAL)
        found.state, found.started_at, found.ended_at, found.error = RunState.RUNNING, now, None, None
        found.totals, found.attempts = ({"retries": retries} if retries else {}), 0
    found.attempts += 1
    if found.attempts > _MOST_ATTEMPTS:
        _end(session, found, RunState.FAILED, "It was tried again and again and never came to its end. The log says why.", now=now)
        return None
    found.lease_until = found.next_attempt_at = now + _lease()
    publish(session, TOPIC, run_id)
    session.flush()
    return found


def _end(session: Session, found: ReconciliationRun, state: RunState, error: str | None, *, now: datetime) -> None:
    found.state, found.error, found.ended_at = state, error, now
    found.lease_until = found.next_attempt_at = None
    publish(session, TOPIC, found.id)


class _Drive:
    """One worker's hold on a run. It ends, and leaves the rest to the next, when its lease was taken by another."""

    def __init__(self, begin: Begin, taken: ReconciliationRun, outside: Outside, clock: Clock, budget_seconds: float) -> None:
        assert taken.id is not None
        assert taken.started_at is not None
        self._begin, self._outside, self._clock = begin, outside, clock
        self._id, self._since, self._lease = taken.id, taken.started_at, taken.lease_until
        self._from, self._to = taken.from_day, taken.to_day
        self._totals: dict[str, Any] = dict(taken.totals)
        self._until = time.monotonic() + budget_seconds

    @property
    def _days(self) -> list[date]:
        """A purchase over midnight stands in another day's list than its own, so one day is read on either side."""
        last = min(self._to + timedelta(days=1), self._clock().astimezone(UTC).date())
        return days_of(self._from - timedelta(days=1), max(last, self._to))

    @property
    def _is_late(self) -> bool:
        return time.monotonic() > self._until

    def read_wave(self) -> bool:
        """False when time is over before all was asked."""
        read = self._totals.setdefault("wave", {})
        for day in self._days:
            if day.isoformat() in read:
                continue
            if self._is_late:
                return False
            rows, changed, error = 0, [], None
            try:
                for part in gather.parts(self._outside.wave.transactions(day)):
                    rows += len(part)
                    changed += self._in_turn(partial(self._take_in, day=day, part=part))
            except OutboundError as failure:
                error = failure.detail[:200]
            read[day.isoformat()] = {"rows": rows, "whole": error is None, "error": error}
            if changed:
                self._totals["changed"] = [*self._totals.get("changed", []), *changed][:50]
            self._keep()
        return True

    def _take_in(self, session: Session, *, day: date, part: list[WaveTransaction]) -> list[Any]:
        return list(gather.keep_movements(session, day, part, seen_at=self._since))

    def _take_in_accounts(self, session: Session, *, page: PortaPage) -> list[Any]:
        gather.keep_accounts(session, page.accounts, run_id=self._id, seen_at=self._since)
        return []

    def _name_payments(self, session: Session, *, span: clear.Span) -> list[Any]:
        clear.name_payments(session, span)
        return []

    def read_accounts(self) -> bool:
        """False when time is over before all was asked."""
        state = self._totals.setdefault("porta", {"offset": 0, "whole": False, "ended": False, "error": None})
        while not state["ended"]:
            if self._is_late:
                return False
            try:
                page = gather.page_of_accounts(self._outside.portabilling, state["offset"])
            except OutboundError as failure:
                state |= {"ended": True, "error": failure.detail[:200]}
                self._keep()
                return True
            first = page.accounts[0].i_account if page.accounts else None
            is_again = first is not None and first == state.get("first")
            if not is_again:
                self._in_turn(partial(self._take_in_accounts, page=page))
            is_end = len(page.accounts) < gather.ACCOUNTS_AT_ONCE
            state |= {"offset": state["offset"] + len(page.accounts), "first": first, "total": page.total, "ended": is_end or is_again}
            if is_again:
                state["error"] = "the same page was offered twice"
            elif is_end:
                self._weigh(state)
            self._keep()
        return True

    def _weigh(self, state: dict[str, Any]) -> None:
        with self._begin() as session:
            seen = gather.accounts_seen(session, self._since)
        state["rows"] = seen
        state["whole"] = state["total"] is None or seen >= state["total"]
        if not state["whole"]:
            state["error"] = f"the list shows {seen} accounts and counts {state['total']}"

    def clear_and_compare(self) -> None:
        days = self._days
        span, posted = clear.Span(days[0], days[-1]), 0
        self._in_turn(partial(self._name_payments, span=span))
        while done := self._count(lambda session: clear.post_settled(session, span, now=self._clock())):
            posted += done
        boundary("reconciliation.cleared")
        self._totals["posted"] = int(self._totals.get("posted", 0)) + posted
        whole = tuple(day for day in days if self._totals["wave"].get(day.isoformat(), {}).get("whole"))
        porta = self._totals["porta"]
        sides = Sides(
            run_id=self._id,
            from_day=self._from,
            to_day=self._to,
            since=self._since,
            young=self._since - young(),
            whole_days=whole,
            is_porta_whole=bool(porta["whole"]),
            is_porta_seen=porta["offset"] > 0,
        )
        with self._begin() as session:
            held = self._held(session)
            if held is None:
                return
            now = self._clock()
            compare(session, sides, now=now)
            self._totals |= totals.count(session, self._id, self._from, self._to)
            held.totals, held.found = dict(self._totals), int(self._totals["open"])
            missing = self._missing_words(whole)
            _end(session, held, RunState.PARTIAL if missing else RunState.DONE, missing, now=now)
            if missing and held.is_nightly and int(self._totals.get("retries", 0)) < _MOST_RETRIES:
                held.next_attempt_at = now + _AGAIN_AFTER
            publish(session, "findings", self._id)

    def _missing_words(self, whole: tuple[date, ...]) -> str | None:
        unread = [day for day in self._days if day not in whole]
        words = []
        if unread:
            why = self._totals["wave"].get(unread[0].isoformat(), {}).get("error") or "not asked"
            words.append(f"Wave's list was not read whole for {len(unread)} of {len(self._days)} days ({why}).")
        if not self._totals["porta"]["whole"]:
            words.append(f"PortaBilling's accounts were not read whole ({self._totals['porta'].get('error') or 'not asked'}).")
        return " ".join(words)[:300] or None

    def go_on_later(self) -> None:
        with self._begin() as session:
            held = self._held(session)
            if held is not None:
                held.totals, held.lease_until, held.next_attempt_at = dict(self._totals), None, self._clock()
                held.attempts = 0
                _ring(session, held)

    def _keep(self) -> None:
        """Write down how far it came, and keep the hold."""
        self._in_turn(lambda _: [])

    def _in_turn(self, work: Callable[[Session], list[Any]]) -> list[Any]:
        with self._begin() as session:
            held = self._held(session)
            if held is None:
                raise LostHold
            done = work(session)
            held = session.get_one(ReconciliationRun, self._id, populate_existing=True)
            held.totals = dict(self._totals)
            held.lease_until = held.next_attempt_at = self._lease = self._clock() + _lease()
            publish(session, TOPIC, self._id)
        boundary("reconciliation.step")
        return done

    def _count(self, work: Callable[[Session], int]) -> int:
        return int(self._in_turn(lambda session: [work(session)])[0])

    def _held(self, session: Session) -> ReconciliationRun | None:
        found = session.get_one(ReconciliationRun, self._id, with_for_update=True, populate_existing=True)
        is_ours = found.state is RunState.RUNNING and found.started_at == self._since and found.lease_until == self._lease
        return found if is_ours else None


class LostHold(Exception):
    """The lease ran out and another worker has the run."""
