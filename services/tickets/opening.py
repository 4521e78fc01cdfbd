"""A ticket is opened: from whichever channel it comes, the words are kept first, and everything clever happens afterwards in a job."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session

from app.queue import ring
from services.tickets import changes
from services.tickets.changes import By
from services.tickets.models import Category, Channel, MessageKind, Priority, Ticket
from services.vouchers.codes import new_reference

PROCESS_JOB = "jobs.tickets.process"


@dataclass(frozen=True)
class Opening:
    """What is known when a ticket is opened. `facts` are certain things that triage need not guess (a refused code, a payment)."""

    body: str
    channel: Channel
    subject: str = ""
    customer_id: int | None = None
    author: str = ""
    payment_id: int | None = None
    gateway_id: int | None = None
    site_id: int | None = None
    access_point_id: int | None = None
    incident_id: int | None = None
    client_mac: str | None = None
    correspondent_id: int | None = None
    language: str | None = None
    inbound_id: int | None = None
    mail_id: str | None = None
    category: Category | None = None
    priority: Priority = Priority.NORMAL
    facts: dict[str, object] = field(default_factory=dict)
    # Where it follows from the request, so that a repeated one finds it (services/tickets/intake.py).
    reference: str | None = None


def new_ticket_reference() -> str:
    return f"T-{new_reference(7)}"


def open_ticket(session: Session, opening: Opening, *, who: By, now: datetime) -> Ticket:
    """Keep a ticket with its first message, start its clocks, and ring for triage, enrichment and routing."""
    ticket = Ticket(
        reference=opening.reference or new_ticket_reference(),
        channel=opening.channel,
        subject=opening.subject[:200],
        body=opening.body[: changes.SHOWN_BODY],
        customer_id=opening.customer_id,
        payment_id=opening.payment_id,
        gateway_id=opening.gateway_id,
        site_id=opening.site_id,
        access_point_id=opening.access_point_id,
        incident_id=opening.incident_id,
        client_mac=opening.client_mac,
        correspondent_id=opening.correspondent_id,
        language=opening.language,
        category=opening.category,
        priority=opening.priority,
        change_number=1,
        created_at=now,
        updated_at=now,
        last_customer_at=now,
    )
    session.add(ticket)
    session.flush()
    changes.begin(session, ticket, who=who, now=now, words_follow=True)
    if opening.facts:
        changes.record(session, ticket, "facts", opening.facts, who=who, now=now)
    changes.say(
        session,
        ticket,
        kind=MessageKind.SYSTEM if opening.channel is Channel.INCIDENT else MessageKind.CUSTOMER,
        body=opening.body,
        channel=opening.channel,
        who=who,
        author=opening.author,
        inbound_id=opening.inbound_id,
        mail_id=opening.mail_id,
        now=now,
    )
    assert ticket.id is not None
    ring(session, PROCESS_JOB, ticket.id, queue="triage")
    return ticket
