"""Every change of a ticket goes through here: the row, its history and its clocks are written together (design.md, invariant 10).

These functions ask for no permission: who may is asked by the use cases (desk, intake, routing), which hand in who acts as a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from app.events import publish
from services.accounts.permissions import Principal
from services.tickets import closure_news
from services.tickets.models import (
    UNDONE,
    Channel,
    HoldReason,
    MessageKind,
    Ticket,
    TicketEvent,
    TicketMessage,
    TicketState,
)
from services.tickets.search import index
from services.tickets.sla import clocks

SHOWN_BODY = 500


@dataclass(frozen=True)
class By:
    """Who acts: staff, a token, a customer, or the product itself."""

    label: str
    staff_id: int | None = None


SYSTEM = By("system")


def by(actor: Principal) -> By:
    return By(actor.label, actor.id if actor.kind == "staff" else None)


def locked(session: Session, ticket_id: int) -> Ticket:
    """The ticket as it stands now, locked until the transaction ends; of several, lock the smaller id first."""
    return session.exec(select(Ticket).where(Ticket.id == ticket_id).with_for_update().execution_options(populate_existing=True)).one()


def record(session: Session, ticket: Ticket, kind: str, data: Mapping[str, Any], *, who: By, now: datetime) -> TicketEvent:
    """Append to the history, and let the clocks and the search follow."""
    assert ticket.id is not None
    event = TicketEvent(ticket_id=ticket.id, at=now, actor=who.label, kind=kind, data=_whole(session, kind, data))
    session.add(event)
    ticket.change_number += 1
    ticket.updated_at = now
    session.flush()
    clocks.refresh(session, ticket, now=now)
    publish(session, "tickets", ticket.id)
    return event


def _whole(session: Session, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The clocks know nothing but the history: whether what came in by a merge waits for an answer has to stand there."""
    if kind != "took_in" or "unanswered" in data:
        return dict(data)
    return {**data, "unanswered": clocks.is_owed_an_answer(session, str(data["from"]))}


def begin(session: Session, ticket: Ticket, *, who: By, now: datetime, words_follow: bool = False) -> None:
    """A new ticket's first event; the row is complete and has its id. With `words_follow` it is said at once what it is found by."""
    data = {"channel": ticket.channel, "priority": ticket.priority, "category": ticket.category, "customer_id": ticket.customer_id}
    if words_follow:
        _begin_only(session, ticket, data, who=who, now=now)
        return
    record(session, ticket, "created", data, who=who, now=now)
    index(session, ticket)


def _begin_only(session: Session, ticket: Ticket, data: dict[str, Any], *, who: By, now: datetime) -> None:
    """As `record`, for a ticket whose clocks are read from its history in a moment: intake is not to wait for that twice."""
    assert ticket.id is not None
    session.add(TicketEvent(ticket_id=ticket.id, at=now, actor=who.label, kind="created", data=data))
    session.flush()
    clocks.choose_at_birth(session, ticket, data, now=now)
    publish(session, "tickets", ticket.id)


def say(
    session: Session,
    ticket: Ticket,
    *,
    kind: MessageKind,
    body: str,
    channel: Channel,
    who: By,
    now: datetime,
    author: str = "",
    inbound_id: int | None = None,
    mail_id: str | None = None,
) -> TicketMessage:
    """Keep what was said. What else a customer's or our words set in motion: services/tickets/conversation.py."""
    assert ticket.id is not None
    message = TicketMessage(
        ticket_id=ticket.id,
        kind=kind,
        channel=channel,
        staff_id=who.staff_id,
        author=author or who.label,
        body=body,
        inbound_id=inbound_id,
        mail_id=mail_id,
        created_at=now,
    )
    session.add(message)
    session.flush()
    if kind is MessageKind.CUSTOMER:
        ticket.last_customer_at = now
    elif kind is MessageKind.REPLY:
        ticket.last_reply_at = now
        ticket.first_responded_at = ticket.first_responded_at or now
        if ticket.state is TicketState.PENDING:
            # They have the whole time again to answer what we say now.
            ticket.close_at = silence_ends(ticket.state, now=now)
    record(session, ticket, "message", {"kind": kind, "message_id": message.id, "channel": channel}, who=who, now=now)
    index(session, ticket)
    return message


def set_state(
    session: Session,
    ticket: Ticket,
    state: TicketState,
    *,
    who: By,
    now: datetime,
    hold: HoldReason | None = None,
    note: str | None = None,
    quietly: bool = False,
) -> bool:
    """Move the ticket; answers whether it moved. `hold` goes with on_hold and with nothing else.

    Whose ticket is done now is told so, unless it happens `quietly`.
    """
    if ticket.state is state and ticket.hold_reason is hold:
        return False
    before, was_done = ticket.state, ticket.state not in UNDONE
    ticket.state, ticket.hold_reason = state, hold if state is TicketState.ON_HOLD else None
    if state in UNDONE:
        if was_done:
            ticket.reopened_count += 1
        ticket.resolved_at = ticket.closed_at = None
    else:
        ticket.resolved_at = ticket.resolved_at or now
        ticket.closed_at = now if state is TicketState.CLOSED else None
    ticket.close_at = silence_ends(state, now=now)
    data = {"from": before, "to": state, "hold_reason": ticket.hold_reason, "note": note}
    record(session, ticket, "state", data, who=who, now=now)
    if not was_done and state not in UNDONE and not quietly:
        closure_news.tell_resolved(session, ticket, now=now)
    return True


def set_field(session: Session, ticket: Ticket, name: str, value: object, *, who: By, now: datetime, why: str | None = None) -> bool:
    """Change one of priority, category, team_id, assignee_id, incident_id, site_id, access_point_id, customer_id, subject, language."""
    before = getattr(ticket, name)
    if before == value:
        return False
    setattr(ticket, name, value)
    record(session, ticket, name.removesuffix("_id"), {"from": before, "to": value, "why": why}, who=who, now=now)
    if name in _SEARCHED:
        index(session, ticket)
    return True


def silence_ends(state: TicketState, *, now: datetime) -> datetime | None:
    """When silence makes the next step with a ticket that came into this state now: notice to one that waits, the end of a resolved one."""
    return now + _SILENCE[state] if state in _SILENCE else None


# One that waits for the customer is announced to be closed after this, and closed a day later (services/tickets/closure.py).
_SILENCE = {TicketState.PENDING: timedelta(days=4), TicketState.RESOLVED: timedelta(days=7)}
_SEARCHED = frozenset({"customer_id", "subject", "access_point_id", "site_id"})


def events_of(session: Session, ticket_id: int) -> list[TicketEvent]:
    """The whole history, oldest first."""
    return list(session.exec(select(TicketEvent).where(TicketEvent.ticket_id == ticket_id).order_by(col(TicketEvent.id))).all())
