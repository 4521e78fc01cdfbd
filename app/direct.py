"""Connections to PostgreSQL itself, for what needs one server process from its beginning to its end: migrations and back-ups.

A pooler in transaction mode gives each transaction whichever connection is free. Session locks, exported snapshots and settings of a
session would then be somebody else's, so who needs them comes here and is refused where a pooler stands in the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from app.settings import get_settings

_CONNECT_SECONDS = 5


class PoolerInTheWay(Exception):
    """What is configured leads to a pooler in transaction mode; the message says what to set."""

    def __init__(self) -> None:
        super().__init__(
            "A pooler in transaction mode stands before this PostgreSQL: set INET_DATABASE_DIRECT_URL to the server itself,"
            " such as postgresql+psycopg://user:password@host:5432/inet, for migrations and back-ups."
        )


def direct_url() -> str:
    """INET_DATABASE_DIRECT_URL, or INET_DATABASE_URL where nothing says that it leads to a pooler. Raises PoolerInTheWay."""
    settings = get_settings()
    if settings.database_direct_url:
        return settings.database_direct_url
    if settings.database_is_pooled:
        raise PoolerInTheWay
    return settings.database_url


@contextmanager
def direct_engine(url: str | None = None) -> Iterator[sa.Engine]:
    """An engine that keeps no connection and lets statements take their time. Raises PoolerInTheWay when first used through one."""
    made = sa.create_engine(
        url or direct_url(),
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "inet-direct", "options": "-c timezone=UTC"},
    )
    try:
        refuse_pooler(made)
        yield made
    finally:
        made.dispose()


def refuse_pooler(engine: sa.Engine) -> None:
    """Two connections that are open at once and are served by one process of the server: only a pooler does that."""
    each_alone = engine.execution_options(isolation_level="AUTOCOMMIT")
    try:
        with each_alone.connect() as one, each_alone.connect() as other:
            # At rest between two statements, a transaction pooler takes the connection back and hands it to whoever asks next.
            pids = {connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one() for connection in (one, other, one, other)}
    except sa.exc.OperationalError as error:
        if "unsupported startup parameter" in str(error):  # what PgBouncer says to settings of a session
            raise PoolerInTheWay from None
        raise
    if len(pids) == 1:
        raise PoolerInTheWay


def parameters(url: str) -> dict[str, str]:
    """What libpq's programs need to reach the same server; the password is in it and belongs into their environment."""
    parsed = sa.make_url(url)
    asked = {name: value if isinstance(value, str) else ",".join(value) for name, value in parsed.query.items()}
    known = {"host": parsed.host, "port": parsed.port, "user": parsed.username, "password": parsed.password, "dbname": parsed.database}
    return asked | {name: str(value) for name, value in known.items() if value is not None}


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def is_error(error: BaseException, *classes: type[psycopg.Error]) -> bool:
    """Whether SQLAlchemy's error carries one of the driver's."""
    return isinstance(getattr(error, "orig", None), classes)
