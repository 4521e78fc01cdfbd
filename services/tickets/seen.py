"""What was said and done in a ticket since somebody read it, so that nobody acts past a colleague or the customer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from services.accounts.permissions import Principal
from services.revision import revision_of
from services.tickets import changes, people
from services.tickets.errors import AnsweredMeanwhile
from services.tickets.models import MessageKind, Ticket, TicketEvent, TicketMessage

_LOOKED_BACK = 1000
_SHOWN, _BEGINNING = 5, 120
_DID = {MessageKind.CUSTOMER: "wrote", MessageKind.REPLY: "replied", MessageKind.NOTE: "noted", MessageKind.SYSTEM: "said"}

_NOTED_BY_ITSELF = frozenset({"facts", "triaged", "sla", "outage_told"})
"""What the product writes into a history without changing what a person decides on."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


def whatever_was_noted(change: Callable[Concatenate[Session, _P], _T]) -> Callable[Concatenate[Session, _P], _T]:
    """The same change of a ticket, for a person who saw its `expected_revision`: what the product noted by itself since then (facts looked
    up, what triage read, a deadline near) does not make it stale; what anybody did, does.

    A program that sends `If-Match` uses the change itself: for it every revision is another one (RFC 9110, 13.1.1).
    """

    @wraps(change)
    def changed(session: Session, /, *args: _P.args, **terms: _P.kwargs) -> _T:
        reference, expected = terms.get("reference"), terms.get("expected_revision")
        if isinstance(reference, str) and isinstance(expected, str):
            terms["expected_revision"] = _as_noted(session, reference, expected)
        return change(session, *args, **terms)

    return changed


def _as_noted(session: Session, reference: str, expected: str) -> str:
    """The revision of now if only notes of the product lie between; else the one that was seen, which is refused."""
    ticket = session.exec(
        select(Ticket).where(Ticket.reference == reference.upper()).execution_options(populate_existing=True)
    ).one_or_none()
    if ticket is None or ticket.revision == expected:
        return expected
    changed = _changes_since(ticket, expected)
    if changed is None:
        return expected
    newest = select(TicketEvent.kind).where(*_changes_of(ticket)).order_by(col(TicketEvent.id).desc()).limit(changed)
    return ticket.revision if set(session.exec(newest).all()) <= _NOTED_BY_ITSELF else expected


def require_unanswered(session: Session, ticket: Ticket, *, reference: str, expected: str | None, actor: Principal) -> None:
    """Raises AnsweredMeanwhile when somebody else said something since the revision that the person saw; None asks for nothing.

    `ticket` is the one that is answered; `reference` the one that the person saw, which may have been merged into it meanwhile.
    """
    if expected is None:
        return
    read = ticket if reference.upper() == ticket.reference else _named(session, reference)
    changed = _changes_since(read, expected)
    what = ["it changed more than can be told"] if changed is None else _said(session, _messages_since(session, read, changed), actor)
    if read.id != ticket.id and not people.same(session, read, ticket):
        what.append(f"{read.reference} was merged into {ticket.reference}, which is of another customer")
    if what:
        raise AnsweredMeanwhile("\n".join(what), revision=ticket.revision)


def _named(session: Session, reference: str) -> Ticket:
    return session.exec(select(Ticket).where(Ticket.reference == reference.upper()).execution_options(populate_existing=True)).one()


def _changes_since(ticket: Ticket, expected: str) -> int | None:
    """How many changes ago the ticket had this revision; None if it never had, or too long ago."""
    oldest = max(ticket.change_number - _LOOKED_BACK, -1)
    numbers = range(ticket.change_number, oldest, -1)
    return next((ticket.change_number - number for number in numbers if revision_of(ticket.id, number) == expected), None)


def _changes_of(ticket: Ticket) -> tuple[ColumnElement[bool], ...]:
    """Each change is one event; that a policy was chosen may be an event beside them, and is left out."""
    return col(TicketEvent.ticket_id) == ticket.id, col(TicketEvent.kind) != "policy"


def _messages_since(session: Session, ticket: Ticket, changed: int) -> list[int]:
    """The ids of what was said or came in by a merge with the last `changed` changes."""
    if not changed:
        return []
    wanted = select(TicketEvent).where(*_changes_of(ticket))
    found: list[int] = []
    for event in session.exec(wanted.order_by(col(TicketEvent.id).desc()).limit(changed)).all():
        if event.kind == "message":
            found.append(int(event.data["message_id"]))
        elif event.kind == "took_in":
            found += [int(one) for one in event.data.get("message_ids", ())]
    return found


def _said(session: Session, message_ids: list[int], actor: Principal) -> list[str]:
    """In words, a line each; without what the person said themselves."""
    who = changes.by(actor)
    rows = session.exec(select(TicketMessage).where(col(TicketMessage.id).in_(message_ids)).order_by(col(TicketMessage.id))).all()
    others = [row for row in rows if row.staff_id is None or row.staff_id != who.staff_id]
    lines = [f"{_author(row)} {_DID[row.kind]}: {_beginning(row.body)}" for row in others[-_SHOWN:]]
    return [f"and {len(others) - _SHOWN} more before that", *lines] if len(others) > _SHOWN else lines


def _author(message: TicketMessage) -> str:
    if message.kind is MessageKind.CUSTOMER:
        return "The customer"
    return "INET" if message.kind is MessageKind.SYSTEM else message.author


def _beginning(body: str) -> str:
    text = " ".join(body.split())
    return text if len(text) <= _BEGINNING else f"{text[:_BEGINNING]}…"
