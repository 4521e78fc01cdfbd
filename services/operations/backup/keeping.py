"""Back-ups over time: when the next one is due, which stay, and the alarm when the newest good one is old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app.db import Begin
from app.errors import Conflict
from app.queue import ring
from app.settings import get_settings
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.listing import Listing, Slice, count, fetch, pick
from services.network.alarm_models import AlarmKind
from services.network.alarms import end_alarm, raise_alarm
from services.operations.backup.making import LOCK, directory, newest_verified
from services.operations.backup_models import Backup, BackupState

log = structlog.get_logger(__name__)
JOB = "jobs.backups.make_now"
SUBJECT = "back-ups"
_OLD_AFTER_PERIODS = 2
# After a failure it is tried again sooner than after a period, but not over and over.
_TRY_AGAIN = timedelta(hours=1)
_STARTED: Any = col(Backup.started_at)
_ID: Any = col(Backup.id)


class BackupUnderWay(Conflict):
    code, title = "backup_under_way", "A back-up is under way"
    message = "Wait until it has ended; it stands in the list."


@dataclass(frozen=True)
class Glance:
    """What the page says above the list. `period_hours` 0: none are made by themselves."""

    newest: Backup | None
    period_hours: int
    keep: int
    is_old: bool
    is_under_way: bool


def is_due(session: Session, *, now: datetime) -> bool:
    """Whether the schedule wants one now: a period after the newest that was proven, an hour after one that came to nothing."""
    period = timedelta(hours=get_settings().backup_hours)
    if not period:
        return False
    good, newest = newest_verified(session), session.execute(sa.select(sa.func.max(Backup.started_at))).scalar_one()
    if good is not None and good.started_at > now - period:
        return False
    # An installation of this minute has nothing to lose yet, and enough to do.
    newest = newest or _installed_at(session)
    return newest is not None and newest <= now - min(_TRY_AGAIN, period)


def _installed_at(session: Session) -> datetime | None:
    first: datetime | None = session.execute(sa.select(sa.func.min(Staff.created_at))).scalar_one()
    return first


def watch_age(session: Session, *, now: datetime) -> bool:
    """Raise the alarm when the newest verified one is older than two periods, or end it. Answers whether it is old."""
    is_old = _is_old(session, now=now)
    if is_old:
        newest = newest_verified(session)
        since = f"of {newest.snapshot_at:%d %b %H:%M} UTC" if newest is not None and newest.snapshot_at else "none at all"
        raise_alarm(session, AlarmKind.BACKUP_OLD, SUBJECT, f"The newest back-up that was proven by restoring it: {since}.", now=now)
    else:
        end_alarm(session, AlarmKind.BACKUP_OLD, SUBJECT, now=now)
    return is_old


def _is_old(session: Session, *, now: datetime) -> bool:
    hours = get_settings().backup_hours
    if not hours:
        return False
    newest = newest_verified(session)
    # A new installation has its first two periods to make one.
    since = newest.snapshot_at if newest is not None else _installed_at(session)
    return since is not None and since < now - timedelta(hours=hours) * _OLD_AFTER_PERIODS


def forget_old(begin: Begin, *, now: datetime) -> int:
    """Keep the newest INET_BACKUP_KEEP verified ones, and as many unproven ones that are newer than the oldest of them; the rest goes.

    Answers how many went. The last verified one never goes. Files that were made elsewhere (`--to`), or that no row speaks of, are
    nobody's business here.
    """
    keep = max(1, get_settings().backup_keep)
    with begin() as session:
        ours = (col(Backup.removed_at).is_(None), col(Backup.content)["folder"].is_(None))
        kept = select(Backup).where(col(Backup.state).in_((BackupState.VERIFIED, BackupState.MADE)), *ours)
        found = session.exec(kept.order_by(_STARTED.desc(), _ID.desc())).all()
        verified = [row for row in found if row.state is BackupState.VERIFIED]
        oldest = verified[keep - 1].started_at if len(verified) >= keep else None
        unproven = [row for row in found if row.state is BackupState.MADE and (oldest is None or row.started_at >= oldest)]
        stay = {row.id for row in verified[:keep] + unproven[:keep]}
        gone = [row for row in found if row.id not in stay]
        for row in gone:
            # First the row, then the file: a file that nobody speaks of takes room, a row without its file would lie.
            row.removed_at = now
        names = [row.file_name for row in gone]
    for name in names:
        (directory() / name).unlink(missing_ok=True)
    if names:
        log.info("backup.forgotten", count=len(names))
    return len(names)


_SORTS: dict[str, tuple[sa.ColumnElement[Any], ...]] = {"started": (_STARTED, _ID)}


def list_backups(session: Session, *, actor: Principal, part: Slice) -> Listing[Backup]:
    """Newest first. Raises Forbidden."""
    actor.require(Permission.BACKUPS_READ)
    rows = fetch(session, sa.select(Backup), part, sorts=_SORTS, default_sort="started")
    total, is_estimate = count(session, pick(Backup.id), part=part)
    return Listing(tuple(row[0] for row in rows), total, is_estimate)


def glance(session: Session, *, actor: Principal, now: datetime) -> Glance:
    """Raises Forbidden."""
    actor.require(Permission.BACKUPS_READ)
    settings = get_settings()
    return Glance(newest_verified(session), settings.backup_hours, settings.backup_keep, _is_old(session, now=now), _is_under_way(session))


def _is_under_way(session: Session) -> bool:
    """Asked of the lock, not of a row: the row of one whose process died goes on saying that it runs."""
    held = sa.text(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = :lock AND objsubid = 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )
    return bool(session.execute(held, {"lock": LOCK}).scalar_one())


def ask_for_one(session: Session, *, actor: Principal, now: datetime) -> None:
    """Have one made now, by a worker. Raises Forbidden or BackupUnderWay."""
    actor.require(Permission.BACKUPS_EDIT)
    if _is_under_way(session):
        raise BackupUnderWay
    audit.record(session, actor, "backup.make", target=("backup", "next"), now=now)
    ring(session, JOB, actor.label, queue="bulk")
