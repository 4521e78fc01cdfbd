"""What the resources show: enough to work with, to each only what is theirs to know."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlmodel import select

from app.db import transaction
from services.access.gateways import faskey_of
from services.access.models import Gateway
from services.accounts.models import Customer, Role
from services.payments.models import Payment
from services.vouchers import codes
from services.vouchers.models import Voucher
from tests.app.api.asking import Api, refusal

LISTS = ("customers", "packages", "payments", "vouchers", "sessions?which=all", "gateways", "sites", "tickets", "audit")


def details(api: Api, who: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """Every single resource of every list that `who` may read."""
    names = {"customers": "id", "packages": "id", "payments": "reference", "vouchers": "id", "sessions": "id"}
    names |= {"gateways": "slug", "sites": "id", "tickets": "reference"}
    found = []
    for resource, name in names.items():
        query = {"which": "all"} if resource == "sessions" else {}
        for item in api.get(f"/api/v1/{resource}", who, limit=100, **query)["items"]:
            path = f"/api/v1/{resource}/{item[name]}"
            found.append((path, api.get(path, who)))
    return found


def everything_said(api: Api, who: dict[str, str]) -> str:
    said = [str(detail) for _, detail in details(api, who)]
    for name in LISTS:
        said.append(api.http.get(f"/api/v1/{name}", headers=who).text)
    for payment in api.get("/api/v1/payments", who, limit=100)["items"]:
        said.append(api.http.get(f"/api/v1/payments/{payment['reference']}/events?limit=100", headers=who).text)
    return "\n".join(said)


def test_every_item_of_a_list_can_be_read_by_itself(api: Api) -> None:
    found = details(api, api.staff(Role.ROOT))
    assert len(found) > 30
    for path, detail in found:
        assert path.rsplit("/", 1)[1] in {str(detail.get(name)) for name in ("id", "reference", "slug")}


def test_no_answer_holds_a_code_a_key_or_the_id_that_opens_a_purchase(api: Api) -> None:
    said = everything_said(api, api.staff(Role.ROOT))
    with transaction() as session:
        secrets = [codes.unseal_code(row.code_sealed) for row in session.exec(select(Voucher)).all()]
        secrets += [codes.show_code(code) for code in secrets]
        secrets += [faskey_of(row) for row in session.exec(select(Gateway)).all()]
        secrets += [row.public_id for row in session.exec(select(Payment)).all()]
    assert len(secrets) > 20
    assert [secret for secret in secrets if secret in said] == []
    assert not re.search(r"password|totp|sealed|_mac\"|token_mac", said.replace("last_mac", ""))


def test_whole_phone_numbers_are_for_who_may_read_customers(api: Api) -> None:
    scopes = ("payments:read", "vouchers:read", "tickets:read", "sessions:read")
    without, with_ = api.service(*scopes), api.service(*scopes, "customers:read")
    reference = api.get("/api/v1/payments", without)["items"][0]["reference"]
    path = f"/api/v1/payments/{reference}"
    assert api.get(path, without)["customer"]["phone"] is None
    assert api.get(path, without)["customer"]["phone_masked"].startswith("+220 •••")
    assert api.get(path, with_)["customer"]["phone"].startswith("+220833")
    with transaction() as session:
        numbers = [customer.phone_e164 for customer in session.exec(select(Customer)).all()]
    technician = api.staff(Role.FIELD_TECHNICIAN)
    said = "".join(
        api.http.get(f"/api/v1/{name}", params={"limit": 100}, headers=who).text
        for who, names in ((without, ("payments", "vouchers", "tickets", "sessions")), (technician, ("tickets", "sessions")))
        for name in names
    )
    assert [number for number in numbers if number in said or number[1:] in said] == []


def test_a_number_of_another_resource_opens_nothing(api: Api) -> None:
    """A right to one resource is no right to what it refers to (IDOR)."""
    who = api.service("vouchers:read")
    with transaction() as session:
        payment = session.exec(select(Payment)).first()
    assert payment is not None
    for path in (f"customers/{payment.customer_id}", f"payments/{payment.reference}", f"payments/{payment.reference}/events", "sessions/1"):
        refusal(api.http.get(f"/api/v1/{path}", headers=who), 403)


@pytest.mark.parametrize(
    "path",
    [
        "customers/999999",
        "packages/none",
        "payments/NOSUCH22",
        "payments/NOSUCH22/events",
        "vouchers/999999",
        "sessions/999999",
        "gateways/no-such",
        "sites/999999",
        "tickets/T-NOSUCH2",
    ],
)
def test_what_is_not_there_is_not_found(api: Api, path: str) -> None:
    refusal(api.http.get(f"/api/v1/{path}", headers=api.staff(Role.ROOT)), 404)


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "x", "9" * 30, "1%00", "1;drop", "%2e%2e", "１"])
def test_a_number_that_is_none_is_refused(api: Api, number: str) -> None:
    root = api.staff(Role.ROOT)
    for resource in ("customers", "vouchers", "sessions", "sites"):
        answer = api.http.get(f"/api/v1/{resource}/{number}", headers=root)
        assert answer.status_code in (404, 422)
        refusal(answer, answer.status_code)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("payments", {"search": "a\x00b"}),
        ("payments", {"search": "x" * 81}),
        ("payments", {"status": "paid' --"}),
        ("payments", {"since": "yesterday"}),
        ("payments", {"until": "0.5"}),
        ("audit", {"on": "0"}),
        ("payments", {"since": "2026-11-22T10:00:00"}),
        ("payments", {"customer_id": "0"}),
        ("payments", {"package_id": "a\x00"}),
        ("sessions", {"which": "every"}),
        ("sessions", {"gateway": "\x00"}),
        ("customers", {"phone": "\x00"}),
        ("audit", {"on": "2026-13-01"}),
        ("audit", {"target_type": "\x00"}),
    ],
    ids=str,
)
def test_a_filter_that_makes_no_sense_is_refused_at_its_field(api: Api, path: str, query: dict[str, str]) -> None:
    told = refusal(api.http.get(f"/api/v1/{path}", params=query, headers=api.staff(Role.ROOT)), 422, "invalid_input")
    assert told["errors"][0]["field"] in query


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("payments", {"since": "0001-01-01T00:00:00+14:00", "until": "9999-12-31T23:59:59-12:00"}),
        ("audit", {"on": "9999-12-31"}),
        ("audit", {"on": "0001-01-01"}),
        ("payments", {"search": "%_\\'\"--"}),
        ("sites", {"search": "%"}),
        ("gateways", {"search": "' OR 1=1"}),
    ],
    ids=str,
)
def test_a_filter_at_the_edge_is_no_error(api: Api, path: str, query: dict[str, str]) -> None:
    api.get(f"/api/v1/{path}", api.staff(Role.ROOT), **query)


def test_payments_are_filtered(api: Api) -> None:
    root = api.staff(Role.ROOT)
    whole = api.get("/api/v1/payments", root, limit=100)["items"]
    served = api.get("/api/v1/payments", root, status="served")["items"]
    assert {item["status"] for item in served} == {"served"}
    assert 0 < len(served) < len(whole)
    newest = whole[0]
    assert [item["reference"] for item in api.get("/api/v1/payments", root, search=newest["reference"].lower())["items"]] == [
        newest["reference"]
    ]
    assert api.get("/api/v1/payments", root, since=newest["created_at"])["items"] == [newest]
    assert newest not in api.get("/api/v1/payments", root, until=newest["created_at"])["items"]
    detail = api.get(f"/api/v1/payments/{newest['reference']}", root)
    own = api.get("/api/v1/payments", root, customer_id=detail["customer"]["id"])["items"]
    assert newest in own
    assert api.get("/api/v1/payments", root, search=detail["customer"]["phone"])["items"] == own


def test_the_other_lists_are_filtered(api: Api) -> None:
    root = api.staff(Role.ROOT)
    assert {item["state"] for item in api.get("/api/v1/vouchers", root, state="active")["items"]} == {"active"}
    assert {item["payment_reference"] for item in api.get("/api/v1/vouchers", root, by_hand=True)["items"]} == {None}
    (customer,) = api.get("/api/v1/customers", root, phone="+220833000001")["items"]
    assert customer["phone"] == "+220833000001"
    assert api.get("/api/v1/customers", root, phone=customer["legacy_phone"])["items"] == [customer]
    gateway = api.get("/api/v1/gateways", root, search="brikama")["items"]
    assert [item["name"] for item in gateway] == ["Brikama Car Park"]
    assert {item["gateway"] for item in api.get("/api/v1/sessions", root, which="all", gateway=gateway[0]["slug"])["items"]} <= {
        gateway[0]["slug"]
    }
    assert [item["name"] for item in api.get("/api/v1/sites", root, search="kololi")["items"]] == ["Kololi Beach Lodge"]
    assert api.get("/api/v1/tickets", root, state="closed")["items"] == []


def test_money_and_time_are_told_as_the_contract_says(api: Api) -> None:
    payment = api.get("/api/v1/payments", api.staff(Role.ROOT))["items"][0]
    assert isinstance(payment["amount"], int)
    assert payment["currency"] == "GMD"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", payment["created_at"])


def test_the_ledger_of_a_payment_sums_to_what_is_held(api: Api) -> None:
    root = api.staff(Role.ROOT)
    for item in api.get("/api/v1/payments", root, limit=100)["items"]:
        events = list(api.every(f"/api/v1/payments/{item['reference']}/events", root, 3))
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
        assert sum(event["amount"] for event in events) == api.get(f"/api/v1/payments/{item['reference']}", root)["held"]
