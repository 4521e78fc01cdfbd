"""Mails for tests: made, kept as if they had just been fetched, and read."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from itertools import count

from sqlmodel import Session

from app.db import transaction
from services.tickets import inbound_store, mail_intake
from services.tickets.intake_models import InboundMessage, InboundSource
from services.tickets.models import Ticket
from tests.conftest import NOON

AWA, FATOU = "Awa Ceesay <awa@example.gm>", "fatou@example.gm"
_numbers = count(1)


def a_mail(
    text: str = "My Wi-Fi does not work since this morning.",
    *,
    sender: str = AWA,
    to: str = "help@inet.gm",
    subject: str = "No Wi-Fi",
    mail_id: str | None = None,
    html: str | None = None,
    file: tuple[str, bytes] | None = None,
    **fields: str,
) -> bytes:
    """`fields` are further header fields, `_` standing for `-`."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail["Message-ID"] = f"<{mail_id or f'm{next(_numbers)}@example.gm'}>"
    mail["Date"] = "Sun, 22 Nov 2026 12:00:00 +0000"
    for name, value in fields.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    if html is not None:
        mail.add_alternative(html, subtype="html")
    if file is not None:
        mail.add_attachment(file[1], maintype="application", subtype="octet-stream", filename=file[0])
    return mail.as_bytes()


def came(session: Session, raw: bytes, *, at: datetime = NOON, key: str | None = None, why: str | None = None) -> int:
    """Kept, and not read yet."""
    name = key or f"help@inet.gm/INBOX:1:{next(_numbers)}"
    kept = inbound_store.keep(session, source=InboundSource.IMAP, key=name, raw=raw, received_at=at, why=why)
    assert kept is not None
    session.commit()
    return kept


def read(session: Session, inbound_id: int, *, at: datetime = NOON) -> InboundMessage:
    mail_intake.read(transaction, clock=lambda: at)
    session.expire_all()
    return session.get_one(InboundMessage, inbound_id)


def came_and_read(session: Session, raw: bytes, *, at: datetime = NOON) -> InboundMessage:
    return read(session, came(session, raw, at=at), at=at)


def ticket_of(session: Session, message: InboundMessage) -> Ticket:
    assert message.ticket_id is not None, f"{message.state}: {message.why}"
    return session.get_one(Ticket, message.ticket_id)
