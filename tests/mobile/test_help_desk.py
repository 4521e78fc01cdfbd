"""Asking for help over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.clock import utc_now
from services.tickets import changes
from services.tickets.changes import SYSTEM
from services.tickets.models import Ticket, TicketMessage, TicketState
from tests.app.api.asking import refusal
from tests.factories import make_payment
from tests.mobile.customers import Phone, a_phone
from tests.mobile.log_ins import line

__all__ = ["line"]
WISH = "wish-00000001"


@pytest.fixture
def phone(line: TestClient, session: Session) -> Phone:
    return a_phone(line, session)


def asks(phone: Phone, body: str = "It is slow", *, client_id: str = WISH, **more: Any) -> dict[str, Any]:
    answer = phone.ask("POST", "tickets", json={"body": body, "client_id": client_id, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_request_is_opened_once_and_goes_on(phone: Phone, session: Session) -> None:
    first, again = asks(phone), asks(phone)
    assert (first["is_new"], again) == (True, first | {"is_new": False})
    assert first["entity"] == f"ticket:{first['id']}"
    said = {"body": "Near the gate\r\nat noon", "client_id": "say-00000001"}
    for _ in range(2):
        assert phone.ask("POST", f"tickets/{first['id']}/messages", json=said).json() == first | {"is_new": False}
    bodies = session.exec(select(TicketMessage.body).where(TicketMessage.ticket_id == int(first["id"]))).all()
    assert sorted(bodies) == ["It is slow", "Near the gate\nat noon"]


def test_help_is_rated_when_it_is_done(phone: Phone, session: Session) -> None:
    kept = asks(phone)
    path = f"tickets/{kept['id']}/rating"
    refusal(phone.ask("POST", path, json={"score": 5}), 409, "ticket_not_done")
    changes.set_state(session, session.get_one(Ticket, int(kept["id"])), TicketState.RESOLVED, who=SYSTEM, now=utc_now())
    session.flush()
    answers = [phone.ask("POST", path, json={"score": 5, "comment": "Thank you"}).json() for _ in range(2)]
    assert answers == [{"id": kept["id"], "score": 5}] * 2


def test_another_persons_request_or_payment_is_not_there(phone: Phone, line: TestClient, session: Session) -> None:
    kept, stranger = asks(phone), a_phone(line, session)
    payment = make_payment(session, now=utc_now())
    for number in (kept["id"], "99999999"):
        refusal(stranger.ask("POST", f"tickets/{number}/messages", json={"body": "x", "client_id": WISH}), 404, "ticket_not_found")
        refusal(stranger.ask("POST", f"tickets/{number}/rating", json={"score": 1}), 404, "ticket_not_found")
    theirs = {"body": "x", "client_id": WISH, "payment_id": payment.public_id}
    refusal(stranger.ask("POST", "tickets", json=theirs), 404, "payment_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"body": "x"},
        {"body": "", "client_id": WISH},
        {"body": "x" * 20_001, "client_id": WISH},
        {"body": "a\x00b", "client_id": WISH},
        {"body": "x", "client_id": "short"},
        {"body": "x", "client_id": "x" * 65},
        {"body": "x", "client_id": WISH, "place_id": "here"},
        {"body": "x", "client_id": WISH, "place_id": "987654321987654321"},
        {"body": "x", "client_id": WISH, "customer_id": 1},
    ],
)
def test_what_makes_no_sense_is_refused(phone: Phone, body: dict[str, Any]) -> None:
    refusal(phone.ask("POST", "tickets", json=body), 422)
