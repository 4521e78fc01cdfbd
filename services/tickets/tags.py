"""Tags: short words of the desk's own by which tickets are found together."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from services.accounts.permissions import Permission, Principal
from services.tickets import changes, locks
from services.tickets.changes import By
from services.tickets.models import Ticket
from services.tickets.work_models import TicketTag

MAX_TAG, MAX_TAGS = 40, 20
_MAX_KNOWN = 500
_FIT = re.compile(r"[^\W_][\w.-]*")


def change(
    session: Session,
    *,
    actor: Principal,
    reference: str,
    add: Collection[str] = (),
    remove: Collection[str] = (),
    now: datetime,
) -> tuple[str, ...]:
    """Put tags on a ticket and take others off; answers what it has now. Raises Forbidden, TicketNotFound, TicketMerged or InvalidInput."""
    actor.require(Permission.TICKETS_EDIT)
    ticket = locks.one(session, actor=actor, reference=reference)
    put(session, ticket, add=add, remove=remove, who=changes.by(actor), now=now)
    assert ticket.id is not None
    return of(session, [ticket.id]).get(ticket.id, ())


def put(
    session: Session, ticket: Ticket, *, add: Iterable[str] = (), remove: Iterable[str] = (), who: By, now: datetime
) -> tuple[list[str], list[str]]:
    """Answers what was added and removed; what is as wanted already changes nothing. Raises InvalidInput."""
    assert ticket.id is not None
    has = set(of(session, [ticket.id]).get(ticket.id, ()))
    wanted, unwanted = set(fit(add)), set(fit(remove))
    added, removed = sorted(wanted - has - unwanted), sorted((unwanted & has) - wanted)
    if len(has) + len(added) - len(removed) > MAX_TAGS:
        raise InvalidInput(f"A ticket has at most {MAX_TAGS} tags.", field="add")
    if added or removed:
        session.add_all(TicketTag(ticket_id=ticket.id, tag=tag) for tag in added)
        for tag in removed:
            session.delete(session.get_one(TicketTag, (ticket.id, tag)))
        changes.record(session, ticket, "tags", {"added": added, "removed": removed}, who=who, now=now)
    return added, removed


def fit(tags: Iterable[str]) -> list[str]:
    """As they are kept: lower-case, without #, with dashes for spaces. Raises InvalidInput for what is none."""
    found = {}
    for tag in tags:
        cleaned = "-".join(tag.replace("\x00", "").strip().lstrip("#").lower().split())
        if len(cleaned) > MAX_TAG or not _FIT.fullmatch(cleaned):
            raise InvalidInput(f"A tag is a word of letters, digits and dashes, of at most {MAX_TAG} characters.", field="add")
        found[cleaned] = True
    return list(found)


def of(session: Session, ticket_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The tags of these tickets, in their order; a ticket without any is left out."""
    rows = session.exec(select(TicketTag).where(col(TicketTag.ticket_id).in_(ticket_ids)).order_by(col(TicketTag.tag))).all()
    found: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        found[row.ticket_id].append(row.tag)
    return {ticket_id: tuple(tags) for ticket_id, tags in found.items()}


def known(session: Session) -> tuple[str, ...]:
    """Every tag in use, for suggestions. Each is found by one step in the index, however many tickets have it."""
    steps = sa.text(
        "WITH RECURSIVE step (tag) AS ((SELECT min(tag) FROM ticket_tag)"
        " UNION ALL SELECT (SELECT min(tag) FROM ticket_tag WHERE tag > step.tag) FROM step WHERE step.tag IS NOT NULL)"
        " SELECT tag FROM step WHERE tag IS NOT NULL LIMIT :most"
    )
    return tuple(session.execute(steps, {"most": _MAX_KNOWN}).scalars())
