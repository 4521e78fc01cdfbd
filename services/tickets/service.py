"""What staff do to a ticket itself. Each is one use case; what it writes goes through `changes`, so history and clocks follow."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from app.errors import InvalidInput
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.notifications import Recipient, tell
from services.revision import require
from services.tickets import changes, locks, people, watching
from services.tickets.changes import By
from services.tickets.errors import CannotMove, NotAssignable, TicketAlreadyClosed, TicketNotClosed
from services.tickets.models import UNDONE, Category, HoldReason, Priority, Ticket, TicketLabel, TicketState
from services.tickets.texts import one_line, required

NOTE_LENGTH = (3, 500)
"""Of what somebody says when they close a ticket or open it again, in characters."""
MAX_SUBJECT = 200
_IN_WORDS = {
    TicketState.NEW: "set it back to new",
    TicketState.OPEN: "works on it",
    TicketState.PENDING: "waits for the customer",
    TicketState.ON_HOLD: "put it on hold",
    TicketState.RESOLVED: "resolved it",
    TicketState.CLOSED: "closed it",
}


def assign(
    session: Session, *, actor: Principal, reference: str, staff_id: int | None, expected_revision: str | None, now: datetime
) -> Ticket:
    """Give a ticket to a person, who is told, or with None to nobody. To whom it belongs already changes nothing and is not audited.

    Raises Forbidden, TicketNotFound, TicketMerged, Stale, TicketAlreadyClosed, or NotAssignable for who is disabled or does not exist.
    """
    actor.require(Permission.TICKETS_ASSIGN)
    ticket = locks.one(session, actor=actor, reference=reference)
    require(expected_revision, ticket.revision)
    if ticket.assignee_id == staff_id:
        return ticket
    before = {"assignee": _email_of(session, ticket.assignee_id)}
    after = {"assignee": active(session, staff_id).email if staff_id is not None else None}
    if not ticket.is_open:
        # Nobody would look at it there.
        raise TicketAlreadyClosed
    give(session, ticket, staff_id, who=changes.by(actor), by_name=actor.name, now=now)
    audit.record(session, actor, "ticket.assign", target=("ticket", ticket.reference), now=now, before=before, after=after)
    return ticket


def give(session: Session, ticket: Ticket, staff_id: int | None, *, who: By, by_name: str, now: datetime) -> bool:
    """Whoever is given a locked ticket by somebody else is told; answers whether anything changed."""
    if not changes.set_field(session, ticket, "assignee_id", staff_id, who=who, now=now):
        return False
    if staff_id is not None and staff_id != who.staff_id:
        tell(
            session,
            event="ticket_assigned",
            to=Recipient(staff_id=staff_id),
            values={"reference": ticket.reference, "subject": people.headline(ticket), "by": by_name},
            dedupe_key=f"given:{ticket.id}:{ticket.change_number}:{staff_id}",
            ticket_id=ticket.id,
            link=watching.link_to(ticket),
            now=now,
        )
    return True


def triage(
    session: Session,
    *,
    actor: Principal,
    reference: str,
    priority: Priority | None = None,
    category: Category | None = None,
    expected_revision: str | None = None,
    now: datetime,
) -> Ticket:
    """Say how urgent it is and what it is about. What was said of the category before is kept beside it, to learn from.

    Raises Forbidden, TicketNotFound, TicketMerged or Stale.
    """
    actor.require(Permission.TICKETS_EDIT)
    ticket = locks.one(session, actor=actor, reference=reference)
    require(expected_revision, ticket.revision)
    who = changes.by(actor)
    if priority is not None:
        changes.set_field(session, ticket, "priority", priority, who=who, now=now)
    if category is not None:
        categorise(session, ticket, category, who=who, now=now)
    return ticket


def categorise(session: Session, ticket: Ticket, category: Category, *, who: By, now: datetime) -> bool:
    """A person's word on what a locked ticket is about, kept beside what was said before; answers whether it was another."""
    if category is ticket.category:
        return False
    assert ticket.id is not None
    session.merge(TicketLabel(ticket_id=ticket.id, suggested=ticket.category, category=category, staff_id=who.staff_id, at=now))
    return changes.set_field(session, ticket, "category", category, who=who, now=now)


def rename(
    session: Session, *, actor: Principal, reference: str, subject: str, expected_revision: str | None = None, now: datetime
) -> Ticket:
    """Give it another subject line. Raises Forbidden, TicketNotFound, TicketMerged, Stale or InvalidInput."""
    actor.require(Permission.TICKETS_EDIT)
    title = one_line(required(subject, field="subject", empty="Say in a few words what it is about.", longest=MAX_SUBJECT))
    ticket = locks.one(session, actor=actor, reference=reference)
    require(expected_revision, ticket.revision)
    changes.set_field(session, ticket, "subject", title, who=changes.by(actor), now=now)
    return ticket


def wait(
    session: Session,
    *,
    actor: Principal,
    reference: str,
    hold: HoldReason | None,
    expected_revision: str | None = None,
    now: datetime,
) -> Ticket:
    """Let it wait: for the customer, or with `hold` for a part or a third party. Raises Forbidden, TicketNotFound, TicketAlreadyClosed."""
    state = TicketState.ON_HOLD if hold else TicketState.PENDING
    return _undone(session, actor, reference, state, hold=hold, expected_revision=expected_revision, now=now)


def go_on(session: Session, *, actor: Principal, reference: str, expected_revision: str | None = None, now: datetime) -> Ticket:
    """Work on it (again). Raises Forbidden, TicketNotFound or TicketAlreadyClosed."""
    return _undone(session, actor, reference, TicketState.OPEN, hold=None, expected_revision=expected_revision, now=now)


def _undone(
    session: Session,
    actor: Principal,
    reference: str,
    state: TicketState,
    *,
    hold: HoldReason | None,
    expected_revision: str | None,
    now: datetime,
) -> Ticket:
    actor.require(Permission.TICKETS_EDIT)
    ticket = locks.one(session, actor=actor, reference=reference)
    require(expected_revision, ticket.revision)
    if not ticket.is_open:
        raise TicketAlreadyClosed
    enter(session, ticket, state, hold=hold, actor=actor, now=now)
    return ticket


def resolve(
    session: Session, *, actor: Principal, reference: str, note: str = "", expected_revision: str | None = None, now: datetime
) -> Ticket:
    """It is solved, as far as we know; the customer is told, and silence closes it. Raises what `move` raises."""
    return move(session, actor=actor, reference=reference, to=TicketState.RESOLVED, note=note, expected_revision=expected_revision, now=now)


def move(
    session: Session,
    *,
    actor: Principal,
    reference: str,
    to: TicketState,
    hold: HoldReason | None = None,
    note: str = "",
    expected_revision: str | None = None,
    now: datetime,
) -> Ticket:
    """Give it another state; one that it has changes nothing. Closing, and opening what is closed, need a note.

    Raises Forbidden, TicketNotFound, TicketMerged, Stale, CannotMove or InvalidInput.
    """
    actor.require(Permission.TICKETS_EDIT)
    ticket = locks.one(session, actor=actor, reference=reference)
    require(expected_revision, ticket.revision)
    if (ticket.state, ticket.hold_reason) == (to, hold):
        return ticket
    require_move(to, hold)
    said = note.strip()
    if TicketState.CLOSED in (to, ticket.state) or said:
        said = _said(note)
    before = {"state": ticket.state}
    enter(session, ticket, to, hold=hold, actor=actor, note=said, now=now)
    if (action := _action(before["state"], to)) is not None:
        after = {"state": ticket.state, "note": said}
        audit.record(session, actor, action, target=("ticket", ticket.reference), now=now, before=before, after=after)
    return ticket


def require_move(to: TicketState, hold: HoldReason | None) -> None:
    """Raises CannotMove or InvalidInput for a state that nobody can give to a ticket, or not like this."""
    if to is TicketState.NEW:
        raise CannotMove
    if to is TicketState.ON_HOLD and hold is None:
        raise InvalidInput("Say what it waits for.", field="hold")
    if to is not TicketState.ON_HOLD and hold is not None:
        raise InvalidInput("Only a ticket on hold waits for something.", field="hold")


def enter(
    session: Session,
    ticket: Ticket,
    state: TicketState,
    *,
    hold: HoldReason | None = None,
    actor: Principal,
    note: str | None = None,
    now: datetime,
) -> bool:
    """Move a locked ticket and tell its watchers; answers whether it moved."""
    who = changes.by(actor)
    if not changes.set_state(session, ticket, state, hold=hold, who=who, note=note or None, now=now):
        return False
    text = f"{actor.name} {_IN_WORDS[state]}"
    watching.news(session, ticket, text, who=who, key=f"state:{ticket.id}:{ticket.change_number}", now=now)
    return True


def _action(before: TicketState, to: TicketState) -> str | None:
    """What the audit calls it: what ends a ticket, or brings one back."""
    if to in UNDONE:
        return None if before in UNDONE else "ticket.reopen"
    return "ticket.close" if to is TicketState.CLOSED else "ticket.resolve"


def close(session: Session, *, actor: Principal, reference: str, note: str, now: datetime) -> Ticket:
    """Raises Forbidden, TicketNotFound (a Field Technician closes only their own), TicketAlreadyClosed, or InvalidInput without a note."""
    return _move(session, actor, reference, TicketState.CLOSED, "ticket.close", note, now=now)


def reopen(session: Session, *, actor: Principal, reference: str, note: str, now: datetime) -> Ticket:
    """Whoever had it has it again. Raises Forbidden, TicketNotFound, TicketNotClosed, or InvalidInput without a note."""
    return _move(session, actor, reference, TicketState.OPEN, "ticket.reopen", note, now=now)


def _move(session: Session, actor: Principal, reference: str, state: TicketState, action: str, note: str, *, now: datetime) -> Ticket:
    actor.require(Permission.TICKETS_EDIT)
    ticket = locks.one(session, actor=actor, reference=reference)
    before = {"state": ticket.state}
    if state is TicketState.CLOSED and ticket.state is TicketState.CLOSED:
        raise TicketAlreadyClosed
    if state is TicketState.OPEN and ticket.is_open:
        raise TicketNotClosed
    said = _said(note)
    enter(session, ticket, state, actor=actor, note=said, now=now)
    after = {"state": ticket.state, "note": said}
    audit.record(session, actor, action, target=("ticket", ticket.reference), now=now, before=before, after=after)
    return ticket


def _said(note: str) -> str:
    text = note.replace("\x00", "").strip()
    shortest, longest = NOTE_LENGTH
    if len(text) < shortest:
        raise InvalidInput("Say in a few words what was done, or why.", field="note")
    if len(text) > longest:
        raise InvalidInput(f"Keep it under {longest} characters.", field="note")
    return text


def active(session: Session, staff_id: int) -> Staff:
    """Who may be given a ticket. Raises NotAssignable."""
    # Locked against being disabled meanwhile: whichever comes second sees what the first one did.
    staff = session.get(Staff, staff_id, with_for_update={"read": True}, populate_existing=True)
    if staff is None or not staff.is_active:
        raise NotAssignable
    return staff


def _email_of(session: Session, staff_id: int | None) -> str | None:
    return session.get_one(Staff, staff_id).email if staff_id is not None else None
