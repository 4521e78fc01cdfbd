"""Batches over HTTP: what is no batch is refused as a whole, what is one is answered item by item."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from app import limits
from app.clock import isoformat, utc_now
from mobile.mutations import OF_CUSTOMER, Answered, Batch
from tests.app.api.asking import refusal
from tests.mobile.customers import Phone, a_phone, technicians_phone
from tests.mobile.log_ins import PREFIX, line
from tests.services.apps.mutations.phones import named, version_of
from tests.services.tickets.working import a_ticket

__all__ = ["line"]


@pytest.fixture
def phone(line: TestClient, session: Session) -> Phone:
    return technicians_phone(line, session)


def did(type: str, entity: str, base: str | None = None, *, id: str = "m-1", **payload: Any) -> dict[str, Any]:
    return {"id": id, "type": type, "entity": entity, "base_version": base, "at": isoformat(utc_now()), "payload": payload}


def sent(phone: Phone, *mutations: dict[str, Any]) -> Any:
    return phone.ask("POST", "mutations", json={"sent_at": isoformat(utc_now()), "mutations": list(mutations)})


def test_a_batch_is_answered_item_by_item_and_counted(phone: Phone, session: Session) -> None:
    ticket = a_ticket(session)
    ticket.assignee_id = phone.caller.technician().id
    session.flush()
    batch = [
        did("ticket.visit", named(ticket), version_of(session, ticket), id="a", state="on_site"),
        did("ticket.part", named(ticket), id="b", name=""),
    ]
    first, again = sent(phone, *batch).json(), sent(phone, *batch).json()
    assert [(one["outcome"], one["first"]) for one in first["results"]] == [("applied", None), ("rejected", None)]
    assert [(one["outcome"], one["first"]) for one in again["results"]] == [("duplicate", "applied"), ("duplicate", "rejected")]
    assert first["results"][0]["version"] == again["results"][0]["version"] == version_of(session, ticket)
    assert (first["results"][1]["reason"]["code"], first["results"][1]["reason"]["field"]) == ("invalid_input", "name")
    assert first["results"][1]["server"]["data"]["work"]["visit"]["state"] == "on_site"
    assert again["held"] == phone.get("mutations/held") == {"total": 2, "applied": 1, "conflict": 0, "rejected": 1}
    known = phone.ask("POST", "mutations/known", json={"ids": ["a", "b", "c"]}).json()
    assert known == {"known": {"a": "applied", "b": "rejected"}}
    assert phone.get(f"tickets/{ticket.id}")["data"]["work"]["visit"]["state"] == "on_site"


@pytest.mark.parametrize(
    "wrong",
    [
        {"mutations": []},
        {"mutations": [did("a", "b", id=f"m{number}") for number in range(101)]},
        {"mutations": [did("ticket.part", "ticket:1", id="no spaces")]},
        {"mutations": [did("ticket.part", "ticket:1", id="x" * 65)]},
        {"mutations": [did("ticket.part", "ticket:1") | {"at": "2026-11-22T12:00:00"}]},
        {"mutations": [did("ticket.part", "ticket:1") | {"payload": []}]},
        {"mutations": [did("ticket.part", "ticket:\x00")]},
        {"mutations": [did("ticket.part", "ticket:1") | {"extra": 1}]},
        {"mutations": [did("ticket.part", "ticket:1")], "sent_at": "yesterday"},
    ],
)
def test_what_is_no_batch_is_refused(phone: Phone, wrong: dict[str, Any]) -> None:
    refusal(phone.ask("POST", "mutations", json={"sent_at": isoformat(utc_now())} | wrong), 422, "invalid_input")
    assert phone.get("mutations/held")["total"] == 0


def test_a_customers_phone_has_other_kinds(line: TestClient, session: Session) -> None:
    customer = a_phone(line, session)
    result = sent(customer, did("duty.set", "profile:1", is_on_duty=True)).json()["results"][0]
    assert (result["outcome"], result["reason"]["code"]) == ("rejected", "unknown_type")


def test_nobody_sends_without_a_log_in(line: TestClient, phone: Phone) -> None:
    for method, path in (("POST", "mutations"), ("GET", "mutations/held"), ("POST", "mutations/known")):
        refusal(line.request(method, f"{PREFIX}/{path}"), 401, "unauthenticated")


def test_the_examples_of_the_document_are_true(line: TestClient) -> None:
    Batch.model_validate(Batch.model_config["json_schema_extra"]["examples"][0])  # type: ignore[index,call-overload]
    Answered.model_validate(Answered.model_config["json_schema_extra"]["examples"][0])  # type: ignore[index,call-overload]


def test_a_phone_that_runs_wild_is_slowed_down_but_repeats_count_once(line: TestClient, session: Session) -> None:
    customer = a_phone(line, session)
    limits.note_all([(OF_CUSTOMER, (customer.caller.label,))] * 298)
    for _ in range(4):
        assert sent(customer, did("no.such", "ticket:1", id="one")).status_code == 200
    assert sent(customer, did("no.such", "ticket:1", id="two")).status_code == 200
    limits.forget()
    refused = sent(customer, did("no.such", "ticket:1", id="three"))
    refusal(refused, 429, "too_many_tries")
    assert int(refused.headers["retry-after"]) > 0
