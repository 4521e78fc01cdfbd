"""Texts of customers: each is held once, read once, and in the conversation that it belongs to."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from app.keys import BadSeal
from services.accounts.customers import find_customer
from services.accounts.models import Customer
from services.notifications import preferences
from services.notifications.models import Medium, Notification
from services.tickets import changes, inbound_store, sms_intake
from services.tickets.closure_models import TicketRating
from services.tickets.intake_models import InboundMessage, InboundState
from services.tickets.models import Channel, Ticket, TicketMessage, TicketState
from tests.conftest import NOON
from tests.services.notifications.build import begin_in

NEW, OLD, OTHER = "+220833000001", "+2203000001", "+220877000002"
_numbers = itertools.count(1)
S = InboundState


def receive(
    session: Session, text: str, sender: str = NEW, *, provider_id: str | None = None, at: datetime = NOON
) -> InboundMessage | None:
    """A text comes in and is kept; nobody has read it yet."""
    chosen = f"AT{next(_numbers)}" if provider_id is None else provider_id
    kept = sms_intake.receive(session, sender=sender, to="2020", text=text, provider_id=chosen, sent_at=at.isoformat(), now=at)
    return session.get_one(InboundMessage, kept) if kept is not None else None


def text(session: Session, words: str, sender: str = NEW, *, at: datetime = NOON) -> InboundMessage:
    """A text comes in and is read."""
    message = receive(session, words, sender, at=at)
    assert message is not None
    read(session, message, at=at)
    return message


def read(session: Session, message: InboundMessage, *, at: datetime = NOON) -> None:
    assert message.id is not None
    sms_intake.read(begin_in(session), message.id, clock=lambda: at)
    session.refresh(message)


def tickets(session: Session) -> list[Ticket]:
    return list(session.exec(select(Ticket).order_by(col(Ticket.id))).all())


def said(session: Session, ticket: Ticket) -> list[str]:
    return list(session.exec(select(TicketMessage.body).where(TicketMessage.ticket_id == ticket.id).order_by(col(TicketMessage.id))).all())


def test_a_text_opens_a_ticket_and_is_confirmed_once_an_hour(session: Session) -> None:
    message = text(session, "My Wi-Fi is gone")
    (ticket,) = tickets(session)
    assert (message.state, message.ticket_id, message.why) == (S.TAKEN, ticket.id, None)
    assert (ticket.channel, said(session, ticket)) == (Channel.SMS, ["My Wi-Fi is gone"])
    assert session.exec(select(TicketMessage.inbound_id)).one() == message.id
    changes.set_state(session, ticket, TicketState.CLOSED, who=changes.SYSTEM, now=NOON - timedelta(days=30), quietly=True)
    ticket.resolved_at = NOON - timedelta(days=30)
    text(session, "And again", at=NOON + timedelta(minutes=5))
    assert len(tickets(session)) == 2
    assert list(session.exec(select(Notification.event)).all()) == ["ticket_received"]


def test_what_came_is_sealed_and_never_lies_open_in_the_table(session: Session) -> None:
    message = text(session, "call me")
    assert message.raw_sealed is not None
    assert "call me" not in message.raw_sealed
    assert inbound_store.sender_of(message) == NEW
    assert b"call me" in inbound_store.raw_of(message)


def test_both_forms_of_a_number_are_one_customer_in_one_conversation(session: Session) -> None:
    text(session, "one", NEW)
    text(session, "two", OLD)
    (ticket,) = tickets(session)
    assert said(session, ticket) == ["one", "two"]
    assert len(session.exec(select(Customer)).all()) == 1


def test_a_text_that_the_gateway_sends_again_is_held_once(session: Session) -> None:
    assert receive(session, "hello", provider_id="AT-77") is not None
    assert receive(session, "hello", provider_id="AT-77") is None
    assert receive(session, "hello", provider_id="") is not None
    assert receive(session, "hello", provider_id="") is None
    assert receive(session, "hello", provider_id="", at=NOON + timedelta(seconds=1)) is not None


def test_reading_twice_says_it_once(session: Session) -> None:
    message = text(session, "hello")
    read(session, message)
    assert [said(session, ticket) for ticket in tickets(session)] == [["hello"]]


def test_a_text_goes_on_in_the_newest_ticket_that_is_not_long_done(session: Session) -> None:
    text(session, "first")
    (ticket,) = tickets(session)
    changes.set_state(session, ticket, TicketState.RESOLVED, who=changes.SYSTEM, now=NOON)
    text(session, "not at all", at=NOON + timedelta(days=6))
    assert (len(tickets(session)), ticket.state) == (1, TicketState.OPEN)
    changes.set_state(session, ticket, TicketState.RESOLVED, who=changes.SYSTEM, now=NOON + timedelta(days=6))
    text(session, "something else", at=NOON + timedelta(days=14))
    assert [said(session, one) for one in tickets(session)] == [["first", "not at all"], ["something else"]]


def test_a_text_that_names_a_ticket_goes_there_only_if_it_is_the_senders(session: Session) -> None:
    text(session, "of another", OTHER)
    (foreign,) = tickets(session)
    text(session, f"{foreign.reference} let me in")
    _, own = tickets(session)
    assert own.customer_id != foreign.customer_id
    assert said(session, foreign) == ["of another"]
    text(session, f"about {own.reference.lower()}: thanks")
    assert said(session, own)[-1] == f"about {own.reference.lower()}: thanks"


@pytest.mark.parametrize(("word", "wants"), [("STOP", False), ("Stop.", False), ("arreter", False), ("START", True)])
def test_a_wish_for_no_more_texts_is_heard_and_is_no_ticket(session: Session, word: str, wants: bool) -> None:
    text(session, "hello")
    customer = find_customer(session, phone=NEW)
    assert customer is not None
    assert customer.id is not None
    preferences.opt_out(session, customer_id=customer.id, medium=Medium.SMS, by="test", now=NOON)
    if not wants:
        preferences.opt_in(session, customer_id=customer.id, medium=Medium.SMS)
    message = text(session, word)
    session.expire_all()
    preference = preferences.of_customer(session, customer.id)[Medium.SMS]
    assert ((preference.opted_out_at is None), message.state, len(tickets(session))) == (wants, S.IGNORED, 1)


def resolved(session: Session) -> Ticket:
    text(session, "slow")
    (ticket,) = tickets(session)
    changes.set_state(session, ticket, TicketState.RESOLVED, who=changes.SYSTEM, now=NOON)
    return ticket


def test_a_number_alone_is_the_score_that_was_asked_for(session: Session) -> None:
    ticket = resolved(session)
    message = text(session, " 5! ", at=NOON + timedelta(days=1))
    assert session.get_one(TicketRating, ticket.id).score == 5
    assert (message.state, message.ticket_id, ticket.state) == (S.TAKEN, ticket.id, TicketState.RESOLVED)
    assert said(session, ticket) == ["slow"]


@pytest.mark.parametrize("words", ["6", "0", "12", "5 more minutes please"])
def test_any_other_number_is_a_word_like_another(session: Session, words: str) -> None:
    ticket = resolved(session)
    text(session, words, at=NOON + timedelta(days=1))
    assert session.get(TicketRating, ticket.id) is None
    assert said(session, ticket) == ["slow", words]


def test_a_number_that_nobody_asked_for_is_a_word(session: Session) -> None:
    text(session, "3")
    assert [said(session, ticket) for ticket in tickets(session)] == [["3"]]


def test_the_eleventh_text_within_ten_minutes_is_held_and_stop_is_heard_all_the_same(session: Session) -> None:
    states = [text(session, f"word {number}", at=NOON + timedelta(seconds=number)).state for number in range(12)]
    assert states == [S.TAKEN] * 10 + [S.HELD] * 2
    assert text(session, "stop", at=NOON + timedelta(seconds=30)).state is S.IGNORED
    assert text(session, "hello", OTHER, at=NOON + timedelta(seconds=31)).state is S.TAKEN
    assert text(session, "later", at=NOON + timedelta(minutes=11)).state is S.TAKEN


def release(session: Session, message: InboundMessage) -> Ticket:
    """As the desk does it (services/tickets/inbound_desk.py)."""
    message.state, message.why, message.handled_by, message.attempts = S.STORED, None, "care@inet.test", 0
    session.flush()
    read(session, message)
    assert (message.state, message.why) == (S.TAKEN, None)
    return session.get_one(Ticket, message.ticket_id)


def test_a_held_text_that_a_person_releases_is_taken(session: Session) -> None:
    held = [text(session, f"word {number}") for number in range(11)][-1]
    assert held.state is S.HELD
    assert said(session, release(session, held))[-1] == "word 10"


@pytest.mark.parametrize(("words", "sender"), [("Bill is ready", "NAWEC"), ("STOP", NEW), ("", NEW)])
def test_of_a_released_text_no_rule_is_asked_again(session: Session, words: str, sender: str) -> None:
    ticket = release(session, text(session, words, sender))
    assert said(session, ticket) == [words or "(no text)"]
    assert (ticket.customer_id is None) == (sender == "NAWEC")


@pytest.mark.parametrize("sender", ["AFRICELL", "2020", "", "+220"])
def test_what_no_phone_sent_is_held_with_the_reason(session: Session, sender: str) -> None:
    message = text(session, "Win a car!", sender)
    assert message.state is S.HELD
    assert "not from a phone number" in (message.why or "")
    assert tickets(session) == []


@pytest.mark.parametrize("words", ["", "  ", "\u200b"])
def test_a_text_without_words_opens_nothing(session: Session, words: str) -> None:
    assert text(session, words).state is S.IGNORED
    assert tickets(session) == []


def test_a_very_long_text_is_cut_and_kept_whole_as_it_came(session: Session) -> None:
    message = text(session, "a" * 30_000)
    (ticket,) = tickets(session)
    assert [len(body) for body in said(session, ticket)] == [20_000]
    assert message.raw_bytes > 30_000


def test_what_cannot_be_read_three_times_is_held_with_words_for_a_person(session: Session) -> None:
    message = receive(session, "hello")
    assert message is not None
    message.raw_sealed = "broken"
    session.flush()
    for _ in range(3):
        with pytest.raises(BadSeal):
            read(session, message)
    read(session, message)
    assert message.state is S.HELD
    assert "three times" in (message.why or "")


def test_the_sweep_finds_what_nobody_was_told_of(session: Session) -> None:
    receive(session, "lost ring")
    assert sms_intake.sweep(session, now=NOON) == 0
    assert sms_intake.sweep(session, now=NOON + timedelta(minutes=1)) == 1


def test_the_address_is_ours_alone() -> None:
    secret = sms_intake.path().rpartition("/")[2]
    assert sms_intake.is_our_path(secret)
    assert not sms_intake.is_our_path(secret[:-1])
    assert not sms_intake.is_our_path("")
