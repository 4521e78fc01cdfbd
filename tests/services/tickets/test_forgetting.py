"""A customer's files leave the disk when their account is deleted; a file that somebody else sent as well stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import Session, col, select

from app.db import transaction
from app.settings import get_settings
from services.accounts.customers import find_or_create_customer
from services.tickets import attachments, changes, forgetting, intake
from services.tickets.attachment_checks import Checked
from services.tickets.changes import By
from services.tickets.intake_models import Attachment
from services.tickets.models import Channel, MessageKind, Ticket
from tests.conftest import NOON

MINE, OTHER = "+220833000071", "+220833000072"


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("INET_DATA_DIR", str(tmp_path))
    get_settings.cache_clear()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


def picture(name: str) -> Checked:
    digest = f"{name}" * 64
    return Checked(name="me.jpg", media_type="image/jpeg", size_bytes=3, sha256=digest[:64], content=name.encode() * 3, thumbnail=b"t")


def ticket_of(session: Session, number: str, *files: Checked) -> Ticket:
    customer = find_or_create_customer(session, phone=number, now=NOON)
    assert customer.id is not None
    return intake.open_by_customer(session, customer_id=customer.id, body=f"From {number}", files=files, now=NOON).ticket


def on_disk(root: Path) -> set[str]:
    return {path.name[0] for path in (root / "attachments").rglob("*") if path.is_file()}


def forget(session: Session, number: str) -> None:
    """With all that runs after the commit."""
    with transaction() as inner:
        customer = find_or_create_customer(inner, phone=number, now=NOON)
        forgetting.forget(inner, customer, who=By("customer:1"), now=NOON)
    session.expire_all()


def test_their_files_are_gone_and_what_another_sent_too_stays(session: Session, tmp_path: Path) -> None:
    ticket_of(session, MINE, picture("a"), picture("b"))
    ticket_of(session, OTHER, picture("b"))
    assert on_disk(tmp_path) == {"a", "b"}
    forget(session, MINE)
    assert on_disk(tmp_path) == {"b"}
    rows = session.exec(select(Attachment).order_by(col(Attachment.id))).all()
    assert [(row.name, row.file is None, row.why is None) for row in rows] == [
        ("deleted", True, False),
        ("deleted", True, False),
        ("me.jpg", False, True),
    ]
    assert forgetting.sweep(transaction) == 0


def test_a_photo_of_the_technicians_stays_with_their_note(session: Session, tmp_path: Path) -> None:
    ticket = ticket_of(session, MINE, picture("a"))
    note = changes.say(session, ticket, kind=MessageKind.NOTE, body="The mast", channel=Channel.MOBILE, who=By("staff:Ebrima"), now=NOON)
    attachments.attach(session, ticket, note, [picture("c")], now=NOON)
    session.flush()
    forget(session, MINE)
    assert on_disk(tmp_path) == {"c"}


def test_what_a_crash_left_on_the_disk_goes_with_the_next_sweep(session: Session, tmp_path: Path) -> None:
    ticket = ticket_of(session, MINE, picture("a"))
    customer = find_or_create_customer(session, phone=MINE, now=NOON)
    forgetting.forget(session, customer, who=By("customer:1"), now=NOON)
    session.flush()
    assert on_disk(tmp_path) == {"a"}
    assert (forgetting.sweep(transaction), forgetting.sweep(transaction)) == (1, 0)
    assert on_disk(tmp_path) == set()
    assert ticket.body == forgetting.DELETED
