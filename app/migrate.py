"""Bring the database to this release's tables, or say what differs. Safe while the product runs: docs/operations.md, "Upgrade"."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa
import structlog
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import ResolutionError

from app.db import engine
from app.direct import direct_engine, is_error

_HERE = Path(__file__).parent / "migrations"
_LOCK = 4658201
LOCK_SECONDS = 5
"""How long a statement waits for its lock: as long, at most, does everything queue behind it."""
_TRIES = 6
_PAUSE_SECONDS = (1.0, 5.0)
_WAIT_SECONDS = 0.5
_BLOCKED = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
log = structlog.get_logger(__name__)


class MigrationBlocked(Exception):
    """A migration did not get its lock; the message says in one line which one and who may hold it."""


class NewerDatabase(Exception):
    """The database was migrated by a newer release; the message says in one line what to do."""

    def __init__(self, revision: str, newest: str) -> None:
        super().__init__(
            f"The database is of a newer release (migration {revision}; this release knows {newest} as its newest): run the newer release."
            " What already runs of this one may go on until it is replaced."
        )


@dataclass(frozen=True)
class Standing:
    """Where the database stands: its revision, that of this release, and the titles of the migrations between them in order."""

    revision: str | None
    newest: str
    missing: tuple[str, ...]
    is_newer: bool = False


def config(connection: sa.Connection | None = None, *, also: Path | None = None) -> Config:
    """Alembic's. `also` is a folder with more migrations, which a drill brings along."""
    made = Config()
    made.set_main_option("script_location", str(_HERE))
    made.set_main_option("path_separator", "os")
    if also is not None:
        made.set_main_option("version_locations", f"{_HERE / 'versions'}:{also}")
    if connection is not None:
        made.attributes["connection"] = connection
    return made


def upgrade(
    to: str = "head",
    *,
    url: str | None = None,
    also: Path | None = None,
    tries: int = _TRIES,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Run what is missing, each migration in a transaction of its own. Of two at once one waits, so several hosts may start together.

    `url` is another database than the product's: one that is being restored.

    A migration that does not get a lock within LOCK_SECONDS lets everybody pass and tries again. Raises MigrationBlocked when it
    never does, PoolerInTheWay, and NewerDatabase.
    """
    with direct_engine(url) as direct, direct.connect() as connection, _alone(connection):
        found = _standing(connection, also)
        if found.is_newer:
            raise NewerDatabase(found.revision or "", found.newest)
        for number in range(1, tries + 1):
            try:
                _upgrade_once(connection, to, also)
                return
            except sa.exc.OperationalError as error:
                connection.rollback()
                if not is_error(error, *_BLOCKED):
                    raise
                at = _next_title(_standing(connection, also))
                if number == tries:
                    raise MigrationBlocked(_why(at, tries, _oldest(connection))) from None
                log.warning("migration.blocked", migration=at, attempt=number)
                pause(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - only spreads tries


def _upgrade_once(connection: sa.Connection, to: str, also: Path | None) -> None:
    connection.execute(sa.text(f"SET lock_timeout = '{LOCK_SECONDS}s'"))
    connection.commit()
    command.upgrade(config(connection, also=also), to)
    connection.commit()


@contextmanager
def _alone(connection: sa.Connection) -> Iterator[None]:
    # Asked again and again instead of waited for: a statement that waits holds a snapshot, and building an index concurrently
    # would wait for that in turn, for ever.
    said = False
    while True:
        got = connection.execute(sa.text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar_one()
        connection.commit()
        if got:
            break
        if not said:
            log.warning("migration.waits", why="another process migrates this database")
            said = True
        time.sleep(_WAIT_SECONDS)
    try:
        yield
    finally:
        if not connection.closed:
            connection.rollback()
            connection.execute(sa.text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()


def _oldest(connection: sa.Connection) -> str:
    """Who has been at it the longest: the likeliest to hold what a migration waits for."""
    found = connection.execute(
        sa.text(
            "SELECT pid, application_name, extract(epoch FROM now() - xact_start)::int AS seconds FROM pg_stat_activity"
            " WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database() ORDER BY xact_start LIMIT 1"
        )
    ).one_or_none()
    connection.commit()
    if found is None:
        return "no transaction is open now"
    return f"the oldest open transaction is {found.seconds} s old (process {found.pid}, {found.application_name or 'nameless'})"


def _why(migration: str, tries: int, oldest: str) -> str:
    return (
        f"Migration {migration} did not get its lock within {LOCK_SECONDS} s, {tries} times: {oldest}."
        " End what holds the lock, or try again when there is less to do: what is done already stands and is passed over."
    )


def _next_title(found: Standing) -> str:
    return found.missing[0] if found.missing else found.newest


def standing(*, url: str | None = None, also: Path | None = None) -> Standing:
    """Which migrations the database has and lacks; `url` is another one than the product's."""
    if url is not None:
        with direct_engine(url) as other, other.connect() as connection:
            return _standing(connection, also)
    with engine().connect() as connection:
        return _standing(connection, also)


def _standing(connection: sa.Connection, also: Path | None = None) -> Standing:
    revision = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    scripts = ScriptDirectory.from_config(config(also=also))
    newest = scripts.get_current_head() or ""
    try:
        between = list(scripts.iterate_revisions("heads", revision or "base"))
    except ResolutionError:
        return Standing(revision, newest, (), is_newer=True)
    titles = tuple(f"{script.revision} ({script.doc})" for script in reversed(between) if script.revision != revision)
    return Standing(revision, newest, titles)


def knows(revision: str | None) -> bool:
    """Whether this release has the migration; None is a database that has none yet."""
    try:
        list(ScriptDirectory.from_config(config()).iterate_revisions("heads", revision or "base"))
    except ResolutionError:
        return False
    return True


def tables() -> frozenset[str]:
    """What this release's tables are called, and the one in which Alembic keeps the revision."""
    from app.tables import metadata

    return frozenset(metadata.tables) | {"alembic_version"}


def check() -> list[str]:
    """What differs between the database and the models, one line each; empty when they are in step."""
    from app.tables import metadata

    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, metadata)]
