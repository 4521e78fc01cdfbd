"""One click from the facts: done by the service that knows how, with its own permission, and said in the ticket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden
from services.access.again import NowhereToLetIn
from services.access.models import DeviceSlot, Entitlement, Grant, GrantState
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.notifications.models import Notification
from services.payments.errors import NothingToRetry
from services.payments.models import Payment, PaymentStatus
from services.tickets import actions
from services.tickets.actions import NothingToResend, NotOfThisTicket
from services.tickets.errors import TicketNotFound
from services.tickets.models import Ticket, TicketEvent
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders

CARE = staff(Role.CUSTOMER_CARE)
Bought = tuple[Ticket, Payment, Entitlement]


@pytest.fixture
def bought(session: Session) -> Bought:
    """A customer who is online, and writes."""
    customer, gateway = builders.a_customer(session, 1, now=NOON), builders.a_gateway(session, now=NOON)
    offer = builders.an_offer(session, now=NOON)
    payment = builders.a_payment(
        session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=NOON - timedelta(hours=1), gateway=gateway
    )
    entitlement = session.exec(select(Entitlement)).one()
    grant = session.exec(select(Grant)).one()
    session.add(DeviceSlot(entitlement_id=entitlement.id, number=1, device_id=grant.device_id, mac_hint=grant.mac, taken_at=NOON))  # type: ignore[arg-type]
    session.flush()
    return builders.a_ticket(session, customer=customer, at=NOON), payment, entitlement


def said(session: Session, ticket: Ticket) -> list[dict[str, Any]]:
    kept = session.exec(select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "action")).all()
    return [event.data for event in kept]


def test_a_payment_that_waits_is_tried_again(session: Session, bought: Bought) -> None:
    ticket, served, _ = bought
    served.status = PaymentStatus.PAID
    event = actions.retry_payment(session, actor=CARE, reference=ticket.reference, payment=served.reference.lower(), now=NOON)
    assert event.data == {"what": "The payment is tried again", "target": served.reference.lower()}
    assert served.next_attempt_at == NOON
    served.status = PaymentStatus.SERVED
    with pytest.raises(NothingToRetry):
        actions.retry_payment(session, actor=CARE, reference=ticket.reference, payment=served.reference, now=NOON)


def test_the_receipt_code_is_sent_once_in_a_quarter_of_an_hour(session: Session, bought: Bought) -> None:
    ticket, payment, _ = bought

    def send(minutes: int) -> None:
        at = NOON + timedelta(minutes=minutes)
        actions.resend_receipt(session, actor=CARE, reference=ticket.reference, payment=payment.reference, now=at)

    send(0)
    with pytest.raises(NothingToResend):
        send(3)
    send(20)
    assert len(session.exec(select(Notification).where(Notification.event == "receipt_reminder")).all()) == 2
    assert [one["target"] for one in said(session, ticket)] == [payment.reference] * 2


def test_a_device_is_offered_to_its_router_anew(session: Session, bought: Bought) -> None:
    ticket, _, entitlement = bought
    actions.let_in_again(session, actor=CARE, reference=ticket.reference, entitlement_id=entitlement.id or 0, now=NOON)
    assert session.exec(select(Grant.state)).one() is GrantState.QUEUED
    assert said(session, ticket)[0]["what"] == "The device is let in again"
    session.exec(select(DeviceSlot)).one().released_at = NOON
    with pytest.raises(NowhereToLetIn):
        actions.let_in_again(session, actor=CARE, reference=ticket.reference, entitlement_id=entitlement.id or 0, now=NOON)


def test_a_device_is_taken_off_and_time_is_given(session: Session, bought: Bought) -> None:
    ticket, _, entitlement = bought
    before = entitlement.seconds_total
    more = {"actor": CARE, "reference": ticket.reference, "entitlement_id": entitlement.id or 0, "reason": "lost the phone", "now": NOON}
    actions.free_device(session, number=1, **more)  # type: ignore[arg-type]
    actions.extend(session, seconds=3600, **more)  # type: ignore[arg-type]
    assert session.exec(select(DeviceSlot)).one().released_at == NOON
    assert entitlement.seconds_total == before + 3600
    assert [one["why"] for one in said(session, ticket)] == ["lost the phone"] * 2
    assert {"slot.free", "entitlement.extend"} <= set(session.exec(select(AuditEntry.action)).all())


def _each(ticket: Ticket, payment: Payment, entitlement: Entitlement, role: Role) -> list[Callable[[Session], object]]:
    who: dict[str, Any] = {"actor": staff(role), "reference": ticket.reference, "now": NOON}
    time: dict[str, Any] = {"entitlement_id": entitlement.id or 0}
    return [
        lambda session: actions.retry_payment(session, payment=payment.reference, **who),
        lambda session: actions.resend_receipt(session, payment=payment.reference, **who),
        lambda session: actions.let_in_again(session, **time, **who),
        lambda session: actions.free_device(session, number=1, reason="why not", **time, **who),
        lambda session: actions.extend(session, seconds=60, reason="why not", **time, **who),
    ]


def test_what_is_not_the_ticket_customers_is_not_touched(session: Session, bought: Bought) -> None:
    _, payment, entitlement = bought
    other = builders.a_ticket(session, customer=builders.a_customer(session, 2, now=NOON), at=NOON)
    nobodys = builders.a_ticket(session, at=NOON)
    for ticket in (other, nobodys):
        for act in _each(ticket, payment, entitlement, Role.ROOT):
            with pytest.raises(NotOfThisTicket):
                act(session)
        assert said(session, ticket) == []


def test_each_asks_for_its_own_permission(session: Session, bought: Bought) -> None:
    for act in _each(*bought, Role.FIELD_TECHNICIAN):
        with pytest.raises((Forbidden, TicketNotFound)):
            act(session)
    allowed = []
    for act in _each(*bought, Role.BILLING_OFFICER):
        try:
            act(session)
            allowed.append(act)
        except (Forbidden, NothingToRetry):
            pass
    assert allowed == []
