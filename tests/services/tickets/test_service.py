"""Tickets are given to people, closed and opened again; each step is in the audit."""

from __future__ import annotations

import pytest
from sqlmodel import Session, col, select

from app.errors import Forbidden, InvalidInput, Stale
from services.accounts.models import Role, Staff
from services.accounts.permissions import Permission, Principal
from services.accounts.sessions import principal_of
from services.audit.models import AuditEntry
from services.tickets.errors import NotAssignable, TicketAlreadyClosed, TicketNotClosed, TicketNotFound
from services.tickets.models import Ticket
from services.tickets.queries import assignable_staff, ticket_page, ticket_story
from services.tickets.service import assign, close, reopen
from tests.conftest import NOON
from tests.pages import builders
from tests.services.tickets.people import a_person, a_service

NOTE = "mended at the gate"


@pytest.fixture
def ticket(session: Session) -> Ticket:
    return builders.a_ticket(session, at=NOON)


@pytest.fixture
def technician(session: Session) -> Staff:
    return a_person(session, "tech@inet.test")


@pytest.fixture
def care(session: Session) -> Principal:
    return principal_of(a_person(session, "care@inet.test", role=Role.CUSTOMER_CARE))


def give(session: Session, actor: Principal, ticket: Ticket, staff_id: int | None) -> Ticket:
    return assign(session, actor=actor, reference=ticket.reference, staff_id=staff_id, expected_revision=ticket.revision, now=NOON)


def audited(session: Session) -> list[tuple[str, object, object]]:
    rows = session.exec(select(AuditEntry).where(AuditEntry.target_type == "ticket").order_by(col(AuditEntry.id))).all()
    return [(row.action, row.before, row.after) for row in rows]


def test_a_ticket_goes_from_person_to_person_and_back_to_nobody(
    session: Session, ticket: Ticket, technician: Staff, care: Principal
) -> None:
    give(session, care, ticket, technician.id)
    shown = ticket_page(session, actor=principal_of(technician), reference=ticket.reference)
    assert shown.assignee is not None
    assert (shown.assignee.name, shown.assignee.is_active) == ("Tech", True)
    give(session, care, ticket, care.id)
    with pytest.raises(TicketNotFound):
        ticket_page(session, actor=principal_of(technician), reference=ticket.reference)
    give(session, care, ticket, None)
    assert audited(session) == [
        ("ticket.assign", {"assignee": None}, {"assignee": "tech@inet.test"}),
        ("ticket.assign", {"assignee": "tech@inet.test"}, {"assignee": "care@inet.test"}),
        ("ticket.assign", {"assignee": "care@inet.test"}, {"assignee": None}),
    ]


def test_giving_it_to_who_has_it_is_nothing_new(session: Session, ticket: Ticket, technician: Staff, care: Principal) -> None:
    give(session, care, ticket, technician.id)
    give(session, care, ticket, technician.id)
    assert len(audited(session)) == 1


def test_who_was_slower_is_told_and_changes_nothing(session: Session, ticket: Ticket, technician: Staff, care: Principal) -> None:
    seen = ticket.revision
    give(session, care, ticket, technician.id)
    with pytest.raises(Stale):
        assign(session, actor=care, reference=ticket.reference, staff_id=care.id, expected_revision=seen, now=NOON)
    assert ticket.assignee_id == technician.id


def test_only_active_staff_are_given_tickets(session: Session, ticket: Ticket, care: Principal) -> None:
    gone = a_person(session, "gone@inet.test", is_active=False)
    told = set()
    for staff_id in (gone.id, 999_999):
        with pytest.raises(NotAssignable) as refusal:
            give(session, care, ticket, staff_id)
        told.add((str(refusal.value), refusal.value.field))
    assert len(told) == 1
    assert gone.id not in {person.id for person in assignable_staff(session, actor=care)}
    assert care.id in {person.id for person in assignable_staff(session, actor=care)}


def test_the_tickets_of_a_disabled_person_stay_and_say_so(session: Session, ticket: Ticket, technician: Staff, care: Principal) -> None:
    give(session, care, ticket, technician.id)
    technician.is_active = False
    session.flush()
    shown = ticket_page(session, actor=care, reference=ticket.reference)
    assert shown.assignee is not None
    assert not shown.assignee.is_active
    give(session, care, ticket, technician.id)  # as it was: nothing is asked of it
    give(session, care, ticket, care.id)


@pytest.mark.parametrize("role", [Role.FIELD_TECHNICIAN, Role.BILLING_OFFICER])
def test_only_the_roles_of_the_table_give_tickets_to_people(session: Session, ticket: Ticket, role: Role) -> None:
    actor = principal_of(a_person(session, "some@inet.test", role=role))
    with pytest.raises(Forbidden):
        give(session, actor, ticket, actor.id)
    with pytest.raises(Forbidden):
        assignable_staff(session, actor=actor)


def test_a_billing_officer_reads_and_does_not_close(session: Session, ticket: Ticket) -> None:
    billing = principal_of(a_person(session, "money@inet.test", role=Role.BILLING_OFFICER))
    with pytest.raises(Forbidden):
        close(session, actor=billing, reference=ticket.reference, note=NOTE, now=NOON)
    with pytest.raises(Forbidden):
        reopen(session, actor=billing, reference=ticket.reference, note=NOTE, now=NOON)


def test_closing_and_opening_again_keep_the_note_and_who_had_it(
    session: Session, ticket: Ticket, technician: Staff, care: Principal
) -> None:
    give(session, care, ticket, technician.id)
    close(session, actor=principal_of(technician), reference=ticket.reference, note=f"  {NOTE} ", now=NOON)
    with pytest.raises(TicketAlreadyClosed):
        close(session, actor=care, reference=ticket.reference, note=NOTE, now=NOON)
    with pytest.raises(TicketAlreadyClosed):
        give(session, care, ticket, None)
    reopen(session, actor=care, reference=ticket.reference, note="it is back", now=NOON)
    with pytest.raises(TicketNotClosed):
        reopen(session, actor=care, reference=ticket.reference, note="it is back", now=NOON)
    assert ticket.assignee_id == technician.id
    assert audited(session)[1:] == [
        ("ticket.close", {"state": "new"}, {"state": "closed", "note": NOTE}),
        ("ticket.reopen", {"state": "closed"}, {"state": "open", "note": "it is back"}),
    ]


@pytest.mark.parametrize("note", ["", "  ", "ok", "\x00\x00\x00", "x" * 501])
def test_a_note_is_a_few_words(session: Session, ticket: Ticket, care: Principal, note: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        close(session, actor=care, reference=ticket.reference, note=note, now=NOON)
    assert refusal.value.field == "note"
    assert audited(session) == []


def test_the_story_tells_what_was_done_in_its_order_and_nothing_of_other_tickets(
    session: Session, ticket: Ticket, technician: Staff, care: Principal
) -> None:
    other = builders.a_ticket(session, at=NOON)
    give(session, care, other, care.id)
    give(session, care, ticket, technician.id)
    close(session, actor=care, reference=ticket.reference, note=NOTE, now=NOON)
    story = ticket_story(session, actor=principal_of(technician), reference=ticket.reference.lower())
    done = [event for event in story.history if event.kind in ("assignee", "state")]
    assert [(event.kind, event.data["to"]) for event in done] == [("assignee", technician.id), ("state", "closed")]
    assert {event.actor for event in done} == {"staff:care@inet.test"}
    assert story.people == {technician.id: technician.name}
    assert [message.body for message in story.messages] == [ticket.body]


def test_a_token_acts_within_its_scopes(session: Session, ticket: Ticket, technician: Staff) -> None:
    reader, editor = a_service(Permission.TICKETS_READ, number=1), a_service(Permission.TICKETS_EDIT, number=1)
    assigner = a_service(Permission.TICKETS_ASSIGN, number=1)
    with pytest.raises(Forbidden):
        close(session, actor=reader, reference=ticket.reference, note=NOTE, now=NOON)
    with pytest.raises(Forbidden):
        give(session, editor, ticket, technician.id)
    give(session, assigner, ticket, technician.id)
    close(session, actor=editor, reference=ticket.reference, note=NOTE, now=NOON)
    assert not ticket.is_open
