"""What is due is done: warnings, breaches and escalations of tickets whose next moment has come, each once.

Found by the index on that moment alone, so a tick costs what is due and not what is open. The step's row, the history, whatever it
changes and whom it tells stand in one transaction with the ticket's lock: a tick that dies left nothing, two at once share the work.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.db import Begin
from services.tickets import changes
from services.tickets.models import UNDONE, Priority, Ticket
from services.tickets.sla import clocks
from services.tickets.sla.clocks import Pending
from services.tickets.sla.telling import tell_of
from services.tickets.sla_models import SlaClock, SlaStep

BATCH = 50
_MOST_STEPS = 100
# A ticket whose step fails is left alone for a while, so that it does not hold up the others.
_PUT_OFF = timedelta(minutes=5)
_LADDER = (Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.URGENT)
log = structlog.get_logger(__name__)


def run(begin: Begin, *, now: datetime) -> int:
    """Do all that is due, a batch in a transaction; answers how many tickets were looked at."""
    done = 0
    while True:
        with begin() as session:
            looked = tick(session, now=now)
        done += looked
        if looked < BATCH:
            return done


def tick(session: Session, *, now: datetime) -> int:
    """One batch of due tickets, in the caller's transaction. Tickets that somebody else holds are left to them or to the next tick."""
    due = select(Ticket).where(col(Ticket.sla_next_at) <= now).order_by(col(Ticket.sla_next_at)).limit(BATCH)
    tickets = session.exec(due.with_for_update(skip_locked=True).execution_options(populate_existing=True)).all()
    for ticket in tickets:
        ticket_id = ticket.id
        try:
            with session.begin_nested():
                _attend(session, ticket, now=now)
        except Exception:
            log.exception("sla.step_failed", ticket_id=ticket_id)
            ticket.sla_next_at = now + _PUT_OFF
    session.flush()
    return len(tickets)


def _attend(session: Session, ticket: Ticket, *, now: datetime) -> None:
    """Take every step of this ticket whose time has come, the earliest first; each is looked for anew, as one may change the terms."""
    for _ in range(_MOST_STEPS):
        replayed = clocks.played(session, clocks.history(session, ticket.id), now=now)
        due = [one for one in clocks.pending(replayed, clocks.fired(session, ticket.id)) if one.at <= now]
        if not due:
            break
        _take(session, ticket, due[0], now=now)
    clocks.refresh(session, ticket, now=now)


def _take(session: Session, ticket: Ticket, one: Pending, *, now: datetime) -> None:
    run, step = one.run, one.step
    values = {
        "ticket_id": ticket.id,
        "clock": SlaClock(run.clock),
        "round": run.round,
        "step": step.key,
        "due_at": run.due_at or one.at,
        "at": now,
        "said_to": "",
    }
    taken = session.execute(insert(SlaStep).values(**values).on_conflict_do_nothing().returning(col(SlaStep.id))).scalar_one_or_none()
    if taken is None:
        return
    told = tell_of(session, ticket, one, now=now)
    session.get_one(SlaStep, taken).said_to = ", ".join(told)[:300]
    data = {"clock": run.clock, "round": run.round, "step": step.key, "due_at": one.at.isoformat(), "told": told}
    changes.record(session, ticket, "sla", data, who=changes.SYSTEM, now=now)
    if step.do == "escalate" and ticket.state in UNDONE:
        _escalate(session, ticket, one, now=now)


def _escalate(session: Session, ticket: Ticket, one: Pending, *, now: datetime) -> None:
    """Raise the priority and hand over to the team that the step names."""
    why = f"escalated: {one.run.clock.replace('_', ' ')} at {one.step.at}"
    if (priority := one.step.to.get("priority")) is not None:
        stands = _LADDER.index(ticket.priority)
        wanted = stands + 1 if priority == "up" else _LADDER.index(Priority(priority))
        raised = _LADDER[min(max(stands, wanted), len(_LADDER) - 1)]
        changes.set_field(session, ticket, "priority", raised, who=changes.SYSTEM, now=now, why=why)
    if (team_id := one.step.to.get("team_id")) is not None:
        changes.set_field(session, ticket, "team_id", team_id, who=changes.SYSTEM, now=now, why=why)
