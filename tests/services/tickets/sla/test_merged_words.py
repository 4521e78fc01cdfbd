"""Words that come into a ticket by a merge are owed an answer there, from the moment of the merge; and live is what replaying gives."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from services.accounts.permissions import Principal
from services.tickets import merging, operations
from services.tickets.models import Ticket, TicketState
from services.tickets.sla import clocks
from services.tickets.sla.replay import NEXT, Run
from services.tickets.work_models import TicketOperation
from tests.services.tickets import working
from tests.services.tickets.sla import builders as make
from tests.services.tickets.sla.builders import HOUR, at


@pytest.fixture
def awa(session: Session) -> Principal:
    make.a_policy(session)
    return working.care(session)


def merged(session: Session, actor: Principal, source: Ticket, into: Ticket, *, hours: float) -> TicketOperation:
    now = at(hours)
    return merging.merge(session, actor=actor, source=source.reference, into=into.reference, confirm=True, now=now)


def answered(session: Session, *, hours: float = 1) -> Ticket:
    ticket = make.a_ticket(session)
    make.we_reply(session, ticket, now=at(hours))
    return ticket


def rounds(session: Session, ticket: Ticket, *, hours: float) -> list[Run]:
    return list(clocks.played(session, clocks.history(session, ticket.id), now=at(hours)).runs[NEXT])


def test_unanswered_words_start_the_next_response_when_the_merge_brings_them(session: Session, awa: Principal) -> None:
    other, one = answered(session), make.a_ticket(session, now=at(0.5))
    merged(session, awa, one, other, hours=2)
    assert [(run.started_at, run.due_at, run.met_at) for run in rounds(session, other, hours=2)] == [(at(2), at(6), None)]
    assert (other.next_response_due_at, other.due_at) == (at(6), at(6))
    make.we_reply(session, other, now=at(3))
    assert [run.met_at for run in rounds(session, other, hours=3)] == [at(3)]


def test_words_that_wait_already_keep_their_deadline(session: Session, awa: Principal) -> None:
    other, one = answered(session), make.a_ticket(session, now=at(0.5))
    make.customer_says(session, other, now=at(1.5))
    merged(session, awa, one, other, hours=2)
    assert other.next_response_due_at == at(5.5)


def test_a_ticket_that_was_never_answered_waits_for_its_first_response(session: Session, awa: Principal) -> None:
    other, one = make.a_ticket(session), make.a_ticket(session)
    merged(session, awa, one, other, hours=2)
    assert (other.first_response_due_at, other.next_response_due_at) == (at(4), None)


@pytest.mark.parametrize("how", ["answered", "resolved"])
def test_what_is_owed_no_answer_brings_no_deadline(session: Session, awa: Principal, how: str) -> None:
    other, one = answered(session), make.a_ticket(session)
    if how == "answered":
        make.we_reply(session, one, now=at(1))
    else:
        make.to_state(session, one, TicketState.RESOLVED, now=at(1))
    merged(session, awa, one, other, hours=2)
    assert (other.next_response_due_at, rounds(session, other, hours=2)) == (None, [])


def test_undoing_the_merge_takes_the_deadline_back_and_nothing_is_broken_by_it(session: Session, awa: Principal) -> None:
    other, one = answered(session), make.a_ticket(session, now=at(0.5))
    step = merged(session, awa, one, other, hours=2)
    operations.undo(session, actor=awa, operation_id=step.id or 0, now=at(3))
    assert other.next_response_due_at is None
    assert [(run.met_at, run.breached_at) for run in rounds(session, other, hours=30)] == [(at(3), None)]
    assert one.first_response_due_at == at(5.5)


def test_words_of_its_own_go_on_waiting_when_the_merge_is_undone(session: Session, awa: Principal) -> None:
    other, one = answered(session), make.a_ticket(session, now=at(0.5))
    step = merged(session, awa, one, other, hours=2)
    make.customer_says(session, other, now=at(2.5))
    operations.undo(session, actor=awa, operation_id=step.id or 0, now=at(3))
    assert other.next_response_due_at == at(6)


def test_words_are_handed_on_by_a_second_merge(session: Session, awa: Principal) -> None:
    one, middle, last = make.a_ticket(session), answered(session), answered(session)
    merged(session, awa, one, middle, hours=2)
    merged(session, awa, middle, last, hours=3)
    assert (middle.due_at, last.next_response_due_at) == (None, at(7))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.sampled_from(["customer", "reply", "resolve", "open", "merge", "merge", "undo"]), st.integers(0, 300)
        ),
        max_size=14,
    )
)
def test_after_any_merges_what_is_stored_is_what_replaying_gives(session: Session, deeds: list[tuple[int, str, int]]) -> None:
    with session.begin_nested() as trial:
        make.a_policy(session)
        awa = working.care(session)
        tickets = [make.a_ticket(session) for _ in range(3)]
        now, steps = at(0), list[TicketOperation]()
        for number, deed, minutes in deeds:
            now += timedelta(minutes=minutes)
            hours, ticket, other = (now - at(0)) / HOUR, tickets[number], tickets[(number + 1) % 3]
            if deed == "merge" and merging.refusal(session, ticket, other) is None:
                steps.append(merged(session, awa, ticket, other, hours=hours))
            elif deed == "undo" and steps and now - steps[-1].created_at < timedelta(hours=23):
                operations.undo(session, actor=awa, operation_id=steps.pop().id or 0, now=now)
            elif ticket.merged_into_id is None and deed in ("customer", "reply"):
                (make.customer_says if deed == "customer" else make.we_reply)(session, ticket, now=now)
            elif ticket.merged_into_id is None and deed in ("resolve", "open"):
                make.to_state(session, ticket, TicketState.RESOLVED if deed == "resolve" else TicketState.OPEN, now=now)
            for one in tickets:
                replayed = clocks.deadlines(clocks.played(session, clocks.history(session, one.id), now=now))
                stored = {name: getattr(one, name) for name in replayed}
                # A breach that no change has looked at yet is stored by the tick.
                assert {**stored, "breached_at": None} == {**replayed, "breached_at": None}
        trial.rollback()
