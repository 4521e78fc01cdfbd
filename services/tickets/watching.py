"""Watching a ticket: whoever does hears of replies, states and merges, but not of what they did themselves.

Who watches is no change of the ticket: it stands in no history, and makes nobody's view of the ticket an old one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.errors import Forbidden
from app.events import publish
from services.accounts.models import Staff
from services.accounts.permissions import Principal
from services.notifications import Recipient, tell
from services.tickets import people
from services.tickets.changes import By
from services.tickets.models import Ticket
from services.tickets.queries import ticket_page
from services.tickets.sight import who_may_see
from services.tickets.work_models import TicketWatcher


def watch(session: Session, *, actor: Principal, reference: str, now: datetime) -> bool:
    """Hear of it from now on; answers whether that is new. Raises Forbidden (also to a token, which hears nothing) or TicketNotFound."""
    ticket_id = _named(session, actor, reference)
    return bool(add(session, ticket_id, [actor.id]))


def unwatch(session: Session, *, actor: Principal, reference: str, now: datetime) -> bool:
    """Hear no more of it; answers whether that is new. Raises Forbidden or TicketNotFound."""
    ticket_id = _named(session, actor, reference)
    return bool(remove(session, ticket_id, [actor.id]))


def is_watching(session: Session, *, actor: Principal, ticket_id: int) -> bool:
    return actor.kind == "staff" and session.get(TicketWatcher, (ticket_id, actor.id), populate_existing=True) is not None


def names(session: Session, ticket_id: int) -> tuple[str, ...]:
    """Who watches, by name; for whoever may see the ticket."""
    wanted = select(Staff.name).join(TicketWatcher, col(TicketWatcher.staff_id) == col(Staff.id))
    return tuple(session.exec(wanted.where(TicketWatcher.ticket_id == ticket_id).order_by(col(Staff.name))).all())


def add(session: Session, ticket_id: int, staff_ids: Iterable[int]) -> list[int]:
    """Make these people watchers; answers who of them is a new one."""
    rows = [{"ticket_id": ticket_id, "staff_id": staff_id} for staff_id in sorted(set(staff_ids))]
    if not rows:
        return []
    made = insert(TicketWatcher).values(rows).on_conflict_do_nothing().returning(col(TicketWatcher.staff_id))
    new = list(session.execute(made).scalars())
    if new:
        publish(session, "tickets", ticket_id)
    return new


def remove(session: Session, ticket_id: int, staff_ids: Iterable[int]) -> list[int]:
    """Who of them watched and does no more."""
    watches = (col(TicketWatcher.ticket_id) == ticket_id) & col(TicketWatcher.staff_id).in_(list(staff_ids))
    gone = list(session.execute(sa.delete(TicketWatcher).where(watches).returning(col(TicketWatcher.staff_id))).scalars())
    if gone:
        publish(session, "tickets", ticket_id)
    return gone


def news(session: Session, ticket: Ticket, text: str, *, who: By, key: str, now: datetime) -> None:
    """Tell the watchers, once for each `key` and person."""
    for staff_id in sorted(people.watchers(session, ticket) - {who.staff_id}):
        tell(
            session,
            event="ticket_watched",
            to=Recipient(staff_id=staff_id),
            values={"reference": ticket.reference, "subject": people.headline(ticket), "by": who.label.partition(":")[2], "text": text},
            dedupe_key=f"watched:{key}:{staff_id}",
            ticket_id=ticket.id,
            link=link_to(ticket),
            now=now,
        )


def link_to(ticket: Ticket) -> str:
    """Where a bell leads."""
    return f"/console/tickets/{ticket.reference}"


def sees(session: Session, ticket: Ticket, staff: Iterable[Staff]) -> set[int]:
    """Who of these people may know of the ticket, by number."""
    ids = [one.id for one in staff]
    found = session.execute(sa.select(col(Staff.id)).where(col(Staff.id).in_(ids), who_may_see(ticket))).scalars()
    return set(found)


def _named(session: Session, actor: Principal, reference: str) -> int:
    if actor.kind != "staff":
        raise Forbidden("Only people watch tickets.")
    ticket_id = ticket_page(session, actor=actor, reference=reference).ticket.id
    assert ticket_id is not None
    return ticket_id
