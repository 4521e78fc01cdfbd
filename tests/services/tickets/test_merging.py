"""Merging and splitting move what was said, tell who has to know, and can be taken back exactly for a day."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session

from app.errors import Forbidden, InvalidInput, Stale
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.listing import Slice
from services.tickets import links, merging, notes, operations, people, replies, service, splitting, steps, tags, watching
from services.tickets.errors import CannotMerge, CannotSplit, CannotUndo, MergeNotConfirmed, OperationNotFound, TicketMerged, TicketNotFound
from services.tickets.intake_models import Attachment
from services.tickets.models import Ticket, TicketState
from services.tickets.queries import TicketFilter, list_tickets
from services.tickets.sla.clocks import deadlines, history, played
from services.tickets.sla.defaults import add_default_policies
from services.tickets.work_models import TicketOperation
from tests.conftest import NOON
from tests.services.tickets import working
from tests.services.tickets.people import a_person

LATER = NOON + timedelta(minutes=5)
DAY = timedelta(hours=24)


@pytest.fixture(autouse=True)
def policies(session: Session) -> None:
    add_default_policies(session, now=NOON)


@pytest.fixture
def awa(session: Session) -> Principal:
    return working.care(session)


def merge(session: Session, actor: Principal, one: Ticket, into: Ticket, **more: object) -> TicketOperation:
    return merging.merge(session, actor=actor, source=one.reference, into=into.reference, **{"now": LATER, **more})  # type: ignore[arg-type]


def split(session: Session, actor: Principal, ticket: Ticket, ids: list[int], now: datetime = LATER) -> TicketOperation:
    return splitting.split(session, actor=actor, reference=ticket.reference, message_ids=ids, subject="Refund", now=now)


def undo(session: Session, actor: Principal, operation: TicketOperation, now: datetime = LATER + timedelta(hours=1)) -> tuple[str, ...]:
    return operations.undo(session, actor=actor, operation_id=operation.id or 0, now=now).kept


def ids(session: Session, ticket: Ticket, *bodies: str) -> list[int]:
    return [message.id or 0 for message in steps.messages_of(session, ticket) if message.body in bodies]


def a_file(session: Session, ticket: Ticket, body: str) -> Attachment:
    file = Attachment(
        ticket_id=ticket.id,
        message_id=ids(session, ticket, body)[0],
        name="a.jpg",
        media_type="image/jpeg",
        size_bytes=1,
        sha256="0" * 64,
        created_at=NOON,
    )
    session.add(file)
    session.flush()
    return file


def state_of(session: Session, ticket: Ticket) -> tuple[object, ...]:
    session.refresh(ticket)
    return (
        ticket.state,
        ticket.hold_reason,
        ticket.reopened_count,
        ticket.resolved_at,
        ticket.closed_at,
        ticket.close_at,
        ticket.merged_into_id,
        ticket.last_customer_at,
        ticket.last_reply_at,
        working.said(session, ticket),
        tags.of(session, [ticket.id or 0]),
        people.watchers(session, ticket),
    )


def assert_clocks_as_replayed(session: Session, *tickets: Ticket) -> None:
    for ticket in tickets:
        expected = deadlines(played(session, history(session, ticket.id), now=ticket.updated_at))
        assert {name: getattr(ticket, name) for name in expected} == expected


def test_what_was_said_tagged_and_watched_moves_and_the_other_one_is_closed(session: Session, awa: Principal) -> None:
    binta = working.care(session, "binta")
    one, other = working.a_ticket(session, "first words"), working.a_ticket(session, "other words")
    tags.change(session, actor=awa, reference=one.reference, add=["market"], now=NOON)
    watching.watch(session, actor=binta, reference=one.reference, now=NOON)
    file = a_file(session, one, "first words")
    shown = merging.preview(session, actor=awa, source=one.reference, into=other.reference)
    assert (shown.messages, shown.attachments, shown.tags, shown.other_customer, shown.refusal) == (1, 1, ("market",), False, None)
    operation = merge(session, awa, one, other)
    assert working.said(session, other) == ["first words", "other words"]
    assert (one.state, one.merged_into_id, file.ticket_id) == (TicketState.CLOSED, other.id, other.id)
    assert tags.of(session, [other.id or 0]) == {other.id: ("market",)}
    assert working.bells(session, binta) == ["ticket_watched"]
    assert working.told(session, "ticket_resolved") == []
    assert working.history(session, one)[-2:] == ["state", "merged"]
    assert "took_in" in working.history(session, other)
    assert operations.latest(session, one.id or 0) == operations.latest(session, other.id or 0) == operation
    assert operations.words(operation) == f"{one.reference} was merged into {other.reference}"
    assert_clocks_as_replayed(session, one, other)
    found = list_tickets(session, actor=awa, wanted=TicketFilter(search="first words"), part=Slice(limit=10))
    assert [row.ticket.reference for row in found.rows] == [other.reference]


@pytest.mark.parametrize("state", ["new", "open", "pending", "on_hold", "resolved", "closed"])
def test_undoing_a_merge_gives_back_exactly_what_was(session: Session, awa: Principal, state: str) -> None:
    one, other = working.a_ticket(session, "first"), working.a_ticket(session, "second")
    working.hear(session, one, "more")
    tags.change(session, actor=awa, reference=one.reference, add=["market"], now=NOON)
    watching.watch(session, actor=awa, reference=one.reference, now=NOON)
    to = TicketState(state)
    if to is not TicketState.NEW:
        hold = service.HoldReason.PART if to is TicketState.ON_HOLD else None
        service.move(session, actor=awa, reference=one.reference, to=to, hold=hold, note="because", now=NOON)
    before = [state_of(session, ticket) for ticket in (one, other)]
    due = [one.resolution_due_at, one.first_response_due_at, other.resolution_due_at]
    operation = merge(session, awa, one, other)
    assert state_of(session, one) != before[0]
    assert undo(session, awa, operation, now=LATER) == ()
    assert [state_of(session, ticket) for ticket in (one, other)] == before
    assert [one.resolution_due_at, one.first_response_due_at, other.resolution_due_at] == due
    assert_clocks_as_replayed(session, one, other)
    with pytest.raises(CannotUndo, match="already"):
        undo(session, awa, operation)


def test_what_came_since_stays_where_it_came_and_is_named(session: Session, awa: Principal) -> None:
    one, other = working.a_ticket(session, "first"), working.a_ticket(session, "second")
    operation = merge(session, awa, one, other)
    assert working.hear(session, one, "still broken", now=LATER + timedelta(minutes=1)).ticket.id == other.id
    assert undo(session, awa, operation) == (f"One message that was said since the merge: in {other.reference}",)
    assert (working.said(session, one), working.said(session, other)) == (["first"], ["second", "still broken"])
    assert working.hear(session, one, "hello", now=LATER + timedelta(hours=2)).ticket.id == one.id


def test_a_merge_into_one_that_was_merged_on_is_undone_after_that(session: Session, awa: Principal) -> None:
    a, b, c = (working.a_ticket(session, body) for body in "abc")
    first, second = merge(session, awa, a, b), merge(session, awa, b, c)
    assert working.said(session, c) == ["a", "b", "c"]
    assert working.hear(session, a, "d").ticket.id == c.id
    with pytest.raises(CannotUndo, match=f"{c.reference} since. Undo that first"):
        undo(session, awa, first)
    undo(session, awa, second)
    undo(session, awa, first)
    assert [working.said(session, ticket) for ticket in (a, b, c)] == [["a"], ["b"], ["c", "d"]]


def test_after_a_day_it_stays_merged(session: Session, awa: Principal) -> None:
    one, other = working.a_ticket(session), working.a_ticket(session)
    operation = merge(session, awa, one, other)
    assert operations.latest(session, other.id or 0, now=LATER + DAY) == operation
    assert operations.latest(session, other.id or 0, now=LATER + DAY + timedelta(seconds=1)) is None
    with pytest.raises(CannotUndo, match="24 hours"):
        undo(session, awa, operation, now=LATER + DAY + timedelta(seconds=1))


def test_tickets_of_two_customers_are_merged_only_on_purpose_and_the_one_is_told_once(session: Session, awa: Principal) -> None:
    one, other = working.a_ticket(session, "a"), working.a_ticket(session, "b", customer=working.a_customer(session, 2))
    assert merging.preview(session, actor=awa, source=one.reference, into=other.reference).other_customer
    with pytest.raises(MergeNotConfirmed):
        merge(session, awa, one, other)
    operation = merge(session, awa, one, other, confirm=True)
    undo(session, awa, operation)
    merge(session, awa, one, other, confirm=True, now=LATER + timedelta(hours=2))
    assert [message.customer_id for message in working.told(session, "ticket_reply")] == [one.customer_id]


def test_what_cannot_be_merged_is_refused_in_words(session: Session, awa: Principal) -> None:
    one, other, third = (working.a_ticket(session, body) for body in "abc")
    with pytest.raises(InvalidInput, match="two different"):
        merge(session, awa, one, one)
    with pytest.raises(TicketNotFound, match="T-NOSUCH2"):
        merging.merge(session, actor=awa, source=one.reference, into="t-nosuch2", now=NOON)
    with pytest.raises(Stale):
        merge(session, awa, one, other, expected_revision="old")
    merge(session, awa, one, other)
    for source, into in ((one, third), (third, one), (other, one), (one, other)):
        with pytest.raises(CannotMerge, match="was merged into"):
            merge(session, awa, source, into)
    service.close(session, actor=awa, reference=other.reference, note="done", now=LATER)
    with pytest.raises(CannotMerge, match="is done"):
        merge(session, awa, third, other)


def test_a_merged_ticket_is_changed_no_more(session: Session, awa: Principal) -> None:
    one, other = working.a_ticket(session), working.a_ticket(session)
    merge(session, awa, one, other)
    with pytest.raises(TicketMerged, match=other.reference):
        service.reopen(session, actor=awa, reference=one.reference, note="why not", now=LATER)
    with pytest.raises(TicketMerged):
        tags.change(session, actor=awa, reference=one.reference, add=["x1"], now=LATER)
    assert notes.note(session, actor=awa, reference=one.reference, text="hm", now=LATER).message.ticket_id == other.id


def test_who_waited_for_the_customer_owes_an_answer_when_unanswered_words_come_in(session: Session, awa: Principal) -> None:
    one, other = working.a_ticket(session, "a"), working.a_ticket(session, "b")
    replies.reply(session, actor=awa, reference=other.reference, text="Which place?", expected_revision=None, now=NOON)
    before = state_of(session, other)
    operation = merge(session, awa, one, other)
    assert other.state is TicketState.OPEN
    undo(session, awa, operation)
    assert state_of(session, other) == before


def test_only_who_may_know_of_both_merges_and_undoes(session: Session, awa: Principal) -> None:
    staff = a_person(session, "tech@inet.test")
    tech = working.principal_of(staff)
    mine, other = working.a_ticket(session, assignee=staff), working.a_ticket(session)
    with pytest.raises(TicketNotFound):
        merge(session, tech, mine, other)
    with pytest.raises(Forbidden):
        merge(session, working.care(session, "money", Role.BILLING_OFFICER), mine, other)
    operation = merge(session, awa, mine, other)
    with pytest.raises(OperationNotFound):
        undo(session, tech, operation)


def test_chosen_messages_become_a_ticket_of_their_own_and_come_back(session: Session, awa: Principal) -> None:
    ticket = working.a_ticket(session, "no internet")
    working.hear(session, ticket, "and I want my money back", now=NOON + timedelta(minutes=1))
    before = state_of(session, ticket)
    operation = split(session, awa, ticket, ids(session, ticket, "and I want my money back"))
    new = session.get_one(Ticket, operation.data["new_id"])
    assert (new.subject, new.customer_id, new.body) == ("Refund", ticket.customer_id, "and I want my money back")
    assert (working.said(session, ticket), working.said(session, new)) == (["no internet"], ["and I want my money back"])
    assert [one.reference for one in links.of(session, actor=awa, ticket_id=ticket.id or 0)] == [new.reference]
    assert new.first_response_due_at is not None
    assert_clocks_as_replayed(session, ticket, new)
    assert undo(session, awa, operation) == ()
    assert state_of(session, ticket) == before
    assert links.of(session, actor=awa, ticket_id=ticket.id or 0) == ()
    assert (new.state, new.merged_into_id) == (TicketState.CLOSED, ticket.id)
    assert working.hear(session, new, "hello?").ticket.id == ticket.id
    assert_clocks_as_replayed(session, ticket, new)


def test_a_split_off_ticket_that_was_answered_stays_with_that(session: Session, awa: Principal) -> None:
    ticket = working.a_ticket(session, "a")
    working.hear(session, ticket, "b")
    operation = split(session, awa, ticket, ids(session, ticket, "b"))
    new = session.get_one(Ticket, operation.data["new_id"])
    replies.reply(session, actor=awa, reference=new.reference, text="c", expected_revision=None, now=LATER)
    assert undo(session, awa, operation) == (f"{new.reference} stays, with one message from elsewhere or since the split",)
    assert (working.said(session, ticket), working.said(session, new), new.merged_into_id) == (["a", "b"], ["c"], None)


def test_what_cannot_be_split_is_refused_in_words(session: Session, awa: Principal) -> None:
    ticket, other = working.a_ticket(session, "a"), working.a_ticket(session, "b")
    for chosen, words in (([], "Choose"), (ids(session, ticket, "a"), "first message"), (ids(session, other, "b"), "Choose")):
        with pytest.raises(CannotSplit, match=words):
            split(session, awa, ticket, chosen)
    working.hear(session, ticket, "more")
    with pytest.raises(CannotSplit, match="Read it again"):
        split(session, awa, ticket, [*ids(session, ticket, "more"), *ids(session, other, "b")])


def test_words_that_were_merged_in_can_be_split_off_and_each_step_taken_back_in_its_order(session: Session, awa: Principal) -> None:
    one, other = working.a_ticket(session, "a"), working.a_ticket(session, "b")
    merged = merge(session, awa, one, other)
    apart = split(session, awa, other, ids(session, other, "a"))
    with pytest.raises(CannotUndo, match=str(apart.data["new"])):
        undo(session, awa, merged)
    undo(session, awa, apart)
    undo(session, awa, merged)
    assert (working.said(session, one), working.said(session, other)) == (["a"], ["b"])
    assert all(message.said_in_id is None for ticket in (one, other) for message in steps.messages_of(session, ticket))


def test_a_technician_who_splits_their_own_keeps_both(session: Session) -> None:
    staff = a_person(session, "tech@inet.test")
    ticket = working.a_ticket(session, "a", assignee=staff)
    working.hear(session, ticket, "b")
    operation = split(session, working.principal_of(staff), ticket, ids(session, ticket, "b"))
    assert session.get_one(Ticket, operation.data["new_id"]).assignee_id == staff.id
