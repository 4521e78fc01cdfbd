"""Changing one ticket of many in every way at once, in words that say how it goes back (services/console/bulk/tickets.py)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from services.audit import service as audit
from services.tickets import bulk_plan, changes, locks, macros, merging, service, steps, tags
from services.tickets.bulk_plan import Plan
from services.tickets.errors import TicketNotFound
from services.tickets.models import Ticket
from services.tickets.sight import in_sight

FIELDS = ("assignee_id", "team_id", "priority", "category")


def change(session: Session, made: Plan, ticket_id: int, *, reason: str, now: datetime) -> dict[str, Any] | None:
    """Do what is planned to one ticket; answers what taking it back needs, as JSON keeps it, or None if it was so already.

    Raises TicketNotFound, or the refusal that this ticket is met with.
    """
    ticket = _locked(session, made, ticket_id)
    bulk_plan.require_fit(session, made, ticket)
    before, number = snapshot(session, ticket), ticket.change_number
    _carry(session, made, ticket, reason=reason, now=now)
    merge = _merge(session, made, ticket, now=now)
    if ticket.change_number == number:
        return None
    wanted = {name: value for name, value in asdict(made.change).items() if value not in (None, (), False)}
    audit.record(session, made.actor, "ticket.bulk", target=("ticket", ticket.reference), now=now, after={**wanted, "reason": reason})
    return {"before": before, "after": snapshot(session, ticket), "merge": merge, "said": made.says}


def snapshot(session: Session, ticket: Ticket) -> dict[str, Any]:
    """All of a ticket that a bulk change can change, as JSON keeps it."""
    assert ticket.id is not None
    fields = {name: getattr(ticket, name) for name in FIELDS}
    return {**fields, "kept": steps.kept_state(ticket), "tags": list(tags.of(session, [ticket.id]).get(ticket.id, ()))}


def _locked(session: Session, made: Plan, ticket_id: int) -> Ticket:
    """The ticket, and the one that takes it in: both locked in their order, before anything else is."""
    reference = session.exec(select(Ticket.reference).where(Ticket.id == ticket_id, *in_sight(made.actor))).one_or_none()
    wanted = [reference or "", *([made.target.reference] if made.target else ())]
    for ticket in locks.several(session, actor=made.actor, references=wanted):
        if ticket.id == ticket_id:
            return ticket
    raise TicketNotFound


def _carry(session: Session, made: Plan, ticket: Ticket, *, reason: str, now: datetime) -> None:
    wish, actor, who = made.change, made.actor, changes.by(made.actor)
    if wish.assignee_id is not None:
        service.give(session, ticket, wish.assignee_id or None, who=who, by_name=actor.name, now=now)
    if wish.team_id is not None:
        changes.set_field(session, ticket, "team_id", wish.team_id or None, who=who, now=now)
    if wish.priority is not None:
        changes.set_field(session, ticket, "priority", wish.priority, who=who, now=now)
    if wish.category is not None:
        service.categorise(session, ticket, wish.category, who=who, now=now)
    tags.put(session, ticket, add=wish.add_tags, remove=wish.remove_tags, who=who, now=now)
    if made.macro is not None:
        macros.apply(session, actor=actor, macro_id=made.macro.id or 0, reference=ticket.reference, now=now)
    if wish.state is not None:
        service.enter(session, ticket, wish.state, hold=wish.hold, actor=actor, note=reason, now=now)


def _merge(session: Session, made: Plan, ticket: Ticket, *, now: datetime) -> int | None:
    if made.target is None or made.target.id == ticket.id:
        return None
    return merging.merge_locked(session, ticket, made.target, actor=made.actor, confirm=made.change.confirm, now=now).id
