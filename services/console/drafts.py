"""What somebody was writing, kept on the server until it is sent: a reload, another computer, a deploy or a dead process loses nothing.

A draft is kept per person and place. Whoever keeps it says which version they go on from, so that of two tabs that write in one place
the second is told instead of overwriting the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, delete, select

from app.errors import Conflict, InvalidInput
from services.accounts.permissions import Permission, Principal
from services.console.models import Draft

MAX_TEXT = 20_000
_MAX_PLACE = 80


class Whatever(Enum):
    """Says that a draft may be overwritten whichever version it is."""

    VERSION = "whatever"


class WrittenElsewhere(Conflict):
    """Another tab kept something here since: `there`."""

    code, title = "draft_elsewhere", "You are writing this in another tab too"

    def __init__(self, there: Draft) -> None:
        self.there = there
        super().__init__("You are writing this in another tab too.")


def keep(
    session: Session, *, actor: Principal, place: str, text: str, now: datetime, seen: datetime | Whatever | None = Whatever.VERSION
) -> datetime | None:
    """Keep what was written; nothing but white space forgets it. Answers the version, None when nothing is kept.

    `seen` is the version that this tab knows (None: there was none). Raises Forbidden, InvalidInput or WrittenElsewhere.
    """
    actor.require(Permission.SELF_EDIT)
    written = text.replace("\x00", "")
    if len(written) > MAX_TEXT or len(place) > _MAX_PLACE:
        raise InvalidInput(f"Keep it under {MAX_TEXT:,} characters.", field="text")
    if not isinstance(seen, Whatever):
        there = session.get(Draft, (actor.id, place), with_for_update=True, populate_existing=True)
        if there is not None and there.saved_at != seen and there.text != written:
            raise WrittenElsewhere(there)
    if not written.strip():
        forget(session, actor=actor, place=place)
        return None
    row = insert(Draft).values(staff_id=actor.id, place=place, text=written, saved_at=now)
    session.execute(
        row.on_conflict_do_update(index_elements=["staff_id", "place"], set_={"text": row.excluded.text, "saved_at": row.excluded.saved_at})
    )
    return now


def kept(session: Session, *, actor: Principal, places: Mapping[str, str]) -> dict[str, Draft]:
    """This person's own drafts, by the names of `places`. Raises Forbidden."""
    actor.require(Permission.SELF_EDIT)
    rows = session.exec(select(Draft).where(col(Draft.staff_id) == actor.id, col(Draft.place).in_(places.values()))).all()
    by_place = {row.place: row for row in rows}
    return {name: by_place[place] for name, place in places.items() if place in by_place}


def forget(session: Session, *, actor: Principal, place: str) -> None:
    """It was sent, or thrown away. Raises Forbidden."""
    actor.require(Permission.SELF_EDIT)
    session.exec(delete(Draft).where(col(Draft.staff_id) == actor.id, col(Draft.place) == place))
