"""Tickets that may be about the same thing: candidates from the same place or person of the last hours, compared by meaning."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.tickets.case import place_of
from services.tickets.models import IS_UNDONE, Category, Channel, Ticket, TicketEvent
from services.tickets.triage.duplicates import Seen, likeness

TRIAGED = "triaged"
CANDIDATES = 20
_LATELY = timedelta(hours=2)
_SHOWN = 5


@dataclass(frozen=True)
class Read:
    """What was read of the ticket that others are compared with."""

    text: str
    category: Category
    vector: bytes | None


def lookalikes(session: Session, ticket: Ticket, read: Read) -> list[dict[str, Any]]:
    """The likely ones, the likeliest first, as the history keeps them: reference, score, reason, same_outage."""
    candidates = _candidates(session, ticket)
    readings = latest_readings(session, [one.id for one in candidates if one.id is not None])
    this = _seen(session, ticket, read.text, read.category, read.vector)
    found = []
    for other in candidates:
        reading = readings.get(other.id or 0, {})
        category = other.category or _category(reading) or Category.GENERAL_QUESTION
        like = likeness(this, _seen(session, other, f"{other.subject}\n{other.body}".strip(), category, kept_vector(reading)))
        if like.likely:
            found.append({"reference": other.reference, "score": like.score, "reason": like.reason, "same_outage": like.same_outage})
    return sorted(found, key=lambda one: (-float(str(one["score"])), str(one["reference"])))[:_SHOWN]


def _candidates(session: Session, ticket: Ticket) -> list[Ticket]:
    pairs = (
        (col(Ticket.gateway_id), ticket.gateway_id),
        (col(Ticket.site_id), ticket.site_id),
        (col(Ticket.customer_id), ticket.customer_id),
    )
    same = [column == value for column, value in pairs if value is not None]
    if not same:
        return []
    wanted = select(Ticket).where(
        IS_UNDONE,
        sa.or_(*same),
        Ticket.created_at > ticket.created_at - _LATELY,
        Ticket.created_at < ticket.created_at + _LATELY,
        Ticket.id != ticket.id,
        Ticket.channel != Channel.INCIDENT,
    )
    return list(session.exec(wanted.order_by(col(Ticket.created_at).desc(), col(Ticket.id).desc()).limit(CANDIDATES)).all())


def latest_readings(session: Session, ticket_ids: list[int]) -> dict[int, dict[str, Any]]:
    """What was last read of each of these tickets."""
    if not ticket_ids:
        return {}
    rows = session.exec(
        select(TicketEvent)
        .where(col(TicketEvent.ticket_id).in_(ticket_ids), TicketEvent.kind == TRIAGED)
        .order_by(col(TicketEvent.id))
        .execution_options(populate_existing=True)
    ).all()
    return {event.ticket_id: event.data for event in rows}


def kept_vector(reading: dict[str, Any]) -> bytes | None:
    kept = reading.get("vector")
    return base64.b64decode(kept) if kept else None


def _category(reading: dict[str, Any]) -> Category | None:
    return Category(reading["category"]) if reading.get("category") in set(Category) else None


def _seen(session: Session, ticket: Ticket, text: str, category: Category, vector: bytes | None) -> Seen:
    customer = str(ticket.customer_id) if ticket.customer_id is not None else None
    return Seen(text, ticket.created_at, category, place_of(session, ticket), customer, vector)
