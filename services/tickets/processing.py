"""A ticket right after it came in: live facts, what triage reads (one event; where it is sure, category and priority), and the routing.

Never in the way of intake: the ticket stands before this is asked, and stands as well when it fails. No transaction is open while a
reader thinks. Repeating is harmless: of what the customer said so far there is one reading, and the same words are not read twice.
"""

from __future__ import annotations

import base64
import time
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.queue import ring
from services.tickets import changes, routing
from services.tickets.case import Case, gather
from services.tickets.enrichment import enrich
from services.tickets.lookalikes import TRIAGED, Read, latest_readings, lookalikes
from services.tickets.models import IS_UNDONE, Channel, Ticket, TicketEvent
from services.tickets.named import looked_up
from services.tickets.opening import PROCESS_JOB
from services.tickets.triage.engine import Triage
from services.tickets.triage.labels import Priority, at_least
from services.tickets.triage.language import UNKNOWN
from services.tickets.triage.provider import ProviderTriage
from services.tickets.triage.reading import Reading
from services.tickets.triage.replies import suggested_reply

Reader = Triage | ProviderTriage
# A ring is answered within seconds; younger tickets are not looked for, older ones than a day are somebody's already.
_RUNG_FOR, _LOOKED_FOR = timedelta(seconds=20), timedelta(days=1)
_BATCH = 200
# From here on people are answered in it, too.
_SURE_OF_LANGUAGE = 0.85


def process(begin: Begin, ticket_id: int, reader: Reader, *, clock: Clock) -> None:
    """Find what is known of this ticket, read it, and give it to who is to answer it.

    It is not read when what its customer said was read already, or nobody but the product itself wrote it.
    """
    with begin() as session:
        case = _prepare(session, ticket_id, now=clock())
    if case is None:
        return
    started = time.monotonic()
    reading = _read(reader, case)
    took_ms = round((time.monotonic() - started) * 1000)
    with begin() as session:
        _keep(session, case, reading, took_ms=took_ms, now=clock())


def route_unread(begin: Begin, ticket_id: int, *, clock: Clock) -> None:
    """Give it to somebody by what is known of it, when it cannot be read: whatever ails the reader, no ticket waits for it."""
    with begin() as session:
        if _prepare(session, ticket_id, now=clock()) is not None:
            routing.route(session, session.get_one(Ticket, ticket_id), why="It could not be read.", now=clock())


def _prepare(session: Session, ticket_id: int, *, now: datetime) -> Case | None:
    """Live facts first: they decide what may be said of it. What need not be read goes on at once; None for that."""
    ticket = session.exec(select(Ticket).where(Ticket.id == ticket_id).with_for_update()).one_or_none()
    if ticket is None or not ticket.is_open:
        return None
    enrich(session, ticket, now=now)
    case = gather(session, ticket, now=now)
    if case.messages and not _was_read(session, case):
        return case
    routing.route(session, ticket, now=now)
    return None


def sweep(session: Session, *, now: datetime) -> int:
    """Ring for undone tickets of the last day that were never read; answers how many. The newest first: one that fails holds up none."""
    was_read = sa.exists().where(col(TicketEvent.ticket_id) == col(Ticket.id), col(TicketEvent.kind) == TRIAGED)
    wanted = select(Ticket.id).where(
        IS_UNDONE,
        Ticket.created_at > now - _LOOKED_FOR,
        Ticket.created_at < now - _RUNG_FOR,
        Ticket.channel != Channel.INCIDENT,
        ~was_read,
    )
    found = session.exec(wanted.order_by(col(Ticket.created_at).desc(), col(Ticket.id).desc()).limit(_BATCH)).all()
    for ticket_id in found:
        assert ticket_id is not None
        ring(session, PROCESS_JOB, ticket_id, queue="triage")
    return len(found)


def _read(reader: Reader, case: Case) -> Reading:
    if isinstance(reader, ProviderTriage):
        return reader.read(case.subject, case.body, case.facts, case.names, case.people)
    return reader.read(case.subject, case.body, case.facts, case.names)


def _was_read(session: Session, case: Case) -> bool:
    reading = latest_readings(session, [case.ticket_id]).get(case.ticket_id)
    return reading is not None and int(reading["messages"]) >= case.messages


def _keep(session: Session, case: Case, reading: Reading, *, took_ms: int, now: datetime) -> None:
    ticket = changes.locked(session, case.ticket_id)
    # Somebody may have been faster, or have finished the ticket, while the reader thought.
    if not ticket.is_open or _was_read(session, case):
        return
    changes.record(session, ticket, TRIAGED, _said(session, ticket, case, reading, took_ms), who=changes.SYSTEM, now=now)
    if not reading.abstain:
        _apply(session, ticket, case, reading, now=now)
    if ticket.language is None and reading.language.code != UNKNOWN and reading.language.confidence >= _SURE_OF_LANGUAGE:
        why = f"Written in {reading.language.name}."
        changes.set_field(session, ticket, "language", reading.language.code, who=changes.SYSTEM, why=why, now=now)
    routing.route(session, ticket, now=now)


def _said(session: Session, ticket: Ticket, case: Case, reading: Reading, took_ms: int) -> dict[str, Any]:
    read = Read(f"{case.subject}\n{case.body}".strip(), reading.category, reading.vector)
    # A draft for a subject that nobody is sure of would answer another question.
    reply = None if reading.abstain else suggested_reply(reading.category, case.said)
    return {
        "messages": case.messages,
        "category": reading.category.value,
        "confidence": reading.confidence,
        "abstain": reading.abstain,
        "alternatives": [{"category": one.category.value, "confidence": one.confidence} for one in reading.alternatives],
        "priority": reading.priority.value,
        "priority_reason": reading.priority_reason,
        "language": {"code": reading.language.code, "confidence": round(reading.language.confidence, 3)},
        "sentiment": reading.sentiment.tone,
        "entities": looked_up(session, ticket, reading.entities),
        "duplicates": lookalikes(session, ticket, read),
        "reasons": list(reading.reasons),
        "source": reading.source,
        "fallback": reading.fallback,
        "model_version": reading.model_version,
        "took_ms": took_ms,
        "reply": {"text": reply.text, "sources": list(reply.sources)} if reply else None,
        "vector": base64.b64encode(reading.vector).decode() if reading.vector else None,
    }


def _apply(session: Session, ticket: Ticket, case: Case, reading: Reading, *, now: datetime) -> None:
    """What a person decided stands; what was raised before, by whomever, is not lowered again."""
    by_person = _decided_by_person(session, case.ticket_id)
    if "category" not in by_person:
        why = next(iter(reading.reasons), f"{reading.confidence:.0%} sure")
        changes.set_field(session, ticket, "category", reading.category, who=changes.SYSTEM, now=now, why=why)
    if "priority" not in by_person:
        is_fresh = case.messages == 1 and ticket.priority is Priority.NORMAL
        priority = reading.priority if is_fresh else at_least(ticket.priority, reading.priority)
        changes.set_field(session, ticket, "priority", priority, who=changes.SYSTEM, now=now, why=reading.priority_reason)


def _decided_by_person(session: Session, ticket_id: int) -> set[str]:
    rows = session.exec(
        select(TicketEvent.kind).where(
            TicketEvent.ticket_id == ticket_id,
            col(TicketEvent.kind).in_(("category", "priority")),
            col(TicketEvent.actor) != changes.SYSTEM.label,
        )
    ).all()
    return set(rows)
