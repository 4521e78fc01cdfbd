"""What merges, splits and bulk changes are made of, each with its way back: messages that move, states that are kept, the step's record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from services.accounts.permissions import Principal
from services.tickets import changes
from services.tickets.changes import By
from services.tickets.intake_models import Attachment
from services.tickets.models import HoldReason, MessageKind, Ticket, TicketMessage, TicketState
from services.tickets.search import index
from services.tickets.work_models import OperationKind, TicketOperation

_MOMENTS = ("resolved_at", "closed_at", "close_at")
Moved = list[tuple[int, int | None]]
"""Of each message that moved, its id and in which ticket it had been said, as `said_in_id` told before."""


def record_step(
    session: Session, *, kind: OperationKind, ticket: Ticket | None, actor: Principal, lasts: timedelta, now: datetime
) -> TicketOperation:
    """Begin a step: its row has its id, and is given its `data` when all is done."""
    operation = TicketOperation(
        kind=kind,
        ticket_id=ticket.id if ticket is not None else None,
        made_by=actor.label,
        staff_id=changes.by(actor).staff_id,
        created_at=now,
        undo_until=now + lasts,
    )
    session.add(operation)
    session.flush()
    return operation


def messages_of(session: Session, ticket: Ticket, ids: Collection[int] | None = None) -> list[TicketMessage]:
    """What stands in a locked ticket, oldest first; of it, with `ids`, only these."""
    wanted = select(TicketMessage).where(TicketMessage.ticket_id == ticket.id)
    if ids is not None:
        wanted = wanted.where(col(TicketMessage.id).in_(ids))
    return list(session.exec(wanted.order_by(col(TicketMessage.id)).execution_options(populate_existing=True)).all())


def move(session: Session, messages: Collection[TicketMessage], *, to: Ticket) -> Moved:
    """Put messages and their files into another ticket; answers what `move_back` needs."""
    assert to.id is not None
    moved: Moved = []
    for message in messages:
        assert message.id is not None
        moved.append((message.id, message.said_in_id))
        message.said_in_id = message.said_in_id or message.ticket_id
        message.ticket_id = to.id
    _with_files(session, [number for number, _ in moved], to)
    return moved


def move_back(session: Session, moved: Collection[Any], *, to: Ticket) -> None:
    """Put them back to where they came from, as they were there. `moved` is what `move` answered, perhaps read from JSON."""
    assert to.id is not None
    before = {int(number): said_in for number, said_in in moved}
    for message in session.exec(select(TicketMessage).where(col(TicketMessage.id).in_(before))).all():
        message.ticket_id, message.said_in_id = to.id, before[message.id or 0]
    _with_files(session, list(before), to)


def _with_files(session: Session, message_ids: Collection[int], to: Ticket) -> None:
    assert to.id is not None
    for file in session.exec(select(Attachment).where(col(Attachment.message_id).in_(message_ids))).all():
        file.ticket_id = to.id
    session.flush()


def retell(session: Session, ticket: Ticket) -> None:
    """After messages came or went: when each side wrote last, and what the ticket is found by. An emptied ticket keeps its times."""
    said = messages_of(session, ticket)
    if said:
        ticket.last_customer_at = max((one.created_at for one in said if one.kind is MessageKind.CUSTOMER), default=None)
        ticket.last_reply_at = max((one.created_at for one in said if one.kind is MessageKind.REPLY), default=None)
    index(session, ticket)


def kept_state(ticket: Ticket) -> dict[str, Any]:
    """A ticket's state with its moments, as JSON keeps it."""
    moments = {name: moment.isoformat() if (moment := getattr(ticket, name)) else None for name in _MOMENTS}
    return {"state": ticket.state.value, "hold": ticket.hold_reason, "reopened_count": ticket.reopened_count, **moments}


def restore_state(session: Session, ticket: Ticket, kept: Mapping[str, Any], *, who: By, note: str, now: datetime) -> None:
    """Give a ticket the state back that it had."""
    hold = HoldReason(kept["hold"]) if kept["hold"] else None
    changes.set_state(session, ticket, TicketState(kept["state"]), hold=hold, who=who, note=note, quietly=True, now=now)
    ticket.reopened_count = int(kept["reopened_count"])
    for name in _MOMENTS:
        setattr(ticket, name, datetime.fromisoformat(kept[name]) if kept[name] else None)
    session.flush()
