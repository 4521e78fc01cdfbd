"""Making a back-up: the database as one snapshot sees it and the files beside it, streamed into one sealed file, and then proven.

Nothing is held in memory but the piece under way, and nothing lies on the disk in the clear. The file is written under another name and
gets its own once it is whole and on the disk. One back-up is made at a time: the lock is PostgreSQL's and ends with our connection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app import durable
from app.clock import isoformat
from app.db import Begin
from app.direct import direct_engine, direct_url
from app.release import release
from app.settings import get_settings
from services.operations.backup import databases, files, records
from services.operations.backup.checking import prove
from services.operations.backup.content import content_of
from services.operations.backup.errors import BackupFailed, BackupRunning, Damaged, NotProven, Refuted
from services.operations.backup.programs import Programs, dumping, programs_for
from services.operations.backup.records import Kind
from services.operations.backup.sealing import Sealer, keys, secret_key_id
from services.operations.backup_models import Backup, BackupState

log = structlog.get_logger(__name__)
Clock = Callable[[], datetime]
LOCK = 5_909_012
"""Held by whoever makes a back-up of a database."""
PART = ".part"
ENDING = ".inetbackup"
_DIED = "It was not finished: its process ended."
_MOST_ERROR = 300


@dataclass(frozen=True)
class Made:
    """A finished back-up."""

    path: Path
    size_bytes: int
    sha256: str
    is_verified: bool
    content: dict[str, Any]
    seconds: float
    verify_seconds: float


def directory() -> Path:
    """Where back-ups lie unless said otherwise: INET_BACKUP_DIR, else below the data directory."""
    settings = get_settings()
    return settings.backup_dir or settings.data_dir / "backups"


def make(begin: Begin, *, clock: Clock, to: Path | None = None, asked_by: str = "system", verify: bool = True) -> Made:
    """Make one and prove it. `to` is a folder, or the path of a file that is named as one of ours.

    Raises BackupFailed (its subclass BackupRunning when another one is at it), PoolerInTheWay, or OSError; the row then says FAILED and
    no file is left. Raises NotProven when only the proof could not be had: its file stays, for it is better than none.
    """
    started = clock()
    with direct_engine() as direct, _alone(direct) as held:
        path = _path(to, started)
        sweep(begin, {directory(), path.parent}, now=started)
        row_id = _begin_row(begin, path, asked_by, now=started)
        part, is_made = path.with_name(path.name + PART), False
        try:
            facts = _write(direct, part, path, clock)
            facts["content"] |= {} if _is_ours(path) else {"folder": str(path.parent)}
            size, digest = part.stat().st_size, facts.pop("sha256")
            part.rename(path)
            durable.sync(path.parent)
            made_at = clock()
            _note(begin, row_id, path, BackupState.MADE, size_bytes=size, sha256=digest, **facts)
            is_made = True
            if verify:
                _prove(held, path, facts["content"], clock())
                _note(begin, row_id, path, BackupState.VERIFIED, verified_at=clock(), ended_at=clock())
            else:
                _note(begin, row_id, path, BackupState.MADE, ended_at=clock())
        except BaseException as error:
            is_kept = is_made and not isinstance(error, Damaged | Refuted)
            part.unlink(missing_ok=True)
            if not is_kept:
                path.unlink(missing_ok=True)
            state, why = BackupState.MADE if is_kept else BackupState.FAILED, _in_words(error)
            with suppress(sa.exc.SQLAlchemyError):  # without a database the next one says it of this row
                _note(begin, row_id, path, state, ended_at=clock(), error=why)
            log.error("backup.failed", why=why)  # noqa: TRY400 - the words; the trace is the caller's
            if is_kept and isinstance(error, Exception):
                raise NotProven(path, why) from error
            raise
    ended = clock()
    log.info("backup.made", file=path.name, bytes=size, verified=verify)
    return Made(path, size, digest, verify, facts["content"], (made_at - started).total_seconds(), (ended - made_at).total_seconds())


def _is_ours(path: Path) -> bool:
    """Whether it lies where the product keeps its own, and so is removed by it some day."""
    return path.parent == directory().resolve()


@contextmanager
def _alone(direct: sa.Engine) -> Iterator[sa.Connection]:
    with direct.execution_options(isolation_level="AUTOCOMMIT").connect() as held:
        if not held.execute(sa.text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar_one():
            raise BackupRunning
        yield held


def sweep(begin: Begin, folders: Collection[Path], *, now: datetime) -> None:
    """Put away what back-ups that died have left: rows that say they go on, parts of files, scratch databases. Only while LOCK is held."""
    with begin() as session:
        under_way = select(Backup).where(col(Backup.state).in_((BackupState.RUNNING, BackupState.MADE)), col(Backup.ended_at).is_(None))
        left = session.exec(under_way).all()
        for row in left:
            # One that was made and not proven stays as what it is.
            row.state = BackupState.FAILED if row.state is BackupState.RUNNING else row.state
            row.ended_at, row.error = now, _DIED
        names = [row.file_name for row in left]
    for folder in folders:
        for name in names:
            (folder / f"{name}{PART}").unlink(missing_ok=True)
    databases.remove_scratch_folders(get_settings().data_dir.resolve())
    url = direct_url()
    try:
        with databases.maintenance(url) as connection:
            databases.drop_leftovers(connection, databases.live_name(url), "scratch")
    except (BackupFailed, sa.exc.DBAPIError):
        log.warning("backup.leftovers_not_looked_for")


def _path(to: Path | None, now: datetime) -> Path:
    folder = to or directory()
    name = f"inet-{now:%Y%m%d-%H%M%S}{ENDING}"
    path = folder.resolve() if folder.suffix == ENDING and not folder.is_dir() else folder.resolve() / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupFailed(f"The folder {path.parent} cannot be made ({error.strerror}).") from None
    if path.exists():
        raise BackupFailed(f"{path} is there already; nothing was overwritten.")
    return path


def _begin_row(begin: Begin, path: Path, asked_by: str, *, now: datetime) -> int:
    with begin() as session:
        row = Backup(
            state=BackupState.RUNNING,
            file_name=path.name[:200],
            started_at=now,
            release=release()[:80],
            asked_by=asked_by[:120],
            content={},
        )
        session.add(row)
        session.flush()
        assert row.id is not None
        return row.id


def _note(begin: Begin, row_id: int, path: Path, state: BackupState, **values: Any) -> None:
    # By its name too: where the database was restored meanwhile, the number may be another one's.
    own = (col(Backup.id) == row_id, col(Backup.file_name) == path.name[:200])
    with begin() as session:
        session.execute(sa.update(Backup).where(*own).values(state=state, **values))


def _in_words(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"Writing it failed: {error.strerror or type(error).__name__}."[:_MOST_ERROR]
    return (str(error) if isinstance(error, BackupFailed) else f"{_kind(error)} while it was made.")[:_MOST_ERROR]


def _kind(error: BaseException) -> str:
    return type(getattr(error, "orig", None) or error).__name__


def _write(direct: sa.Engine, part: Path, path: Path, clock: Clock) -> dict[str, Any]:
    """Everything into `part`; answers what the row is to say."""
    seals_with = keys()[0]
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        header = {"made_at": isoformat(clock()), "release": release(), "secret_key_id": secret_key_id()}
        sealer = Sealer(out, seals_with, header)
        facts = _write_records(direct, sealer.write, path.name, clock)
        facts["sha256"] = sealer.finish()
        out.flush()
        os.fsync(out.fileno())
    return facts


def _write_records(direct: sa.Engine, write: Callable[[bytes], None], name: str, clock: Clock) -> dict[str, Any]:
    url = direct_url()
    with direct.execution_options(isolation_level="REPEATABLE READ").connect() as snapshot:
        programs = _programs(snapshot)
        snapshot.execute(sa.text("SET TRANSACTION READ ONLY"))
        snapshot.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        exported = snapshot.execute(sa.text("SELECT pg_export_snapshot()")).scalar_one()
        snapshot_at = clock()
        content = content_of(snapshot)
        manifest = {"file_name": name, "snapshot_at": isoformat(snapshot_at), "release": release(), "postgres": programs.major}
        records.put_facts(write, Kind.MANIFEST, manifest | {"content": content})
        with dumping(programs, url, exported) as dump:
            for part in dump.parts():
                records.put(write, Kind.DUMP, part)
        files.hold_references(snapshot)
        snapshot.commit()
        # A transaction for each look from here on: the snapshot is over, and what vanishes is asked about as it is now.
        head = content.get("audit") or [0]
        copied = files.copy(snapshot, get_settings().data_dir, write, head=int(head[0]))
        snapshot.rollback()
    records.put_facts(write, Kind.END, copied.facts)
    if copied.missing:
        log.warning("backup.files_missing", count=copied.missing)
    return {"snapshot_at": snapshot_at, "content": content | {"files": copied.facts}}


def _programs(connection: sa.Connection) -> Programs:
    major = int(connection.execute(sa.text("SELECT current_setting('server_version_num')::int / 10000")).scalar_one())
    connection.rollback()
    return programs_for(major)


def _prove(held: sa.Connection, path: Path, content: dict[str, Any], now: datetime) -> None:
    major = int(held.execute(sa.text("SELECT current_setting('server_version_num')::int / 10000")).scalar_one())
    programs = programs_for(major)
    with databases.scratch(direct_url(), get_settings().data_dir.resolve(), same_server=programs.major == major, now=now) as url:
        prove(path, url, programs, expected=content)


def newest_verified(session: Session) -> Backup | None:
    """The newest one that stands up to its check and is still kept."""
    wanted = select(Backup).where(Backup.state == BackupState.VERIFIED, col(Backup.removed_at).is_(None))
    return session.exec(wanted.order_by(col(Backup.snapshot_at).desc()).limit(1)).first()
