"""The processes of the product as rows: each says every few seconds that it lives, and when it stops of its own will."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import psutil
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from app.release import release
from services.accounts.permissions import Permission, Principal
from services.operations.models import ProcessKind, RunningProcess

BEAT_SECONDS = 10.0
SILENT_AFTER = timedelta(seconds=60)
"""A process that has not beaten for this long is taken for dead."""
# Those that stopped or died are shown for this long.
_SHOWN = timedelta(hours=1)


@dataclass(frozen=True)
class Identity:
    """This process, as its row names it."""

    kind: ProcessKind
    serves: tuple[str, ...]
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    host: str = field(default_factory=lambda: socket.gethostname()[:120])
    pid: int = field(default_factory=os.getpid)


def beat(session: Session, me: Identity) -> datetime:
    """Say that this process lives. Answers PostgreSQL's clock, by which all rows here are written."""
    now: datetime = session.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    statement = insert(RunningProcess).values(
        id=me.id,
        kind=me.kind,
        host=me.host,
        pid=me.pid,
        release=release()[:80],
        serves=",".join(me.serves)[:120],
        memory_bytes=psutil.Process().memory_info().rss,
        started_at=now,
        beat_at=now,
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={"beat_at": statement.excluded.beat_at, "memory_bytes": statement.excluded.memory_bytes, "stopped_at": None},
        )
    )
    return now


def stopped(session: Session, me: Identity) -> None:
    """Say that this process ends because it was told to."""
    row = RunningProcess
    session.execute(
        sa.update(row)
        .where(col(row.id) == me.id)
        .values(stopped_at=sa.func.greatest(col(row.started_at), sa.func.clock_timestamp()), beat_at=sa.func.clock_timestamp()),
        execution_options={"synchronize_session": False},
    )


def alive(session: Session, *, now: datetime, kind: ProcessKind | None = None) -> tuple[RunningProcess, ...]:
    """The processes that have beaten lately and were not stopped."""
    query = sa.select(RunningProcess).where(col(RunningProcess.beat_at) > now - SILENT_AFTER, col(RunningProcess.stopped_at).is_(None))
    if kind is not None:
        query = query.where(col(RunningProcess.kind) == kind)
    return tuple(session.execute(query.order_by(col(RunningProcess.kind), col(RunningProcess.host), col(RunningProcess.pid))).scalars())


@dataclass(frozen=True)
class ProcessView:
    """A process for people. `is_silent`: it did not say that it stops, and says nothing any more."""

    row: RunningProcess
    is_silent: bool

    @property
    def serves(self) -> tuple[str, ...]:
        return tuple(part for part in self.row.serves.split(",") if part)


def list_processes(session: Session, *, actor: Principal, now: datetime) -> tuple[ProcessView, ...]:
    """The processes that live, and those that ended within the last hour. Raises Forbidden."""
    actor.require(Permission.JOBS_READ)
    row = RunningProcess
    rows = session.execute(
        sa.select(row).where(col(row.beat_at) > now - _SHOWN).order_by(col(row.kind), col(row.host), col(row.started_at), col(row.id))
    ).scalars()
    return tuple(ProcessView(one, one.stopped_at is None and one.beat_at <= now - SILENT_AFTER) for one in rows)
