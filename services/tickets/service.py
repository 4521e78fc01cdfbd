"""Problem reports from the portal: kept first, looked at by people."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from app.errors import InvalidInput
from app.events import publish
from services.access.context import HotspotContext
from services.accounts.customers import find_or_create_customer
from services.payments.models import Payment
from services.tickets.models import Ticket
from services.vouchers.codes import new_reference

_MAX_BODY = 4000


def report_problem(
    session: Session, *, body: str, phone: str | None, context: HotspotContext | None, payment: Payment | None, now: datetime
) -> Ticket:
    """Store what a customer wrote, with the place and purchase it is about. Raises InvalidInput for an empty text, or BadPhone."""
    text = body.replace("\x00", "").strip()
    if not text:
        raise InvalidInput("Write in a few words what is wrong.", field="body")
    if len(text) > _MAX_BODY:
        raise InvalidInput(f"Keep it under {_MAX_BODY} characters.", field="body")
    customer_id = find_or_create_customer(session, phone=phone, now=now).id if phone else payment.customer_id if payment else None
    ticket = Ticket(
        reference=f"T-{new_reference(7)}",
        channel="portal",
        customer_id=customer_id,
        payment_id=payment.id if payment else None,
        gateway_id=context.gateway_id if context else payment.gateway_id if payment else None,
        client_mac=context.mac if context else None,
        body=text,
        created_at=now,
    )
    session.add(ticket)
    session.flush()
    publish(session, "tickets", ticket.id)
    return ticket
