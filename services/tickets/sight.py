"""Which tickets a person may know of at all. Every read and every change of a ticket goes through here (design.md, invariant 7)."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.accounts.models import Role, Staff
from services.accounts.permissions import Principal
from services.tickets.errors import TicketNotFound
from services.tickets.models import Ticket

# Named one by one: a role that comes later sees only what is given to it, until somebody decides otherwise.
_SEE_ALL = frozenset({Role.ROOT, Role.SYSTEM_ADMIN, Role.CUSTOMER_CARE, Role.BILLING_OFFICER})


def sees_all(actor: Principal) -> bool:
    """Whether the permission is all that counts: for the desks, and for outside services, whose tokens are of nobody's own."""
    return actor.kind == "token" or actor.role in _SEE_ALL


def in_sight(actor: Principal) -> tuple[sa.ColumnElement[bool], ...]:
    """What narrows `Ticket` to the rows that `actor` may know of: nothing for the desks, the own ones for a Field Technician."""
    return () if sees_all(actor) else (col(Ticket.assignee_id) == actor.id,)


def who_may_see(ticket: Ticket) -> sa.ColumnElement[bool]:
    """What narrows `Staff` to those who may know of this ticket."""
    return sa.and_(col(Staff.is_active), sa.or_(col(Staff.role).in_(_SEE_ALL), col(Staff.id) == ticket.assignee_id))


def ticket_to_change(session: Session, *, actor: Principal, reference: str) -> Ticket:
    """The ticket, locked. Raises TicketNotFound.

    The rule is part of the locking query, so it is asked again of a row that somebody handed over while this waited for it.
    """
    wanted = select(Ticket).where(Ticket.reference == reference.upper(), *in_sight(actor))
    ticket = session.exec(wanted.with_for_update().execution_options(populate_existing=True)).one_or_none()
    if ticket is None:
        raise TicketNotFound
    return ticket
