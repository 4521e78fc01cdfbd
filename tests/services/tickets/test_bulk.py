"""Many tickets at once: shown before, each reported by itself, customers told only with a reason, and taken back within ten minutes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.audit.models import AuditEntry
from services.tickets import bulk, macros, merging, operations, service, tags
from services.tickets.bulk import NOBODY, BulkChange
from services.tickets.desk_models import Team
from services.tickets.errors import CannotMove, CannotUndo, NotAssignable, TooManyTickets
from services.tickets.models import Category, HoldReason, Priority, Ticket, TicketLabel, TicketState
from services.tickets.work_models import TicketOperation
from tests.conftest import NOON
from tests.services.tickets import working
from tests.services.tickets.people import a_person

LATER = NOON + timedelta(minutes=5)


@pytest.fixture
def awa(session: Session) -> Principal:
    return working.care(session)


@pytest.fixture
def tickets(session: Session) -> list[Ticket]:
    return [working.a_ticket(session, body) for body in ("a", "b", "c")]


def names(tickets: list[Ticket]) -> list[str]:
    return [ticket.reference for ticket in tickets]


def apply(session: Session, actor: Principal, tickets: list[Ticket], change: BulkChange, reason: str = "") -> bulk.BulkResult:
    return bulk.apply(session, actor=actor, references=names(tickets), change=change, reason=reason, now=LATER)


def undo(session: Session, actor: Principal, result: bulk.BulkResult, now: datetime = LATER + timedelta(minutes=10)) -> tuple[str, ...]:
    return operations.undo(session, actor=actor, operation_id=result.operation_id or 0, now=now).kept


def seen(session: Session, tickets: list[Ticket]) -> list[object]:
    for ticket in tickets:
        session.refresh(ticket)
    return [(bulk.snapshot(session, ticket), ticket.merged_into_id, working.said(session, ticket)) for ticket in tickets]


def a_team(session: Session, name: str = "Field") -> Team:
    team = Team(name=name, created_at=NOON)
    session.add(team)
    session.flush()
    return team


def test_everything_at_once_is_previewed_done_reported_and_taken_back(session: Session, awa: Principal, tickets: list[Ticket]) -> None:
    person, team = a_person(session, "tech@inet.test"), a_team(session)
    tags.change(session, actor=awa, reference=tickets[0].reference, add=["old", "market"], now=NOON)
    before = seen(session, tickets)
    change = BulkChange(
        assignee_id=person.id,
        team_id=team.id,
        state=TicketState.ON_HOLD,
        hold=HoldReason.PART,
        priority=Priority.HIGH,
        category=Category.SLOW_SPEED,
        add_tags=("Market",),
        remove_tags=("old",),
    )
    shown = bulk.preview(session, actor=awa, references=names(tickets), change=change, now=LATER)
    assert shown.lines[0].will == (
        "given to Tech",
        "team Field",
        "priority high",
        "about slow speed",
        "without tag old",
        "on hold",
    )
    assert (shown.tells, shown.needs_reason) == (0, False)
    assert seen(session, tickets) == before
    result = apply(session, awa, tickets, change)
    assert (result.done, result.refused) == (tuple(names(tickets)), ())
    assert {(one.assignee_id, one.team_id, one.state, one.priority) for one in tickets} == {
        (person.id, team.id, TicketState.ON_HOLD, Priority.HIGH)
    }
    assert tags.of(session, [tickets[0].id or 0]) == {tickets[0].id: ("market",)}
    again = bulk.preview(session, actor=awa, references=names(tickets), change=change, now=LATER)
    assert {line.will for line in again.lines} == {()}
    assert apply(session, awa, tickets, change).operation_id is None
    assert undo(session, awa, result) == ()
    assert seen(session, tickets) == before
    assert session.exec(select(TicketLabel)).all() == []
    with pytest.raises(CannotUndo):
        undo(session, awa, result)


def test_each_that_refuses_is_named_and_the_others_are_changed(session: Session, awa: Principal, tickets: list[Ticket]) -> None:
    person = a_person(session, "tech@inet.test")
    service.close(session, actor=awa, reference=tickets[0].reference, note="done", now=NOON)
    merging.merge(session, actor=awa, source=tickets[1].reference, into=tickets[2].reference, now=NOON)
    change = BulkChange(assignee_id=person.id)
    wanted = [*names(tickets), "T-NOSUCH2", tickets[2].reference.lower()]
    result = bulk.apply(session, actor=awa, references=wanted, change=change, now=LATER)
    assert result.done == (tickets[2].reference,)
    why = {one.reference: one.why for one in result.refused}
    assert set(why) == {tickets[0].reference, tickets[1].reference, "T-NOSUCH2"}
    assert "is closed" in why[tickets[0].reference]
    assert tickets[2].reference in why[tickets[1].reference]
    shown = bulk.preview(session, actor=awa, references=wanted, change=change, now=LATER)
    assert {line.reference: line.refusal for line in shown.lines if line.refusal} == why
    assert working.bells(session, working.principal_of(person)) == ["ticket_assigned"]


def test_what_somebody_changed_since_stays_and_is_named(session: Session, awa: Principal, tickets: list[Ticket]) -> None:
    result = apply(session, awa, tickets, BulkChange(priority=Priority.LOW, state=TicketState.OPEN))
    service.triage(session, actor=awa, reference=tickets[0].reference, priority=Priority.URGENT, now=LATER)
    service.wait(session, actor=awa, reference=tickets[1].reference, hold=None, now=LATER)
    assert undo(session, awa, result) == (f"{tickets[1].reference}: its state", f"{tickets[0].reference}: the priority")
    assert [ticket.priority for ticket in tickets] == [Priority.URGENT, Priority.NORMAL, Priority.NORMAL]
    assert [ticket.state for ticket in tickets] == [TicketState.NEW, TicketState.PENDING, TicketState.NEW]


def test_after_ten_minutes_it_stays(session: Session, awa: Principal, tickets: list[Ticket]) -> None:
    result = apply(session, awa, tickets, BulkChange(priority=Priority.LOW))
    with pytest.raises(CannotUndo, match="10 minutes"):
        undo(session, awa, result, now=LATER + timedelta(minutes=10, seconds=1))


def test_where_customers_are_told_a_reason_is_asked_for_and_kept(session: Session, awa: Principal, tickets: list[Ticket]) -> None:
    change = BulkChange(state=TicketState.RESOLVED)
    assert bulk.preview(session, actor=awa, references=names(tickets), change=change, now=LATER).tells == 3
    with pytest.raises(InvalidInput) as refusal:
        apply(session, awa, tickets, change, reason=" ")
    assert refusal.value.field == "reason"
    assert {ticket.state for ticket in tickets} == {TicketState.NEW}
    apply(session, awa, tickets, change, reason="the mast is up again")
    (row,) = session.exec(select(AuditEntry).where(AuditEntry.action == "ticket.bulk")).all()
    assert row.after is not None
    assert (row.after["reason"], row.after["tickets"]) == ("the mast is up again", sorted(names(tickets), key=names(tickets).index))


def test_duplicates_are_merged_into_one_and_all_come_apart_again(session: Session, awa: Principal, tickets: list[Ticket]) -> None:
    before = seen(session, tickets)
    stranger = working.a_ticket(session, "d", customer=working.a_customer(session, 2))
    change = BulkChange(merge_into=tickets[0].reference, priority=Priority.HIGH)
    result = apply(session, awa, [*tickets, stranger], change)
    assert working.said(session, tickets[0]) == ["a", "b", "c"]
    assert [one.reference for one in result.refused] == [stranger.reference]
    assert undo(session, awa, result) == ()
    assert seen(session, tickets) == before


def test_one_merge_that_was_undone_before_is_left_alone(session: Session, awa: Principal, tickets: list[Ticket]) -> None:
    result = apply(session, awa, tickets[1:], BulkChange(merge_into=tickets[0].reference))
    one = session.exec(select(TicketOperation).where(TicketOperation.kind == "merge")).first()
    assert one is not None
    operations.undo(session, actor=awa, operation_id=one.id or 0, now=LATER)
    assert undo(session, awa, result) == ()
    assert [working.said(session, ticket) for ticket in tickets] == [["a"], ["b"], ["c"]]


def test_a_macro_answers_each_and_one_that_lacks_a_value_answers_only_where_it_has_it(
    session: Session, awa: Principal, tickets: list[Ticket]
) -> None:
    named = working.a_customer(session, 2)
    named.name = "Fatou"
    other = working.a_ticket(session, "d", customer=named)
    terms = macros.MacroTerms("Hello", "Hello {customer_name}", changes={"priority": "low"})
    macro = macros.save(session, actor=awa, terms=terms, now=NOON)
    change = BulkChange(macro_id=macro.id)
    assert bulk.preview(session, actor=awa, references=names([tickets[0], other]), change=change, now=LATER).tells == 1
    result = apply(session, awa, [tickets[0], other], change, reason="a greeting")
    assert [one.reference for one in result.refused] == [tickets[0].reference]
    assert "{customer_name}" in result.refused[0].why
    assert working.said(session, other) == ["d", "Hello Fatou"]
    assert undo(session, awa, result) == (f"{other.reference}: the reply that was sent",)
    assert (other.priority, other.state) == (Priority.NORMAL, TicketState.NEW)


def test_what_no_ticket_could_be_given_is_refused_at_once(session: Session, awa: Principal, tickets: list[Ticket]) -> None:
    for change, refusal in (
        (BulkChange(assignee_id=999_999), NotAssignable),
        (BulkChange(state=TicketState.NEW), CannotMove),
        (BulkChange(state=TicketState.ON_HOLD), InvalidInput),
        (BulkChange(add_tags=("no/slashes",)), InvalidInput),
    ):
        with pytest.raises(refusal):
            bulk.preview(session, actor=awa, references=names(tickets), change=change, now=LATER)
    with pytest.raises(InvalidInput):
        apply(session, awa, [], BulkChange(priority=Priority.LOW))
    many = [f"T-{number}" for number in range(501)]
    with pytest.raises(TooManyTickets):
        bulk.apply(session, actor=awa, references=many, change=BulkChange(priority=Priority.LOW), now=LATER)


def test_only_whom_the_table_allows_and_a_technician_only_their_own(session: Session, awa: Principal, tickets: list[Ticket]) -> None:
    staff = a_person(session, "tech@inet.test")
    tech = working.principal_of(staff)
    with pytest.raises(Forbidden):
        apply(session, tech, tickets, BulkChange(assignee_id=NOBODY))
    with pytest.raises(Forbidden):
        apply(session, working.care(session, "money", Role.BILLING_OFFICER), tickets, BulkChange(priority=Priority.LOW))
    service.assign(session, actor=awa, reference=tickets[0].reference, staff_id=staff.id, expected_revision=None, now=NOON)
    result = apply(session, tech, tickets, BulkChange(priority=Priority.LOW))
    assert result.done == (tickets[0].reference,)
    assert {one.why for one in result.refused} == {f"There is no ticket {ticket.reference}." for ticket in tickets[1:]}
