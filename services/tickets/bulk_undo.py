"""Taking a bulk change of a ticket back: each thing that is still as the step left it becomes what it was; the rest stays and is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session

from services.accounts.permissions import Principal
from services.audit import service as audit
from services.tickets import changes, locks, merging, steps, tags
from services.tickets.changes import By
from services.tickets.errors import CannotUndo, TicketNotFound
from services.tickets.models import Category, Priority, Ticket, TicketLabel
from services.tickets.sight import sees_all
from services.tickets.work_models import TicketOperation

_NOTE = "A change of several tickets was undone"
_NAMED = {"assignee_id": "who looks after it", "team_id": "the team", "priority": "the priority", "category": "what it is about"}
_READ: Mapping[str, Callable[[Any], object]] = {"assignee_id": int, "team_id": int, "priority": Priority, "category": Category}


def take_back(session: Session, ticket_id: int, line: Mapping[str, Any], *, actor: Principal, now: datetime) -> list[str]:
    """Answers what stays as it is now, in words. `line` is what `bulk.change` answered.

    Raises TicketNotFound, or CannotUndo when nothing of it is as the step left it.
    """
    tickets = locks.by_ids(session, _touched(session, ticket_id, line))
    ticket = tickets.get(ticket_id)
    if ticket is None or not (sees_all(actor) or ticket.assignee_id == actor.id):
        raise TicketNotFound
    number = ticket.change_number
    kept = _take_back(session, line, ticket, tickets, actor, now=now)
    if ticket.change_number == number and kept:
        raise CannotUndo(f"It was changed since, so it stays as it is: {'; '.join(kept)}.")
    audit.record(session, actor, "ticket.undo", target=("ticket", ticket.reference), now=now, after={"step": _NOTE, "stays": kept})
    return kept


def _touched(session: Session, ticket_id: int, line: Mapping[str, Any]) -> set[int]:
    """The ticket, and the one that took it in."""
    if line["merge"] is None:
        return {ticket_id}
    return {ticket_id, int(session.get_one(TicketOperation, line["merge"]).data["into_id"])}


def _take_back(
    session: Session, line: Mapping[str, Any], ticket: Ticket, tickets: Mapping[int, Ticket], actor: Principal, *, now: datetime
) -> list[str]:
    kept, who = [], changes.by(actor)
    before, after = line["before"], dict(line["after"])
    if line["merge"] is not None:
        kept += _unmerge(session, int(line["merge"]), ticket, tickets, actor, now=now)
        # The merge gave the state back that stood right before it.
        after["kept"] = session.get_one(TicketOperation, line["merge"]).data["source_state"]
    elif ticket.merged_into_id is not None:
        into = session.get_one(Ticket, ticket.merged_into_id).reference
        return [f"all of it, merged into {into} since"]
    for name in _NAMED:
        kept += _field(session, ticket, name, before[name], after[name], who, now=now)
    # What was put on comes off, what was taken off comes back; what somebody did to other tags stands.
    put_on, taken_off = set(after["tags"]) - set(before["tags"]), set(before["tags"]) - set(after["tags"])
    tags.put(session, ticket, add=taken_off, remove=put_on, who=who, now=now)
    kept += _state(session, ticket, before["kept"], after["kept"], who, now=now)
    if line["said"]:
        kept.append("the reply that was sent")
    return kept


def _unmerge(
    session: Session, operation_id: int, ticket: Ticket, tickets: Mapping[int, Ticket], actor: Principal, *, now: datetime
) -> list[str]:
    merge = session.get_one(TicketOperation, operation_id, with_for_update=True, populate_existing=True)
    if merge.undone_at is not None:
        return []
    kept = merging.take_apart(session, merge, ticket, tickets[merge.data["into_id"]], actor=actor, now=now)
    merge.undone_at = now
    return kept


def _field(session: Session, ticket: Ticket, name: str, before: Any, after: Any, who: By, *, now: datetime) -> list[str]:
    if before == after:
        return []
    if getattr(ticket, name) != after:
        return [_NAMED[name]]
    changes.set_field(session, ticket, name, _READ[name](before) if before is not None else None, who=who, now=now, why=_NOTE)
    label = session.get(TicketLabel, ticket.id) if name == "category" else None
    if label is not None and label.category == after:
        # Triage learns from it what a person meant; they did not.
        session.delete(label)
    return []


def _state(session: Session, ticket: Ticket, before: Mapping[str, Any], after: Mapping[str, Any], who: By, *, now: datetime) -> list[str]:
    if (before["state"], before["hold"]) == (after["state"], after["hold"]):
        return []
    if (ticket.state, ticket.hold_reason) != (after["state"], after["hold"]):
        return ["its state"]
    steps.restore_state(session, ticket, before, who=who, note=_NOTE, now=now)
    return []
