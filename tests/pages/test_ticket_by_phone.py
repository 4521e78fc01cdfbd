"""A customer calls: staff find them by number, see what waits, and keep the words; and files are shown to who may see the ticket."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.db import in_transaction, transaction
from pages import attachments as files
from pages.ticket_by_phone import by_phone_form
from services.accounts.models import Role
from services.tickets import attachments, changes
from services.tickets.intake_models import Attachment
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import until
from tests.services.tickets.files import jpeg, upload

# Of customer number one.
PHONE = "83 300 0001"
WORDS = "The router at my shop blinks red"


@pytest.fixture(autouse=True)
def people(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        for role in Role:
            builders.a_staff(session, role, now=now)


@pytest.fixture
def waiting(people: None, now: datetime) -> str:
    """The reference of an open ticket of customer number one."""
    with transaction() as session:
        ticket = builders.a_ticket(session, at=now)
        customer = builders.a_customer(session, 1, now=now)
        session.flush()
        changes.set_field(session, ticket, "customer_id", customer.id, who=changes.SYSTEM, now=now)
        session.info.pop("after_commit", None)
        return ticket.reference


async def open_form(user: User) -> None:
    await user.open("/console/tickets")
    with user:
        await by_phone_form()
    await user.should_see(marker="field-words")


def fill(user: User, name: str, value: str) -> None:
    (field,) = user.find(marker=f"field-{name}").elements
    field.value = value  # type: ignore[attr-defined]


def is_gone(user: User) -> bool:
    """Whether the dialog was closed: with what was asked for kept."""
    return not any(dialog.value for dialog in _dialogs(user))


def _dialogs(user: User) -> list[ui.dialog]:
    with user:
        return [element for element in ui.context.client.elements.values() if isinstance(element, ui.dialog)]


async def newest() -> Ticket:
    def read(session: Session) -> Any:
        return session.exec(select(Ticket).order_by(col(Ticket.id).desc()).limit(1)).one()

    found = await in_transaction(read)
    assert isinstance(found, Ticket)
    return found


async def test_a_new_caller_gets_a_ticket(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await open_form(user)
    fill(user, "phone", "3012345")
    await user.should_see("This number is new here.")
    fill(user, "name", "Awa")
    fill(user, "words", WORDS)
    user.find(marker="submit").click()
    await until(lambda: is_gone(user))
    ticket = await newest()
    assert (ticket.channel, ticket.body) == (Channel.PHONE, WORDS)


async def test_a_caller_who_has_a_ticket_already_is_not_given_another(user: User, sign_in: SignIn, waiting: str) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await open_form(user)
    fill(user, "phone", PHONE)
    await user.should_see(waiting)
    fill(user, "where", waiting)
    fill(user, "words", WORDS)
    user.find(marker="submit").click()
    await until(lambda: is_gone(user))

    def said(session: Session) -> list[str]:
        return list(session.exec(select(TicketMessage.body).order_by(col(TicketMessage.id))).all())

    assert (await in_transaction(said))[-1] == WORDS
    assert (await newest()).reference == waiting


async def test_what_is_refused_is_said_at_its_field_and_nothing_is_lost(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await open_form(user)
    fill(user, "phone", "12")
    fill(user, "words", WORDS)
    user.find(marker="submit").click()
    (field,) = user.find(marker="field-phone").elements
    await until(lambda: "error-message" in field.props)
    (words,) = user.find(marker="field-words").elements
    assert words.value == WORDS  # type: ignore[attr-defined]


async def test_files_are_served_by_the_consoles_own_session(user: User, sign_in: SignIn, waiting: str, now: datetime) -> None:
    def keep(session: Session) -> Attachment:
        ticket = session.exec(select(Ticket).where(Ticket.reference == waiting)).one()
        message = changes.say(session, ticket, kind=MessageKind.CUSTOMER, body="see", channel=Channel.PORTAL, who=changes.SYSTEM, now=now)
        session.info.pop("after_commit", None)
        return attachments.keep(session, ticket, message, [upload(jpeg())], now=now)[0]

    row = await in_transaction(keep)
    assert (await user.http_client.get(files.address(row))).status_code == 404
    await sign_in(Role.FIELD_TECHNICIAN)
    assert (await user.http_client.get(files.address(row))).status_code == 404
    await sign_in(Role.CUSTOMER_CARE)
    answer = await user.http_client.get(files.address(row))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["content-disposition"].startswith("attachment;")
    small = await user.http_client.get(files.address(row, is_thumbnail=True))
    assert (small.headers["content-disposition"], files.has_thumbnail(row)) == ("inline", True)
    assert len(small.content) < len(answer.content)
