"""Saved views: filters, search, sort and columns of a list under a name, for oneself or for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput, NotFound
from services.accounts.permissions import Principal
from services.audit import service as audit
from services.console.lists import rules_of
from services.console.models import SavedView

_MAX_NAME, _MAX_VIEWS, _MAX_STATE = 40, 30, 20
# The columns of a list stand in one value.
_MAX_KEY, _MAX_VALUE = 40, 300


class ViewNotFound(NotFound):
    code, message = "view_not_found", "There is no such view any more."


class ViewNameTaken(Conflict):
    code, title = "view_name_taken", "The name is taken"
    message = "You have a view of that name. Give this one another, or delete that one first."


@dataclass(frozen=True)
class View:
    id: int
    name: str
    query: Mapping[str, str]
    is_shared: bool
    is_own: bool


def list_views(session: Session, *, actor: Principal, page: str) -> tuple[View, ...]:
    """The shared ones and one's own, by name. Raises ListNotFound or Forbidden."""
    actor.require(rules_of(page).read)
    seen = select(SavedView).where(SavedView.page == page, sa.or_(col(SavedView.is_shared), col(SavedView.owner_id) == actor.id))
    return tuple(_view(one, actor) for one in session.exec(seen.order_by(sa.func.lower(SavedView.name), col(SavedView.id))).all())


def save_view(
    session: Session, *, actor: Principal, page: str, name: str, query: Mapping[str, str], is_shared: bool, now: datetime
) -> View:
    """Keep what a list shows (as its address says it) under a name. Raises ListNotFound, Forbidden, InvalidInput or ViewNameTaken."""
    rules = rules_of(page)
    actor.require(rules.read)
    if is_shared:
        actor.require(rules.share)
    cleaned = " ".join(name.replace("\x00", "").split())
    if not cleaned or len(cleaned) > _MAX_NAME:
        raise InvalidInput(f"Give it a name of at most {_MAX_NAME} characters.", field="name")
    own = session.exec(select(SavedView).where(SavedView.page == page, SavedView.owner_id == actor.id)).all()
    if any(one.name.lower() == cleaned.lower() for one in own):
        raise ViewNameTaken(field="name")
    if len(own) >= _MAX_VIEWS:
        raise InvalidInput(f"You have {_MAX_VIEWS} views. Delete one first.", field="name")
    state = {str(key)[:_MAX_KEY]: str(value).replace("\x00", "")[:_MAX_VALUE] for key, value in list(query.items())[:_MAX_STATE]}
    view = SavedView(page=page, name=cleaned, owner_id=actor.id, is_shared=is_shared, state=state)
    session.add(view)
    session.flush()
    if is_shared:
        audit.record(session, actor, "view.share", target=("view", view.id or 0), now=now, after={"name": cleaned, "shows": state})
    return _view(view, actor)


def delete_view(session: Session, *, actor: Principal, view_id: int, now: datetime) -> None:
    """One's own; a shared one of somebody else with the right to share. Raises Forbidden or ViewNotFound."""
    view = session.get(SavedView, view_id, with_for_update=True)
    if view is None or (view.owner_id != actor.id and not view.is_shared):
        raise ViewNotFound
    rules = rules_of(view.page)
    actor.require(rules.read)
    if view.owner_id != actor.id:
        actor.require(rules.share)
    if view.is_shared:
        audit.record(session, actor, "view.delete", target=("view", view_id), now=now, before={"name": view.name})
    session.delete(view)
    session.flush()


def _view(view: SavedView, actor: Principal) -> View:
    return View(view.id or 0, view.name, dict(view.state), view.is_shared, view.owner_id == actor.id)
