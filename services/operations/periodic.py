"""Runs of periodic jobs: each slot is claimed once in PostgreSQL, whatever Redis, schedulers and their clocks do.

A slot is the number of whole periods since 1970 by PostgreSQL's clock, the only one that all processes share. Nothing here holds a
transaction or a connection while a job runs, so it works behind a pooler in transaction mode. How it holds together: docs/jobs.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sa
from sqlmodel import Session, col

from app.logs import mask
from app.queue import QueueName
from services.operations.models import PeriodicJob, RunOutcome

ERROR_LENGTH = 300
DATABASE_AWAY = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError, sa.exc.TimeoutError, sa.exc.DisconnectionError)
"""PostgreSQL does not answer, no connection is to be had, or it is a stand-by that takes no writes."""
# A claim that lies further ahead than this was made by a clock that has been set back since; no statement lives so long.
_FAR_SECONDS = 120
# A worker ends a job that takes longer than its time-out (RQ); what still looks like running after it died with its worker.
_OVERDUE_SECONDS = 5
_FORGET_AFTER = timedelta(days=1)


class Line(Protocol):
    """One line of the schedule (jobs/schedule.py)."""

    @property
    def id(self) -> str: ...
    @property
    def job(self) -> str: ...
    @property
    def seconds(self) -> int: ...
    @property
    def queue(self) -> QueueName: ...
    @property
    def what(self) -> str: ...
    @property
    def timeout_seconds(self) -> int: ...


@dataclass(frozen=True)
class Claim:
    """The right to one run. `started_at` names the run: what ends later than the next run began changes nothing."""

    id: str
    started_at: datetime
    # None for a run that was asked for by hand.
    slot: int | None


_declared: dict[str, Line] = {}


def declare(lines: Iterable[Line]) -> None:
    """Tell this process the schedule. Services cannot import it: whoever composes a process hands it in."""
    _declared.clear()
    _declared.update((line.id, line) for line in lines)


def declared() -> Mapping[str, Line]:
    """The schedule by id, in its own order; empty where nobody declared one."""
    return _declared


_CLAIM = sa.text(
    """
    WITH clock AS MATERIALIZED (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS at),
         turn AS MATERIALIZED (SELECT at, floor(extract(epoch FROM at) / :seconds)::bigint AS slot FROM clock)
    INSERT INTO periodic_job AS held
           (id, run_slot, first_seen_at, last_started_at, last_ms, last_error, failures_in_a_row, paused_by, pause_reason)
    SELECT :id, slot, at, at, 0, '', 0, '', '' FROM turn
    ON CONFLICT (id) DO UPDATE SET run_slot = excluded.run_slot, last_started_at = excluded.last_started_at
     WHERE (held.run_slot < excluded.run_slot OR held.run_slot > excluded.run_slot + :far)
       AND held.paused_at IS NULL
       AND (held.last_started_at IS NULL OR held.last_ended_at >= held.last_started_at
            OR held.last_started_at <= excluded.last_started_at - make_interval(secs => :window))
    RETURNING run_slot, last_started_at
    """
)
_CLAIM_BY_HAND = sa.text(
    """
    WITH clock AS MATERIALIZED (SELECT coalesce(CAST(:now AS timestamptz), clock_timestamp()) AS at)
    INSERT INTO periodic_job AS held
           (id, run_slot, first_seen_at, last_started_at, last_ms, last_error, failures_in_a_row, paused_by, pause_reason)
    SELECT :id, 0, at, at, 0, '', 0, '', '' FROM clock
    ON CONFLICT (id) DO UPDATE SET last_started_at = excluded.last_started_at
     WHERE held.last_started_at IS NULL OR held.last_ended_at >= held.last_started_at
        OR held.last_started_at <= excluded.last_started_at - make_interval(secs => :window)
    RETURNING last_started_at
    """
)


def claim(session: Session, line: Line, *, now: datetime | None = None) -> Claim | None:
    """Claim the slot of this moment for a run; None when it is taken, the job is paused, or a run of it is under way.

    A run counts as under way for two periods at most, and never longer than its time-out: one that died with its worker must not hold up
    those after it. `now` is for tests; else PostgreSQL's clock says it.
    """
    window = min(line.timeout_seconds + _OVERDUE_SECONDS, 2 * line.seconds)
    values = {"id": line.id, "seconds": line.seconds, "far": _FAR_SECONDS // line.seconds + 1, "window": window, "now": now}
    row = session.execute(_CLAIM, values).one_or_none()
    return None if row is None else Claim(line.id, row.last_started_at, row.run_slot)


def claim_by_hand(session: Session, line: Line, *, now: datetime | None = None) -> Claim | None:
    """Claim a run outside of the slots, also of a paused job; None while a run of it is under way."""
    values = {"id": line.id, "window": line.timeout_seconds + _OVERDUE_SECONDS, "now": now}
    row = session.execute(_CLAIM_BY_HAND, values).one_or_none()
    return None if row is None else Claim(line.id, row.last_started_at, None)


# Never before its start: after a fail-over another machine's clock may be PostgreSQL's.
_END = sa.text(
    """
    UPDATE periodic_job
       SET last_ended_at = greatest(last_started_at, coalesce(CAST(:now AS timestamptz), clock_timestamp())),
           last_outcome = :outcome, last_ms = :took_ms, last_error = :error,
           failures_in_a_row = CASE WHEN :failed THEN failures_in_a_row + 1 ELSE 0 END
     WHERE id = :id AND last_started_at = :started_at
    """
)


def end_run(session: Session, run: Claim, *, took_ms: int, error: str | None, now: datetime | None = None) -> None:
    """Note how a claimed run ended; `error` is None when it went well."""
    outcome = RunOutcome.DONE if error is None else RunOutcome.FAILED
    said = "" if error is None else mask(error)[:ERROR_LENGTH]
    values = {
        "id": run.id,
        "started_at": run.started_at,
        "outcome": outcome.value,
        "failed": error is not None,
        "took_ms": took_ms,
        "error": said,
        "now": now,
    }
    session.execute(_END, values)


def hand_back(session: Session, run: Claim) -> None:
    """The run was broken off by a worker that stops: it neither went well nor failed, and the next may begin at once."""
    row = PeriodicJob
    freed: dict[str, object] = {"last_ended_at": col(row.last_started_at)}
    if run.slot is not None:
        # Its slot is free again: a daily job that a restart broke off should not wait for tomorrow.
        freed["run_slot"] = run.slot - 1
    session.execute(
        sa.update(row).where(col(row.id) == run.id, col(row.last_started_at) == run.started_at).values(**freed),
        execution_options={"synchronize_session": False},
    )


def keep_rows(session: Session, *, now: datetime) -> None:
    """Have a row for every declared job, and none for those that have not been declared for a day.

    Not at once: while a release is being rolled out, processes of two schedules live side by side.
    """
    if not _declared:
        return
    held = set(session.execute(sa.select(col(PeriodicJob.id))).scalars())
    for missing in _declared.keys() - held:
        session.execute(
            sa.text(
                "INSERT INTO periodic_job (id, run_slot, first_seen_at, last_ms, last_error, failures_in_a_row, paused_by, pause_reason)"
                " VALUES (:id, 0, :now, 0, '', 0, '', '') ON CONFLICT (id) DO NOTHING"
            ),
            {"id": missing, "now": now},
        )
    if held - _declared.keys():
        newest = sa.func.greatest(col(PeriodicJob.first_seen_at), col(PeriodicJob.last_started_at))
        session.execute(
            sa.delete(PeriodicJob).where(col(PeriodicJob.id).not_in(list(_declared)), newest < now - _FORGET_AFTER),
            execution_options={"synchronize_session": False},
        )
