"""Databases beside the live one, on its server: scratch ones to prove a back-up, and new ones to restore into."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import sqlalchemy as sa
import structlog

from app.direct import is_error, with_database
from app.embedded import EmbeddedPostgres
from services.operations.backup.errors import BackupFailed
from services.operations.backup.programs import embedded

log = structlog.get_logger(__name__)
_MAINTENANCE = ("postgres", "template1")
_MOST_NAME = 63
_SCRATCH_FOLDER = "backup-scratch-"


def live_name(url: str) -> str:
    """The database that the product lives in."""
    return sa.make_url(url).database or ""


def beside(live: str, kind: str, now: datetime) -> str:
    """A new name that says what it is for and of when it is."""
    ending = f"_{kind}_{now:%Y%m%d%H%M%S}_{secrets.token_hex(2)}"
    return live[: _MOST_NAME - len(ending)] + ending


@contextlib.contextmanager
def maintenance(url: str) -> Iterator[sa.Connection]:
    """A connection to the server that is none to the live database; each statement stands alone. Raises BackupFailed."""
    last: Exception | None = None
    live = live_name(url)
    for name in (name for name in _MAINTENANCE if name != live):
        engine = sa.create_engine(
            with_database(url, name), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args={"application_name": "inet-restore"}
        )
        try:
            connection = engine.connect()
        except sa.exc.OperationalError as error:
            last = error
            continue
        try:
            yield connection
        finally:
            connection.close()
            engine.dispose()
        return
    raise BackupFailed("The server's databases `postgres` and `template1` do not let this user in; one of them is needed.") from last


_LIKE = """
SELECT pg_encoding_to_char(encoding) AS encoding, datlocprovider AS provider, datcollate, datctype, datlocale
FROM pg_database WHERE datname = :name
"""
_LIKE_BEFORE_17 = _LIKE.replace("datlocale", "NULL AS datlocale")
_SETTINGS = """
SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = :name) AND setrole = 0
"""


def create_like(connection: sa.Connection, live: str, name: str) -> None:
    """An empty database with the encoding, order of letters and settings of the live one. Raises sa.exc.ProgrammingError."""
    major = connection.execute(sa.text("SELECT current_setting('server_version_num')::int / 10000")).scalar_one()
    like = connection.execute(sa.text(_LIKE if major >= 17 else _LIKE_BEFORE_17), {"name": live}).one()
    parts = [f"CREATE DATABASE {quoted(name)} TEMPLATE template0 ENCODING {literal(like.encoding)}"]
    parts += [f"LC_COLLATE {literal(like.datcollate)} LC_CTYPE {literal(like.datctype)}"]
    if like.provider == "b":
        parts.append(f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {literal(like.datlocale)}")
    elif like.provider == "i" and like.datlocale:
        parts.append(f"LOCALE_PROVIDER icu ICU_LOCALE {literal(like.datlocale)}")
    connection.exec_driver_sql(" ".join(parts).replace("%", "%%"))
    for setting in connection.execute(sa.text(_SETTINGS), {"name": live}).scalars().all():
        key, _, value = setting.partition("=")
        connection.exec_driver_sql(f"ALTER DATABASE {quoted(name)} SET {quoted(key)} = {literal(value)}".replace("%", "%%"))


def drop(connection: sa.Connection, name: str) -> None:
    """Whoever is connected to it is sent away."""
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


def drop_leftovers(connection: sa.Connection, live: str, kind: str) -> None:
    """Drop what a back-up or restore that died has left. Only while the lock is held that makes everything of this kind a leftover."""
    ours = re.compile(r"(.+)" + f"_{kind}_" + r"\d{14}_[0-9a-f]{4}")
    for name in connection.execute(sa.text("SELECT datname FROM pg_database")).scalars().all():
        found = ours.fullmatch(name)
        if found and (found[1] == live or (len(name) == _MOST_NAME and live.startswith(found[1]))):
            drop(connection, name)
            log.info("backup.leftover_dropped", database=name)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def may_not_create(error: BaseException) -> bool:
    return is_error(error, psycopg.errors.InsufficientPrivilege)


@contextlib.contextmanager
def scratch(url: str, data_dir: Path, *, same_server: bool, now: datetime) -> Iterator[str]:
    """The URL of an empty database that is gone afterwards: on the same server, else on a PostgreSQL of our own for this while."""
    live = live_name(url)
    name = beside(live, "scratch", now)
    if same_server and _was_created(url, live, name):
        try:
            yield with_database(url, name)
        finally:
            with maintenance(url) as connection:
                drop(connection, name)
        return
    if embedded() is None:
        raise BackupFailed(
            "This user may not create databases (CREATEDB), and no PostgreSQL is embedded here: the back-up was not checked."
        )
    folder = data_dir / f"{_SCRATCH_FOLDER}{now:%Y%m%d%H%M%S}"
    server = EmbeddedPostgres(folder, durable=False)
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _was_created(url: str, live: str, name: str) -> bool:
    try:
        with maintenance(url) as connection:
            create_like(connection, live, name)
    except (sa.exc.ProgrammingError, BackupFailed) as error:
        if isinstance(error, BackupFailed) or may_not_create(error):
            return False
        raise
    return True


def remove_scratch_folders(data_dir: Path) -> None:
    """What a check that died has left on the disk; its server died with it."""
    for folder in data_dir.glob(f"{_SCRATCH_FOLDER}*"):
        shutil.rmtree(folder, ignore_errors=True)
