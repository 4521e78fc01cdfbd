"""A technician's work on tickets as their phone and the console show it: from rows alone, so that it says the same until one changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import isoformat
from services.fieldwork.checklists import Item, lists_for
from services.fieldwork.models import PartUsed, Visit, VisitCheck, VisitConfirmation
from services.tickets.models import UNDONE, Ticket


def work_of(session: Session, ticket_ids: Collection[int], staff_id: int) -> dict[int, dict[str, Any]]:
    """Of each ticket this person's visit, the checklist with its ticks, the parts and the customer's word; six statements in all."""
    if not ticket_ids:
        return {}
    about = session.execute(sa.select(col(Ticket.id), col(Ticket.category), col(Ticket.state)).where(col(Ticket.id).in_(ticket_ids))).all()
    lists = lists_for(session, {category for _, category, _ in about})
    visits = {one.ticket_id: one for one in _rows(session, Visit, ticket_ids, col(Visit.id)) if one.staff_id == staff_id}
    checks = _by_ticket(_rows(session, VisitCheck, ticket_ids, col(VisitCheck.at), col(VisitCheck.item)))
    parts = _by_ticket(_rows(session, PartUsed, ticket_ids, col(PartUsed.id)))
    words = {one.ticket_id: one for one in _rows(session, VisitConfirmation, ticket_ids)}
    return {
        number: {
            "visit": _visit(visits.get(number)),
            "checklist": _checklist(lists[category] if state in UNDONE else (), checks.get(number, ()), staff_id),
            "parts": [_part(one, staff_id) for one in parts.get(number, ())],
            "confirmation": _confirmation(words.get(number)),
        }
        for number, category, state in about
    }


def _rows(session: Session, table: type[Any], ticket_ids: Collection[int], *order: Any) -> list[Any]:
    # What was written in this transaction by statements, past the session's own objects, is read anew.
    wanted = select(table).where(col(table.ticket_id).in_(ticket_ids)).order_by(*order)
    return list(session.exec(wanted.execution_options(populate_existing=True)).all())


def _by_ticket(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.ticket_id, []).append(row)
    return found


def _visit(visit: Visit | None) -> dict[str, Any] | None:
    if visit is None:
        return None
    times = {"since": visit.since, "started_at": visit.started_at, "ended_at": visit.ended_at}
    return {"state": visit.state.value, "reason": visit.reason} | {name: isoformat(at) for name, at in times.items()}


def _checklist(items: Sequence[Item], checks: Sequence[VisitCheck], staff_id: int) -> list[dict[str, Any]]:
    """The list in its order; what was looked at keeps its words, also when its item is no longer on the list or the ticket is done."""
    looked_at = {check.item: check for check in checks}
    shown = [_check(looked_at.pop(item.key, None), item, staff_id) for item in items]
    return shown + [_check(check, Item(check.item, check.text), staff_id) for check in looked_at.values()]


def _check(check: VisitCheck | None, item: Item, staff_id: int) -> dict[str, Any]:
    if check is None:
        return {"item": item.key, "text": item.text, "is_done": False, "note": "", "at": None, "is_own": False}
    own = check.staff_id == staff_id
    return {"item": check.item, "text": check.text, "is_done": check.is_done, "note": check.note, "at": isoformat(check.at), "is_own": own}


def _part(part: PartUsed, staff_id: int) -> dict[str, Any]:
    named = {"id": str(part.id), "name": part.name, "serial": part.serial, "quantity": part.quantity}
    return named | {"at": isoformat(part.at), "is_own": part.staff_id == staff_id}


def _confirmation(word: VisitConfirmation | None) -> dict[str, Any] | None:
    if word is None:
        return None
    return {"works": word.works, "name": word.name, "comment": word.comment, "at": isoformat(word.at)}
