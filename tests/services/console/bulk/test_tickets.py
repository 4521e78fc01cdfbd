"""Tickets, many at once: everything a ticket can be given, customers told only with a reason, and taken back thing by thing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.errors import DomainError, Forbidden, InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.console.bulk import service as steps
from services.console.bulk.models import RowState
from services.console.bulk.outcome import Outcome
from services.tickets import bulk, macros, merging, operations, service, tags
from services.tickets.desk_models import Team
from services.tickets.models import Category, HoldReason, Priority, Ticket, TicketLabel, TicketState
from services.tickets.work_models import TicketOperation
from tests.conftest import NOON
from tests.services.console.bulk.doing import Desk, those
from tests.services.tickets import working
from tests.services.tickets.people import a_person

CHANGE = "ticket.change"
LATER = NOON + timedelta(minutes=5)


@pytest.fixture
def awa(session: Session) -> Principal:
    return working.care(session)


@pytest.fixture
def desk(session: Session, awa: Principal) -> Desk:
    return Desk(session, awa, LATER)


@pytest.fixture
def tickets(session: Session) -> list[Ticket]:
    return [working.a_ticket(session, body) for body in ("a", "b", "c")]


def ids(tickets: list[Ticket]) -> list[int]:
    return [ticket.id or 0 for ticket in tickets]


def why(outcome: Outcome, state: RowState = RowState.REFUSED) -> dict[int, str]:
    return {row.row_id: row.said for row in outcome.those(state)}


def seen(session: Session, tickets: list[Ticket]) -> list[object]:
    for ticket in tickets:
        session.refresh(ticket)
    return [(bulk.snapshot(session, ticket), ticket.merged_into_id, working.said(session, ticket)) for ticket in tickets]


def test_everything_at_once_is_shown_done_and_taken_back(session: Session, awa: Principal, desk: Desk, tickets: list[Ticket]) -> None:
    person, team = a_person(session, "tech@inet.test"), Team(name="Field", created_at=NOON)
    session.add(team)
    session.flush()
    tags.change(session, actor=awa, reference=tickets[0].reference, add=["old", "market"], now=NOON)
    before = seen(session, tickets)
    answers = {
        "assignee_id": str(person.id),
        "team_id": str(team.id),
        "state": TicketState.ON_HOLD.value,
        "hold": HoldReason.PART.value,
        "priority": Priority.HIGH.value,
        "category": Category.SLOW_SPEED.value,
        "add_tags": "Market",
        "remove_tags": "old",
    }
    shown = desk.look(CHANGE, ids(tickets), answers)
    assert shown.lines[0].will == ("given to Tech", "team Field", "priority high", "about slow speed", "without tag old", "on hold")
    assert (shown.tells, shown.needs_reason) == (0, False)
    assert seen(session, tickets) == before
    done = desk.do(CHANGE, ids(tickets), answers, reason="")
    assert those(done, RowState.DONE) == set(ids(tickets))
    seen(session, tickets)
    assert {(one.assignee_id, one.team_id, one.state, one.priority) for one in tickets} == {
        (person.id, team.id, TicketState.ON_HOLD, Priority.HIGH)
    }
    assert tags.of(session, [tickets[0].id or 0]) == {tickets[0].id: ("market",)}
    again = desk.do(CHANGE, ids(tickets), answers, reason="")
    assert (those(again, RowState.SAME), again.undo_until) == (set(ids(tickets)), None)
    back = desk.undo(done)
    assert {row.said for row in back.rows} == {"As it was."}
    assert seen(session, tickets) == before
    assert session.exec(select(TicketLabel)).all() == []


def test_a_closed_one_is_given_to_nobody(session: Session, awa: Principal, desk: Desk, tickets: list[Ticket]) -> None:
    person = a_person(session, "tech@inet.test")
    service.close(session, actor=awa, reference=tickets[0].reference, note="done", now=NOON)
    merging.merge(session, actor=awa, source=tickets[1].reference, into=tickets[2].reference, now=NOON)
    done = desk.do(CHANGE, ids(tickets), {"assignee_id": str(person.id)})
    assert those(done, RowState.DONE) == {tickets[2].id}
    assert "is closed" in why(done)[tickets[0].id or 0]
    assert tickets[2].reference in why(done)[tickets[1].id or 0]
    assert working.bells(session, working.principal_of(person)) == ["ticket_assigned"]


def test_what_was_changed_of_one_thing_stays_and_the_rest_of_it_goes_back(
    session: Session, awa: Principal, desk: Desk, tickets: list[Ticket]
) -> None:
    done = desk.do(CHANGE, ids(tickets), {"priority": "low", "state": "open"})
    service.triage(session, actor=awa, reference=tickets[0].reference, priority=Priority.URGENT, now=LATER)
    service.wait(session, actor=awa, reference=tickets[1].reference, hold=None, now=LATER)
    back = desk.undo(done)
    assert why(back, RowState.UNDONE) == {
        tickets[0].id: "As it was, but for the priority.",
        tickets[1].id: "As it was, but for its state.",
        tickets[2].id: "As it was.",
    }
    seen(session, tickets)
    assert [ticket.priority for ticket in tickets] == [Priority.URGENT, Priority.NORMAL, Priority.NORMAL]
    assert [ticket.state for ticket in tickets] == [TicketState.NEW, TicketState.PENDING, TicketState.NEW]


def test_where_customers_are_told_a_reason_is_asked_for(session: Session, desk: Desk, tickets: list[Ticket]) -> None:
    answers = {"state": "resolved"}
    shown = desk.look(CHANGE, ids(tickets), answers)
    assert (shown.tells, shown.needs_reason) == (3, True)
    with pytest.raises(InvalidInput) as refusal:
        desk.do(CHANGE, ids(tickets), answers, reason=" ")
    assert refusal.value.field == "reason"
    assert {ticket.state for ticket in tickets} == {TicketState.NEW}
    done = desk.do(CHANGE, ids(tickets), answers, reason="the mast is up again")
    assert those(done, RowState.DONE) == set(ids(tickets))


def test_duplicates_are_merged_into_one_and_all_come_apart_again(session: Session, desk: Desk, tickets: list[Ticket]) -> None:
    before = seen(session, tickets)
    stranger = working.a_ticket(session, "d", customer=working.a_customer(session, 2))
    answers = {"merge_into": tickets[0].reference, "priority": "high"}
    done = desk.do(CHANGE, ids([*tickets, stranger]), answers)
    assert working.said(session, tickets[0]) == ["a", "b", "c"]
    assert those(done, RowState.REFUSED) == {stranger.id}
    desk.undo(done)
    assert seen(session, tickets) == before


def test_one_merge_that_was_undone_before_is_left_alone(session: Session, awa: Principal, desk: Desk, tickets: list[Ticket]) -> None:
    done = desk.do(CHANGE, ids(tickets[1:]), {"merge_into": tickets[0].reference})
    one = session.exec(select(TicketOperation).where(TicketOperation.kind == "merge")).first()
    assert one is not None
    operations.undo(session, actor=awa, operation_id=one.id or 0, now=LATER)
    back = desk.undo(done)
    assert {row.said for row in back.rows} == {"As it was."}
    assert [working.said(session, ticket) for ticket in tickets] == [["a"], ["b"], ["c"]]


def test_a_macro_answers_only_where_it_has_what_it_names(session: Session, awa: Principal, desk: Desk, tickets: list[Ticket]) -> None:
    named = working.a_customer(session, 2)
    named.name = "Fatou"
    other = working.a_ticket(session, "d", customer=named)
    terms = macros.MacroTerms("Hello", "Hello {customer_name}", changes={"priority": "low"})
    macro = macros.save(session, actor=awa, terms=terms, now=NOON)
    answers, rows = {"macro_id": str(macro.id)}, ids([tickets[0], other])
    assert desk.look(CHANGE, rows, answers).tells == 1
    done = desk.do(CHANGE, rows, answers, reason="a greeting")
    assert "{customer_name}" in why(done)[tickets[0].id or 0]
    assert working.said(session, other) == ["d", "Hello Fatou"]
    back = desk.undo(done)
    assert why(back, RowState.UNDONE) == {other.id: "As it was, but for the reply that was sent."}
    session.refresh(other)
    assert (other.priority, other.state) == (Priority.NORMAL, TicketState.NEW)


@pytest.mark.parametrize(
    ("answers", "refusal"),
    [
        ({"assignee_id": "999999"}, InvalidInput),
        ({"state": "new"}, InvalidInput),
        ({"state": "on_hold"}, InvalidInput),
        ({"add_tags": "no/slashes"}, InvalidInput),
        ({"confirm": "yes"}, InvalidInput),
        ({"priority": "enormous"}, InvalidInput),
        ({"merge_into": "T-NOSUCH2"}, DomainError),
    ],
)
def test_what_no_ticket_could_be_given_is_refused_at_once(
    desk: Desk, tickets: list[Ticket], answers: dict[str, str], refusal: type[DomainError]
) -> None:
    with pytest.raises(refusal):
        desk.look(CHANGE, ids(tickets), answers)


def test_a_technician_changes_only_their_own_and_gives_none_away(session: Session, awa: Principal, tickets: list[Ticket]) -> None:
    staff = a_person(session, "tech@inet.test")
    desk = Desk(session, working.principal_of(staff), LATER)
    asked = {one.name for one in steps.questions(session, actor=desk.actor, action=CHANGE)}
    assert not asked & {"assignee_id", "team_id"}
    with pytest.raises(Forbidden):
        desk.do(CHANGE, ids(tickets), {"assignee_id": "0"})
    service.assign(session, actor=awa, reference=tickets[0].reference, staff_id=staff.id, expected_revision=None, now=NOON)
    done = desk.do(CHANGE, ids(tickets), {"priority": "low"})
    assert those(done, RowState.DONE) == {tickets[0].id}
    assert those(done, RowState.REFUSED) == set(ids(tickets[1:]))
    assert tickets[1].reference not in " ".join(row.name for row in done.rows)


def test_money_has_no_hand_in_tickets(session: Session, tickets: list[Ticket]) -> None:
    with pytest.raises(Forbidden):
        Desk(session, working.care(session, "money", Role.BILLING_OFFICER)).do(CHANGE, ids(tickets), {"priority": "low"})
