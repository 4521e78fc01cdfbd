"""Whatever breaks between phones and the server: in the end each phone holds what the server holds for it, and each deed counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlmodel import Session, col, select
from structlog.testing import capture_logs

from app.clock import utc_now
from app.db import transaction
from app.errors import DomainError
from app.main import plain_app
from mobile.client import Offline, Outcome
from services.accounts.models import Customer
from services.accounts.permissions import Principal
from services.apps.models import AppMutation
from services.fieldwork.models import PartUsed
from services.tickets import merging, replies, service
from services.tickets.models import Ticket, TicketMessage, TicketState
from tests.depth import examples
from tests.mobile.client.fleet import Carried, Fleet, somebody_at_the_desk
from tests.mobile.client.lines import Deaths, Fate, serving

ANY = st.integers(0, 1000)
FATES = st.lists(st.sampled_from([*Fate, Fate.GOOD]), max_size=4)
# Examples share the database: what is said in one occurs in no other.
_words = count(1)
VISITS = ("accepted", "on_the_way", "on_site", "done", "cannot")


@pytest.fixture
def fleet(database: sa.Engine, tmp_path: Path) -> Iterator[Fleet]:
    deaths = Deaths(database)
    # Each death would else be told with its whole stack.
    with capture_logs(), serving(plain_app(["mobile"])) as server:
        yield Fleet(server, deaths, tmp_path)
    deaths.end()


def machine_on(fleet: Fleet) -> Callable[[], RuleBasedStateMachine]:
    """Two customers with three phones, two technicians with two, and staff at the desk who work on the same tickets meanwhile."""

    class Phones(RuleBasedStateMachine):
        @initialize()
        def everybody_logs_in(self) -> None:
            fleet.carried.clear()
            with transaction() as session:
                self.customers = [fleet.customer(session, 2), fleet.customer(session, 1)]
                self.technicians = [fleet.technician(session), fleet.technician(session)]
            self.carried = list(fleet.carried)
            self.of_customers = self.carried[:3]
            self.of_technicians = self.carried[3:]
            for number, one in enumerate(self.carried):
                one.skew = timedelta(minutes=[0, 190, -45, 5, -600][number])
            with transaction() as session:
                self.desk = somebody_at_the_desk(session)
                for technician in self.technicians:
                    desk_opens(session, self.desk, self.customers[0], technician)
            for one in self.carried:
                one.phone.meet()

        def something_said(self) -> str:
            return f"word {next(_words)}"

        def did(self, one: Carried, kind: str, entity: str, words: str, **payload: object) -> None:
            one.did[one.phone.do(kind, entity, dict(payload))] = (kind, words)

        def ticket_on(self, one: Carried, number: int) -> str | None:
            known = one.phone.entities("ticket")
            return f"ticket:{known[number % len(known)].id}" if known else None

        @rule(number=ANY)
        def a_customer_reports(self, number: int) -> None:
            one, text = self.of_customers[number % 3], self.something_said()
            self.did(one, "ticket.open", "ticket:new", text, body=text)

        @rule(number=ANY, which=ANY)
        def a_customer_says_more(self, number: int, which: int) -> None:
            one, text = self.of_customers[number % 3], self.something_said()
            if (ticket := self.ticket_on(one, which)) is not None:
                self.did(one, "ticket.say", ticket, text, body=text)

        @rule(number=ANY)
        def a_customer_is_renamed(self, number: int) -> None:
            one, text = self.of_customers[number % 3], self.something_said()
            self.did(one, "profile.set", f"profile:{one.tokens.person.id}", text, name=text)

        @rule(number=ANY, which=ANY, state=st.sampled_from(VISITS))
        def a_technician_goes_on(self, number: int, which: int, state: str) -> None:
            one = self.of_technicians[number % 2]
            if (ticket := self.ticket_on(one, which)) is not None:
                more = {"reason": self.something_said()} if state == "cannot" else {}
                self.did(one, "ticket.visit", ticket, "", state=state, **more)

        @rule(number=ANY, which=ANY)
        def a_technician_notes(self, number: int, which: int) -> None:
            one, text = self.of_technicians[number % 2], self.something_said()
            if (ticket := self.ticket_on(one, which)) is not None:
                self.did(one, "ticket.note", ticket, text, text=text)

        @rule(number=ANY, which=ANY, quantity=st.integers(1, 5))
        def a_technician_fits_a_part(self, number: int, which: int, quantity: int) -> None:
            one, text = self.of_technicians[number % 2], self.something_said()
            if (ticket := self.ticket_on(one, which)) is not None:
                self.did(one, "ticket.part", ticket, text, name=text, quantity=quantity)

        @rule(which=ANY, to=st.sampled_from([None, 0, 1]))
        def the_desk_hands_over(self, which: int, to: int | None) -> None:
            with suppress(DomainError), transaction() as session:
                person = self.technicians[to].id if to is not None else None
                service.assign(
                    session, actor=self.desk, reference=some_ticket(session, which), staff_id=person, expected_revision=None, now=utc_now()
                )

        @rule(which=ANY, then=st.sampled_from(["open", "pending", "resolved"]))
        def the_desk_answers(self, which: int, then: replies.Then) -> None:
            with suppress(DomainError), transaction() as session:
                reference, text = some_ticket(session, which), self.something_said()
                replies.reply(session, actor=self.desk, reference=reference, text=text, expected_revision=None, then=then, now=utc_now())

        @rule(which=ANY)
        def the_desk_moves_it(self, which: int) -> None:
            with suppress(DomainError), transaction() as session:
                reference = some_ticket(session, which)
                service.move(session, actor=self.desk, reference=reference, to=TicketState.OPEN, hold=None, note="again", now=utc_now())

        @rule(one=ANY, other=ANY)
        def the_desk_merges_two(self, one: int, other: int) -> None:
            with suppress(DomainError), transaction() as session:
                source, into = some_ticket(session, one), some_ticket(session, other)
                merging.merge(session, actor=self.desk, source=source, into=into, now=utc_now())

        @rule(number=ANY, which=ANY, fates=FATES)
        def a_phone_has_a_line_for_a_while(self, number: int, which: int, fates: list[Fate]) -> None:
            one, text = self.carried[number % 5], self.something_said()
            if one in self.of_customers:
                self.did(one, "ticket.open", "ticket:new", text, body=text)
            elif (ticket := self.ticket_on(one, which)) is not None:
                self.did(one, "ticket.part", ticket, text, name=text, quantity=1)
            one.line.fates = list(fates)
            with suppress(Offline):
                one.phone.meet()
            one.line.fates = []

        @rule(number=ANY)
        def old_requests_arrive(self, number: int) -> None:
            self.carried[number % 5].line.bring_late_ones()

        @rule(number=ANY)
        def a_battery_dies(self, number: int) -> None:
            self.carried[number % 5].dies()

        def teardown(self) -> None:
            for one in getattr(self, "carried", []):
                one.line.bring_late_ones()
            for _ in range(2):
                for one in getattr(self, "carried", []):
                    one.phone.meet()
            for one in getattr(self, "carried", []):
                assert_is_as_the_server_has_it(fleet, one)
                assert_each_deed_counted_once(one)
                one.phone.close()

    return Phones


def desk_opens(session: Session, desk: Principal, customer: Customer, technician: Principal) -> None:
    from tests.services.tickets import working

    ticket = working.a_ticket(session, "The mast leans over", customer=customer)
    service.assign(session, actor=desk, reference=ticket.reference, staff_id=technician.id, expected_revision=None, now=utc_now())


def some_ticket(session: Session, which: int) -> str:
    references = session.exec(select(Ticket.reference).order_by(col(Ticket.id))).all()
    return references[which % len(references)]


def assert_is_as_the_server_has_it(fleet: Fleet, one: Carried) -> None:
    holds, truth = one.knows(), fleet.truth(one)
    assert holds.keys() == truth.keys()
    for name, entity in truth.items():
        assert (name, holds[name].version, holds[name].data) == (name, entity.version, entity.data)


def assert_each_deed_counted_once(one: Carried) -> None:
    answers = one.phone.store.answers()
    assert answers.keys() == one.did.keys()
    assert not one.phone.store.waiting()
    held = one.phone.held()
    assert held.total == len(one.did)
    with transaction() as session:
        for name, (kind, text) in one.did.items():
            times = 1 if answers[name].final is Outcome.APPLIED else 0
            if kind in ("ticket.open", "ticket.say", "ticket.note"):
                said = select(sa.func.count()).select_from(TicketMessage).where(col(TicketMessage.body) == text)
                assert session.exec(said).one() == times, (kind, answers[name])
            elif kind == "ticket.part":
                assert session.exec(select(sa.func.count()).select_from(PartUsed).where(col(PartUsed.name) == text)).one() == times
            kept = session.exec(select(AppMutation.outcome).where(col(AppMutation.client_id) == name)).one()
            assert kept.value == answers[name].final.value


def test_phones_end_up_with_what_the_server_holds_whatever_breaks(fleet: Fleet) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine_on(fleet),
        # Not shrunk: an example is a second of work, and the steps tell.
        settings=settings(
            max_examples=examples(10),
            stateful_step_count=30,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
