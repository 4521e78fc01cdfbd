"""How an answer will reach the customer, for whoever is about to write one: by which way, to whom, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session, col, select

from services.accounts.models import Customer
from services.notifications.models import ContactPreference, Medium, NotificationTemplate
from services.notifications.rendering import render
from services.notifications.segments import Cost, cost_of
from services.notifications.wording import FALLBACK_LANGUAGE, shipped
from services.tickets import people
from services.tickets.models import Ticket

_EVENT = "ticket_reply"
# As services/notifications/service.py cuts a text; the whole stands on the customer's own page.
LONGEST_SMS = 600


@dataclass(frozen=True)
class Reach:
    """`medium` is None when nothing can be sent: the customer reads it on their own page, if they come back. `to` is masked."""

    medium: Medium | None
    to: str = ""
    body: str = "{text}"
    is_unwanted: bool = False

    def cost(self, text: str) -> Cost:
        """What this text costs as SMS, with the words around it."""
        return cost_of(self.whole(text)[:LONGEST_SMS])

    def whole(self, text: str) -> str:
        return render(self.body, {"text": text})


def reach(session: Session, ticket: Ticket) -> Reach:
    """For a caller who may see the ticket."""
    to = people.recipient(session, ticket)
    if to is None:
        return Reach(None)
    if to.email:
        return Reach(Medium.EMAIL, _masked(to.email))
    customer = session.get_one(Customer, to.customer_id)
    unwanted = select(ContactPreference.id).where(
        ContactPreference.customer_id == customer.id,
        ContactPreference.medium == Medium.SMS,
        col(ContactPreference.opted_out_at).is_not(None),
    )
    is_unwanted = session.exec(unwanted.limit(1)).first() is not None
    return Reach(Medium.SMS, customer.masked_phone, _words(session, ticket, to.language or customer.language), is_unwanted)


def _words(session: Session, ticket: Ticket, language: str) -> str:
    own = select(NotificationTemplate.body).where(
        NotificationTemplate.event == _EVENT,
        NotificationTemplate.medium == Medium.SMS,
        NotificationTemplate.language == language,
        col(NotificationTemplate.is_active),
    )
    body = session.exec(own).first() or shipped(_EVENT, Medium.SMS, language or FALLBACK_LANGUAGE).body
    return body.replace("{reference}", ticket.reference).replace("{subject}", people.headline(ticket))


def _masked(address: str) -> str:
    name, _, domain = address.partition("@")
    return f"{name[:1]}•••@{domain}"
