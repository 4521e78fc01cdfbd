"""Tickets that have to do with each other, and stay two."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.accounts.permissions import Permission, Principal
from services.tickets import changes, locks, people
from services.tickets.models import Ticket, TicketState
from services.tickets.sight import in_sight
from services.tickets.work_models import TicketLink


@dataclass(frozen=True)
class Linked:
    reference: str
    headline: str
    state: TicketState


def link(session: Session, *, actor: Principal, reference: str, other: str, now: datetime) -> None:
    """Linked ones stay as they are. Raises Forbidden, TicketNotFound, or InvalidInput for a ticket and itself."""
    actor.require(Permission.TICKETS_EDIT)
    one, two = locks.pair(session, actor=actor, first=reference, second=other)
    join(session, one, two, who=changes.by(actor), now=now)


def unlink(session: Session, *, actor: Principal, reference: str, other: str, now: datetime) -> None:
    """Raises Forbidden, TicketNotFound or InvalidInput."""
    actor.require(Permission.TICKETS_EDIT)
    one, two = locks.pair(session, actor=actor, first=reference, second=other)
    part(session, one, two, who=changes.by(actor), now=now)


def join(session: Session, one: Ticket, two: Ticket, *, who: changes.By, now: datetime, why: str | None = None) -> bool:
    """Both are locked; answers whether the link is new."""
    if _between(session, one, two) is not None:
        return False
    first, second = sorted((one.id or 0, two.id or 0))
    session.add(TicketLink(first_id=first, second_id=second, made_by=who.label, created_at=now))
    for this, that in ((one, two), (two, one)):
        changes.record(session, this, "link", {"to": that.reference, "why": why}, who=who, now=now)
    return True


def part(session: Session, one: Ticket, two: Ticket, *, who: changes.By, now: datetime) -> bool:
    """Both are locked; answers whether they were linked."""
    found = _between(session, one, two)
    if found is None:
        return False
    session.delete(found)
    for this, that in ((one, two), (two, one)):
        changes.record(session, this, "unlink", {"to": that.reference}, who=who, now=now)
    return True


def of(session: Session, *, actor: Principal, ticket_id: int) -> tuple[Linked, ...]:
    """Those that the reader may know of. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    others = sa.union_all(
        sa.select(col(TicketLink.second_id)).where(col(TicketLink.first_id) == ticket_id),
        sa.select(col(TicketLink.first_id)).where(col(TicketLink.second_id) == ticket_id),
    )
    wanted = select(Ticket).where(col(Ticket.id).in_(others), *in_sight(actor)).order_by(col(Ticket.id))
    return tuple(Linked(other.reference, people.headline(other), other.state) for other in session.exec(wanted).all())


def _between(session: Session, one: Ticket, two: Ticket) -> TicketLink | None:
    first, second = sorted((one.id or 0, two.id or 0))
    return session.get(TicketLink, (first, second), populate_existing=True)
