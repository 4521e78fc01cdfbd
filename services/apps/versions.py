"""What a phone saw of a ticket when somebody acted on it: the last step of its history and the last thing said in it.

Both numbers only grow, so what came since can be asked for, and whether it speaks against what was done offline.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session, col

from services.tickets.models import TicketEvent, TicketMessage

_SHAPE = re.compile(r"(\d{1,18})\.(\d{1,18})")


@dataclass(frozen=True)
class TicketVersion:
    event_id: int
    message_id: int

    def __str__(self) -> str:
        return f"{self.event_id}.{self.message_id}"


def parse(text: str) -> TicketVersion | None:
    """None for what is no ticket's version."""
    found = _SHAPE.fullmatch(text)
    return TicketVersion(int(found[1]), int(found[2])) if found else None


def ticket_versions(session: Session, ticket_ids: Collection[int]) -> dict[int, TicketVersion]:
    """The version of each of these tickets now."""
    if not ticket_ids:
        return {}
    events, messages = (
        dict(
            session.execute(
                sa.select(col(of.ticket_id), sa.func.max(col(of.id))).where(col(of.ticket_id).in_(ticket_ids)).group_by(col(of.ticket_id))
            ).all()
        )
        for of in (TicketEvent, TicketMessage)
    )
    return {one: TicketVersion(events.get(one, 0), messages.get(one, 0)) for one in ticket_ids}
