"""How tickets end: by silence, with notice; and what the customer says of our help.

The sweep finds what is due by one index, so it costs what is due. Each ticket is looked at under its lock and moves one step: a sweep that
dies leaves nothing half, two at once share the work, and a customer's word that came first has already taken the ticket out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session, col, select

from app.db import Begin
from app.errors import Conflict, InvalidInput
from services.notifications import Recipient, tell
from services.tickets import changes, closure_news, conversation
from services.tickets.changes import By
from services.tickets.closure_models import TicketRating
from services.tickets.models import MessageKind, Ticket, TicketEvent, TicketState
from services.tickets.sla.telling import people

CLOSING, RATED = "closing", "rated"
NOTICE = timedelta(days=1)
"""Between the notice and the closing."""
BATCH = 50
MAX_COMMENT = 1000
VOTE_CHANGES_FOR = timedelta(days=7)
BAD_SCORE = 2
"""At and below this somebody looks at what went wrong."""
# A ticket whose step fails is left alone for a while, so that it does not hold up the others.
_PUT_OFF = timedelta(minutes=5)
log = structlog.get_logger(__name__)


class NotDoneYet(Conflict):
    code, title = "ticket_not_done", "It is still being worked on"
    message = "Your request is still being worked on. You can rate our help when it is done."


class VoteIsFinal(Conflict):
    code, title = "vote_is_final", "Thank you, we have your rating"
    message = "A rating can be changed for 7 days. Write to us if something is still wrong."


@dataclass(frozen=True)
class Rated:
    """What was kept. `ticket` is the one that it counts for: of a merged one, the one that took it in."""

    ticket: Ticket
    score: int
    is_bad: bool


def sweep(begin: Begin, *, now: datetime) -> int:
    """Take every step that silence has made due, a batch in a transaction; answers how many tickets were looked at."""
    done = 0
    while True:
        with begin() as session:
            looked = sweep_batch(session, now=now)
        done += looked
        if looked < BATCH:
            return done


def sweep_batch(session: Session, *, now: datetime) -> int:
    """One batch, in the caller's transaction. Tickets that somebody else holds are left to them or to the next sweep."""
    due = select(Ticket).where(col(Ticket.close_at) <= now).order_by(col(Ticket.close_at)).limit(BATCH)
    tickets = session.exec(due.with_for_update(skip_locked=True).execution_options(populate_existing=True)).all()
    for ticket in tickets:
        ticket_id = ticket.id
        try:
            with session.begin_nested():
                _step(session, ticket, now=now)
        except Exception:
            log.exception("closure.step_failed", ticket_id=ticket_id)
            ticket.close_at = now + _PUT_OFF
    session.flush()
    return len(tickets)


def _step(session: Session, ticket: Ticket, *, now: datetime) -> None:
    if ticket.state is TicketState.RESOLVED:
        _close(session, ticket, "Nothing more was said after it was resolved.", now=now)
    elif ticket.state is TicketState.PENDING:
        last = _what_began_the_silence(session, ticket)
        if last is not None and last.kind == CLOSING:
            _close(session, ticket, "Resolved by silence: the customer did not answer, also not after the notice.", now=now)
        else:
            _announce(session, ticket, last, now=now)
    else:
        # Nobody is awaited any more.
        ticket.close_at = None


def _announce(session: Session, ticket: Ticket, since: TicketEvent | None, *, now: datetime) -> None:
    # Counted from now, not from when it was due: also after a night in which nothing ran, the customer has the day that is promised.
    ticket.close_at = now + NOTICE
    told = closure_news.tell_closing(session, ticket, silence=str(since.id if since else 0), days=NOTICE.days, now=now)
    data = {"told": told, "closes_at": ticket.close_at.isoformat()}
    changes.record(session, ticket, CLOSING, data, who=changes.SYSTEM, now=now)


def _close(session: Session, ticket: Ticket, note: str, *, now: datetime) -> None:
    # They were told when it was resolved, or that it would close.
    changes.set_state(session, ticket, TicketState.CLOSED, who=changes.SYSTEM, note=note, quietly=True, now=now)


def _what_began_the_silence(session: Session, ticket: Ticket) -> TicketEvent | None:
    """The last change of state, reply of ours, or notice of closing: whichever came last is what the customer is silent about."""
    kind = col(TicketEvent.kind)
    is_reply = (kind == "message") & (col(TicketEvent.data)["kind"].astext == MessageKind.REPLY)
    wanted = select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, kind.in_(("state", CLOSING)) | is_reply)
    return session.exec(wanted.order_by(col(TicketEvent.id).desc()).limit(1)).first()


def rate(session: Session, ticket_id: int, score: int, *, comment: str = "", now: datetime) -> Rated:
    """Keep what the customer says of our help, from 1 to 5; the last word counts, for a week after the first.

    Each time that a ticket was done is rated anew. Raises InvalidInput, NotDoneYet or VoteIsFinal.
    """
    if not 1 <= score <= 5:
        raise InvalidInput("A rating is a number from 1 (bad) to 5 (good).", field="score")
    said = comment.replace("\x00", "").strip()
    if len(said) > MAX_COMMENT:
        raise InvalidInput(f"Keep it under {MAX_COMMENT} characters.", field="comment")
    ticket = conversation.whole(session, ticket_id)
    if ticket.is_open:
        raise NotDoneYet
    first = _first_vote(session, ticket)
    if first is not None and now - first > VOTE_CHANGES_FOR:
        raise VoteIsFinal
    assert ticket.id is not None
    kept = session.get(TicketRating, ticket.id)
    if kept is not None and first is not None and (kept.score, kept.comment) == (score, said or kept.comment):
        return Rated(ticket, score, score <= BAD_SCORE)
    _keep(session, ticket, kept, score, said or (kept.comment if kept and first else ""), now=now)
    if score <= BAD_SCORE:
        _tell_of_bad_score(session, ticket, score, said, now=now)
    return Rated(ticket, score, score <= BAD_SCORE)


def vote_of(session: Session, ticket: Ticket, *, now: datetime) -> tuple[TicketRating | None, bool]:
    """What was said of how it was done this time, and whether that can still be said or changed."""
    if ticket.is_open:
        return None, False
    first = _first_vote(session, ticket)
    return (None, True) if first is None else (session.get(TicketRating, ticket.id), now - first <= VOTE_CHANGES_FOR)


def _keep(session: Session, ticket: Ticket, kept: TicketRating | None, score: int, comment: str, *, now: datetime) -> None:
    assert ticket.id is not None
    data = {"score": score, "before": kept.score if kept else None, "comment": comment or None, "round": ticket.reopened_count}
    session.merge(TicketRating(ticket_id=ticket.id, score=score, comment=comment, at=now))
    changes.record(session, ticket, RATED, data, who=By("customer"), now=now)


def _first_vote(session: Session, ticket: Ticket) -> datetime | None:
    """When they first rated what was done this time."""
    this_time = col(TicketEvent.data)["round"].as_integer() == ticket.reopened_count
    wanted = select(TicketEvent.at).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == RATED, this_time)
    return session.exec(wanted.order_by(col(TicketEvent.id)).limit(1)).first()


def _tell_of_bad_score(session: Session, ticket: Ticket, score: int, comment: str, *, now: datetime) -> None:
    text = f"the customer rated our help {score} of 5" + (f": {comment[:160]}" if comment else ".")
    for person in people(session, ticket, {"assignee": True, "lead": True}):
        tell(
            session,
            event="ticket_watched",
            to=Recipient(staff_id=person.id),
            values={"reference": ticket.reference, "text": text},
            dedupe_key=f"rated:{ticket.id}:{ticket.reopened_count}:{'words' if comment else 'score'}:{person.id}",
            ticket_id=ticket.id,
            link=f"/console/tickets/{ticket.reference}",
            now=now,
        )
