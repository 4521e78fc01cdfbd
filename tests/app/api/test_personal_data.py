"""What is kept of a customer, and their wish to be forgotten, on the wire."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import col, select

from app.clock import utc_now
from app.db import transaction
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Customer, Role
from services.operations.models import ErasureRequest
from tests.app.api.asking import Api, Headers, refusal
from tests.pages import builders

NUMBER = "+220833000091"
ASKED = {"channel": "desk", "proof": "identity_card"}


def proven(api: Api, role: Role) -> Headers:
    """A session that proved just now who it is."""
    who = api.staff(role)
    answer = api.http.post("/api/auth/prove", json={"password": builders.PASSWORD}, headers=who)
    assert answer.status_code in (200, 204), answer.text
    return who


@pytest.fixture
def address(api: Api) -> str:
    with transaction() as session:
        return f"/api/v1/customers/{find_or_create_customer(session, phone=NUMBER, now=utc_now()).id}/personal-data"


def test_the_document_is_handed_out_after_a_fresh_proof(api: Api, address: str) -> None:
    who = proven(api, Role.SYSTEM_ADMIN)
    answer = api.http.get(address, params=ASKED, headers=who)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json()["profile"]["phone"] == NUMBER
    page = api.http.get(address, params={**ASKED, "form": "html"}, headers=who)
    assert page.headers["content-type"].startswith("text/html")
    assert NUMBER in page.text
    assert page.headers["content-disposition"].startswith("attachment")
    refusal(api.http.get(address, params=ASKED, headers=api.service("customers:read")), 403, "forbidden")
    refusal(api.http.get(address, headers=who), 422)


def test_an_erasure_needs_two_people_and_a_day(api: Api, address: str) -> None:
    first, second = proven(api, Role.SYSTEM_ADMIN), proven(api, Role.ROOT)
    refusal(api.http.get(f"{address}/erasure", headers=first), 404, "erasure_not_found")
    assert api.get(f"{address}/erasure/preview", first)["waits_for"] is None
    asked = api.http.post(f"{address}/erasure", json=ASKED, headers=first)
    assert asked.status_code == 201, asked.text
    refusal(api.http.post(f"{address}/erasure", json=ASKED, headers=second), 409, "erasure_waits")
    match = {"If-Match": asked.headers["etag"]}
    refusal(api.http.post(f"{address}/erasure/carry-out", headers=first), 428)
    refusal(api.http.post(f"{address}/erasure/carry-out", headers={**first, **match}), 403, "own_erasure")
    refusal(api.http.post(f"{address}/erasure/carry-out", headers={**second, **match}), 409, "erasure_not_yet")
    off = api.http.post(f"{address}/erasure/call-off", headers={**first, **match})
    assert off.json()["state"] == "called_off"
    refusal(api.http.post(f"{address}/erasure/carry-out", headers={**second, **match}), 412)

    again = api.http.post(f"{address}/erasure", json=ASKED, headers=first)
    with transaction() as session:
        row = session.exec(select(ErasureRequest).order_by(col(ErasureRequest.id).desc()).limit(1)).one()
        row.asked_at -= timedelta(days=1)
    done = api.http.post(f"{address}/erasure/carry-out", headers={**second, "If-Match": again.headers["etag"]})
    assert done.json()["state"] == "done", done.text
    with transaction() as session:
        assert session.exec(select(Customer).where(Customer.phone_e164 == NUMBER)).all() == []
    refusal(api.http.get(address, params=ASKED, headers=first), 409, "customer_erased")
