"""Tickets over JSON: given to people, closed with a note, and to a technician's log-in never more than their own."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import col, select

from app.db import transaction
from services.accounts.models import Role, Staff
from services.audit.models import AuditEntry
from services.tickets.models import Ticket
from tests.app.api.asking import Api, Headers, refusal
from tests.pages import builders

NOTE = {"note": "New power supply at the gate."}
KEY = {"Idempotency-Key": "a-ticket-is-closed-0001"}


def staff_id(role: Role) -> int:
    with transaction() as session:
        return session.exec(select(Staff.id).where(Staff.email == builders.email_of(role))).one() or 0


def references(*, assigned: bool) -> list[str]:
    """Of the shop's tickets: one is the technician's, the others are nobody's."""
    with transaction() as session:
        has_one = col(Ticket.assignee_id).is_not(None)
        # In the order of their making: what a test adds comes after them.
        return list(session.exec(select(Ticket.reference).where(has_one if assigned else ~has_one).order_by(col(Ticket.id))).all())


def audited() -> list[tuple[str, str]]:
    with transaction() as session:
        rows = session.exec(select(AuditEntry).where(AuditEntry.target_type == "ticket").order_by(col(AuditEntry.id))).all()
        return [(row.action, row.target_id) for row in rows]


def address(reference: str, action: str = "") -> str:
    return f"/api/v1/tickets/{reference}{action}"


def give(api: Api, reference: str, who: Headers, assignee_id: int | None, **headers: str) -> Any:
    return api.http.patch(address(reference), json={"assignee_id": assignee_id}, headers={**who, **headers})


# --- the object rule


def test_the_jwt_of_a_technician_lists_only_their_tickets(api: Api) -> None:
    tech = api.staff(Role.FIELD_TECHNICIAN)
    mine = references(assigned=True)
    assert [item["reference"] for item in api.get("/api/v1/tickets", tech)["items"]] == mine
    for query in ({"unassigned": True}, {"assignee_id": staff_id(Role.ROOT)}, {"search": references(assigned=False)[0]}):
        assert api.get("/api/v1/tickets", tech, **query)["items"] == []
    assert [item["reference"] for item in api.every("/api/v1/tickets", tech, limit=1)] == mine


def test_a_foreign_reference_is_answered_to_a_technician_as_one_that_is_not_there(api: Api) -> None:
    tech = api.staff(Role.FIELD_TECHNICIAN)
    said = set()
    for reference in (*references(assigned=False), "T-NOSUCH2"):
        for method, action, body in (("GET", "", None), ("POST", "/close", NOTE), ("POST", "/reopen", NOTE)):
            answer = api.http.request(method, address(reference, action), json=body, headers=tech)
            problem = refusal(answer, 404, "ticket_not_found")
            said.add((problem["title"], problem["detail"]))
            assert "etag" not in answer.headers
    assert len(said) == 1
    assert audited() == []


def test_a_technician_reads_and_closes_their_own_and_gives_none_away(api: Api) -> None:
    tech, (mine,) = api.staff(Role.FIELD_TECHNICIAN), references(assigned=True)
    shown = api.http.get(address(mine), headers=tech)
    assert shown.json()["assignee"] == {"id": staff_id(Role.FIELD_TECHNICIAN), "name": "Field Technician", "is_active": True}
    refusal(give(api, mine, tech, None, **{"If-Match": shown.headers["etag"]}), 403, "forbidden")
    closed = api.http.post(address(mine, "/close"), json=NOTE, headers=tech)
    assert (closed.status_code, closed.json()["state"]) == (200, "closed")
    assert closed.headers["etag"] != shown.headers["etag"]


def test_a_ticket_that_is_given_away_is_out_of_the_technicians_sight_at_once(api: Api) -> None:
    tech, care, (mine,) = api.staff(Role.FIELD_TECHNICIAN), api.staff(Role.CUSTOMER_CARE), references(assigned=True)
    assert api.http.get(address(mine), headers=tech).status_code == 200
    assert give(api, mine, care, None, **{"If-Match": "*"}).status_code == 200
    refusal(api.http.get(address(mine), headers=tech), 404, "ticket_not_found")
    assert api.get("/api/v1/tickets", tech)["items"] == []


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.FIELD_TECHNICIAN])
def test_the_desks_and_tokens_see_all(api: Api, role: Role) -> None:
    for who in (api.staff(role), api.service("tickets:read")):
        assert len(api.get("/api/v1/tickets", who)["items"]) == 3
        for reference in references(assigned=False):
            assert api.get(address(reference), who)["assignee"] is None


# --- giving, closing


def test_a_ticket_is_given_with_the_etag_that_was_read(api: Api) -> None:
    care, (one, _) = api.staff(Role.CUSTOMER_CARE), references(assigned=False)
    tag = api.http.get(address(one), headers=care).headers["etag"]
    refusal(give(api, one, care, staff_id(Role.FIELD_TECHNICIAN)), 428, "precondition_missing")
    given = give(api, one, care, staff_id(Role.FIELD_TECHNICIAN), **{"If-Match": tag})
    assert (given.status_code, given.json()["assignee"]["name"]) == (200, "Field Technician")
    refusal(give(api, one, care, None, **{"If-Match": tag}), 412, "stale")
    assert give(api, one, care, None, **{"If-Match": given.headers["etag"]}).json()["assignee"] is None
    assert audited() == [("ticket.assign", one)] * 2
    assert [item["reference"] for item in api.get("/api/v1/tickets", care, unassigned=True, search=one)["items"]] == [one]


def test_a_scope_to_give_is_enough_to_give_and_shows_no_phone(api: Api) -> None:
    service, (one, _) = api.service("tickets:assign"), references(assigned=False)
    given = give(api, one, service, staff_id(Role.FIELD_TECHNICIAN), **{"If-Match": "*"})
    assert given.status_code == 200
    assert given.json()["customer"]["phone"] is None
    refusal(api.http.get(address(one), headers=service), 403)


def test_who_is_disabled_or_not_there_is_given_nothing(api: Api) -> None:
    care, (one, _) = api.staff(Role.CUSTOMER_CARE), references(assigned=False)
    disabled = staff_id(Role.BILLING_OFFICER)
    with transaction() as session:
        session.get_one(Staff, disabled).is_active = False
    told = {refusal(give(api, one, care, number, **{"If-Match": "*"}), 422, "not_assignable")["detail"] for number in (disabled, 2**62)}
    assert len(told) == 1


@pytest.mark.parametrize(
    "body", [{}, {"assignee_id": 0}, {"assignee_id": "1"}, {"assignee_id": True}, {"assignee_id": 1, "state": "closed"}], ids=str
)
def test_nothing_else_is_set_by_the_way(api: Api, body: dict[str, Any]) -> None:
    care, (one, _) = api.staff(Role.CUSTOMER_CARE), references(assigned=False)
    refusal(api.http.patch(address(one), json=body, headers=care | {"If-Match": "*"}), 422, "invalid_input")


def test_closing_under_a_key_is_done_once_and_the_state_decides_after_that(api: Api) -> None:
    care, (one, _) = api.staff(Role.CUSTOMER_CARE), references(assigned=False)
    answers = [api.http.post(address(one, "/close"), json=NOTE, headers=care | KEY) for _ in range(3)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert audited() == [("ticket.close", one)]
    refusal(api.http.post(address(one, "/close"), json=NOTE, headers=care), 409, "ticket_closed")
    refusal(give(api, one, care, staff_id(Role.ROOT), **{"If-Match": "*"}), 409, "ticket_closed")
    assert api.http.post(address(one, "/reopen"), json=NOTE, headers=care).json()["state"] == "open"
    refusal(api.http.post(address(one, "/reopen"), json=NOTE, headers=care), 409, "ticket_not_closed")


@pytest.mark.parametrize("body", [None, {}, {"note": ""}, {"note": "   "}, {"note": "a\x00b"}, {"note": "x" * 501}], ids=ascii)
def test_a_note_is_a_few_words(api: Api, body: dict[str, Any] | None) -> None:
    answer = api.http.post(address(references(assigned=True)[0], "/close"), json=body, headers=api.staff(Role.ROOT))
    refusal(answer, 422, "invalid_input")
