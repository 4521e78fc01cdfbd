"""Tickets end by silence, with notice; customers are told once, and say once how our help was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select
from structlog.testing import capture_logs

from app.db import transaction
from app.errors import InvalidInput
from app.keys import unseal
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Role
from services.notifications.models import Notification
from services.notifications.service import BODY
from services.tickets import changes, closure, closure_news, conversation
from services.tickets.changes import SYSTEM, By
from services.tickets.closure import NotDoneYet, VoteIsFinal
from services.tickets.closure_models import TicketRating
from services.tickets.desk_models import Team, TeamMember
from services.tickets.models import Channel, MessageKind, Ticket, TicketEvent, TicketState
from services.tickets.opening import Opening, open_ticket
from services.tickets.tokens import opens
from tests.conftest import NOON
from tests.factories import PHONE
from tests.services.tickets.people import a_person

DAY = timedelta(days=1)


def a_ticket(session: Session, *, phone: str | None = PHONE, channel: Channel = Channel.PORTAL) -> Ticket:
    customer_id = find_or_create_customer(session, phone=phone, now=NOON).id if phone else None
    opening = Opening(body="No page comes up", channel=channel, customer_id=customer_id)
    return open_ticket(session, opening, who=By("customer"), now=NOON)


def to(session: Session, ticket: Ticket, state: TicketState, *, at: datetime = NOON) -> None:
    changes.set_state(session, ticket, state, who=By("staff:care@inet.test"), now=at)


def sweep(session: Session, at: datetime) -> None:
    while closure.sweep_batch(session, now=at) == closure.BATCH:
        pass


def told(session: Session, ticket: Ticket, event: str) -> list[str]:
    rows = session.exec(select(Notification).where(Notification.ticket_id == ticket.id, Notification.event == event)).all()
    return [unseal(BODY, row.body_sealed).decode() for row in rows]


def bells(session: Session, staff_id: int | None) -> list[str]:
    rows = session.exec(select(Notification).where(Notification.staff_id == staff_id, Notification.event == "ticket_watched")).all()
    return [unseal(BODY, row.body_sealed).decode() for row in rows]


def test_resolving_tells_the_customer_once_with_the_link_to_their_page(session: Session) -> None:
    ticket = a_ticket(session)
    to(session, ticket, TicketState.RESOLVED)
    to(session, ticket, TicketState.CLOSED)
    (text,) = told(session, ticket, "ticket_resolved")
    link = closure_news.page_link(ticket)
    assert link in text
    assert opens(ticket.reference, link.rpartition("=")[2])
    assert len(text) <= 160


def test_each_further_resolution_tells_again(session: Session) -> None:
    ticket = a_ticket(session)
    for state in (TicketState.RESOLVED, TicketState.OPEN, TicketState.RESOLVED):
        to(session, ticket, state)
    assert len(told(session, ticket, "ticket_resolved")) == 2


def test_incidents_own_merged_and_unreachable_ones_tell_nobody(session: Session) -> None:
    into = a_ticket(session)
    for ticket in (a_ticket(session, channel=Channel.INCIDENT), a_ticket(session, phone=None)):
        to(session, ticket, TicketState.RESOLVED)
        assert told(session, ticket, "ticket_resolved") == []
    merged = a_ticket(session)
    merged.merged_into_id = into.id
    to(session, merged, TicketState.CLOSED)
    assert told(session, merged, "ticket_resolved") == []


def test_a_ticket_that_waits_is_announced_and_a_day_later_closed(session: Session) -> None:
    ticket = a_ticket(session)
    to(session, ticket, TicketState.PENDING)
    sweep(session, NOON + 3 * DAY)
    assert told(session, ticket, "ticket_closing") == []
    for _ in range(2):
        sweep(session, NOON + 4 * DAY)
    assert len(told(session, ticket, "ticket_closing")) == 1
    assert ticket.state is TicketState.PENDING
    sweep(session, NOON + 5 * DAY)
    assert ticket.closed_at == NOON + 5 * DAY
    assert told(session, ticket, "ticket_resolved") == []
    last = changes.events_of(session, ticket.id or 0)[-1]
    assert "silence" in last.data["note"]


def test_a_sweep_that_comes_late_still_leaves_the_day_that_was_promised(session: Session) -> None:
    ticket = a_ticket(session)
    to(session, ticket, TicketState.PENDING)
    sweep(session, NOON + 30 * DAY)
    sweep(session, NOON + 30 * DAY + timedelta(hours=23))
    assert ticket.state is TicketState.PENDING
    sweep(session, NOON + 31 * DAY)
    assert ticket.closed_at == NOON + 31 * DAY


def test_a_further_reply_of_ours_gives_the_customer_the_whole_time_again(session: Session) -> None:
    ticket = a_ticket(session)
    to(session, ticket, TicketState.PENDING)
    sweep(session, NOON + 4 * DAY)
    at = NOON + 4 * DAY + timedelta(hours=1)
    changes.say(session, ticket, kind=MessageKind.REPLY, body="And now?", channel=Channel.PORTAL, who=SYSTEM, now=at)
    sweep(session, NOON + 6 * DAY)
    assert ticket.state is TicketState.PENDING
    sweep(session, at + 4 * DAY)
    assert len(told(session, ticket, "ticket_closing")) == 2


def test_a_resolved_ticket_is_closed_after_a_week_and_a_word_within_it_opens_it(session: Session) -> None:
    quiet, heard = a_ticket(session), a_ticket(session)
    for ticket in (quiet, heard):
        to(session, ticket, TicketState.RESOLVED)
    words = "It is down again"
    conversation.hear(session, heard.id or 0, body=words, channel=Channel.SMS, who=By("customer"), now=NOON + 6 * DAY)
    sweep(session, NOON + 7 * DAY)
    assert (quiet.state, heard.state) == (TicketState.CLOSED, TicketState.OPEN)
    assert heard.reopened_count == 1


def test_one_ticket_that_fails_does_not_hold_up_the_others(session: Session) -> None:
    broken, whole = a_ticket(session), a_ticket(session)
    for ticket in (broken, whole):
        to(session, ticket, TicketState.RESOLVED)
    # Its row refuses what the sweep would make of it.
    session.execute(sa.text(f"ALTER TABLE ticket ADD CONSTRAINT refuses CHECK (id <> {broken.id} OR state <> 'closed')"))
    with capture_logs() as logged:
        sweep(session, NOON + 7 * DAY)
    assert [entry["event"] for entry in logged] == ["closure.step_failed"]
    assert whole.state is TicketState.CLOSED
    session.refresh(broken)
    assert (broken.state, broken.close_at) == (TicketState.RESOLVED, NOON + 7 * DAY + timedelta(minutes=5))


def test_two_sweeps_at_once_announce_and_close_each_ticket_once(database: sa.Engine) -> None:
    with transaction() as session:
        ids = []
        for number in range(5):
            ticket = a_ticket(session, phone=f"+22083300010{number}")
            to(session, ticket, TicketState.PENDING)
            ids.append(ticket.id)
    for at in (NOON + 4 * DAY, NOON + 5 * DAY):
        with transaction() as one, transaction() as other:
            assert closure.sweep_batch(one, now=at) + closure.sweep_batch(other, now=at) == 5
    with transaction() as session:
        assert len(session.exec(select(TicketEvent).where(TicketEvent.kind == closure.CLOSING)).all()) == 5
        assert {ticket.state for ticket in session.exec(select(Ticket)).all()} == {TicketState.CLOSED}


def test_the_last_word_of_the_customer_counts_for_a_week(session: Session) -> None:
    ticket = a_ticket(session)
    with pytest.raises(NotDoneYet):
        closure.rate(session, ticket.id or 0, 5, now=NOON)
    to(session, ticket, TicketState.RESOLVED)
    for score, days in ((2, 0), (4, 6), (4, 6)):
        closure.rate(session, ticket.id or 0, score, now=NOON + days * DAY)
    with pytest.raises(VoteIsFinal):
        closure.rate(session, ticket.id or 0, 5, now=NOON + 8 * DAY)
    kept = session.get_one(TicketRating, ticket.id)
    assert (kept.score, kept.at) == (4, NOON + 6 * DAY)
    said = [event.data["score"] for event in changes.events_of(session, ticket.id or 0) if event.kind == closure.RATED]
    assert said == [2, 4]


def test_what_was_opened_again_is_rated_anew(session: Session) -> None:
    ticket = a_ticket(session)
    to(session, ticket, TicketState.RESOLVED)
    closure.rate(session, ticket.id or 0, 1, comment="slow", now=NOON)
    for state in (TicketState.OPEN, TicketState.RESOLVED):
        to(session, ticket, state, at=NOON + 10 * DAY)
    closure.rate(session, ticket.id or 0, 5, now=NOON + 11 * DAY)
    kept = session.get_one(TicketRating, ticket.id)
    assert (kept.score, kept.comment) == (5, "")


@pytest.mark.parametrize(("score", "comment"), [(0, ""), (6, ""), (3, "x" * 1001)])
def test_a_rating_is_one_to_five_and_a_few_words(session: Session, score: int, comment: str) -> None:
    ticket = a_ticket(session)
    to(session, ticket, TicketState.RESOLVED)
    with pytest.raises(InvalidInput):
        closure.rate(session, ticket.id or 0, score, comment=comment, now=NOON)
    assert session.get(TicketRating, ticket.id) is None


def test_a_bad_rating_tells_who_had_it_and_the_team_s_lead_once(session: Session) -> None:
    team = Team(name="Care", created_at=NOON)
    session.add(team)
    session.flush()
    has_it, leads, member = (a_person(session, f"{name}@inet.test", role=Role.CUSTOMER_CARE) for name in ("has", "leads", "member"))
    for person, skills in ((leads, ["lead"]), (member, ["wifi"])):
        session.add(TeamMember(team_id=team.id or 0, staff_id=person.id or 0, skills=skills))
    ticket = a_ticket(session)
    changes.set_field(session, ticket, "team_id", team.id, who=SYSTEM, now=NOON)
    changes.set_field(session, ticket, "assignee_id", has_it.id, who=SYSTEM, now=NOON)
    to(session, ticket, TicketState.RESOLVED)
    for score in (5, 2, 1):
        closure.rate(session, ticket.id or 0, score, now=NOON)
    heard = f"{ticket.reference}: the customer rated our help 2 of 5."
    assert [bells(session, person.id) for person in (has_it, leads, member)] == [[heard], [heard], []]


STEPS = st.lists(
    st.tuples(st.integers(0, 130), st.sampled_from(("sweep", "sweep", "word", "reply", "wait", "resolve", "vote"))), max_size=14
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_comes_when_every_end_was_announced_and_told_of_once(session: Session, steps: list[tuple[int, str]]) -> None:
    with _taken_back(session):
        ticket = a_ticket(session)
        at, ends = NOON, 0
        for hours, step in steps:
            at += timedelta(hours=hours)
            was_open = ticket.is_open
            _take(session, ticket, step, at)
            ends += was_open and not ticket.is_open and step == "resolve"
        for _ in range(8):
            at += DAY
            sweep(session, at)
        _every_end_is_told(session, ticket, ends)
        assert ticket.close_at is None or ticket.close_at > at


def _take(session: Session, ticket: Ticket, step: str, at: datetime) -> None:
    if step == "sweep":
        sweep(session, at)
        sweep(session, at)
    elif step == "word":
        conversation.hear(session, ticket.id or 0, body="Hello?", channel=Channel.SMS, who=By("customer"), now=at)
    elif step == "reply":
        changes.say(session, ticket, kind=MessageKind.REPLY, body="Please try", channel=Channel.SMS, who=SYSTEM, now=at)
    elif step == "vote":
        with suppress(NotDoneYet, VoteIsFinal):
            closure.rate(session, ticket.id or 0, 4, now=at)
    elif ticket.is_open:
        to(session, ticket, TicketState.PENDING if step == "wait" else TicketState.RESOLVED, at=at)


def _every_end_is_told(session: Session, ticket: Ticket, ends: int) -> None:
    assert len(told(session, ticket, "ticket_resolved")) == ends
    events = changes.events_of(session, ticket.id or 0)
    notices = [event for event in events if event.kind == closure.CLOSING]
    assert len(told(session, ticket, "ticket_closing")) == len(notices)
    announced: datetime | None = None
    for event in events:
        if event.kind == closure.CLOSING:
            assert announced is None, "announced twice in one silence"
            announced = event.at
        elif event.kind == "message":
            announced = None
        elif event.kind == "state":
            if (event.data["from"], event.data["to"]) == ("pending", "closed"):
                assert announced is not None
                assert event.at - announced >= closure.NOTICE
            announced = None


@contextmanager
def _taken_back(session: Session) -> Iterator[None]:
    nested = session.begin_nested()
    try:
        yield
    finally:
        nested.rollback()
        session.expire_all()
