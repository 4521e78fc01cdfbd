"""Tickets, as far as a person may know of them, and staff."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col

from services.accounts.finding import any_of
from services.accounts.models import Customer, Staff
from services.accounts.permissions import Principal
from services.console.finders.asked import Asked, slips
from services.console.finders.hits import WANTED, Hit, Kind, Rank, numbers
from services.console.finders.named import alike
from services.listing import pick
from services.tickets import finding
from services.tickets.models import Ticket
from services.tickets.sight import in_sight

_LETTER, _REFERENCE = "T", 7
_LEAST = 3
# What a ticket is told by where nobody wrote a subject.
_WORDS = 80


def find_tickets(session: Session, actor: Principal, asked: Asked) -> list[Hit]:
    """By reference (also with one slip), and by all that the list of tickets finds: phone, device, subject, words, mistyped too."""
    found = _by_reference(session, actor, asked)
    if not asked.nearly and len(found) < WANTED and len(asked.text) >= finding.SHORTEST_PART and asked.voucher_code is None:
        more = finding.find(session, asked.text, within=in_sight(actor), most=WANTED)
        rank = Rank.SIMILAR if more.corrected else Rank.PART
        found |= {number: rank for number in more.ids if number not in found}
    return _hits(session, actor, found, asked.now)


def tickets_of(session: Session, actor: Principal, keys: Sequence[str]) -> list[Hit]:
    known = session.execute(pick(Ticket.id).where(col(Ticket.reference).in_(keys))).scalars()
    return _hits(session, actor, dict.fromkeys(known, Rank.EXACT), None)


def _by_reference(session: Session, actor: Principal, asked: Asked) -> dict[int, Rank]:
    code = asked.reference
    is_meant = asked.has_letter_before(_LETTER) or any(one.isdecimal() for one in code)
    if not is_meant or not _LEAST <= len(code) <= _REFERENCE + 1:
        return {}
    start = f"{_LETTER}-{code}"
    within = in_sight(actor)
    begun = pick(Ticket.id, Ticket.reference).where(col(Ticket.reference).between(start, start + "Z" * _REFERENCE), *within)
    if not asked.nearly:
        rows = session.execute(begun.order_by(col(Ticket.reference)).limit(WANTED)).all()
        return {row.id: Rank.EXACT if row.reference == start else Rank.PREFIX for row in rows}
    near = [f"{_LETTER}-{one}" for one in slips(code) if len(one) == _REFERENCE]
    return dict.fromkeys(session.execute(pick(Ticket.id).where(col(Ticket.reference) == any_of(near), *within)).scalars(), Rank.SIMILAR)


def _hits(session: Session, actor: Principal, found: dict[int, Rank], now: datetime | None) -> list[Hit]:
    if not found:
        return []
    query = pick(Ticket, Customer).outerjoin(Customer, col(Customer.id) == Ticket.customer_id)
    order = list(found)
    # Narrowed once more to what may be known: whoever hands in a number here need not have thought of it.
    rows = session.execute(query.where(col(Ticket.id).in_(found), *in_sight(actor))).all()
    return [
        Hit(
            Kind.TICKETS,
            ticket.reference,
            ticket.subject or ticket.body[:_WORDS] or ticket.reference,
            note=" · ".join(filter(None, (ticket.reference, customer.masked_phone if customer else None))),
            rank=found[ticket.id],
            state=ticket.state,
            at=ticket.updated_at,
            is_late=now is not None and ticket.is_open and ticket.due_at is not None and ticket.due_at < now,
        )
        for ticket, customer in sorted(rows, key=lambda row: (found[row[0].id], order.index(row[0].id)))
    ]


def find_staff(session: Session, actor: Principal, asked: Asked) -> list[Hit]:
    """By name or e-mail address; those who may no longer log in too, after the others."""
    fits = alike(session, asked, col(Staff.name), also=(col(Staff.email),))
    query = pick(Staff, fits.rank).where(fits.condition).order_by(fits.rank, col(Staff.is_active).desc(), *fits.order).limit(WANTED)
    return [_staff_hit(one, Rank(rank)) for one, rank in session.execute(query)]


def staff_of(session: Session, actor: Principal, keys: Sequence[str]) -> list[Hit]:
    rows = session.execute(pick(Staff).where(col(Staff.id).in_(numbers(keys)))).scalars()
    return [_staff_hit(one, Rank.EXACT) for one in rows]


def _staff_hit(one: Any, rank: Rank) -> Hit:
    about = (one.role.label, one.email, *(() if one.is_active else ("disabled",)))
    return Hit(Kind.STAFF, str(one.id), one.name, note=" · ".join(about), rank=rank)
