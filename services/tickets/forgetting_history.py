"""What stays of a ticket's history when its customer's words leave it: which steps were taken, when and by whom, and what clocks, reports
and routing read of them. Words, numbers, codes, devices, readings and places of people go.

It names what stays. What a kind of event holds besides, and all that a kind holds which is not named here, goes. The database refuses any
change of the history but this one: of `data` alone, in a transaction that says so (migration 0010).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.tickets.lookalikes import TRIAGED
from services.tickets.models import Ticket, TicketEvent, TicketMessage

_FROM_TO = ("from", "to")
_IN_THE_FIELD = ("staff_id", "happened_at")
STAYS: Mapping[str, Collection[str]] = {
    "created": ("channel", "priority", "category", "customer_id"),
    "policy": ("version_id", "why"),
    "message": ("kind", "message_id", "channel"),
    # Its note is what somebody wrote of how it was done.
    "state": (*_FROM_TO, "hold_reason"),
    # Why these were chosen may quote what the customer wrote. A subject is the customer's, from first to last.
    **dict.fromkeys(("priority", "category", "team", "assignee", "language"), _FROM_TO),
    **dict.fromkeys(("customer", "incident", "site", "gateway", "access_point"), _FROM_TO),
    "subject": (),
    "tags": ("added", "removed"),
    "link": ("to",),
    "unlink": ("to",),
    "merged": ("into", "operation_id"),
    "unmerged": ("from", "operation_id"),
    "took_in": ("from", "messages", "message_ids", "operation_id", "unanswered"),
    "gave_back": ("to", "messages", "operation_id"),
    "took_back": ("from", "messages"),
    "split_off": ("to", "messages", "operation_id"),
    "split_from": ("from", "messages", "operation_id"),
    "routed": ("rule", "rule_id", "team", "team_id", "person", "person_id", "candidates"),
    "escalated": ("to",),
    # Its target is a payment's reference or a place on a purchase.
    "action": ("what",),
    # That it was noted, and how our own network stood.
    "facts": ("snapshot", "access_point", "incident"),
    # How sure triage was is what its quality is measured by. A vector is the words once more.
    TRIAGED: (
        *("messages", "category", "confidence", "abstain", "alternatives", "priority", "language"),
        *("source", "model_version", "took_ms"),
    ),
    "sla": ("clock", "round", "step", "due_at", "told"),
    "outage_told": ("incident",),
    "closing": ("told", "closes_at"),
    "rated": ("score", "before", "round"),
    "visit": (*_FROM_TO, *_IN_THE_FIELD),
    "check": ("item", "text", "is_done", *_IN_THE_FIELD),
    "part": ("part_id", "name", "serial", "quantity", *_IN_THE_FIELD),
    "confirmation": ("works", *_IN_THE_FIELD),
}
# What was made of all the words in a ticket, by whomever they were: of another's ticket that theirs was merged into, only this goes.
_MADE_OF_WORDS = (TRIAGED, "category", "priority")


def what_stays(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data without what was the customer's."""
    return {name: data[name] for name in STAYS.get(kind, ()) if name in data}


def blank(session: Session, ids: Sequence[int]) -> None:
    """Take the customer's words out of the history of these tickets of theirs, and what was read of them out of that of others."""
    theirs = col(TicketEvent.ticket_id).in_(ids)
    elsewhere = col(TicketEvent.ticket_id).in_(_held_their_words(session, ids)) & col(TicketEvent.kind).in_(_MADE_OF_WORDS)
    wanted = select(TicketEvent).where(theirs | elsewhere).order_by(col(TicketEvent.id)).execution_options(populate_existing=True)
    for event in session.exec(wanted).all():
        stays = what_stays(event.kind, event.data)
        if stays != event.data:
            event.data = stays
    # Marked for these statements alone: what follows in this transaction may change no history.
    with session.no_autoflush:
        session.execute(sa.text("SET LOCAL inet.forgetting = 'on'"))
    session.flush()
    session.execute(sa.text("SET LOCAL inet.forgetting = 'off'"))


def _held_their_words(session: Session, ids: Sequence[int]) -> set[int]:
    """Others' tickets that what was said in these stood in, or stands in: those that they were merged into, and those into which these."""
    said_here = sa.select(col(TicketMessage.ticket_id)).where(col(TicketMessage.said_in_id).in_(ids)).distinct()
    found = set(session.execute(said_here).scalars())
    followed: set[int] = set()
    while left := (found | set(ids)) - followed:
        into = col(TicketEvent.data)["into"].astext
        merged = sa.select(into).where(col(TicketEvent.ticket_id).in_(left), col(TicketEvent.kind) == "merged")
        found |= set(session.execute(sa.select(col(Ticket.id)).where(col(Ticket.reference).in_(merged))).scalars())
        followed |= left
    return found - set(ids)
