"""Whatever sequence of merging, splitting, undoing, answering and hearing: no word is lost or doubled, and clocks are as replayed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlmodel import Session, col, select

from app.errors import DomainError
from services.tickets import merging, operations, replies, service, splitting
from services.tickets.models import Ticket, TicketMessage, TicketState
from services.tickets.sla.clocks import deadlines, history, played
from services.tickets.sla.defaults import add_default_policies
from services.tickets.steps import kept_state, messages_of
from services.tickets.work_models import OperationKind, TicketOperation
from tests.conftest import NOON
from tests.depth import examples
from tests.services.tickets import working

ANY = st.integers(0, 100)
# What a ticket stood like before a step: its messages with where they were said, and its state.
Standing = tuple[list[tuple[int | None, int | None]], dict[str, object]]


def machine_on(session: Session) -> Callable[[], RuleBasedStateMachine]:
    """A machine whose tickets live in this session, which is rolled back in the end."""
    add_default_policies(session, now=NOON)
    by = working.care(session)
    names = iter(range(1, 10_000))

    class Moving(RuleBasedStateMachine):
        @initialize()
        def three_tickets(self) -> None:
            self.now = NOON
            customer = working.a_customer(session, next(names))
            self.tickets = [working.a_ticket(session, f"word {next(names)}", customer=customer) for _ in range(3)]
            self.words = sorted(word for ticket in self.tickets for word in working.said(session, ticket))
            self.steps: list[TicketOperation] = []
            self.before: dict[int, Standing] = {}

        def ticket(self, number: int) -> Ticket:
            return self.tickets[number % len(self.tickets)]

        def at(self, minutes: int) -> datetime:
            self.now += timedelta(minutes=minutes)
            return self.now

        def tried(self, step: Callable[[], TicketOperation], moved_from: Ticket) -> TicketOperation | None:
            standing = standing_of(moved_from)
            try:
                operation = step()
            except DomainError:
                return None
            self.steps.append(operation)
            self.before[operation.id or 0] = standing
            return operation

        @rule(number=ANY, minutes=st.integers(0, 200))
        def a_customer_writes(self, number: int, minutes: int) -> None:
            word = f"word {next(names)}"
            working.hear(session, self.ticket(number), word, now=self.at(minutes))
            self.words.append(word)

        @rule(number=ANY, minutes=st.integers(0, 200), then=st.sampled_from(["open", "pending", "resolved"]))
        def somebody_answers(self, number: int, minutes: int, then: replies.Then) -> None:
            word, reference = f"word {next(names)}", self.ticket(number).reference
            now = self.at(minutes)
            replies.reply(session, actor=by, reference=reference, text=word, expected_revision=None, then=then, now=now)
            self.words.append(word)

        @rule(number=ANY, minutes=st.integers(0, 200), to=st.sampled_from(list(TicketState)))
        def somebody_moves_it(self, number: int, minutes: int, to: TicketState) -> None:
            reference, now = self.ticket(number).reference, self.at(minutes)
            hold = service.HoldReason.PART if to is TicketState.ON_HOLD else None
            with suppress(DomainError):
                service.move(session, actor=by, reference=reference, to=to, hold=hold, note="because", now=now)

        @rule(one=ANY, other=ANY, minutes=st.integers(0, 200))
        def two_are_merged(self, one: int, other: int, minutes: int) -> None:
            source, into, now = self.ticket(one), self.ticket(other).reference, self.at(minutes)
            self.tried(lambda: merging.merge(session, actor=by, source=source.reference, into=into, now=now), source)

        @rule(number=ANY, chosen=st.sets(ANY, min_size=1, max_size=3), minutes=st.integers(0, 200))
        def one_is_split(self, number: int, chosen: set[int], minutes: int) -> None:
            ticket, now = self.ticket(number), self.at(minutes)
            said = messages_of(session, ticket)
            ids = {said[one % len(said)].id or 0 for one in chosen} if said else set()
            split = self.tried(
                lambda: splitting.split(session, actor=by, reference=ticket.reference, message_ids=ids, subject="Other", now=now), ticket
            )
            if split is not None:
                self.tickets.append(session.get_one(Ticket, split.data["new_id"]))

        @precondition(lambda self: self.steps)
        @rule(number=ANY, minutes=st.integers(0, 300))
        def a_step_is_undone(self, number: int, minutes: int) -> None:
            step = self.steps[number % len(self.steps)]
            now = self.at(minutes)
            try:
                operations.undo(session, actor=by, operation_id=step.id or 0, now=now)
            except DomainError:
                return
            self.steps.remove(step)
            messages, state = self.before[step.id or 0]
            source = session.get_one(Ticket, step.data["source_id"])
            stands = standing_of(source)
            if step.kind is OperationKind.MERGE:
                # While it lay in another, nothing could be said or done to it.
                assert stands == (messages, state)
            else:
                moved = {number for number, _ in step.data["moved"]}
                assert [one for one in messages if one[0] in moved] == [one for one in stands[0] if one[0] in moved]

        @invariant()
        def every_word_stands_once_and_in_a_ticket_of_its_own(self) -> None:
            ids = [ticket.id for ticket in self.tickets]
            found = session.exec(select(TicketMessage).where(col(TicketMessage.ticket_id).in_(ids))).all()
            assert sorted(one.body for one in found) == sorted(self.words)
            merged = {ticket.id for ticket in self.tickets if ticket.merged_into_id is not None}
            assert not {one.ticket_id for one in found} & merged

        @invariant()
        def the_stored_deadlines_are_those_that_the_history_gives(self) -> None:
            for ticket in self.tickets:
                expected = deadlines(played(session, history(session, ticket.id), now=ticket.updated_at))
                assert {name: getattr(ticket, name) for name in expected} == expected

    def standing_of(ticket: Ticket) -> Standing:
        return [(one.id, one.said_in_id) for one in messages_of(session, ticket)], kept_state(ticket)

    return Moving


def test_no_word_is_lost_or_doubled_whatever_is_moved_and_taken_back(session: Session) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine_on(session),
        settings=settings(
            max_examples=examples(12),
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
