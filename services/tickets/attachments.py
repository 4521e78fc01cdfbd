"""Files that came with messages: kept by their content's hash on the disk, and handed only to who may see the ticket.

The bytes are safe on the disk (fsync of file and folder) before a row speaks of them, so a row never points at nothing. A file that no row
speaks of, of a transaction that was rolled back, is harmless: the same content again has the same name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app import durable
from app.errors import NotFound
from app.settings import get_settings
from services.accounts.permissions import Permission, Principal
from services.tickets import tokens
from services.tickets.attachment_checks import Checked, Upload, check_all
from services.tickets.errors import TicketNotFound
from services.tickets.intake_models import Attachment
from services.tickets.models import MessageKind, Ticket, TicketMessage
from services.tickets.sight import in_sight

__all__ = [
    "AttachmentNotFound",
    "Upload",
    "attach",
    "check_all",
    "content_for_customer",
    "content_for_owner",
    "content_of",
    "discard",
    "keep",
    "list_attachments",
    "of_ticket",
    "refused_files",
    "seen_by_customer",
    "served_headers",
]
log = structlog.get_logger(__name__)
_FOLDER = "attachments"
_THUMBNAIL = ".thumb"
# What the customer may read of a conversation.
_THEIRS = (MessageKind.CUSTOMER, MessageKind.REPLY)


class AttachmentNotFound(NotFound):
    """Also for one that exists and is not this person's to see, and for one that was refused: nothing is kept of it."""

    code, title = "attachment_not_found", "No such file"
    message = "There is no such file, or nothing of it was kept."


def keep(session: Session, ticket: Ticket, message: TicketMessage, files: Sequence[Upload], *, now: datetime) -> tuple[Attachment, ...]:
    """Check and keep what came along with a message. A bad file raises nothing: its row says why it was refused."""
    return attach(session, ticket, message, check_all(files), now=now)


def attach(session: Session, ticket: Ticket, message: TicketMessage, files: Sequence[Checked], *, now: datetime) -> tuple[Attachment, ...]:
    """The same with files that were checked before the transaction began: painting a picture anew takes a while."""
    assert ticket.id is not None
    assert message.id is not None
    rows = []
    for checked in files:
        _hold(session, checked.sha256, alone=False)
        file, why = _write(checked)
        row = Attachment(
            ticket_id=ticket.id,
            message_id=message.id,
            name=checked.name,
            media_type=checked.media_type,
            size_bytes=checked.size_bytes,
            sha256=checked.sha256,
            file=file,
            why=why,
            facts=checked.facts,
            created_at=now,
        )
        session.add(row)
        rows.append(row)
    session.flush()
    return tuple(rows)


def of_ticket(session: Session, ticket_id: int) -> Mapping[int, tuple[Attachment, ...]]:
    """The files of a ticket by the message that they came with, refused ones too; for a caller who may see the ticket."""
    found: dict[int, list[Attachment]] = defaultdict(list)
    for row in session.exec(select(Attachment).where(Attachment.ticket_id == ticket_id).order_by(col(Attachment.id))).all():
        found[row.message_id].append(row)
    return {message_id: tuple(rows) for message_id, rows in found.items()}


def content_of(session: Session, *, actor: Principal, attachment_id: int, is_thumbnail: bool = False) -> tuple[Attachment, bytes]:
    """A file of a ticket that the actor may know of. Raises Forbidden or AttachmentNotFound."""
    actor.require(Permission.TICKETS_READ)
    wanted = select(Attachment).join(Ticket, col(Ticket.id) == Attachment.ticket_id)
    found = session.exec(wanted.where(Attachment.id == attachment_id, *in_sight(actor))).one_or_none()
    return _read(found, is_thumbnail=is_thumbnail)


def list_attachments(session: Session, *, actor: Principal, reference: str) -> tuple[Attachment, ...]:
    """Every file of a ticket that the actor may know of, refused ones too. Raises Forbidden or TicketNotFound."""
    actor.require(Permission.TICKETS_READ)
    ticket = session.exec(select(Ticket).where(Ticket.reference == reference.upper(), *in_sight(actor))).one_or_none()
    if ticket is None or ticket.id is None:
        raise TicketNotFound
    return tuple(row for rows in of_ticket(session, ticket.id).values() for row in rows)


def served_headers(attachment: Attachment) -> dict[str, str]:
    """With which headers its bytes go out: to be saved, never to be run, and kept by no cache."""
    plain = attachment.name.encode("ascii", "replace").decode().replace("?", "_").replace("\\", "_")
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(attachment.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


def content_for_customer(
    session: Session, reference: str, token: str, attachment_id: int, *, is_thumbnail: bool = False
) -> tuple[Attachment, bytes]:
    """A file of the customer's own conversation, by the token of their page; never one from a note. Raises AttachmentNotFound."""
    if not tokens.opens(reference, token):
        raise AttachmentNotFound
    ticket = session.exec(select(Ticket).where(Ticket.reference == reference.upper())).one_or_none()
    found = session.get(Attachment, attachment_id) if ticket is not None else None
    is_theirs = found is not None and ticket is not None and found in seen_by_customer(session, ticket)
    return _read(found if is_theirs else None, is_thumbnail=is_thumbnail)


def content_for_owner(session: Session, *, customer_id: int, attachment_id: int, is_thumbnail: bool = False) -> tuple[Attachment, bytes]:
    """A file of a conversation of this customer; never one from a note, nor from another's ticket that was merged into theirs.

    Raises AttachmentNotFound.
    """
    said_in = sa.func.coalesce(col(TicketMessage.said_in_id), col(TicketMessage.ticket_id))
    wanted = select(Attachment).join(TicketMessage, col(TicketMessage.id) == Attachment.message_id).join(Ticket, col(Ticket.id) == said_in)
    theirs = (Attachment.id == attachment_id, Ticket.customer_id == customer_id, col(TicketMessage.kind).in_(_THEIRS))
    return _read(session.exec(wanted.where(*theirs)).one_or_none(), is_thumbnail=is_thumbnail)


def seen_by_customer(session: Session, ticket: Ticket) -> tuple[Attachment, ...]:
    """The files that may be shown on the customer's page: of what they wrote and were answered in this ticket.

    Also of what was said in it and has moved by a merge; but not what others said in the ticket that it was merged into.
    """
    said = select(Attachment).join(TicketMessage, col(TicketMessage.id) == Attachment.message_id).order_by(col(Attachment.id))
    own = (col(TicketMessage.said_in_id).is_(None) & (col(TicketMessage.ticket_id) == ticket.id)) | (
        col(TicketMessage.said_in_id) == ticket.id
    )
    return tuple(session.exec(said.where(col(TicketMessage.kind).in_(_THEIRS), own)).all())


def refused_files(session: Session, reference: str) -> tuple[Attachment, ...]:
    """What was not kept of what a customer sent, with why; for whoever was seen to hold the ticket's token."""
    ticket = session.exec(select(Ticket).where(Ticket.reference == reference.upper())).one_or_none()
    return tuple(row for row in seen_by_customer(session, ticket) if row.file is None) if ticket is not None else ()


def discard(session: Session, row: Attachment) -> None:
    """Take the file of a deleted row off the disk, unless another one still speaks of the same content. Safe to repeat."""
    if row.file is None:
        return
    content = Path(row.file).name
    _hold(session, content, alone=True)
    still = select(Attachment.id).where(Attachment.sha256 == content, Attachment.file == row.file, Attachment.id != row.id)
    if session.exec(still.limit(1)).first() is None:
        path = _root() / row.file
        path.unlink(missing_ok=True)
        path.with_name(path.name + _THUMBNAIL).unlink(missing_ok=True)
    row.file = None
    session.flush()


def files_before(moment: datetime) -> Iterator[str]:
    """Names of the files, with their folder, that were written before `moment`; thumbnails go with theirs. In no order."""
    for path in _root().glob("??/*"):
        if not path.name.endswith(_THUMBNAIL) and path.is_file() and path.stat().st_mtime < moment.timestamp():
            yield f"{path.parent.name}/{path.name}"


def drop_unspoken(session: Session, name: str, *, before: datetime) -> bool:
    """Take a file off the disk of which no row speaks. Whoever is about to speak of it holds it until their transaction ends."""
    path = _root() / name
    _hold(session, path.name, alone=True)
    if session.exec(select(Attachment.id).where(Attachment.sha256 == path.name, Attachment.file == name).limit(1)).first() is not None:
        return False
    try:
        if path.stat().st_mtime >= before.timestamp():
            return False
    except FileNotFoundError:
        return False
    path.unlink(missing_ok=True)
    path.with_name(path.name + _THUMBNAIL).unlink(missing_ok=True)
    return True


def is_missing(name: str) -> bool:
    """Whether the file of a row is not on the disk."""
    return not (_root() / name).exists()


def _hold(session: Session, content: str, *, alone: bool) -> None:
    """Until the transaction ends: nobody takes a file off the disk of which a row is being written."""
    lock = sa.func.pg_advisory_xact_lock if alone else sa.func.pg_advisory_xact_lock_shared
    session.execute(sa.select(lock(sa.func.hashtext(f"attachment:{content}"))))


def _read(found: Attachment | None, *, is_thumbnail: bool) -> tuple[Attachment, bytes]:
    if found is None or found.file is None:
        raise AttachmentNotFound
    path = _root() / found.file
    try:
        return found, (path.with_name(path.name + _THUMBNAIL) if is_thumbnail else path).read_bytes()
    except FileNotFoundError:
        if not is_thumbnail:
            log.warning("attachment.missing", attachment_id=found.id)
        raise AttachmentNotFound from None


def _root() -> Path:
    return get_settings().data_dir / _FOLDER


def _write(checked: Checked) -> tuple[str | None, str | None]:
    """Where the file is now, or why it is not kept."""
    if checked.content is None:
        return None, checked.why
    name = f"{checked.sha256[:2]}/{checked.sha256}"
    try:
        if checked.thumbnail is not None:
            _put(_root() / f"{name}{_THUMBNAIL}", checked.thumbnail)
        _put(_root() / name, checked.content)
    except OSError as error:
        # The words are worth more than the picture: they are kept in any case.
        log.exception("attachment.not_written", error=type(error).__name__)
        return None, "It could not be stored here. Send it once more later."
    return name, None


def _put(path: Path, content: bytes) -> None:
    if not path.exists() or path.stat().st_size != len(content):
        durable.write(path, content)
