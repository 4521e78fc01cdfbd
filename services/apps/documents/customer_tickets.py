"""Tickets as their customers see them (services/tickets/customer_view.py): how each stands and what was said. Never a note, never a name.

A merged ticket stands as the one that took it in, and shows what was said in it itself; `merged_into` names that one where it is their own
too. What depends on the clock is given as the moment on which it turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.apps.callers import Caller
from services.apps.documents.shape import Data, at, named
from services.apps.documents.words import files_of, said_to_customer
from services.tickets.closure import RATED, VOTE_CHANGES_FOR
from services.tickets.closure_models import TicketRating
from services.tickets.conversation import REOPENED_WITHIN
from services.tickets.customer_view import STANDING
from services.tickets.models import UNDONE, MessageKind, Ticket, TicketEvent, TicketState

_COLUMNS = (
    *(Ticket.id, Ticket.reference, Ticket.subject, Ticket.state, Ticket.customer_id, Ticket.site_id, Ticket.payment_id),
    *(Ticket.created_at, Ticket.updated_at, Ticket.resolved_at, Ticket.close_at, Ticket.merged_into_id, Ticket.reopened_count),
    *(Ticket.first_response_due_at, Ticket.first_responded_at, Ticket.next_response_due_at),
)


def tickets(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """The customer's own."""
    own = _rows(session, col(Ticket.id).in_(ids) & (col(Ticket.customer_id) == caller.customer()))
    ends = _ends(session, own)
    said, totals = said_to_customer(session, {number: ends[number].id for number in own}, caller.customer())
    files = files_of(session, [message.id for rows in said.values() for message in rows])
    votes = _votes(session, list({end.id for end in ends.values()}))
    return {
        number: _ticket(row, ends[number], caller.customer())
        | {"said": [_said(message, files) for message in said[number]], "left_out": totals[number] - len(said[number])}
        | votes.get(ends[number].id, {"rating": None, "rate_until": None})
        for number, row in own.items()
    }


def _rows(session: Session, condition: sa.ColumnElement[bool]) -> dict[int, sa.Row[Any]]:
    return {row.id: row for row in session.execute(sa.select(*(col(of) for of in _COLUMNS)).where(condition)).all()}


def _ends(session: Session, own: dict[int, sa.Row[Any]]) -> dict[int, sa.Row[Any]]:
    """Where each is worked on: of a merged one, the one that took it in; a statement for each further merge of the same ticket."""
    known = dict(own)
    while missing := {row.merged_into_id for row in known.values() if row.merged_into_id is not None} - set(known):
        known |= _rows(session, col(Ticket.id).in_(missing))
    ends = {}
    for number, row in own.items():
        seen, end = {number}, row
        while end.merged_into_id is not None and end.merged_into_id not in seen:
            seen.add(end.merged_into_id)
            end = known[end.merged_into_id]
        ends[number] = end
    return ends


def _ticket(row: sa.Row[Any], stands: sa.Row[Any], customer_id: int) -> Data:
    is_open = stands.state in UNDONE
    is_other = stands.id != row.id and stands.customer_id == customer_id
    return {
        "reference": row.reference,
        "subject": row.subject,
        "standing": STANDING[stands.state],
        "since": at(row.created_at),
        "updated_at": at(stands.updated_at),
        "place_id": named(row.site_id),
        "payment_id": named(row.payment_id),
        "promise": at(_promise(stands)),
        "closes_at": at(stands.close_at) if stands.state is TicketState.PENDING else None,
        "reopens_until": None if is_open or stands.resolved_at is None else at(stands.resolved_at + REOPENED_WITHIN),
        "may_rate": not is_open,
        "merged_into": str(stands.id) if is_other else None,
    }


def _promise(stands: sa.Row[Any]) -> datetime | None:
    """Until when we promised to answer."""
    if stands.state not in UNDONE or stands.state is TicketState.PENDING:
        return None
    due: datetime | None = stands.next_response_due_at if stands.first_responded_at else stands.first_response_due_at
    return due


def _said(message: sa.Row[Any], files: dict[int, list[Data]]) -> Data:
    return {
        "id": str(message.id),
        "is_ours": message.kind == MessageKind.REPLY,
        "body": message.body,
        "is_cut": message.is_cut,
        "at": at(message.created_at),
        "files": files.get(message.id, []),
    }


def _votes(session: Session, ids: Sequence[int]) -> dict[int, Data]:
    """What was said of how each was done this time, and until when that may be changed (services/tickets/closure.py)."""
    this_time = col(TicketEvent.data)["round"].as_integer() == col(Ticket.reopened_count)
    first = (
        sa.select(col(TicketEvent.ticket_id), sa.func.min(col(TicketEvent.at)).label("at"))
        .join(Ticket, col(Ticket.id) == col(TicketEvent.ticket_id))
        .where(col(TicketEvent.ticket_id).in_(ids), col(TicketEvent.kind) == RATED, this_time, col(Ticket.state).not_in(UNDONE))
        .group_by(col(TicketEvent.ticket_id))
        .subquery()
    )
    kept = sa.select(col(TicketRating.ticket_id), col(TicketRating.score), col(TicketRating.comment), col(TicketRating.at), first.c.at)
    rows = session.execute(kept.join(first, first.c.ticket_id == col(TicketRating.ticket_id))).all()
    return {
        number: {
            "rating": {"score": score, "comment": comment, "at": at(said_at)},
            "rate_until": at(first_at + VOTE_CHANGES_FOR),
        }
        for number, score, comment, said_at, first_at in rows
    }
