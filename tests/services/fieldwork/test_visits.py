"""A visit goes forward, stands in the ticket's history, and does to the ticket what the console would do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role, Staff
from services.fieldwork import visits
from services.fieldwork.models import Visit, VisitState
from services.fieldwork.steps import Place
from services.fieldwork.visits import NotBackwards
from services.notifications.models import Notification
from services.tickets import changes, duty, service
from services.tickets.changes import events_of
from services.tickets.errors import TicketAlreadyClosed, TicketNotFound
from services.tickets.models import HoldReason, Ticket, TicketState
from services.tickets.sla.clocks import history, played
from tests.conftest import NOON
from tests.services.fieldwork.out import a_technician, given, worker
from tests.services.tickets.desk import a_member, a_team
from tests.services.tickets.people import a_person
from tests.services.tickets.working import a_customer, told

V = VisitState


@pytest.fixture
def lamin(session: Session) -> Staff:
    return a_technician(session)


@pytest.fixture
def ticket(session: Session, lamin: Staff) -> Ticket:
    return given(session, lamin, customer=a_customer(session))


def go(session: Session, person: Staff, ticket: Ticket, *states: VisitState, **more: object) -> Visit:
    for state in states:
        visit = visits.step(session, worker=worker(person), ticket_id=ticket.id or 0, to=state, **more)  # type: ignore[arg-type]
    return visit


def test_each_step_stands_in_the_history_with_when_and_where_it_was(session: Session, lamin: Staff, ticket: Ticket) -> None:
    late = worker(lamin, ago=timedelta(minutes=40))
    visit = visits.step(session, worker=late, ticket_id=ticket.id or 0, to=V.ON_SITE, place=Place(13.44, -16.67, 12))
    assert (visit.state, visit.since, visit.ended_at) == (V.ON_SITE, NOON - timedelta(minutes=40), None)
    event = next(one for one in events_of(session, ticket.id or 0) if one.kind == "visit")
    # The deadlines go by when it reached us.
    assert (event.at, event.actor) == (NOON, "staff:lamin@inet.test")
    assert event.data == {
        "from": None,
        "to": "on_site",
        "reason": None,
        "place": {"latitude": 13.44, "longitude": -16.67, "accuracy": 12.0},
        "staff_id": lamin.id,
        "happened_at": "2026-11-22T11:20:00Z",
    }


def test_whoever_sets_out_works_on_it(session: Session, lamin: Staff, ticket: Ticket) -> None:
    assert ticket.state is TicketState.NEW
    go(session, lamin, ticket, V.ACCEPTED)
    assert ticket.state is TicketState.OPEN
    changes.set_state(session, ticket, TicketState.ON_HOLD, hold=HoldReason.PART, who=changes.SYSTEM, now=NOON)
    go(session, lamin, ticket, V.ON_THE_WAY)
    assert ticket.state is TicketState.OPEN


def test_it_goes_forward_only_and_a_step_taken_twice_is_one(session: Session, lamin: Staff, ticket: Ticket) -> None:
    go(session, lamin, ticket, V.ON_SITE, V.ON_SITE)
    with pytest.raises(NotBackwards):
        go(session, lamin, ticket, V.ON_THE_WAY)
    go(session, lamin, ticket, V.DONE)
    with pytest.raises(NotBackwards):
        go(session, lamin, ticket, V.CANNOT, reason="Nobody there")
    assert [event.data["to"] for event in events_of(session, ticket.id or 0) if event.kind == "visit"] == ["on_site", "done"]


def test_after_its_end_it_may_be_accepted_again(session: Session, lamin: Staff, ticket: Ticket) -> None:
    go(session, lamin, ticket, V.CANNOT, reason="No ladder", hold=HoldReason.PART)
    visit = go(session, lamin, ticket, V.ACCEPTED)
    assert (visit.state, visit.reason, visit.ended_at) == (V.ACCEPTED, None, None)


def test_done_with_words_resolves_the_ticket_as_the_console_does(session: Session, lamin: Staff, ticket: Ticket) -> None:
    go(session, lamin, ticket, V.DONE, resolution="New power supply at the gate")
    assert (ticket.state, ticket.resolved_at) == (TicketState.RESOLVED, NOON)
    assert events_of(session, ticket.id or 0)[-1].data["note"] == "New power supply at the gate"
    assert len(told(session, "ticket_resolved")) == 1


def test_done_without_words_leaves_the_ticket_to_the_office_until_they_come(session: Session, lamin: Staff, ticket: Ticket) -> None:
    visit = go(session, lamin, ticket, V.DONE)
    assert ticket.is_open
    assert visit.ended_at == NOON
    go(session, lamin, ticket, V.DONE, resolution="New fuse")
    assert ticket.state is TicketState.RESOLVED


def test_what_cannot_be_done_now_waits_for_what_it_needs(session: Session, lamin: Staff, ticket: Ticket) -> None:
    go(session, lamin, ticket, V.CANNOT, reason="The pole is rotten", hold=HoldReason.SITE_ACCESS)
    assert (ticket.state, ticket.hold_reason, ticket.assignee_id) == (TicketState.ON_HOLD, HoldReason.SITE_ACCESS, lamin.id)


def test_what_one_cannot_do_goes_to_another_of_the_team(session: Session) -> None:
    field = a_team(session, "Field", is_field=True)
    lamin, musa = (a_member(session, field, name, role=Role.FIELD_TECHNICIAN) for name in ("lamin", "musa"))
    ticket = given(session, lamin)
    changes.set_field(session, ticket, "team_id", field.id, who=changes.SYSTEM, now=NOON)
    go(session, lamin, ticket, V.CANNOT, reason="No car today")
    assert (ticket.team_id, ticket.assignee_id) == (field.id, musa.id)
    with pytest.raises(TicketNotFound):
        go(session, lamin, ticket, V.ACCEPTED)


def test_with_nobody_else_it_waits_and_whoever_leads_is_told_and_it_does_not_come_back_by_itself(session: Session) -> None:
    field = a_team(session, "Field", is_field=True)
    lamin = a_member(session, field, "lamin", role=Role.FIELD_TECHNICIAN)
    awa = a_member(session, field, "awa", skills=["lead"], is_on_duty=False)
    ticket = given(session, lamin)
    changes.set_field(session, ticket, "team_id", field.id, who=changes.SYSTEM, now=NOON)
    go(session, lamin, ticket, V.CANNOT, reason="No car today")
    assert ticket.assignee_id is None
    assert duty.waiting_in(session, field.id or 0) == []
    bells = session.exec(select(Notification.staff_id).where(Notification.event == "ticket_watched")).all()
    assert list(bells) == [awa.id]


@pytest.mark.parametrize(
    ("state", "words", "field"),
    [
        (V.CANNOT, {}, "reason"),
        (V.CANNOT, {"reason": "no"}, "reason"),
        (V.ON_SITE, {"reason": "Because"}, "reason"),
        (V.ON_SITE, {"hold": HoldReason.PART}, "hold_reason"),
        (V.ON_SITE, {"resolution": "All is well"}, "resolution"),
        (V.DONE, {"resolution": "ok"}, "resolution"),
    ],
)
def test_words_go_with_the_step_that_they_belong_to(
    session: Session, lamin: Staff, ticket: Ticket, state: VisitState, words: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        go(session, lamin, ticket, state, **words)
    assert refused.value.field == field


def test_the_customer_is_told_once_for_each_time_that_somebody_sets_out(session: Session, lamin: Staff, ticket: Ticket) -> None:
    go(session, lamin, ticket, V.ON_THE_WAY, V.ON_SITE)
    assert len(told(session, "technician_on_the_way")) == 1
    go(session, lamin, ticket, V.CANNOT, reason="Nobody there", hold=HoldReason.SITE_ACCESS)
    tomorrow = NOON + timedelta(days=1)
    for state in (V.ACCEPTED, V.ON_THE_WAY):
        visits.step(session, worker=worker(lamin, at=tomorrow), ticket_id=ticket.id or 0, to=state)
    assert len(told(session, "technician_on_the_way")) == 2


def test_what_is_no_news_any_more_is_not_told(session: Session, lamin: Staff, ticket: Ticket) -> None:
    visits.step(session, worker=worker(lamin, ago=timedelta(hours=3)), ticket_id=ticket.id or 0, to=V.ON_THE_WAY)
    assert told(session, "technician_on_the_way") == []


def test_a_ticket_that_is_done_is_not_visited(session: Session, lamin: Staff, ticket: Ticket) -> None:
    from services.accounts.sessions import principal_of

    service.resolve(session, actor=principal_of(lamin), reference=ticket.reference, note="By phone", now=NOON)
    with pytest.raises(TicketAlreadyClosed):
        go(session, lamin, ticket, V.ACCEPTED)


def test_only_whoever_may_change_the_ticket_visits(session: Session, ticket: Ticket) -> None:
    with pytest.raises(TicketNotFound):
        go(session, a_technician(session, "musa"), ticket, V.ACCEPTED)
    with pytest.raises(Forbidden):
        go(session, a_person(session, "bill@inet.test", role=Role.BILLING_OFFICER), ticket, V.ACCEPTED)


def test_replaying_the_history_still_gives_the_deadlines(session: Session, lamin: Staff, ticket: Ticket) -> None:
    go(session, lamin, ticket, V.ACCEPTED, V.ON_SITE, V.DONE)
    replayed = played(session, history(session, ticket.id), now=NOON)
    first = replayed.current("first_response")
    assert ticket.first_response_due_at == (first.due_at if first else None)
