"""Reading a ticket right after it came in: what triage says of it becomes one event, and where it is sure, category and priority.

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
from services.tickets import changes
from services.tickets.case import Case, gather
from services.tickets.lookalikes import TRIAGED, Read, latest_readings, lookalikes
from services.tickets.models import IS_UNDONE, Channel, Ticket, TicketEvent
from services.tickets.named import looked_up
from services.tickets.opening import PROCESS_JOB
from services.tickets.triage.engine import Triage
from services.tickets.triage.labels import Priority, at_least
from services.tickets.triage.provider import ProviderTriage
from services.tickets.triage.reading import Reading
from services.tickets.triage.replies import suggested_reply

Reader = Triage | ProviderTriage
# A ring is answered within seconds; younger tickets are not looked for, older ones than a day are somebody's already.
_RUNG_FOR, _LOOKED_FOR = timedelta(seconds=20), timedelta(days=1)
_BATCH = 200


def process(begin: Begin, ticket_id: int, reader: Reader, *, clock: Clock) -> None:
    """Read this ticket, unless what its customer said was read already or nobody but the product itself wrote it."""
    with begin() as session:
        ticket = session.get(Ticket, ticket_id)
        if ticket is None or not ticket.is_open:
            return
        case = gather(session, ticket, now=clock())
        if not case.messages or _was_read(session, case):
            return
    started = time.monotonic()
    reading = _read(reader, case)
    took_ms = round((time.monotonic() - started) * 1000)
    with begin() as session:
        _keep(session, case, reading, took_ms=took_ms, now=clock())


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
