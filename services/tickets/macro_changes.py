"""What a macro changes in a ticket besides its words. A macro names no other macro, so none can run for ever."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session

from app.errors import DomainError
from services.accounts.permissions import Permission, Principal
from services.tickets import changes, locks, service, tags
from services.tickets.desk_models import Team
from services.tickets.errors import MacroRefused
from services.tickets.models import Category, HoldReason, Priority, Ticket, TicketState

KEYS = ("state", "hold_reason", "priority", "category", "team_id", "add_tags", "remove_tags")
_STATES = (TicketState.OPEN, TicketState.PENDING, TicketState.ON_HOLD, TicketState.RESOLVED)


def fit(session: Session, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as they are kept, without what changes nothing. Raises MacroRefused, which says what is wrong."""
    given = {name: value for name, value in wanted.items() if value not in (None, "", [], ())}
    if unknown := [name for name in given if name not in KEYS]:
        raise MacroRefused(f"A macro cannot change {str(unknown[0])[:40]!r}. It can change: {', '.join(KEYS)}.", field="changes")
    try:
        return _fit(session, given)
    except (ValueError, TypeError) as wrong:
        raise MacroRefused(f"One of the changes is none that a ticket can be given: {wrong}", field="changes") from wrong
    except DomainError as refusal:
        raise MacroRefused(refusal.text, field="changes") from refusal


def make(session: Session, wanted: Mapping[str, Any], *, actor: Principal, reference: str, now: datetime) -> None:
    """Make them. Raises Forbidden, TicketNotFound, TicketMerged, or what the change itself is refused with."""
    if not wanted:
        return
    actor.require(Permission.TICKETS_EDIT)
    ticket = locks.one(session, actor=actor, reference=reference)
    who = changes.by(actor)
    if "priority" in wanted:
        changes.set_field(session, ticket, "priority", Priority(wanted["priority"]), who=who, now=now)
    if "category" in wanted:
        service.categorise(session, ticket, Category(wanted["category"]), who=who, now=now)
    tags.put(session, ticket, add=wanted.get("add_tags", ()), remove=wanted.get("remove_tags", ()), who=who, now=now)
    if "state" in wanted:
        hold = HoldReason(wanted["hold_reason"]) if wanted.get("hold_reason") else None
        service.enter(session, ticket, TicketState(wanted["state"]), hold=hold, actor=actor, now=now)
    if "team_id" in wanted:
        _to_team(session, ticket, int(wanted["team_id"]), actor, now=now)


def _to_team(session: Session, ticket: Ticket, team_id: int, actor: Principal, *, now: datetime) -> None:
    actor.require(Permission.TICKETS_ASSIGN)
    team = session.get(Team, team_id)
    if team is None or not team.is_active:
        raise MacroRefused("The team of this macro is not in use any more. Change the macro.", field="changes")
    changes.set_field(session, ticket, "team_id", team_id, who=changes.by(actor), now=now)


def _fit(session: Session, given: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    hold = HoldReason(given["hold_reason"]) if "hold_reason" in given else None
    if "state" in given or hold is not None:
        state = TicketState(given.get("state", ""))
        if state not in _STATES:
            raise MacroRefused(f"A macro cannot make a ticket {state.value}.", field="changes")
        service.require_move(state, hold)
        kept |= {"state": state.value, **({"hold_reason": hold.value} if hold else {})}
    if "priority" in given:
        kept["priority"] = Priority(given["priority"]).value
    if "category" in given:
        kept["category"] = Category(given["category"]).value
    if "team_id" in given:
        team = session.get(Team, int(given["team_id"]))
        if team is None or not team.is_active:
            raise MacroRefused("Choose a team that is in use.", field="changes")
        kept["team_id"] = team.id
    for name in ("add_tags", "remove_tags"):
        if name in given:
            kept[name] = tags.fit(given[name])
    return kept
