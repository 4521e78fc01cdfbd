"""One click from a ticket's facts to what helps: each through the service that knows how, with its own permission.

What was done is said in the ticket's history, so that the next person sees it. Only what belongs to the ticket's own customer is touched.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from app.errors import Conflict, NotFound
from services.access.again import offer_again
from services.access.models import Entitlement
from services.access.sessions_desk import extend_entitlement
from services.access.slots import free_slot
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.notifications import Recipient, tell
from services.payments.desk import retry_by_reference
from services.payments.models import Payment
from services.tickets import changes
from services.tickets.models import Ticket, TicketEvent
from services.tickets.sight import ticket_to_change

ACTION = "action"
_QUARTER_SECONDS = 900


class NotOfThisTicket(NotFound):
    code, title = "not_of_this_ticket", "Not of this ticket"
    message = "That does not belong to this ticket's customer. Open its own page instead."


class NothingToResend(Conflict):
    code, title = "nothing_to_resend", "Not sent again"
    message = "The code was sent within the last quarter of an hour, or there is no way to the customer. Try again later, or tell it them."


def retry_payment(session: Session, *, actor: Principal, reference: str, payment: str, now: datetime) -> TicketEvent:
    """Have the step that waits tried at once. Raises Forbidden, TicketNotFound, NotOfThisTicket or NothingToRetry."""
    actor.require(Permission.PAYMENTS_RETRY)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    _own_payment(session, ticket, payment)
    retry_by_reference(session, actor=actor, reference=payment, now=now)
    return _done(session, ticket, "The payment is tried again", payment, actor=actor, now=now)


def resend_receipt(session: Session, *, actor: Principal, reference: str, payment: str, now: datetime) -> TicketEvent:
    """Text the buyer the receipt code once more, at most once in a quarter of an hour.

    Raises Forbidden, TicketNotFound, NotOfThisTicket or NothingToResend.
    """
    actor.require(Permission.TICKETS_REPLY)
    actor.require(Permission.PAYMENTS_READ)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    found = _own_payment(session, ticket, payment)
    sent = tell(
        session,
        event="receipt_reminder",
        to=Recipient(customer_id=found.customer_id),
        values={"references": found.reference},
        # The key of the customer's own asking (services/notifications/receipts.py): both count together.
        dedupe_key=f"reminder:{found.customer_id}:{int(now.timestamp()) // _QUARTER_SECONDS}",
        ticket_id=ticket.id,
        now=now,
    )
    if not sent:
        raise NothingToResend
    audit.record(session, actor, "payment.receipt", target=("payment", found.reference), now=now, after={"ticket": ticket.reference})
    return _done(session, ticket, "The receipt code was sent again", found.reference, actor=actor, now=now)


def let_in_again(session: Session, *, actor: Principal, reference: str, entitlement_id: int, now: datetime) -> TicketEvent:
    """Offer the newest device on the purchase to its router anew, for the time that is left.

    Raises Forbidden, TicketNotFound, NotOfThisTicket, NowhereToLetIn or NoTimeLeft.
    """
    actor.require(Permission.ACCESS_GRANT)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    entitlement = _own_time(session, ticket, entitlement_id)
    offer_again(session, entitlement, by=actor.label, now=now)
    target = ("entitlement", entitlement_id)
    audit.record(session, actor, "entitlement.let_in", target=target, now=now, after={"ticket": ticket.reference})
    return _done(session, ticket, "The device is let in again", f"time {entitlement_id}", actor=actor, now=now)


def free_device(
    session: Session, *, actor: Principal, reference: str, entitlement_id: int, number: int, reason: str, now: datetime
) -> TicketEvent:
    """Take a device off the purchase. Raises Forbidden, TicketNotFound, NotOfThisTicket or SlotNotFound."""
    actor.require(Permission.SESSIONS_END)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    _own_time(session, ticket, entitlement_id)
    free_slot(session, actor=actor, entitlement_id=entitlement_id, number=number, reason=reason, now=now)
    return _done(session, ticket, "A device was taken off the purchase", f"place {number}", why=reason, actor=actor, now=now)


def extend(
    session: Session, *, actor: Principal, reference: str, entitlement_id: int, seconds: int, reason: str, now: datetime
) -> TicketEvent:
    """Give more time. Raises Forbidden, TicketNotFound, NotOfThisTicket, BadExtension or NotExtendable."""
    actor.require(Permission.SESSIONS_EXTEND)
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    _own_time(session, ticket, entitlement_id)
    extend_entitlement(session, actor=actor, entitlement_id=entitlement_id, seconds=seconds, reason=reason, now=now)
    return _done(session, ticket, "More time was given", f"{seconds // 60} min", why=reason, actor=actor, now=now)


def _done(session: Session, ticket: Ticket, what: str, target: str, *, actor: Principal, now: datetime, why: str = "") -> TicketEvent:
    data: dict[str, Any] = {"what": what, "target": target} | ({"why": why} if why else {})
    return changes.record(session, ticket, ACTION, data, who=changes.by(actor), now=now)


def _own_payment(session: Session, ticket: Ticket, reference: str) -> Payment:
    found = session.exec(select(Payment).where(Payment.reference == reference.upper())).one_or_none()
    if found is None or not (found.id == ticket.payment_id or (ticket.customer_id is not None and found.customer_id == ticket.customer_id)):
        raise NotOfThisTicket
    return found


def _own_time(session: Session, ticket: Ticket, entitlement_id: int) -> Entitlement:
    found = session.get(Entitlement, entitlement_id)
    by_payment = found is not None and found.payment_id is not None and found.payment_id == ticket.payment_id
    by_customer = found is not None and ticket.customer_id is not None and found.customer_id == ticket.customer_id
    if found is None or not (by_payment or by_customer):
        raise NotOfThisTicket
    return found
