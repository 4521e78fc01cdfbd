"""Why a ticket is due when it is: its history replayed, each stretch of time counted or not, and the stored deadline beside the sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlmodel import Session, select

from services.accounts.permissions import Permission, Principal
from services.tickets.errors import TicketNotFound
from services.tickets.models import Ticket
from services.tickets.sight import in_sight
from services.tickets.sla import clocks
from services.tickets.sla.replay import Replayed, Run
from services.tickets.sla.terms import Clock, Terms

# A ticket that lay for a year has hundreds of nights; nobody reads them all.
SHOWN_STRETCHES = 400


@dataclass(frozen=True)
class Counted:
    """A stretch of time. `counted` is what it added to the clock; `why` says what it was, in words."""

    start: datetime
    end: datetime
    counted: timedelta
    why: str
    policy: str | None

    @property
    def counts(self) -> bool:
        return self.counted > timedelta(0)


@dataclass(frozen=True)
class ClockStory:
    """One run of a clock. `stretches` are its last ones, `left_out` how many came before; `counted` is the sum of all of them."""

    clock: Clock
    round: int
    started_at: datetime
    target: timedelta | None
    counted: timedelta
    due_at: datetime | None
    met_at: datetime | None
    breached_at: datetime | None
    stands: str | None
    stretches: tuple[Counted, ...]
    left_out: int

    @property
    def remaining(self) -> timedelta | None:
        return None if self.target is None else self.target - self.counted


@dataclass(frozen=True)
class Why:
    """All clocks of a ticket at `now`. `matches`: every stored deadline equals the one that the history gives."""

    reference: str
    now: datetime
    policy: str | None
    chosen_because: str | None
    calendar: str | None
    timezone: str | None
    hours: tuple[str, ...]
    stories: tuple[ClockStory, ...]
    matches: bool
    stored_due_at: datetime | None
    replayed_due_at: datetime | None


def why(session: Session, *, actor: Principal, reference: str, now: datetime) -> Why:
    """Raises Forbidden, or TicketNotFound also for one that is not this person's to know of."""
    actor.require(Permission.TICKETS_READ)
    ticket = session.exec(select(Ticket).where(Ticket.reference == reference.upper(), *in_sight(actor))).one_or_none()
    if ticket is None:
        raise TicketNotFound
    return why_of(session, ticket, now=now)


def why_of(session: Session, ticket: Ticket, *, now: datetime) -> Why:
    """For a ticket that the caller may see."""
    events = clocks.history(session, ticket.id)
    replayed = clocks.played(session, events, now=now)
    because = next((event.data.get("why") for event in reversed(events) if event.kind == "policy"), None)
    terms = replayed.terms
    due_at = clocks.deadlines(replayed)["due_at"]
    assert due_at is None or isinstance(due_at, datetime)
    return Why(
        reference=ticket.reference,
        now=now,
        policy=terms.name if terms else None,
        chosen_because=because,
        calendar=terms.calendar.name if terms else None,
        timezone=terms.calendar.zone.key if terms else None,
        hours=tuple(terms.calendar.hours_text()) if terms else (),
        stories=tuple(_story(run) for run in replayed.all()),
        matches=matches(ticket, replayed) if events else True,
        stored_due_at=ticket.due_at,
        replayed_due_at=due_at,
    )


def matches(ticket: Ticket, replayed: Replayed) -> bool:
    """Whether what is stored is what the history gives. A breach of the last moments is stored by the tick that tells of it."""
    found = clocks.deadlines(replayed)
    late = found["breached_at"] is not None and ticket.breached_at is None and ticket.sla_next_at is not None
    return all(getattr(ticket, name) == value for name, value in found.items() if not (name == "breached_at" and late))


def _story(run: Run) -> ClockStory:
    stretches = list(_stretches(run))
    return ClockStory(
        run.clock,
        run.round,
        run.started_at,
        run.target,
        run.counted,
        run.due_at,
        run.met_at,
        run.breached_at,
        run.stands if run.met_at is None else None,
        tuple(islice(stretches, max(0, len(stretches) - SHOWN_STRETCHES), None)),
        max(0, len(stretches) - SHOWN_STRETCHES),
    )


def _stretches(run: Run) -> Iterator[Counted]:
    for segment in run.segments:
        policy = segment.terms.name if segment.terms else None
        if segment.stands is not None or segment.terms is None:
            yield Counted(segment.start, segment.end, timedelta(0), segment.stands or "no policy", policy)
            continue
        for piece in segment.terms.calendar.stretches(segment.start, segment.end):
            yield Counted(piece.start, piece.end, piece.end - piece.start if piece.is_open else timedelta(0), piece.why, policy)


__all__ = ["ClockStory", "Counted", "Terms", "Why", "matches", "why", "why_of"]
