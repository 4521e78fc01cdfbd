"""Files are safe on the disk before a row speaks of them, and handed only to who may see the ticket."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden
from app.settings import get_settings
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.accounts.sessions import principal_of
from services.tickets import attachments, changes
from services.tickets.attachments import AttachmentNotFound
from services.tickets.errors import TicketNotFound
from services.tickets.intake_models import Attachment
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage
from services.tickets.tokens import reply_token
from tests.conftest import NOON
from tests.pages import builders
from tests.services.tickets.files import EICAR, jpeg, png, upload
from tests.services.tickets.people import a_person, a_service


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(get_settings(), "data_dir", tmp_path)
    return tmp_path / "attachments"


@pytest.fixture
def ticket(session: Session) -> Ticket:
    return builders.a_ticket(session, at=NOON)


@pytest.fixture
def care(session: Session) -> Principal:
    return principal_of(a_person(session, "care@inet.test", role=Role.CUSTOMER_CARE))


def said(session: Session, ticket: Ticket, kind: MessageKind = MessageKind.CUSTOMER) -> TicketMessage:
    return changes.say(session, ticket, kind=kind, body="see the picture", channel=Channel.PORTAL, who=changes.SYSTEM, now=NOON)


def kept(session: Session, ticket: Ticket, *files: bytes, kind: MessageKind = MessageKind.CUSTOMER) -> tuple[Attachment, ...]:
    return attachments.keep(session, ticket, said(session, ticket, kind), [upload(file) for file in files], now=NOON)


def test_a_picture_is_kept_under_its_hash_and_read_again(session: Session, ticket: Ticket, care: Principal, folder: Path) -> None:
    (row,) = kept(session, ticket, jpeg())
    found, content = attachments.content_of(session, actor=care, attachment_id=row.id or 0)
    assert found == row
    assert hashlib.sha256(content).hexdigest() == row.sha256
    assert row.file == f"{row.sha256[:2]}/{row.sha256}"
    assert (folder / row.file).stat().st_mode & 0o777 == 0o600
    _, small = attachments.content_of(session, actor=care, attachment_id=row.id or 0, is_thumbnail=True)
    assert 0 < len(small) < len(content)
    assert list(folder.rglob(".*")) == []


def test_a_bad_file_keeps_its_row_with_the_reason_and_nothing_else(session: Session, ticket: Ticket, care: Principal, folder: Path) -> None:
    good, bad = kept(session, ticket, png(), EICAR)
    assert (good.why, bad.file, bad.why) == (None, None, "It was recognised as a virus.")
    with pytest.raises(AttachmentNotFound):
        attachments.content_of(session, actor=care, attachment_id=bad.id or 0)
    assert EICAR not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_the_same_file_twice_is_on_the_disk_once(session: Session, ticket: Ticket, folder: Path) -> None:
    kept(session, ticket, jpeg())
    kept(session, builders.a_ticket(session, at=NOON), jpeg())
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 2  # and the small one


def test_a_full_disk_costs_the_picture_but_not_the_words(session: Session, ticket: Ticket, folder: Path) -> None:
    folder.write_text("in the way")
    (row,) = kept(session, ticket, jpeg())
    assert (row.file, row.why) == (None, "It could not be stored here. Send it once more later.")


def test_a_technician_sees_only_files_of_their_own_tickets(session: Session, ticket: Ticket) -> None:
    technician = a_person(session, "tech@inet.test")
    (row,) = kept(session, ticket, jpeg())
    actor = principal_of(technician)
    with pytest.raises(AttachmentNotFound):
        attachments.content_of(session, actor=actor, attachment_id=row.id or 0)
    with pytest.raises(TicketNotFound):
        attachments.list_attachments(session, actor=actor, reference=ticket.reference)
    changes.set_field(session, ticket, "assignee_id", technician.id, who=changes.SYSTEM, now=NOON)
    assert attachments.content_of(session, actor=actor, attachment_id=row.id or 0)[0] == row
    assert attachments.list_attachments(session, actor=actor, reference=ticket.reference) == (row,)


def test_without_the_permission_nothing_is_told(session: Session, ticket: Ticket) -> None:
    (row,) = kept(session, ticket, jpeg())
    with pytest.raises(Forbidden):
        attachments.content_of(session, actor=a_service("payments:read", number=7), attachment_id=row.id or 0)


def test_a_customer_reads_their_own_files_by_the_token_of_their_page(session: Session, ticket: Ticket) -> None:
    (row,) = kept(session, ticket, jpeg())
    (answered,) = kept(session, ticket, png(), kind=MessageKind.REPLY)
    token = reply_token(ticket)
    for one in (row, answered):
        assert attachments.content_for_customer(session, ticket.reference, token, one.id or 0)[0] == one
    assert attachments.content_for_customer(session, ticket.reference.lower(), token, row.id or 0)[0] == row


def test_a_customer_never_gets_a_file_of_a_note_of_another_ticket_or_by_a_forged_token(session: Session, ticket: Ticket) -> None:
    (own,) = kept(session, ticket, jpeg())
    (noted,) = kept(session, ticket, png(), kind=MessageKind.NOTE)
    other = builders.a_ticket(session, at=NOON)
    (foreign,) = kept(session, other, png(40, 40))
    token = reply_token(ticket)
    for reference, given, attachment in (
        (ticket.reference, token, noted),
        (ticket.reference, token, foreign),
        (other.reference, token, foreign),
        (ticket.reference, token[:-1] + ("0" if token[-1] != "0" else "1"), own),
        (ticket.reference, "", own),
        ("T-NOSUCH2", token, own),
    ):
        with pytest.raises(AttachmentNotFound):
            attachments.content_for_customer(session, reference, given, attachment.id or 0)


def test_after_a_merge_a_customer_sees_what_was_said_in_their_ticket_and_no_more(session: Session, ticket: Ticket) -> None:
    target = builders.a_ticket(session, at=NOON)
    (own,) = kept(session, ticket, jpeg())
    (theirs,) = kept(session, target, png())
    message = session.exec(select(TicketMessage).where(TicketMessage.id == own.message_id)).one()
    assert target.id is not None
    message.said_in_id, message.ticket_id, own.ticket_id = ticket.id, target.id, target.id
    session.flush()
    assert attachments.seen_by_customer(session, ticket) == (own,)
    assert attachments.seen_by_customer(session, target) == (theirs,)


def test_a_file_is_sent_to_be_saved_under_a_harmless_name(session: Session, ticket: Ticket) -> None:
    (row,) = attachments.keep(session, ticket, said(session, ticket), [upload(jpeg(), "fótó \u202e\r\nX: 1.jpg")], now=NOON)
    headers = attachments.served_headers(row)
    assert headers["Content-Disposition"].startswith('attachment; filename="f_t_')
    assert "\r" not in headers["Content-Disposition"]
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
