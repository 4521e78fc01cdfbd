"""What comes of a visit: items that were looked at, parts that were fitted, and the customer's word that it works."""

from __future__ import annotations

from sqlmodel import Session

from app.errors import InvalidInput
from services.fieldwork.checklists import MAX_TEXT, for_category
from services.fieldwork.models import PartUsed, VisitCheck, VisitConfirmation
from services.fieldwork.steps import Worker, note_step, ticket_to_work_on
from services.tickets.texts import one_line, required

CHECK, PART, CONFIRMATION = "check", "part", "confirmation"
MAX_NOTE, MAX_COMMENT, MAX_NAME = 300, 500, 120


def check(session: Session, *, worker: Worker, ticket_id: int, item: str, is_done: bool, note: str = "", text: str = "") -> VisitCheck:
    """Say of one item of the list whether it is done; the last word counts.

    The tick keeps the item's words: those of the list, or `text` as the technician saw it when the item was taken off the list meanwhile.
    Raises Forbidden, TicketNotFound, TicketMerged or InvalidInput.
    """
    ticket = ticket_to_work_on(session, worker, ticket_id)
    before = session.get(VisitCheck, (ticket_id, item))
    listed = {one.key: one.text for one in for_category(session, ticket.category)}
    words = before.text if before is not None else listed.get(item) or one_line(text)[:MAX_TEXT]
    if not words:
        raise InvalidInput("There is no such item on the list.", field="item")
    kept = session.merge(
        VisitCheck(
            ticket_id=ticket_id,
            item=item,
            text=words,
            is_done=is_done,
            note=_short(note, "note", MAX_NOTE),
            staff_id=worker.actor.id,
            at=worker.happened,
        )
    )
    note_step(session, ticket, CHECK, {"item": item, "text": words, "is_done": is_done, "note": kept.note}, worker=worker)
    return kept


def use_part(session: Session, *, worker: Worker, ticket_id: int, name: str, serial: str = "", quantity: int = 1) -> PartUsed:
    """Keep what was fitted or used up. Raises Forbidden, TicketNotFound, TicketMerged or InvalidInput."""
    ticket = ticket_to_work_on(session, worker, ticket_id)
    if not 1 <= quantity <= 1000:
        raise InvalidInput("Say how many, from 1 to 1,000.", field="quantity")
    part = PartUsed(
        ticket_id=ticket_id,
        staff_id=worker.actor.id,
        name=one_line(required(name, field="name", empty="Say which part.", longest=MAX_NAME)),
        serial=_short(serial, "serial", 80),
        quantity=quantity,
        at=worker.happened,
    )
    session.add(part)
    session.flush()
    data = {"part_id": part.id, "name": part.name, "serial": part.serial, "quantity": quantity}
    note_step(session, ticket, PART, data, worker=worker)
    return part


def confirm(session: Session, *, worker: Worker, ticket_id: int, works: bool, name: str = "", comment: str = "") -> VisitConfirmation:
    """Keep what the customer said as the technician left; the last word counts.

    Raises Forbidden, TicketNotFound, TicketMerged or InvalidInput.
    """
    ticket = ticket_to_work_on(session, worker, ticket_id)
    said = VisitConfirmation(
        ticket_id=ticket_id,
        staff_id=worker.actor.id,
        works=works,
        name=_short(name, "name", MAX_NAME),
        comment=_short(comment, "comment", MAX_COMMENT),
        at=worker.happened,
    )
    kept = session.merge(said)
    note_step(session, ticket, CONFIRMATION, {"works": works, "name": kept.name, "comment": kept.comment}, worker=worker)
    return kept


def _short(text: str, field: str, longest: int) -> str:
    cleaned = one_line(text)
    if len(cleaned) > longest:
        raise InvalidInput(f"Keep it under {longest} characters.", field=field)
    return cleaned
