"""Files that no row speaks of, rows whose file is gone, and old logs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col

from app import logs
from app.db import Begin
from services.tickets import attachments, inbound_store
from services.tickets.intake_models import Attachment, InboundMessage

# Files of a run, so that a folder of millions ends its turn.
_MOST_FILES, _MOST_ROWS, _PAGE = 20_000, 20_000, 500
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Kept:
    """What attachments and mails have alike: files named after their content, and rows that name them."""

    files_before: Callable[[datetime], Iterator[str]]
    drop_unspoken: Callable[..., bool]
    is_missing: Callable[[str], bool]


_FOLDERS: tuple[tuple[_Kept, Any, Any], ...] = (
    (_Kept(attachments.files_before, attachments.drop_unspoken, attachments.is_missing), Attachment.id, Attachment.file),
    (_Kept(inbound_store.files_before, inbound_store.drop_unspoken, inbound_store.is_missing), InboundMessage.id, InboundMessage.raw_file),
)


def drop_orphans(begin: Begin, now: datetime, before: datetime) -> int:
    """Delete files older than `before` that no row speaks of. Answers how many."""
    dropped = 0
    for kept, _, column in _FOLDERS:
        seen: list[str] = []
        for name in kept.files_before(before):
            seen.append(name)
            if len(seen) >= _MOST_FILES:
                break
        # From anywhere: what is left over at one time is seen at another.
        random.shuffle(seen)
        for start in range(0, len(seen), _PAGE):
            dropped += _drop_some(begin, kept, column, seen[start : start + _PAGE], before)
    return dropped


def _drop_some(begin: Begin, kept: _Kept, column: Any, names: list[str], before: datetime) -> int:
    with begin() as session:
        spoken = set(session.execute(sa.select(col(column)).where(col(column).in_(names))).scalars())
    dropped = 0
    for name in names:
        if name in spoken:
            continue
        with begin() as session:
            if kept.drop_unspoken(session, name, before=before):
                dropped += 1
                log.warning("file.of_nobody_deleted", file=name)
    return dropped


def missing_files(session: Session) -> tuple[int, int]:
    """How many of the rows that were looked at name a file which is not on the disk, and at how many rows it was looked.

    All of them where there are few, else a stretch that begins anywhere.
    """
    missing, looked = 0, 0
    for kept, number, column in _FOLDERS:
        last = session.execute(sa.select(sa.func.max(number))).scalar_one() or 0
        first = random.randint(0, max(0, last - _MOST_ROWS))  # noqa: S311 - which rows are looked at is no secret
        wanted = sa.select(col(column)).where(col(number) > first, col(number) <= first + _MOST_ROWS, col(column).is_not(None))
        for name in session.execute(wanted).scalars():
            looked += 1
            if kept.is_missing(name):
                missing += 1
                log.warning("file.missing", file=name)
    return missing, looked


def forget_logs(begin: Begin, now: datetime, before: datetime) -> int:
    return logs.forget_old(now=now)
