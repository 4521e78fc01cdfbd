"""Changing many tickets at once: shown before, each reported, and taken back within ten minutes.

Every ticket is changed in a savepoint of its own: one that refuses is named and leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from app.errors import DomainError, InvalidInput
from services.accounts.permissions import Principal
from services.audit import service as audit
from services.tickets import bulk_plan, changes, locks, macros, merging, people, service, steps, tags
from services.tickets.bulk_plan import NOBODY as NOBODY
from services.tickets.bulk_plan import BulkChange as BulkChange
from services.tickets.bulk_plan import Plan
from services.tickets.errors import TooManyTickets
from services.tickets.models import Ticket
from services.tickets.work_models import OperationKind, TicketOperation

MOST = 500
UNDONE_WITHIN = timedelta(minutes=10)
_SHORTEST_REASON, _LONGEST_REASON = 3, 500
FIELDS = ("assignee_id", "team_id", "priority", "category")


@dataclass(frozen=True)
class BulkLine:
    """One ticket: what would become of it, nothing if it is so already, or why not."""

    reference: str
    headline: str
    will: tuple[str, ...]
    refusal: str | None


@dataclass(frozen=True)
class BulkPreview:
    """`tells` counts the customers who would hear of it: then a reason is asked for."""

    lines: tuple[BulkLine, ...]
    tells: int

    @property
    def needs_reason(self) -> bool:
        return self.tells > 0


@dataclass(frozen=True)
class Refused:
    reference: str
    why: str


@dataclass(frozen=True)
class BulkResult:
    """`done` are the references of those that are as wanted now; `operation_id` takes it back, None if nothing changed."""

    done: tuple[str, ...]
    refused: tuple[Refused, ...]
    operation_id: int | None


def preview(session: Session, *, actor: Principal, references: Collection[str], change: BulkChange, now: datetime) -> BulkPreview:
    """What it would do to each. Changes nothing. Raises TooManyTickets, Forbidden, or what no ticket could be given."""
    names = _names(references)
    made = bulk_plan.plan(session, change, actor=actor)
    tickets = bulk_plan.read(session, names, actor=actor)
    has = tags.of(session, [ticket.id or 0 for ticket in tickets])
    lines, tells = [], 0
    for ticket in tickets:
        why = bulk_plan.why_not(session, made, ticket)
        will = tuple(bulk_plan.steps_in_words(made, ticket, has.get(ticket.id or 0, ()))) if why is None else ()
        lines.append(BulkLine(ticket.reference, people.headline(ticket), will, why))
        tells += bool(will) and bulk_plan.is_told(made, ticket)
    lines += [BulkLine(one.reference, "", (), one.why) for one in _unknown(names, tickets)]
    return BulkPreview(tuple(lines), tells)


def apply(
    session: Session, *, actor: Principal, references: Collection[str], change: BulkChange, reason: str = "", now: datetime
) -> BulkResult:
    """Do it to each that it can be done to. Raises what `preview` raises, and InvalidInput without a reason where customers are told."""
    names = _names(references)
    made = bulk_plan.plan(session, change, actor=actor)
    wanted = [*names, made.target.reference] if made.target else names
    # All of them first and in one order, before anything else is locked.
    locked = locks.several(session, actor=actor, references=wanted)
    tickets = [ticket for ticket in locked if ticket.reference in set(names)]
    said = _reason(reason, is_needed=any(bulk_plan.is_told(made, ticket) for ticket in tickets))
    operation = steps.record_step(session, kind=OperationKind.BULK, ticket=None, actor=actor, lasts=UNDONE_WITHIN, now=now)
    done, lines, refused = [], [], _unknown(names, tickets)
    for ticket in tickets:
        try:
            with session.begin_nested():
                line = _change(session, made, ticket, reason=said, now=now)
        except DomainError as refusal:
            refused.append(Refused(ticket.reference, refusal.text))
        else:
            done.append(ticket.reference)
            lines += [line] if line is not None else []
    _keep(session, operation, lines, change, actor, said, now=now)
    return BulkResult(tuple(done), tuple(refused), operation.id if lines else None)


def snapshot(session: Session, ticket: Ticket) -> dict[str, Any]:
    """All of a ticket that a bulk change can change, as JSON keeps it."""
    assert ticket.id is not None
    fields = {name: getattr(ticket, name) for name in FIELDS}
    return {**fields, "kept": steps.kept_state(ticket), "tags": list(tags.of(session, [ticket.id]).get(ticket.id, ()))}


def _change(session: Session, made: Plan, ticket: Ticket, *, reason: str, now: datetime) -> dict[str, Any] | None:
    """Change one locked ticket; answers what taking it back needs, None if it was so already."""
    change, actor, who = made.change, made.actor, changes.by(made.actor)
    bulk_plan.require_fit(session, made, ticket)
    before, number = snapshot(session, ticket), ticket.change_number
    if change.assignee_id is not None:
        service.give(session, ticket, change.assignee_id or None, who=who, by_name=actor.name, now=now)
    if change.team_id is not None:
        changes.set_field(session, ticket, "team_id", change.team_id or None, who=who, now=now)
    if change.priority is not None:
        changes.set_field(session, ticket, "priority", change.priority, who=who, now=now)
    if change.category is not None:
        service.categorise(session, ticket, change.category, who=who, now=now)
    tags.put(session, ticket, add=change.add_tags, remove=change.remove_tags, who=who, now=now)
    if made.macro is not None:
        macros.apply(session, actor=actor, macro_id=made.macro.id or 0, reference=ticket.reference, now=now)
    if change.state is not None:
        service.enter(session, ticket, change.state, hold=change.hold, actor=actor, note=reason, now=now)
    merge = _merge(session, made, ticket, now=now)
    if ticket.change_number == number:
        return None
    after = snapshot(session, ticket)
    return {"ticket_id": ticket.id, "reference": ticket.reference, "before": before, "after": after, "merge": merge, "said": made.says}


def _merge(session: Session, made: Plan, ticket: Ticket, *, now: datetime) -> int | None:
    if made.target is None or made.target.id == ticket.id:
        return None
    return merging.merge_locked(session, ticket, made.target, actor=made.actor, confirm=made.change.confirm, now=now).id


def _keep(
    session: Session,
    operation: TicketOperation,
    lines: list[dict[str, Any]],
    change: BulkChange,
    actor: Principal,
    reason: str,
    *,
    now: datetime,
) -> None:
    if not lines:
        session.delete(operation)
        session.flush()
        return
    operation.data = {"lines": lines}
    wanted = {name: value for name, value in asdict(change).items() if value not in (None, (), False)}
    after = {**wanted, "tickets": [line["reference"] for line in lines], "reason": reason}
    audit.record(session, actor, "ticket.bulk", target=("ticket", f"bulk {operation.id}"), now=now, after=after)


def _names(references: Collection[str]) -> list[str]:
    names = list(dict.fromkeys(reference.strip().upper() for reference in references))
    if len(names) > MOST:
        raise TooManyTickets(f"At most {MOST} tickets are changed at once; these are {len(names)}.", field="references")
    if not names:
        raise InvalidInput("Choose the tickets first.", field="references")
    return names


def _unknown(names: Collection[str], tickets: Collection[Ticket]) -> list[Refused]:
    found = {ticket.reference for ticket in tickets}
    return [Refused(name[:20], f"There is no ticket {name[:20]}.") for name in names if name not in found]


def _reason(reason: str, *, is_needed: bool) -> str:
    said = " ".join(reason.replace("\x00", "").split())
    if len(said) > _LONGEST_REASON:
        raise InvalidInput(f"Keep it under {_LONGEST_REASON} characters.", field="reason")
    if is_needed and len(said) < _SHORTEST_REASON:
        raise InvalidInput("Customers are told of this. Say in a few words why it is done.", field="reason")
    return said
