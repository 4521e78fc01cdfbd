"""A technician's way to a ticket's place and back: accepted, on the way, on site, and done or not to be done."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import Session, select

from app.errors import Conflict, InvalidInput
from services.fieldwork.models import Visit, VisitState
from services.fieldwork.steps import Place, Worker, note_step, require_open, ticket_to_work_on
from services.notifications import Recipient, tell
from services.tickets import changes, people, service, watching
from services.tickets.models import HoldReason, Ticket, TicketState
from services.tickets.routing import apply, decide
from services.tickets.sla import telling
from services.tickets.texts import one_line

VISIT = "visit"
REASON_LENGTH = (3, 300)
# Said later than this, it is no news to whoever waits.
_STILL_NEWS = timedelta(minutes=30)
_RANK = {VisitState.ACCEPTED: 0, VisitState.ON_THE_WAY: 1, VisitState.ON_SITE: 2, VisitState.DONE: 3, VisitState.CANNOT: 3}
_ENDS = (VisitState.DONE, VisitState.CANNOT)


class NotBackwards(Conflict):
    code, title = "visit_not_backwards", "A visit only goes forward"
    message = "A visit goes from accepted over on the way and on site to its end. After its end, accept it again to begin anew."


def step(
    session: Session,
    *,
    worker: Worker,
    ticket_id: int,
    to: VisitState,
    place: Place | None = None,
    reason: str = "",
    hold: HoldReason | None = None,
    resolution: str = "",
) -> Visit:
    """Go on with the visit; a step that was taken already changes nothing, steps in between may be left out.

    `resolution` goes with `done`: the ticket is resolved with these words. `reason` goes with `cannot`: the ticket waits for what `hold`
    says, or without it is handed back to its team. Raises Forbidden, TicketNotFound, TicketMerged, TicketAlreadyClosed, NotBackwards or
    InvalidInput.
    """
    resolution = resolution.strip()
    why = _reason(to, reason, hold, resolution)
    ticket = ticket_to_work_on(session, worker, ticket_id)
    wanted = select(Visit).where(Visit.ticket_id == ticket_id, Visit.staff_id == worker.actor.id)
    visit = session.exec(wanted.with_for_update().execution_options(populate_existing=True)).one_or_none()
    if visit is not None and visit.state is to and to is not VisitState.CANNOT:
        if resolution and ticket.is_open:
            service.resolve(session, actor=worker.actor, reference=ticket.reference, note=resolution, now=worker.now)
        return visit
    require_open(ticket)
    before = visit.state if visit is not None else None
    visit = _moved(session, visit, worker, ticket_id, to, why)
    data = {"from": before, "to": to, "reason": why, "place": place.as_json() if place else None, "staff_id": worker.actor.id}
    note_step(session, ticket, VISIT, data, worker=worker)
    _go_on(session, ticket, visit, worker, hold=hold, resolution=resolution)
    return visit


def _reason(to: VisitState, reason: str, hold: HoldReason | None, resolution: str) -> str | None:
    """Raises InvalidInput for words that do not go with the step."""
    text, (shortest, longest) = one_line(reason), REASON_LENGTH
    if to is VisitState.CANNOT and not shortest <= len(text) <= longest:
        raise InvalidInput(f"Say why it cannot be done, in {shortest} to {longest} characters.", field="reason")
    if to is not VisitState.CANNOT and (text or hold):
        raise InvalidInput("Only what cannot be done has a reason, or waits for something.", field="reason" if text else "hold_reason")
    if to is not VisitState.DONE and resolution:
        raise InvalidInput("Only what is done has been solved.", field="resolution")
    if resolution and not service.NOTE_LENGTH[0] <= len(resolution) <= service.NOTE_LENGTH[1]:
        raise InvalidInput("Say in {} to {} characters what was done.".format(*service.NOTE_LENGTH), field="resolution")
    return text or None


def _moved(session: Session, visit: Visit | None, worker: Worker, ticket_id: int, to: VisitState, why: str | None) -> Visit:
    begins_anew = visit is not None and visit.state in _ENDS and to is VisitState.ACCEPTED
    if visit is not None and not begins_anew and (visit.state in _ENDS or _RANK[to] < _RANK[visit.state]):
        raise NotBackwards
    at = worker.happened
    if visit is None:
        visit = Visit(ticket_id=ticket_id, staff_id=worker.actor.id, state=to, since=at, started_at=at)
        session.add(visit)
    elif begins_anew:
        visit.started_at = at
    visit.state, visit.reason, visit.since = to, why, at
    visit.ended_at = at if to in _ENDS else None
    session.flush()
    return visit


def _go_on(session: Session, ticket: Ticket, visit: Visit, worker: Worker, *, hold: HoldReason | None, resolution: str) -> None:
    actor, now = worker.actor, worker.now
    match visit.state:
        case VisitState.DONE:
            if resolution:
                service.resolve(session, actor=actor, reference=ticket.reference, note=resolution, now=now)
        case VisitState.CANNOT if hold is not None:
            note = f"Cannot be done now: {visit.reason}"
            service.move(session, actor=actor, reference=ticket.reference, to=TicketState.ON_HOLD, hold=hold, note=note, now=now)
        case VisitState.CANNOT:
            _hand_back(session, ticket, visit, worker)
        case _:
            waits = ticket.state is TicketState.ON_HOLD and visit.state is not VisitState.ACCEPTED
            if ticket.state is TicketState.NEW or waits:
                service.enter(session, ticket, TicketState.OPEN, actor=actor, now=now)
            if visit.state is VisitState.ON_THE_WAY and now - worker.happened <= _STILL_NEWS:
                _tell_customer(session, ticket, visit, now=now)


def _tell_customer(session: Session, ticket: Ticket, visit: Visit, *, now: datetime) -> None:
    """Once for each time that somebody sets out."""
    to = people.recipient(session, ticket)
    if to is None:
        return
    tell(
        session,
        event="technician_on_the_way",
        to=to,
        values={"reference": ticket.reference, "subject": people.headline(ticket)},
        dedupe_key=f"on_the_way:{visit.id}:{int(visit.started_at.timestamp())}",
        ticket_id=ticket.id,
        now=now,
    )


def _hand_back(session: Session, ticket: Ticket, visit: Visit, worker: Worker) -> None:
    """To somebody else of its team, as the rules choose; with nobody there it waits, and those who lead the team are told."""
    actor, now = worker.actor, worker.now
    why = f"{actor.name} cannot do it: {visit.reason}"
    # By the person, so that nothing gives it back to the same one by itself (services/tickets/duty.py).
    changes.set_field(session, ticket, "assignee_id", None, who=changes.by(actor), now=now, why=why)
    decision = decide(session, ticket, team_id=ticket.team_id, now=now)
    others = tuple(one for one in decision.weighed if one.staff_id != actor.id)
    decision = replace(decision, weighed=others)
    if decision.person is not None:
        apply(session, ticket, decision, who=changes.SYSTEM, why=why, now=now)
        return
    leads = telling.people(session, ticket, {"lead": True}) if ticket.team_id is not None else []
    for one in leads:
        if one.id != actor.id:
            tell(
                session,
                event="ticket_watched",
                to=Recipient(staff_id=one.id),
                values={"reference": ticket.reference, "subject": people.headline(ticket), "by": actor.name, "text": why},
                dedupe_key=f"handed_back:{ticket.id}:{ticket.change_number}:{one.id}",
                ticket_id=ticket.id,
                link=watching.link_to(ticket),
                now=now,
            )
