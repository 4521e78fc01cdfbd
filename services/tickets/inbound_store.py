"""What came in is kept as it came, sealed, in a transaction of its own, before anything looks at it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from app import durable
from app.events import publish
from app.keys import keyed_mac, keyed_macs, seal, unseal
from app.settings import get_settings
from services.tickets.intake_models import InboundMessage, InboundSource, InboundState

RAW, SENDER = "inbound-raw", "inbound-sender"
# What is larger than this makes a row clumsy, and lies in a file.
IN_ROW_BYTES = 256 * 1024
TOPIC = "inbound"
_FOLDER = "inbound"


def keep(
    session: Session,
    *,
    source: InboundSource,
    key: str,
    raw: bytes,
    received_at: datetime,
    why: str | None = None,
    size: int | None = None,
) -> int | None:
    """Keep one message under its source's own name for it; None when it is held already. `size` when `raw` is only a part of it.

    A large one is on the disk, and its folder told so, before the row is there; a file whose row never came is written over.
    """
    values = {
        "source": source,
        "source_key": key,
        "raw_sealed": seal(RAW, raw) if len(raw) <= IN_ROW_BYTES else None,
        "raw_file": _kept_in_file(key, raw) if len(raw) > IN_ROW_BYTES else None,
        "raw_bytes": len(raw) if size is None else size,
        # A change of keys finds the file by this column (services/secrets.py), also of one that nobody can read.
        "sender_sealed": seal(SENDER, b"") if len(raw) > IN_ROW_BYTES else None,
        "state": InboundState.STORED,
        "why": why,
        "subject": "",
        "attempts": 0,
        "received_at": received_at,
    }
    added = insert(InboundMessage).values(values).on_conflict_do_nothing(index_elements=["source", "source_key"])
    kept = session.execute(added.returning(col(InboundMessage.id))).scalar_one_or_none()
    if kept is not None:
        publish(session, TOPIC, kept)
    return kept


def raw_of(message: InboundMessage) -> bytes:
    """As it came. Raises BadSeal, or OSError when its file is gone."""
    if message.raw_file is not None:
        return unseal(RAW, _path(message.raw_file).read_text("ascii"))
    return unseal(RAW, message.raw_sealed) if message.raw_sealed else b""


def discard(message: InboundMessage) -> None:
    """Take the file of a deleted message off the disk. Safe to repeat."""
    if message.raw_file is not None:
        _path(message.raw_file).unlink(missing_ok=True)
        message.raw_file = None


def note_sender(message: InboundMessage, sender: str) -> None:
    """Who says they sent it, to be shown on the desk and counted by."""
    message.sender_sealed, message.sender_mac = seal(SENDER, sender[:254].encode()), sender_mac(sender)


def sender_of(message: InboundMessage) -> str:
    return unseal(SENDER, message.sender_sealed).decode() if message.sender_sealed else ""


def sender_mac(sender: str) -> str:
    return keyed_mac(SENDER, sender.lower())


def sender_macs(sender: str) -> tuple[str, ...]:
    return keyed_macs(SENDER, sender.lower())


def held_of(session: Session, source: InboundSource, keys: list[str]) -> set[str]:
    """Which of these names of the source are held already."""
    held: set[str] = set()
    for start in range(0, len(keys), 1000):
        wanted = sa.select(col(InboundMessage.source_key)).where(
            col(InboundMessage.source) == source, col(InboundMessage.source_key).in_(keys[start : start + 1000])
        )
        held.update(session.execute(wanted).scalars())
    return held


def renew(message: InboundMessage, sender: bytes) -> None:
    """After a change of keys: the hash of the sender, and the file, which no column shows."""
    message.sender_mac = sender_mac(sender.decode()) if sender else None
    if message.raw_file is not None:
        durable.write(_path(message.raw_file), seal(RAW, raw_of(message)).encode("ascii"))


def files_before(moment: datetime) -> Iterator[str]:
    """Names of the files, with their folder, that were written before `moment`. In no order."""
    for path in (get_settings().data_dir / _FOLDER).glob("??/*"):
        if path.is_file() and path.stat().st_mtime < moment.timestamp():
            yield f"{path.parent.name}/{path.name}"


def drop_unspoken(session: Session, name: str, *, before: datetime) -> bool:
    """Take a file off the disk of which no row speaks; a message that comes again writes it anew, and it is younger then."""
    if session.execute(sa.select(col(InboundMessage.id)).where(col(InboundMessage.raw_file) == name).limit(1)).first() is not None:
        return False
    path = _path(name)
    try:
        if path.stat().st_mtime >= before.timestamp():
            return False
    except FileNotFoundError:
        return False
    path.unlink(missing_ok=True)
    return True


def is_missing(name: str) -> bool:
    """Whether the file of a row is not on the disk."""
    return not _path(name).exists()


def _kept_in_file(key: str, raw: bytes) -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()
    name = f"{digest[:2]}/{digest}"
    durable.write(_path(name), seal(RAW, raw).encode("ascii"))
    return name


def _path(name: str) -> Path:
    return get_settings().data_dir / _FOLDER / name
