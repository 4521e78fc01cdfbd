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

from app.settings import SettingsError, get_settings

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

# Milliseconds. The last one frees the rows that a process holds which was cut off in the middle of a transaction.
SESSION_SETTINGS = {"timezone": "UTC", "statement_timeout": "30000", "idle_in_transaction_session_timeout": "120000"}

# A peer that is gone without a word: noticed within some twenty seconds by who only waits, within ten by who has something to say.
_NOTICE_SILENCE = {"keepalives_idle": 10, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 10_000}

Begin = Callable[[], AbstractContextManager[Session]]
"""How a use case that also calls outside opens its transactions: handed in by the edge, usually `transaction`."""


class BlockingCallOnEventLoop(RuntimeError):
    """A query was made on the event loop, where it would freeze every browser. Hop to a thread with `in_transaction`."""


_engine: sa.Engine | None = None
_bind: sa.Engine | sa.Connection | None = None


def engine() -> sa.Engine:
    global _engine
    if _engine is None:
        settings = get_settings()
        _engine = make_engine(settings.database_url, is_pooled=settings.database_is_pooled)
    return _engine


def make_engine(url: str, *, is_pooled: bool = False) -> sa.Engine:
    """An engine for short transactions. `is_pooled`: a pooler in transaction mode stands before the server (docs/deployment.md)."""
    arguments: dict[str, Any] = {"connect_timeout": 3, "application_name": "inet", **_NOTICE_SILENCE}
    if is_pooled:
        # The next transaction is somebody else's connection: no statement is prepared on it, no setting asked for at its start.
        arguments["prepare_threshold"] = None
    else:
        arguments["options"] = " ".join(f"-c {name}={value}" for name, value in SESSION_SETTINGS.items())
    # The pool with its overflow is at least as large as all threads that query (40 of anyio's, 40 for outside calls), so none waits.
    # What is beyond `pool_size` is closed after each use, and a new connection costs PostgreSQL more than most transactions: a process
    # that falls behind must not make its own work dearer.
    made = sa.create_engine(url, pool_size=25, max_overflow=60, pool_recycle=1800, connect_args=arguments, hide_parameters=True)
    if is_pooled:
        sa.event.listen(made, "first_connect", _refuse_bare_pooler)
    sa.event.listen(made, "before_cursor_execute", _refuse_on_event_loop)
    sa.event.listen(made, "checkin", _note_rest)
    sa.event.listen(made, "checkout", partial(_ping_after_rest, made.dialect))
    return made


def _refuse_bare_pooler(connection: psycopg.Connection[Any], _: Any) -> None:
    """Days would begin at another hour and nothing would ever time out: said at the first connection instead of never."""
    with connection.cursor() as cursor:
        found = cursor.execute("SELECT current_setting('TimeZone'), current_setting('statement_timeout')").fetchone()
    connection.rollback()
    if found != ("UTC", "30s"):
        wanted = "; ".join(f"SET {name} = '{value}'" for name, value in SESSION_SETTINGS.items())
        raise SettingsError(f"The pooler that INET_DATABASE_URL leads to must begin its connections with: {wanted} (deploy/pgbouncer)")


def _note_rest(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _ping_after_rest(dialect: sa.Dialect, connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    # SQLAlchemy's own pre-ping asks each time, which costs more than a short transaction. What was used a moment ago is trusted.
    rests_since = record.info.get("rests_since")
    # One made this moment is not asked: behind a pooler without its server that would be an error of our pool, not of the database.
    if rests_since is None or time.monotonic() - rests_since < _TRUSTED_SECONDS:
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
