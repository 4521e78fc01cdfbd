"""Probes of what every process stands on: PostgreSQL and its tables, Redis, the clocks, the files."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import redis
import sqlalchemy as sa

from app.settings import Settings
from services.operations.health.reading import TIMEOUT_SECONDS, Ground, Reading, degraded, down, first_line, well

_FULL = 0.9
# A window of a grant is minutes, a one-time code half a minute: beyond the second mark customers and staff are refused.
CLOCK_WARN, CLOCK_BAD = timedelta(seconds=2), timedelta(seconds=20)
_GB = 1 << 30
DISK_WARN_BYTES, DISK_WARN_SHARE, DISK_BAD_BYTES = 5 * _GB, 0.10, _GB // 2
_OLDER = "older than this release"


def postgresql(ground: Ground) -> Reading:
    """It answers, takes writes, and has connections to spare."""
    asked = sa.text(
        "SELECT pg_is_in_recovery() AS is_standby, current_setting('transaction_read_only') = 'on' AS is_read_only,"
        " current_setting('server_version') AS version, current_setting('max_connections')::int AS most,"
        " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used"
    )
    try:
        with ground.connected() as connection:
            found = connection.execute(asked).one()
    except sa.exc.SQLAlchemyError as error:
        advice = "Start PostgreSQL, or correct INET_DATABASE_URL (host, port, user, password, database)."
        return down(f"no answer: {first_line(error)}", advice)
    if found.is_standby or found.is_read_only:
        return down(f"{found.version}, but read-only", "Point INET_DATABASE_URL at the primary server.")
    if found.used >= found.most * _FULL:
        said = f"answers, but {found.used} of {found.most} connections are taken"
        return degraded(said, "Put PgBouncer before it (docs/deployment.md), or raise max_connections.")
    return well(f"answers, version {found.version}")


def tables(ground: Ground) -> Reading:
    """The migrations that this release needs have run. What a newer release added does not disturb (expand, migrate, contract)."""
    try:
        with ground.connected() as connection:
            trouble = behind(connection)
    except sa.exc.SQLAlchemyError as error:
        return down(f"not known: {first_line(error)}", "See PostgreSQL.")
    return down(trouble, "Run `inet migrate`.") if trouble else well("as this release needs them")


def behind(connection: sa.Connection) -> str:
    """How the database is older than this release, in words; empty when it is not."""
    if connection.execute(sa.text("SELECT to_regclass('alembic_version')")).scalar_one() is None:
        return "there are none"
    found = set(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars())
    head, known = _revisions()
    # One that this release does not know is of a newer release.
    return "" if head in found or not found <= known else f"{_OLDER}: {', '.join(sorted(found)) or 'none'} instead of {head}"


@lru_cache(maxsize=1)
def _revisions() -> tuple[str, frozenset[str]]:
    """The newest migration of this release, and all."""
    from alembic.script import ScriptDirectory

    from app.migrate import config

    scripts = ScriptDirectory.from_config(config())
    return scripts.get_current_head() or "", frozenset(script.revision for script in scripts.walk_revisions())


def open_redis(settings: Settings) -> redis.Redis:
    """A connection of its own: it must neither take one from those who work nor wait for long."""
    return redis.Redis.from_url(
        settings.redis_url, socket_connect_timeout=TIMEOUT_SECONDS, socket_timeout=TIMEOUT_SECONDS, decode_responses=True
    )


def redis_server(ground: Ground) -> Reading:
    """It answers and takes writes."""
    try:
        with open_redis(ground.settings) as client:
            client.set("inet:health", "1", ex=60)
    except redis.ResponseError as error:
        said = f"answers, but takes no writes: {first_line(error)}"
        return down(said, "Point INET_REDIS_URL at the primary; look at its memory limit and its disk.")
    except (redis.RedisError, OSError, ValueError) as error:
        return down(f"no answer: {error}"[:200], "Start Redis or Valkey, or correct INET_REDIS_URL.")
    return well("answers")


def clock(ground: Ground) -> Reading:
    """How far this machine's clock is from PostgreSQL's and Redis's."""
    off_by = {name: skew for name, skew in (("PostgreSQL", _postgresql_skew(ground)), ("Redis", _redis_skew(ground))) if skew is not None}
    if not off_by:
        return degraded("nothing to compare it with answers", "See PostgreSQL and Redis.")
    name, worst = max(off_by.items(), key=lambda item: abs(item[1]))
    said = f"{socket.gethostname()} is {abs(worst).total_seconds():.1f} s {'behind' if worst > timedelta(0) else 'before'} {name}"
    advice = "Let every machine keep its time by NTP (chrony or systemd-timesyncd)."
    if abs(worst) >= CLOCK_BAD:
        return down(said, advice)
    if abs(worst) >= CLOCK_WARN:
        return degraded(said, advice)
    return well(f"within {max(abs(worst).total_seconds(), 0.1):.1f} s of {' and '.join(off_by)}")


def _postgresql_skew(ground: Ground) -> timedelta | None:
    try:
        with ground.connected() as connection:
            before = datetime.now(UTC)
            told: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
            return _skew(told, before)
    except sa.exc.SQLAlchemyError:
        return None


def _redis_skew(ground: Ground) -> timedelta | None:
    try:
        with open_redis(ground.settings) as client:
            client.ping()
            before = datetime.now(UTC)
            seconds, micros = client.time()
            return _skew(datetime.fromtimestamp(seconds + micros / 1_000_000, UTC), before)
    except (redis.RedisError, OSError, ValueError):
        return None


def _skew(told: datetime, before: datetime) -> timedelta:
    """How far the other clock is ahead. The answer was given somewhere between asking and hearing, so that much is not known."""
    after = datetime.now(UTC)
    if told > after:
        return told - after
    return told - before if told < before else timedelta(0)


def files(settings: Settings) -> Reading:
    """Where photos, attachments and models are kept: it can be written to and has room."""
    folder = settings.data_dir
    where = f"{folder} on {socket.gethostname()}"
    advice = "Give the user that INET runs as the right to write there (INET_DATA_DIR)."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".health-") as probe:
            probe.write(b"1")
            probe.flush()
        room = shutil.disk_usage(folder)
    except OSError as error:
        return down(f"{where} cannot be written: {os.strerror(error.errno or 0)}", advice)
    return judge_room(where, room.free, room.total)


def judge_room(where: str, free: int, total: int) -> Reading:
    said = f"{where}: {free / _GB:.1f} GB free of {total / _GB:.0f} GB"
    advice = "Make room: old back-ups and logs first (INET_BACKUP_KEEP, INET_LOG_KEEP_DAYS), or a larger disk."
    if free < DISK_BAD_BYTES:
        return down(said, advice)
    if free < DISK_WARN_BYTES and free < total * DISK_WARN_SHARE:
        return degraded(said, advice)
    return well(said)


def room_in(folder: Path) -> tuple[int, int]:
    """Free and whole bytes of the disk that holds `folder`, or the nearest one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    room = shutil.disk_usage(folder)
    return room.free, room.total
