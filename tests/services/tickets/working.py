"""Tickets to work on, and people who do: short words for the tests of what staff do with tickets."""

from __future__ import annotations

from sqlmodel import Session, col, select

from services.accounts.models import Customer, Role
from services.accounts.permissions import Principal
from services.accounts.sessions import principal_of
from services.notifications.models import Medium, Notification
from services.tickets import conversation
from services.tickets.changes import By, events_of
from services.tickets.conversation import Heard
from services.tickets.models import Channel, Ticket, TicketMessage
from tests.conftest import NOON
from tests.pages import builders
from tests.services.tickets.people import a_person


def care(session: Session, name: str = "awa", role: Role = Role.CUSTOMER_CARE) -> Principal:
    return principal_of(a_person(session, f"{name}@inet.test", role=role))


def a_customer(session: Session, number: int = 1) -> Customer:
    return builders.a_customer(session, number, now=NOON)


def a_ticket(session: Session, body: str = "No internet", *, customer: Customer | None = None, **more: object) -> Ticket:
    return builders.a_ticket(session, customer=customer or a_customer(session), body=body, at=NOON, **more)  # type: ignore[arg-type]


def hear(session: Session, ticket: Ticket, body: str, now: object = NOON) -> Heard:
    assert ticket.id is not None
    return conversation.hear(session, ticket.id, body=body, channel=Channel.SMS, who=By("customer"), now=now)  # type: ignore[arg-type]


def said(session: Session, ticket: Ticket) -> list[str]:
    rows = session.exec(select(TicketMessage.body).where(TicketMessage.ticket_id == ticket.id).order_by(col(TicketMessage.id))).all()
    return list(rows)


def history(session: Session, ticket: Ticket) -> list[str]:
    return [event.kind for event in events_of(session, ticket.id or 0)]


def bells(session: Session, who: Principal) -> list[str]:
    wanted = select(Notification.event).where(Notification.staff_id == who.id, Notification.medium == Medium.BELL)
    return list(session.exec(wanted.order_by(col(Notification.id))).all())


def told(session: Session, event: str) -> list[Notification]:
    """What customers were told of this."""
    wanted = select(Notification).where(Notification.event == event, col(Notification.staff_id).is_(None))
    return list(session.exec(wanted.order_by(col(Notification.id))).all())
