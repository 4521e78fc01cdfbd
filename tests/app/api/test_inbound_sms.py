"""Where the SMS gateway posts: answered at once, kept once, and only at the address that cannot be guessed."""

from __future__ import annotations

from sqlmodel import col, select

from app.db import transaction
from jobs import intake_sms
from services.tickets import inbound_store, sms_intake
from services.tickets.intake_models import InboundMessage, InboundState
from services.tickets.models import Channel, Ticket
from tests.app.api.asking import Api

FORM = {"from": "+2203009999", "to": "2020", "text": "No Wi-Fi & no light: 100%", "id": "AT-1", "date": "2026-11-22 12:00:00", "linkId": ""}


def held() -> list[InboundMessage]:
    with transaction() as session:
        return list(session.exec(select(InboundMessage).order_by(col(InboundMessage.id))).all())


def test_a_text_is_kept_as_it_came_and_read_by_the_job(api: Api) -> None:
    for _ in range(3):
        assert api.http.post(sms_intake.path(), data=FORM).status_code == 200
    (message,) = held()
    assert message.state is InboundState.STORED
    assert b"100%" in inbound_store.raw_of(message)
    assert message.id is not None
    intake_sms.read(message.id)
    intake_sms.read(message.id)
    with transaction() as session:
        ticket = session.exec(select(Ticket).where(Ticket.channel == Channel.SMS)).one()
    assert (ticket.body, held()[0].ticket_id) == (FORM["text"], ticket.id)


def test_the_sweep_is_harmless_while_nothing_waits(api: Api) -> None:
    intake_sms.sweep()
    assert held() == []


def test_another_address_is_not_there_and_keeps_nothing(api: Api) -> None:
    assert api.http.post(f"{sms_intake.PATH}/{'0' * 40}", data=FORM).status_code == 404
    assert api.http.get(sms_intake.path()).status_code in (404, 405)
    assert held() == []


def test_an_odd_request_is_answered_so_that_it_does_not_come_again(api: Api) -> None:
    for form in ({}, {"text": "no sender"}, {"from": "x" * 5000, "text": "\x00" * 10}, {"from": "+2203000001", "text": "a" * 100_000}):
        assert api.http.post(sms_intake.path(), data=form).status_code == 200
    for message in held():
        assert message.id is not None
        intake_sms.read(message.id)
    assert [message.state for message in held()] == [InboundState.HELD, InboundState.HELD, InboundState.TAKEN]
