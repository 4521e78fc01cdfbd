"""Tickets locked for a change: several in the order of their ids, so that no two people wait for each other; merged ones to their end."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from services.accounts.permissions import Principal
from services.tickets.errors import TicketMerged, TicketNotFound
from services.tickets.models import Ticket
from services.tickets.sight import in_sight, sees_all, ticket_to_change

# In one statement, so that the whole chain is seen as it stood at one moment.
_END = sa.text(
    "WITH RECURSIVE chain (id, into_id) AS ("
    " SELECT id, merged_into_id FROM ticket WHERE id = :ticket_id"
    " UNION SELECT ticket.id, ticket.merged_into_id FROM ticket JOIN chain ON ticket.id = chain.into_id"
    ") SELECT id FROM chain WHERE into_id IS NULL"
)


def one(session: Session, *, actor: Principal, reference: str) -> Ticket:
    """A ticket that is to be changed itself. Raises TicketNotFound, or TicketMerged for one that lies in another."""
    ticket = ticket_to_change(session, actor=actor, reference=reference)
    refuse_merged(session, ticket)
    return ticket


def refuse_merged(session: Session, ticket: Ticket) -> None:
    """Raises TicketMerged for a ticket that lies in another."""
    if ticket.merged_into_id is not None:
        raise TicketMerged(ticket.reference, session.get_one(Ticket, ticket.merged_into_id).reference)


def end_of(session: Session, ticket_id: int) -> Ticket:
    """The ticket, or the one that it was merged into in the end.

    Only the end is locked: whoever merges or takes a merge back locks it too, so nothing changes on the way while this holds it. Locking
    the way as well would go against the order of ids.
    """
    while True:
        end = _end_id(session, ticket_id)
        with session.begin_nested() as point:
            ticket = session.exec(select(Ticket).where(Ticket.id == end).with_for_update().execution_options(populate_existing=True)).one()
            if _end_id(session, ticket_id) == end:
                return ticket
            # Merged on, or taken out again, while this waited: going back to the savepoint gives the lock back.
            point.rollback()


def end_to_change(session: Session, *, actor: Principal, reference: str) -> Ticket:
    """What is said to a ticket is said to the one that took it in. Raises TicketNotFound, or TicketMerged if that one is not theirs."""
    named = session.execute(
        sa.select(col(Ticket.id), col(Ticket.reference)).where(col(Ticket.reference) == reference.upper(), *in_sight(actor))
    ).one_or_none()
    if named is None:
        raise TicketNotFound
    ticket = end_of(session, named.id)
    # Asked again of the row that stands: it may have been handed over while this waited.
    if sees_all(actor) or ticket.assignee_id == actor.id:
        return ticket
    if ticket.id == named.id:
        raise TicketNotFound
    raise TicketMerged(named.reference, ticket.reference)


def pair(session: Session, *, actor: Principal, first: str, second: str) -> tuple[Ticket, Ticket]:
    """Two different tickets, in the order asked for. Raises TicketNotFound or InvalidInput."""
    if first.upper() == second.upper():
        raise InvalidInput("Choose two different tickets.", field="other")
    found = {ticket.reference: ticket for ticket in several(session, actor=actor, references=(first, second))}
    missing = [reference for reference in (first.upper(), second.upper()) if reference not in found]
    if missing:
        raise TicketNotFound(f"There is no ticket {missing[0][:20]}.")
    return found[first.upper()], found[second.upper()]


def several(session: Session, *, actor: Principal, references: Iterable[str]) -> list[Ticket]:
    """Those of them that the person may know of, by id."""
    names = {reference.upper() for reference in references}
    wanted = select(Ticket).where(col(Ticket.reference).in_(names), *in_sight(actor)).order_by(col(Ticket.id))
    return list(session.exec(wanted.with_for_update().execution_options(populate_existing=True)).all())


def by_ids(session: Session, ids: Collection[int]) -> dict[int, Ticket]:
    """These tickets by their ids, whoever asks."""
    wanted = select(Ticket).where(col(Ticket.id).in_(ids)).order_by(col(Ticket.id))
    found = session.exec(wanted.with_for_update().execution_options(populate_existing=True)).all()
    return {ticket.id or 0: ticket for ticket in found}


def _end_id(session: Session, ticket_id: int) -> int:
    return int(session.execute(_END, {"ticket_id": ticket_id}).scalar_one())
