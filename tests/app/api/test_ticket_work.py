"""Working on tickets over JSON: answering, noting, changing, merging, splitting and taking it back, each done once."""

from __future__ import annotations

from typing import Any

import pytest

from app.db import transaction
from services.accounts.models import Role
from services.tickets.models import Ticket
from tests.app.api.asking import Api, Headers, refusal
from tests.app.api.test_tickets import address, audited, references
from tests.services.tickets import working

KEY = {"Idempotency-Key": "one-wish-and-no-other"}


@pytest.fixture
def care(api: Api) -> Headers:
    return api.staff(Role.CUSTOMER_CARE)


@pytest.fixture
def pair(api: Api) -> tuple[Ticket, Ticket]:
    """Two tickets of one customer."""
    with transaction() as session:
        return working.a_ticket(session, "no page comes up"), working.a_ticket(session, "still no page")


def tag(api: Api, ticket: Ticket, who: Headers) -> Headers:
    return {"If-Match": api.http.get(address(ticket.reference), headers=who).headers["etag"]}


def post(api: Api, ticket: Ticket, action: str, body: Any, who: Headers, **more: str) -> Any:
    return api.http.post(address(ticket.reference, action), json=body, headers={**who, **more})


def bodies(api: Api, ticket: Ticket, who: Headers) -> list[str]:
    return [one["body"] for one in api.every(address(ticket.reference, "/messages"), who)]


def test_a_reply_is_sent_once_under_its_key_and_not_past_what_was_said(api: Api, care: Headers, pair: tuple[Ticket, Ticket]) -> None:
    one, _ = pair
    seen = tag(api, one, care)
    body = {"text": "Please try once more.", "then": "resolved"}
    refusal(post(api, one, "/replies", body, care), 428, "precondition_missing")
    answers = [post(api, one, "/replies", body, care | seen | KEY) for _ in range(2)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    said = answers[0].json()
    assert (said["kind"], said["channel"], said["author"], said["delivery"]["state"]) == ("reply", "sms", "Customer Care", "queued")
    assert api.get(address(one.reference), care)["state"] == "resolved"
    root = api.staff(Role.ROOT)
    problem = refusal(post(api, one, "/replies", {"text": "Hello"}, root | seen), 412, "answered_meanwhile")
    assert problem["what"] == "Customer Care replied: Please try once more."
    assert post(api, one, "/replies", {"text": "Hello", "anyway": True}, root | seen).status_code == 201
    assert post(api, one, "/replies", {"text": "And"}, root, **{"If-Match": f'"{problem["revision"]}"'}).status_code == 201
    assert bodies(api, one, care) == ["And", "Hello", "Please try once more.", "no page comes up"]
    refusal(api.http.post(f"/api/v1/tickets/messages/{said['id']}/resend", headers=care), 409, "reply_not_resent")


def test_a_note_names_whom_it_told(api: Api, care: Headers, pair: tuple[Ticket, Ticket]) -> None:
    answer = post(api, pair[0], "/notes", {"text": "@root please, and @field.technician"}, care | KEY)
    assert answer.status_code == 201
    assert (answer.json()["told"], answer.json()["not_told"]) == (["Root"], ["Field Technician"])
    assert answer.json()["message"]["kind"] == "note"


def test_state_priority_category_and_tags_are_changed_with_the_etag(api: Api, care: Headers, pair: tuple[Ticket, Ticket]) -> None:
    one = pair[0].reference
    seen = tag(api, pair[0], care)
    put = api.http.put(address(one, "/priority"), json={"priority": "high"}, headers=care | seen)
    assert (put.status_code, put.json()["priority"]) == (200, "high")
    for action, body in (("/priority", {"priority": "low"}), ("/category", {"category": "payment"}), ("/state", {"state": "open"})):
        refusal(api.http.put(address(one, action), json=body, headers=care), 428)
        refusal(api.http.put(address(one, action), json=body, headers=care | seen), 412, "stale")
    anything = care | {"If-Match": "*"}
    assert api.http.put(address(one, "/category"), json={"category": "payment"}, headers=anything).json()["category"] == "payment"
    held = api.http.put(address(one, "/state"), json={"state": "on_hold", "hold_reason": "part"}, headers=anything).json()
    assert (held["state"], held["hold_reason"]) == ("on_hold", "part")
    refusal(api.http.put(address(one, "/state"), json={"state": "new"}, headers=anything), 409, "cannot_move")
    refusal(api.http.put(address(one, "/state"), json={"state": "closed"}, headers=anything), 422, "invalid_input")
    refusal(api.http.put(address(one, "/state"), json={"state": "gone"}, headers=anything), 422, "invalid_input")
    assert post(api, pair[0], "/tags", {"add": ["Market"]}, care).json()["tags"] == ["market"]
    assert [row["reference"] for row in api.get("/api/v1/tickets", care, tag="market")["items"]] == [one]
    editor = api.service("tickets:edit")
    assert post(api, pair[0], "/tags", {"remove": ["market"]}, editor).json()["tags"] == []


def test_two_become_one_under_a_key_and_are_taken_apart_again(api: Api, care: Headers, pair: tuple[Ticket, Ticket]) -> None:
    one, other = pair
    wanted, seen = {"into": other.reference}, tag(api, one, care)
    refusal(post(api, one, "/merge", wanted, care), 428)
    refusal(post(api, one, "/merge", wanted, care, **{"If-Match": '"old"'}), 412, "stale")
    answers = [post(api, one, "/merge", wanted, care | seen | KEY) for _ in range(2)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    step = answers[0].json()
    assert (step["kind"], step["ticket"], step["said"]) == ("merge", other.reference, f"{one.reference} was merged into {other.reference}")
    shown = api.get(address(one.reference), care)
    assert (shown["state"], shown["merged_into"]) == ("closed", other.reference)
    assert bodies(api, other, care) == ["still no page", "no page comes up"]
    anything = {"If-Match": "*"}
    refusal(post(api, one, "/merge", wanted, care, **anything), 409, "cannot_merge")
    problem = refusal(api.http.put(address(one.reference, "/state"), json={"state": "open"}, headers=care | anything), 409, "ticket_merged")
    assert problem["into"] == other.reference
    undone = api.http.post(f"/api/v1/tickets/operations/{step['id']}/undo", headers=care)
    assert (undone.status_code, undone.json()["kept"]) == (200, [])
    refusal(api.http.post(f"/api/v1/tickets/operations/{step['id']}/undo", headers=care), 409, "cannot_undo")
    refusal(api.http.post("/api/v1/tickets/operations/999999/undo", headers=care), 404, "operation_not_found")
    assert bodies(api, one, care) == ["no page comes up"]
    assert audited() == [("ticket.merge", one.reference), ("ticket.undo", other.reference)]


def test_tickets_of_two_customers_need_a_word_more(api: Api, care: Headers, pair: tuple[Ticket, Ticket]) -> None:
    foreign = references(assigned=False)[0]
    refusal(post(api, pair[0], "/merge", {"into": foreign}, care, **{"If-Match": "*"}), 409, "merge_not_confirmed")
    assert post(api, pair[0], "/merge", {"into": foreign, "confirm": True}, care, **{"If-Match": "*"}).status_code == 200


def test_messages_are_split_off_once(api: Api, care: Headers, pair: tuple[Ticket, Ticket]) -> None:
    one, _ = pair
    with transaction() as session:
        heard = working.hear(session, one, "and my money?").message
    assert heard is not None
    body = {"message_ids": [heard.id], "subject": "Refund"}
    answers = [post(api, one, "/split", body, care | KEY, **{"If-Match": "*"}) for _ in range(2)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    new = answers[0].json()["ticket"]
    assert api.get(address(new), care)["subject"] == "Refund"
    assert [item["body"] for item in api.get(address(new, "/messages"), care)["items"]] == ["and my money?"]
    refusal(post(api, one, "/split", {"message_ids": [1], "subject": "x"}, care, **{"If-Match": "*"}), 422, "cannot_split")


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("/replies", {"text": ""}),
        ("/replies", {"text": "a\x00b"}),
        ("/replies", {"text": "x" * 20_001}),
        ("/replies", {"text": "x", "then": "closed"}),
        ("/notes", {"text": "x", "kind": "reply"}),
        ("/tags", {"add": ["<script>"]}),
        ("/tags", {"add": "market"}),
        ("/merge", {"into": ""}),
        ("/split", {"message_ids": [], "subject": "x"}),
        ("/split", {"message_ids": ["1"], "subject": "x"}),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(api: Api, care: Headers, pair: tuple[Ticket, Ticket], action: str, body: Any) -> None:
    refusal(post(api, pair[0], action, body, care, **{"If-Match": "*"}), 422)


def test_a_technician_does_none_of_it_to_a_foreign_ticket(api: Api, pair: tuple[Ticket, Ticket]) -> None:
    tech = api.staff(Role.FIELD_TECHNICIAN) | {"If-Match": "*"}
    one, other = pair
    told = set()
    for action, body in (
        ("/replies", {"text": "x"}),
        ("/notes", {"text": "x"}),
        ("/tags", {"add": ["x1"]}),
        ("/merge", {"into": other.reference}),
        ("/split", {"message_ids": [1], "subject": "x"}),
    ):
        told.add(refusal(post(api, one, action, body, tech), 404, "ticket_not_found")["title"])
    for action, body in (("/priority", {"priority": "low"}), ("/category", {"category": "payment"}), ("/state", {"state": "open"})):
        told.add(refusal(api.http.put(address(one.reference, action), json=body, headers=tech), 404, "ticket_not_found")["title"])
    refusal(api.http.get(address(one.reference, "/messages"), headers=tech), 404, "ticket_not_found")
    assert len(told) == 1
