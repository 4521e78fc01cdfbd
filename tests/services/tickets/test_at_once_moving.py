"""Merging, splitting, answering, giving and undoing at the same moment end in one sane state, on a database that really commits."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from app.errors import DomainError
from services.accounts.permissions import Principal
from services.tickets import bulk, bulk_plan, conversation, merging, notes, operations, replies, service, splitting, tags
from services.tickets.bulk_plan import BulkChange
from services.tickets.changes import By
from services.tickets.models import Channel, MessageKind, Priority, Ticket, TicketEvent, TicketMessage
from services.tickets.work_models import TicketOperation
from tests.conftest import NOON
from tests.services.tickets import working

LATER = NOON + timedelta(minutes=1)


def at_once(*steps: Callable[[Session], object]) -> list[object]:
    """Each in a transaction and a thread of its own, begun together; answers what each gave, or the refusal that it met."""
    barrier = Barrier(len(steps))

    def run(step: Callable[[Session], object]) -> object:
        barrier.wait(timeout=20)
        try:
            with transaction() as session:
                return step(session)
        except DomainError as refusal:
            return refusal

    with ThreadPoolExecutor(len(steps)) as pool:
        return [done.result(timeout=60) for done in [pool.submit(run, step) for step in steps]]


def refusals(answers: list[object]) -> list[DomainError]:
    return [one for one in answers if isinstance(one, DomainError)]


class Desk:
    """Two tickets of one customer, and two people at them."""

    def __init__(self) -> None:
        with transaction() as session:
            self.awa, self.binta = working.care(session), working.care(session, "binta")
            self.one, self.other = working.a_ticket(session, "one"), working.a_ticket(session, "other")

    def merge(self, by: Principal, source: Ticket, into: Ticket) -> Callable[[Session], object]:
        return lambda session: merging.merge(session, actor=by, source=source.reference, into=into.reference, now=LATER)

    def reply(self, by: Principal, ticket: Ticket, text: str) -> Callable[[Session], object]:
        seen = ticket.revision
        return lambda session: replies.reply(
            session, actor=by, reference=ticket.reference, text=text, expected_revision=seen, anyway=True, now=LATER
        )

    def undo(self, by: Principal, operation_id: int) -> Callable[[Session], object]:
        return lambda session: operations.undo(session, actor=by, operation_id=operation_id, now=LATER)


@pytest.fixture
def desk(database: sa.Engine) -> Desk:
    return Desk()


def said_in(ticket: Ticket) -> list[str]:
    with transaction() as session:
        return working.said(session, ticket)


def test_of_a_into_b_and_b_into_a_one_wins_and_the_other_is_told(desk: Desk) -> None:
    for _ in range(3):
        answers = at_once(desk.merge(desk.awa, desk.one, desk.other), desk.merge(desk.binta, desk.other, desk.one))
        (refusal,) = refusals(answers)
        assert "was merged into" in refusal.text
        (done,) = [one for one in answers if isinstance(one, TicketOperation)]
        winner = desk.other if done.ticket_id == desk.other.id else desk.one
        assert said_in(winner) == ["one", "other"]
        at_once(desk.undo(desk.awa, done.id or 0))


def test_two_who_merge_the_same_do_it_once(desk: Desk) -> None:
    answers = at_once(*(desk.merge(by, desk.one, desk.other) for by in (desk.awa, desk.binta)))
    assert len(refusals(answers)) == 1
    assert said_in(desk.other) == ["one", "other"]
    with transaction() as session:
        assert len(session.exec(select(TicketOperation)).all()) == 1


def test_two_who_undo_the_same_do_it_once(desk: Desk) -> None:
    (done,) = at_once(desk.merge(desk.awa, desk.one, desk.other))
    assert isinstance(done, TicketOperation)
    answers = at_once(*(desk.undo(by, done.id or 0) for by in (desk.awa, desk.binta)))
    (refusal,) = refusals(answers)
    assert "already" in refusal.text
    assert (said_in(desk.one), said_in(desk.other)) == (["one"], ["other"])


def test_what_is_said_while_it_is_merged_is_said_once_in_the_one_that_stays(desk: Desk) -> None:
    assert desk.one.id is not None
    answers = at_once(
        desk.merge(desk.awa, desk.one, desk.other),
        desk.reply(desk.binta, desk.one, "we look"),
        lambda session: working.hear(session, desk.one, "hello?", now=LATER),
        lambda session: notes.note(session, actor=desk.binta, reference=desk.one.reference, text="a note", now=LATER),
    )
    assert refusals(answers) == []
    assert said_in(desk.one) == []
    assert sorted(said_in(desk.other)) == ["a note", "hello?", "one", "other", "we look"]


def test_two_clicks_of_one_person_at_once_are_one_reply(desk: Desk) -> None:
    click = desk.reply(desk.awa, desk.one, "we look")
    answers = at_once(click, click, click)
    assert len({one.id for one in answers if isinstance(one, TicketMessage)}) == 1
    with transaction() as session:
        assert len(working.told(session, "ticket_reply")) == 1


def test_of_two_who_answer_at_once_the_second_is_shown_what_the_first_said(desk: Desk) -> None:
    seen = desk.one.revision

    def answer(by: Principal) -> Callable[[Session], object]:
        return lambda session: replies.reply(
            session, actor=by, reference=desk.one.reference, text=f"from {by.name}", expected_revision=seen, now=LATER
        )

    (refusal,) = refusals(at_once(answer(desk.awa), answer(desk.binta)))
    assert refusal.code == "answered_meanwhile"
    assert "replied: from" in refusal.text
    with transaction() as session:
        assert len(working.told(session, "ticket_reply")) == 1


def test_two_who_give_it_to_two_people_leave_it_with_one(desk: Desk) -> None:
    def give(by: Principal) -> Callable[[Session], object]:
        return lambda session: service.assign(
            session, actor=by, reference=desk.one.reference, staff_id=by.id, expected_revision=desk.one.revision, now=LATER
        )

    assert len(refusals(at_once(give(desk.awa), give(desk.binta)))) == 1
    with transaction() as session:
        events = session.exec(select(TicketEvent).where(TicketEvent.ticket_id == desk.one.id, TicketEvent.kind == "assignee")).all()
        assert [event.data["to"] for event in events] == [session.get_one(Ticket, desk.one.id).assignee_id]


def test_a_storm_of_everything_waits_for_nobody_for_ever_and_loses_no_word(database: sa.Engine) -> None:
    """A deadlock would end in an error of the database, which is no refusal and fails this."""
    with transaction() as session:
        people = [working.care(session, f"care{number}") for number in range(3)]
        tickets = [working.a_ticket(session, f"first {number}") for number in range(5)]
    spoken = [f"first {number}" for number in range(5)]
    for draw in range(6):
        dice = random.Random(draw)
        steps = [_drawn(dice, people, tickets, f"{draw}-{number}") for number in range(8)]
        answers = at_once(*(step for step, _ in steps))
        spoken += [word for (_, word), answer in zip(steps, answers, strict=True) if word and not isinstance(answer, DomainError)]
    with transaction() as session:
        found = session.exec(select(TicketMessage.body).where(TicketMessage.kind != MessageKind.SYSTEM)).all()
        assert sorted(found) == sorted(spoken)
        merged = session.exec(select(Ticket).where(col(Ticket.merged_into_id).is_not(None))).all()
        assert all(working.said(session, ticket) == [] for ticket in merged)


def _drawn(dice: random.Random, people: list[Principal], tickets: list[Ticket], name: str) -> tuple[Callable[[Session], object], str]:
    by = dice.choice(people)
    one, other = dice.sample(tickets, 2)

    def undo(session: Session) -> object:
        found = operations.latest(session, one.id or 0)
        return found and operations.undo(session, actor=by, operation_id=found.id or 0, now=LATER)

    def split(session: Session) -> object:
        newest = session.exec(
            select(TicketMessage.id).where(TicketMessage.ticket_id == one.id).order_by(col(TicketMessage.id).desc())
        ).first()
        return splitting.split(session, actor=by, reference=one.reference, message_ids=[newest or 0], subject="Other", now=LATER)

    def many(session: Session) -> object:
        """One row's turn of a step on many: it may merge as well."""
        into = other.reference if dice.random() < 0.3 else None
        change = BulkChange(priority=dice.choice(list(Priority)), add_tags=(f"t{dice.randrange(3)}",), merge_into=into)
        return bulk.change(session, bulk_plan.plan(session, change, actor=by), one.id or 0, reason="", now=LATER)

    def hear(session: Session) -> object:
        return conversation.hear(session, one.id or 0, body=f"heard {name}", channel=Channel.SMS, who=By("customer"), now=LATER)

    def say(session: Session) -> object:
        text = f"said {name}"
        return replies.reply(session, actor=by, reference=one.reference, text=text, expected_revision=None, anyway=True, now=LATER)

    def mark(session: Session) -> object:
        return tags.change(session, actor=by, reference=one.reference, add=["x1"], now=LATER)

    def merge(session: Session) -> object:
        return merging.merge(session, actor=by, source=one.reference, into=other.reference, now=LATER)

    drawn: tuple[Callable[[Session], object], str] = dice.choice(
        [(undo, ""), (split, ""), (many, ""), (hear, f"heard {name}"), (say, f"said {name}"), (mark, ""), (merge, ""), (merge, "")]
    )
    return drawn
