"""What somebody was writing, kept on the server until it is sent: a reload, another computer or a deploy loses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, delete, select

from app.errors import InvalidInput
from services.accounts.permissions import Permission, Principal
from services.tickets.work_models import Draft

MAX_TEXT = 20_000
_MAX_PLACE = 80


def place_of(reference: str, tab: str) -> str:
    """Where a draft belongs: one for each ticket and tab of its composer."""
    return f"ticket:{reference.upper()}:{tab}"


def keep(session: Session, *, actor: Principal, place: str, text: str, now: datetime) -> None:
    """Keep what was written; nothing but white space forgets it. Raises Forbidden or InvalidInput."""
    actor.require(Permission.TICKETS_READ)
    written = text.replace("\x00", "")
    if not written.strip():
        forget(session, actor=actor, place=place)
        return
    if len(written) > MAX_TEXT or len(place) > _MAX_PLACE:
        raise InvalidInput(f"Keep it under {MAX_TEXT:,} characters.", field="text")
    row = insert(Draft).values(staff_id=actor.id, place=place, text=written, saved_at=now)
    session.execute(
        row.on_conflict_do_update(index_elements=["staff_id", "place"], set_={"text": row.excluded.text, "saved_at": row.excluded.saved_at})
    )


def kept(session: Session, *, actor: Principal, places: Mapping[str, str]) -> dict[str, Draft]:
    """This person's own drafts, by the names of `places`. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    rows = session.exec(select(Draft).where(col(Draft.staff_id) == actor.id, col(Draft.place).in_(places.values()))).all()
    by_place = {row.place: row for row in rows}
    return {name: by_place[place] for name, place in places.items() if place in by_place}


def forget(session: Session, *, actor: Principal, place: str) -> None:
    """It was sent, or thrown away. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    session.exec(delete(Draft).where(col(Draft.staff_id) == actor.id, col(Draft.place) == place))
