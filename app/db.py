"""PostgreSQL: the engine, one transaction per use case, and what runs after its commit. Reasons and measurements: shared/style.md §2."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import anyio.to_thread
import psycopg
import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session, SQLModel

from app.settings import get_settings

P = ParamSpec("P")
R = TypeVar("R")
log = structlog.get_logger(__name__)

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


_TRUSTED_SECONDS = 0.5

Begin = Callable[[], AbstractContextManager[Session]]
"""How a use case that also calls outside opens its transactions: handed in by the edge, usually `transaction`."""


class BlockingCallOnEventLoop(RuntimeError):
    """A query was made on the event loop, where it would freeze every browser. Hop to a thread with `in_transaction`."""


_engine: sa.Engine | None = None
_bind: sa.Engine | sa.Connection | None = None


def engine() -> sa.Engine:
    global _engine
    if _engine is None:
        _engine = make_engine(get_settings().database_url)
    return _engine


def make_engine(url: str) -> sa.Engine:
    # The pool with its overflow is at least as large as all threads that query (40 of anyio's, 40 for outside calls), so none waits.
    made = sa.create_engine(
        url,
        pool_size=10,
        max_overflow=75,
        pool_recycle=1800,
        connect_args={"connect_timeout": 3, "application_name": "inet", "options": "-c timezone=UTC -c statement_timeout=30000"},
    )
    sa.event.listen(made, "before_cursor_execute", _refuse_on_event_loop)
    sa.event.listen(made, "checkin", _note_rest)
    sa.event.listen(made, "checkout", partial(_ping_after_rest, made.dialect))
    return made


def _note_rest(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _ping_after_rest(dialect: sa.Dialect, connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    # SQLAlchemy's own pre-ping asks each time, which costs more than a short transaction. What was used a moment ago is trusted.
    if time.monotonic() - record.info.get("rests_since", 0.0) < _TRUSTED_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except psycopg.Error:
        raise sa.exc.InvalidatePoolError from None


def _refuse_on_event_loop(*_: Any) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise BlockingCallOnEventLoop


def use_bind(bind: sa.Engine | sa.Connection | None) -> None:
    """Let every transaction of this process run on `bind`: tests hand in a connection whose outer transaction is rolled back."""
    global _bind
    _bind = bind


def dispose() -> None:
    """Drop the pool, so that a stopped process or a restarted PostgreSQL leaves nothing half-open."""
    global _engine
    if _engine is not None:
        _engine.dispose()
        _engine = None


@contextmanager
def transaction() -> Iterator[Session]:
    """Commit on success, roll back on error, then run what was deferred with `after_commit`."""
    bind = _bind if _bind is not None else engine()
    with Session(bind, expire_on_commit=False, join_transaction_mode="create_savepoint") as session:
        with session.begin():
            yield session
        for call in session.info.pop("after_commit", {}).values():
            _run_deferred(call)


def _run_deferred(call: Callable[[], object]) -> None:
    # The commit stands: a doorbell that cannot be rung (Redis away) must not turn it into an error. Sweeps find the row.
    try:
        call()
    except Exception:
        log.warning("after_commit.failed", exc_info=True)


def after_commit(session: Session, call: Callable[[], object], *, key: str | None = None) -> None:
    """Run `call` once the transaction stands, in order; never if it is rolled back. News with the same `key` is told once."""
    # Not SQLAlchemy's after_commit event: that one also fires when a savepoint is released.
    deferred: dict[object, Callable[[], object]] = session.info.setdefault("after_commit", {})
    deferred.setdefault(key or object(), call)


async def in_transaction(service: Callable[Concatenate[Session, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run one use case in its own transaction on a thread; context variables such as the correlation ID go along."""

    def work() -> R:
        with transaction() as session:
            return service(session, *args, **kwargs)

    return await anyio.to_thread.run_sync(work)


def enum_type(enum: type[StrEnum], *, name: str | None = None) -> sa.Enum:
    """A text column that takes only the enum's values, by a check constraint (`name` tells two of one table apart)."""
    return sa.Enum(
        enum,
        native_enum=False,
        create_constraint=True,
        length=32,
        name=name or enum.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )


UtcDateTime = sa.DateTime(timezone=True)
Json = postgresql.JSONB


def earliest(*moments: datetime | None) -> datetime | None:
    """The earliest of the moments that are set."""
    return min((moment for moment in moments if moment is not None), default=None)
