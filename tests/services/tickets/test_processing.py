"""Tickets are read after they came in: one reading for the same words, applied where it is sure and no person decided."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app.db import transaction
from services.accounts.models import Customer, Role
from services.accounts.sessions import principal_of
from services.network.models import AccessPoint, Health
from services.payments.models import PaymentStatus
from services.tickets import changes, processing
from services.tickets import service as tickets
from services.tickets.changes import By
from services.tickets.models import Category, Channel, MessageKind, Priority, Ticket, TicketEvent
from services.tickets.opening import Opening, open_ticket
from services.tickets.triage.engine import Triage, shipped
from services.tickets.triage.facts import Facts
from services.tickets.triage.provider import ProviderTriage
from services.tickets.triage.reading import Reading
from services.vouchers import codes
from services.vouchers.models import VoucherState
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders
from tests.services.tickets.desk import a_member, a_rule, a_team
from tests.services.tickets.people import a_person

SLOW = "The internet is very slow since this morning, videos keep buffering"


@pytest.fixture(scope="module")
def reader() -> Triage:
    """The shipped model without its encoder, as where that is not installed."""
    return Triage(shipped().model, None)


@pytest.fixture
def customer(session: Session) -> Customer:
    return builders.a_customer(session, 1, now=NOON)


def process(ticket: Ticket, reader: processing.Reader, *, now: datetime = NOON) -> None:
    assert ticket.id is not None
    processing.process(transaction, ticket.id, reader, clock=lambda: now)


def readings(session: Session, ticket: Ticket) -> list[dict[str, Any]]:
    wanted = select(TicketEvent).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "triaged").order_by(col(TicketEvent.id))
    return [event.data for event in session.exec(wanted).all()]


def stands(session: Session, ticket: Ticket) -> Ticket:
    return session.get_one(Ticket, ticket.id, populate_existing=True)


class Sure(Triage):
    """Says what it is told to, so that a test is about what follows from a reading and not about the model."""

    def __init__(self, base: Triage, **said: Any) -> None:
        super().__init__(base.model, None)
        self._said = said

    def read(self, *args: Any, **kwargs: Any) -> Reading:
        return replace(super().read(*args, **kwargs), **self._said)


def test_a_reading_is_kept_with_everything_it_says(session: Session, reader: Triage, customer: Customer) -> None:
    ticket = builders.a_ticket(session, customer=customer, body=SLOW, at=NOON)
    process(ticket, Sure(reader, abstain=False, category=Category.SLOW_SPEED))
    (said,) = readings(session, ticket)
    assert set(said) == {
        "messages", "category", "confidence", "abstain", "alternatives", "priority", "priority_reason", "language", "sentiment",
        "entities", "duplicates", "reasons", "source", "fallback", "model_version", "took_ms", "reply", "vector",
    }  # fmt: skip
    assert (said["category"], said["messages"], said["language"]["code"]) == ("slow-speed", 1, "en")
    assert ticket.reference in said["reply"]["text"]
    assert said["reply"]["sources"] == ["ticket"]
    assert stands(session, ticket).category is Category.SLOW_SPEED


def test_the_same_words_are_read_once_and_new_ones_again(session: Session, reader: Triage) -> None:
    ticket = builders.a_ticket(session, body=SLOW, at=NOON)
    for _ in range(2):
        process(ticket, reader)
    assert [one["messages"] for one in readings(session, ticket)] == [1]
    later = {"channel": Channel.PORTAL, "who": By("customer"), "now": NOON}
    changes.say(session, ticket, kind=MessageKind.CUSTOMER, body="It still is", **later)  # type: ignore[arg-type]
    for _ in range(2):
        process(ticket, reader)
    assert [one["messages"] for one in readings(session, ticket)] == [1, 2]


def test_where_it_is_not_sure_nothing_is_decided_and_nothing_drafted(session: Session, reader: Triage) -> None:
    ticket = builders.a_ticket(session, body="xyzzy plugh", at=NOON)
    process(ticket, reader)
    (said,) = readings(session, ticket)
    assert (said["abstain"], said["reply"]) == (True, None)
    assert said["reasons"]
    assert (stands(session, ticket).category, stands(session, ticket).priority) == (None, Priority.NORMAL)


def test_a_payment_that_was_taken_and_not_served_is_urgent(session: Session, reader: Triage, customer: Customer) -> None:
    offer = builders.an_offer(session, now=NOON)
    builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.PAID, at=NOON - timedelta(minutes=9))
    ticket = builders.a_ticket(session, customer=customer, body="hello", at=NOON)
    process(ticket, reader)
    (said,) = readings(session, ticket)
    assert (said["source"], said["abstain"]) == ("rule", False)
    assert (stands(session, ticket).category, stands(session, ticket).priority) == (Category.PAYMENT, Priority.URGENT)
    assert "last payment" in said["reply"]["sources"]


@pytest.mark.parametrize("status", [PaymentStatus.SERVED, PaymentStatus.EXPIRED, PaymentStatus.REFUNDED])
def test_other_payments_are_no_fact(session: Session, reader: Triage, customer: Customer, status: PaymentStatus) -> None:
    offer = builders.an_offer(session, now=NOON)
    builders.a_payment(session, offer=offer, customer=customer, status=status, at=NOON - timedelta(minutes=9))
    ticket = builders.a_ticket(session, customer=customer, body="hello", at=NOON)
    process(ticket, reader)
    assert readings(session, ticket)[0]["source"] == "model"


def test_a_code_that_the_form_refused_decides(session: Session, reader: Triage) -> None:
    opening = Opening(body="it says wrong", channel=Channel.PORTAL, facts={"code_refused": True})
    ticket = open_ticket(session, opening, who=By("customer"), now=NOON)
    process(ticket, reader)
    assert (stands(session, ticket).category, readings(session, ticket)[0]["source"]) == (Category.VOUCHER, "rule")


def test_what_a_person_decided_stands(session: Session, reader: Triage, customer: Customer) -> None:
    ticket = builders.a_ticket(session, customer=customer, body=SLOW, at=NOON)
    person = principal_of(a_person(session, "care@inet.test", role=Role.CUSTOMER_CARE))
    decided = {"priority": Priority.LOW, "category": Category.DEVICE_SETUP}
    tickets.triage(session, actor=person, reference=ticket.reference, now=NOON, **decided)  # type: ignore[arg-type]
    process(ticket, Sure(reader, abstain=False, category=Category.SLOW_SPEED, priority=Priority.HIGH))
    assert (stands(session, ticket).category, stands(session, ticket).priority) == (Category.DEVICE_SETUP, Priority.LOW)
    assert readings(session, ticket)[0]["category"] == "slow-speed"


def test_what_was_raised_is_not_lowered_by_a_later_reading(session: Session, reader: Triage) -> None:
    ticket = builders.a_ticket(session, body=SLOW, at=NOON)
    changes.set_field(session, ticket, "priority", Priority.URGENT, who=changes.SYSTEM, now=NOON, why="escalated")
    process(ticket, Sure(reader, abstain=False, priority=Priority.LOW))
    assert stands(session, ticket).priority is Priority.URGENT


def test_what_the_text_names_is_looked_up_and_masked(session: Session, reader: Triage, customer: Customer) -> None:
    voucher = builders.a_voucher(session, offer=builders.an_offer(session, now=NOON), state=VoucherState.ACTIVE, at=NOON)
    ours = codes.show_code(codes.unseal_code(voucher.code_sealed))
    foreign = codes.show_code(codes.new_code())
    ticket = builders.a_ticket(session, body=f"code {ours} or {foreign} from {customer.phone_e164} fails", at=NOON)
    process(ticket, reader)
    (said,) = readings(session, ticket)
    assert [(one["kind"], one["known"]) for one in said["entities"]] == [("voucher", True), ("voucher", False), ("phone", True)]
    assert not any(secret in str(said["entities"]) for secret in (ours, foreign, customer.phone_e164))


def test_the_same_trouble_at_the_same_place_is_shown_and_another_place_is_not(session: Session, reader: Triage) -> None:
    here, there = builders.a_gateway(session, now=NOON, name="Market"), builders.a_gateway(session, now=NOON, name="Lodge")
    sure = Sure(reader, abstain=False, category=Category.SLOW_SPEED)
    first = builders.a_ticket(session, gateway=here, body=SLOW, at=NOON - timedelta(minutes=30))
    other = builders.a_ticket(session, gateway=there, body=SLOW, at=NOON - timedelta(minutes=20))
    old = builders.a_ticket(session, gateway=here, body=SLOW, at=NOON - timedelta(hours=3))
    for one in (first, other, old):
        process(one, sure)
    ticket = builders.a_ticket(session, gateway=here, body=SLOW, at=NOON)
    process(ticket, sure)
    (said,) = readings(session, ticket)
    assert [(one["reference"], one["same_outage"]) for one in said["duplicates"]] == [(first.reference, True)]


def test_a_provider_that_fails_changes_nothing_but_says_so(session: Session, reader: Triage) -> None:
    class Away(ProviderTriage):
        def __init__(self) -> None:
            self._local = reader

        def read(self, *args: Any, **kwargs: Any) -> Reading:
            return replace(self._local.read(*args[:4]), fallback="The provider was not asked.")

    ticket = builders.a_ticket(session, body=SLOW, at=NOON)
    process(ticket, Away())
    (said,) = readings(session, ticket)
    assert (said["fallback"], said["category"]) == ("The provider was not asked.", reader.read("", SLOW, Facts()).category)


def test_no_transaction_is_open_while_a_reader_thinks_and_who_was_faster_wins(session: Session, reader: Triage) -> None:
    begun: list[str] = []
    ticket = builders.a_ticket(session, body=SLOW, at=NOON)

    @contextmanager
    def begin() -> Iterator[Session]:
        begun.append("open")
        with transaction() as opened:
            yield opened
        begun.append("done")

    class Slow(Triage):
        def read(self, *args: Any, **kwargs: Any) -> Reading:
            assert begun == ["open", "done"]
            process(ticket, reader)
            return super().read(*args, **kwargs)

    processing.process(begin, ticket.id or 0, Slow(reader.model, None), clock=lambda: NOON)
    assert len(readings(session, ticket)) == 1


def test_an_outages_own_ticket_and_a_finished_one_are_not_read(session: Session, reader: Triage) -> None:
    own = open_ticket(session, Opening(body="Outage", channel=Channel.INCIDENT), who=changes.SYSTEM, now=NOON)
    done = builders.a_ticket(session, body=SLOW, at=NOON)
    tickets.close(session, actor=staff(), reference=done.reference, note="mended", now=NOON)
    for one in (own, done):
        process(one, reader)
        assert readings(session, one) == []
    processing.process(transaction, 999_999, reader, clock=lambda: NOON)


def test_a_sweep_rings_for_what_was_never_read(session: Session, reader: Triage) -> None:
    lost = builders.a_ticket(session, body=SLOW, at=NOON - timedelta(minutes=1))
    process(builders.a_ticket(session, body=SLOW, at=NOON - timedelta(minutes=1)), reader)
    builders.a_ticket(session, body="just now", at=NOON)
    builders.a_ticket(session, body="long ago", at=NOON - timedelta(days=2))
    open_ticket(session, Opening(body="Outage", channel=Channel.INCIDENT), who=changes.SYSTEM, now=NOON - timedelta(minutes=1))
    assert processing.sweep(session, now=NOON) == 1
    process(lost, reader)
    assert processing.sweep(session, now=NOON) == 0


@pytest.mark.parametrize(("others", "decides"), [((), True), ((Health.OFFLINE,), True), ((Health.ONLINE,), False)])
def test_a_place_that_is_down_decides_and_one_that_is_down_in_part_does_not(
    session: Session, reader: Triage, others: tuple[Health, ...], decides: bool
) -> None:
    gateway = builders.a_gateway(session, now=NOON)
    for number, health in enumerate((Health.OFFLINE, *others)):
        name = f"mast-{number}"
        point = AccessPoint(external_id=name, name=name, gateway_id=gateway.id, health=health, health_since=NOON, discovered_at=NOON)
        session.add(point)
    session.flush()
    ticket = builders.a_ticket(session, gateway=gateway, body="hello", at=NOON)
    process(ticket, reader)
    (said,) = readings(session, ticket)
    assert (said["source"] == "rule") is decides
    if decides:
        assert stands(session, ticket).category is Category.CONNECTIVITY
        assert "network: access point" in said["reply"]["sources"]


def test_facts_come_first_then_the_reading_then_the_routing(session: Session, reader: Triage, customer: Customer) -> None:
    care, billing = a_team(session, "Care"), a_team(session, "Billing")
    isatou = a_member(session, billing, "isatou")
    a_rule(session, 1, "Money", billing, category=["payment"])
    a_rule(session, 2, "Rest", care)
    ticket = builders.a_ticket(session, customer=customer, body=SLOW, at=NOON)
    for _ in range(3):
        process(ticket, Sure(reader, abstain=False, category=Category.PAYMENT))
    kinds = session.exec(select(TicketEvent.kind).where(TicketEvent.ticket_id == ticket.id).order_by(col(TicketEvent.id))).all()
    assert [kind for kind in kinds if kind in ("facts", "triaged", "routed")] == ["facts", "triaged", "routed"]
    assert (stands(session, ticket).team_id, stands(session, ticket).assignee_id) == (billing.id, isatou.id)


def test_what_the_product_itself_wrote_is_not_read_and_is_routed(session: Session, reader: Triage) -> None:
    field = a_team(session, "Field", is_field=True)
    ticket = open_ticket(session, Opening(body="Outage", channel=Channel.INCIDENT), who=changes.SYSTEM, now=NOON)
    process(ticket, reader)
    assert readings(session, ticket) == []
    assert stands(session, ticket).team_id == field.id


def test_a_text_of_one_clear_language_is_answered_in_it(session: Session, reader: Triage) -> None:
    words = "Bonjour, la connexion est très lente depuis ce matin et je ne peux plus travailler, merci de votre aide"
    ticket = builders.a_ticket(session, body=words, at=NOON)
    process(ticket, reader)
    assert stands(session, ticket).language == "fr"
