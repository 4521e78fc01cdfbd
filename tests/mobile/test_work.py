"""The technician's list, tickets and access points over HTTP."""

from __future__ import annotations

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from services.network.models import AccessPoint
from services.tickets.models import Ticket
from tests.app.api.asking import refusal
from tests.mobile.customers import Phone, a_phone, technicians_phone
from tests.mobile.log_ins import line
from tests.services.network.places import make_access_point, make_site
from tests.services.tickets.working import a_ticket

__all__ = ["line"]


@pytest.fixture
def phone(line: TestClient, session: Session) -> Phone:
    return technicians_phone(line, session)


@pytest.fixture
def point(session: Session) -> AccessPoint:
    site = make_site(session, "Serekunda (Market)")
    site.latitude, site.longitude = 13.45, -16.6
    made = make_access_point(session, site=site)
    made.mac = "02:aa:bb:cc:dd:0e"
    session.flush()
    return made


@pytest.fixture
def ticket(session: Session, phone: Phone, point: AccessPoint) -> Ticket:
    made = a_ticket(session)
    made.assignee_id, made.access_point_id, made.site_id = phone.caller.technician().id, point.id, point.site_id
    session.flush()
    return made


def test_the_list_says_where_why_and_whom_to_call(phone: Phone, ticket: Ticket, point: AccessPoint) -> None:
    shown = phone.get("work", latitude=13.45, longitude=-16.6)
    (one,) = shown["items"]
    assert (one["id"], one["distance_km"], one["visit"]) == (str(ticket.id), 0.0, None)
    assert one["why"].endswith(", 0 km away")
    assert one["site"]["route"] == {
        "geo": "geo:13.450000,-16.600000?q=13.450000,-16.600000(Serekunda%20%28Market%29)",
        "map": "https://www.google.com/maps/dir/?api=1&destination=13.450000,-16.600000",
    }
    assert one["access_point"]["health"] == "online"
    assert one["customer"]["tel"] == f"tel:{one['customer']['phone']}"
    assert (shown["total"], shown["located_at"]) == (1, None)


@pytest.mark.parametrize("query", [{"latitude": 1}, {"latitude": 91, "longitude": 0}, {"latitude": "nan", "longitude": 0}])
def test_half_a_position_is_none(phone: Phone, query: dict[str, object]) -> None:
    refusal(phone.ask("GET", "work", params=query), 422, "invalid_input")


def test_one_ticket_for_whoever_may_know_of_it(line: TestClient, session: Session, phone: Phone, ticket: Ticket) -> None:
    assert phone.get(f"tickets/{ticket.id}")["data"]["reference"] == ticket.reference
    for other in (technicians_phone(line, session), a_phone(line, session)):
        refusal(other.ask("GET", f"tickets/{ticket.id}"), 404, "ticket_not_found")
    refusal(phone.ask("GET", "tickets/999999999"), 404, "ticket_not_found")
    refusal(phone.ask("GET", "tickets/0"), 422)


def test_a_label_is_scanned(phone: Phone, ticket: Ticket, point: AccessPoint) -> None:
    scanned = phone.get("access-points/scan", code="02-AA-BB-CC-DD-0E")
    assert scanned == phone.get(f"access-points/{point.id}") | {"periods": scanned["periods"], "months": scanned["months"]}
    assert (scanned["label"], [one["id"] for one in scanned["tickets"]]) == ("inet:ap:02:aa:bb:cc:dd:0e", [str(ticket.id)])
    assert [len(month["month"]) for month in scanned["months"]] == [10, 10]
    refusal(phone.ask("GET", "access-points/scan", params={"code": "hello"}), 422, "invalid_input")
    refusal(phone.ask("GET", "access-points/scan", params={"code": "02:00:00:00:00:99"}), 404, "access_point_not_found")
    refusal(phone.ask("GET", "access-points/999999999"), 404, "access_point_not_found")


def test_duty_without_a_team_is_nothing_to_switch(phone: Phone) -> None:
    assert phone.ask("PUT", "duty", json={"is_on_duty": True}).json() == {"is_on_duty": False, "teams": []}
    refusal(phone.ask("PUT", "duty", json={}), 422)


def test_all_of_it_is_for_technicians(line: TestClient, session: Session) -> None:
    customer = a_phone(line, session)
    for method, path in (("GET", "work"), ("GET", "access-points/scan?code=x"), ("GET", "access-points/1")):
        refusal(customer.ask(method, path), 403, "forbidden")
    refusal(customer.ask("PUT", "duty", json={"is_on_duty": True}), 403, "forbidden")
