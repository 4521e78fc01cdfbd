"""The deadlines that are stored with a ticket: always what replaying its history gives, so that they can be found by an index."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col

from app.db import earliest
from services.listing import pick
from services.tickets.models import Ticket, TicketEvent
from services.tickets.sla import policies
from services.tickets.sla.replay import CLOCKS, FIRST, NEXT, RESOLUTION, Happened, Replayed, Run, replay
from services.tickets.sla.terms import Step, Terms
from services.tickets.sla_models import SlaStep

# After these a ticket may be another kind of case than the one that its policy was chosen for.
_TERMS = "sla_terms"
_CHOOSES = frozenset({"created", "priority", "category", "customer"})
Fired = Collection[tuple[str, int, str]]


@dataclass(frozen=True)
class Pending:
    """A step that was not taken yet, and when it is due."""

    run: Run
    step: Step
    at: datetime


def refresh(session: Session, ticket: Ticket, *, now: datetime) -> None:
    """Choose the policy anew if the ticket became another kind of case, replay its history, and store what follows.

    Called after every change of a ticket, in its transaction. Writes nothing when nothing moved.
    """
    events = history(session, ticket.id)
    if not events or events[0].kind != "created":
        return
    _choose(session, ticket, events, now=now)
    replayed = played(session, events, now=now)
    store(ticket, replayed, next_at=earliest(*(one.at for one in pending(replayed, fired(session, ticket.id)))))


def choose_at_birth(session: Session, ticket: Ticket, created: Mapping[str, Any], *, now: datetime) -> None:
    """Choose the policy of a ticket that has no more than its first event; `refresh` stores its deadlines with what follows."""
    _choose(session, ticket, [Happened(now, "created", created)], now=now)


def history(session: Session, ticket_id: int | None) -> list[Happened]:
    """Everything that happened to a ticket, oldest first."""
    wanted = pick(TicketEvent.at, TicketEvent.kind, TicketEvent.data).where(col(TicketEvent.ticket_id) == ticket_id)
    rows = session.execute(wanted.order_by(col(TicketEvent.id))).all()
    return [Happened(row.at, row.kind, row.data) for row in rows]


def played(session: Session, events: Sequence[Happened], *, now: datetime, known: dict[int, Terms] | None = None) -> Replayed:
    """The clocks by this history. An event that another host's clock dated a little later than `now` still counts."""
    terms = known if known is not None else _terms(session, versions_in(events))
    return replay(events, terms, max((now, *(event.at for event in events[-3:]))))


def _terms(session: Session, versions: set[int]) -> dict[int, Terms]:
    """Versions never change, so a transaction reads each once, however often it replays."""
    held: dict[int, Terms] = session.info.setdefault(_TERMS, {})
    if missing := versions - held.keys():
        held |= policies.terms_of(session, missing)
    return {one: held[one] for one in versions if one in held}


def is_owed_an_answer(session: Session, reference: str) -> bool:
    """Whether the customer's words in a ticket that was just merged away were still waiting for an answer, by its own history."""
    ticket_id = session.execute(pick(Ticket.id).where(col(Ticket.reference) == reference)).scalar_one()
    events = history(session, ticket_id)
    if not any(_asks(event) for event in events):
        return False
    replayed = played(session, events, now=events[-1].at)
    live = {run.clock for clock in CLOCKS if (run := replayed.current(clock)) is not None and run.met_at is None}
    # What was done before owes nothing, whether or not anybody wrote an answer.
    return RESOLUTION in live and not live.isdisjoint({FIRST, NEXT})


def _asks(event: Happened) -> bool:
    said = event.kind == "message" and event.data.get("kind") == "customer"
    return said or (event.kind == "took_in" and bool(event.data.get("unanswered")))


def versions_in(events: Iterable[Happened]) -> set[int]:
    return {int(event.data["version_id"]) for event in events if event.kind == "policy" and event.data.get("version_id") is not None}


def fired(session: Session, ticket_id: int | None) -> Fired:
    """The steps that were taken: clock, round and step."""
    rows = session.execute(pick(SlaStep.clock, SlaStep.round, SlaStep.step).where(col(SlaStep.ticket_id) == ticket_id)).all()
    return {(row.clock.value, row.round, row.step) for row in rows}


def pending(replayed: Replayed, taken: Fired) -> list[Pending]:
    """What is still to be done, in the order of time.

    A promise that was kept, or is broken by now, needs no warning; one that was broken and then met is still told of once.
    """
    found = []
    for run in replayed.all():
        for step in _steps_of(run):
            if (run.clock, run.round, step.key) not in taken and (at := _due_at(run, step)) is not None:
                found.append(Pending(run, step, at))
    return sorted(found, key=lambda one: (one.at, one.step.key))


def _steps_of(run: Run) -> list[Step]:
    steps = [step for step in run.terms.steps if step.clock == run.clock] if run.terms is not None else []
    if run.breached_at is not None and not any(step.do == "breach" for step in steps):
        # Broken under terms that no longer hold.
        steps.append(Step(run.clock, "0", "breach"))
    return steps


def _due_at(run: Run, step: Step) -> datetime | None:
    if step.do == "breach" and run.breached_at is not None:
        return run.breached_at
    if run.met_at is not None or run.target is None or (step.do == "warn" and run.breached_at is not None):
        return None
    return run.reached_at(step.goal(run.target))


def store(ticket: Ticket, replayed: Replayed, *, next_at: datetime | None) -> None:
    """Keep the deadlines on the row; what is as it was is not written."""
    values: dict[str, Any] = deadlines(replayed) | {"sla_next_at": next_at}
    for name, value in values.items():
        if getattr(ticket, name) != value:
            setattr(ticket, name, value)


def deadlines(replayed: Replayed) -> dict[str, datetime | int | None]:
    """What a ticket's columns say of its clocks. An answered or solved one keeps the deadline that it was measured by."""
    first, following, solved = (replayed.current(clock) for clock in (FIRST, NEXT, RESOLUTION))
    live = [run for run in (first, following, solved) if run is not None and run.met_at is None]
    return {
        "sla_policy_version_id": replayed.terms.version_id if replayed.terms else None,
        "first_response_due_at": first.due_at if first else None,
        "next_response_due_at": following.due_at if following and following.met_at is None else None,
        "resolution_due_at": solved.due_at if solved else None,
        "due_at": earliest(*(run.due_at for run in live)),
        "breached_at": earliest(*(run.breached_at for run in replayed.all())),
    }


def _choose(session: Session, ticket: Ticket, events: list[Happened], *, now: datetime) -> None:
    """Write a `policy` event when what the ticket is calls for another policy than the one it has.

    Asked only right after such a change: that a policy was edited moves no ticket by itself.
    """
    if events[-1].kind not in _CHOOSES:
        return
    has = next((event.data.get("version_id") for event in reversed(events) if event.kind == "policy"), None)
    chosen = policies.choose(session, ticket)
    if (chosen[0] if chosen else None) == policies.policy_of_version(session, has):
        return
    data = {"version_id": chosen[1], "why": chosen[2]} if chosen else {"version_id": None, "why": "no policy fits"}
    assert ticket.id is not None
    # Not by changes.record, which calls this.
    session.add(TicketEvent(ticket_id=ticket.id, at=now, actor="system", kind="policy", data=data))
    session.flush()
    events.append(Happened(now, "policy", data))
