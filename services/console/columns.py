"""The columns that a person wishes to see in a list, kept for every browser they use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, delete

from app.errors import InvalidInput
from services.accounts.permissions import Principal
from services.audit import service as audit
from services.console.lists import rules_of
from services.console.models import ListColumns
from services.console.views import View, list_views

_MOST, _MAX_NAME = 40, 40


@dataclass(frozen=True)
class Kept:
    """What a person finds again when they open a list. `columns` is empty for the list's own choice."""

    views: tuple[View, ...] = ()
    columns: tuple[str, ...] = ()


def kept(session: Session, *, actor: Principal, page: str) -> Kept:
    """Raises ListNotFound or Forbidden."""
    views = list_views(session, actor=actor, page=page)
    row = session.get(ListColumns, (actor.id, page)) if actor.kind == "staff" else None
    return Kept(views, tuple(row.columns) if row else ())


def keep_columns(session: Session, *, actor: Principal, page: str, columns: Sequence[str]) -> None:
    """Remember the choice; none forgets it. Raises ListNotFound, Forbidden or InvalidInput."""
    actor.require(rules_of(page).read)
    if len(columns) > _MOST or any(not name or len(name) > _MAX_NAME or "\x00" in name for name in columns):
        raise InvalidInput("These are no columns of this list.", field="columns")
    if not columns:
        session.execute(delete(ListColumns).where(col(ListColumns.staff_id) == actor.id, col(ListColumns.page) == page))
        return
    row = insert(ListColumns).values(staff_id=actor.id, page=page, columns=list(columns))
    session.execute(row.on_conflict_do_update(index_elements=["staff_id", "page"], set_={"columns": row.excluded.columns}))


def note_file(session: Session, *, actor: Principal, page: str, filters: Sequence[str], columns: Sequence[str], now: datetime) -> None:
    """Audit that a list was taken along as a file. Filters are told by their names alone: a search may be for a person.

    Raises ListNotFound or Forbidden.
    """
    actor.require(rules_of(page).read)
    said = {"columns": ", ".join(columns), "narrowed by": ", ".join(filters) or "nothing"}
    audit.record(session, actor, "list.file", target=("list", page), now=now, after=said)
