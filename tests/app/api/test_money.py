"""The money desk over JSON: the books and the sums, for those who may see money."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import col, select

from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from services.payments.clearing.posting import of_payment, post_event
from services.payments.models import Payment, PaymentEvent, PaymentStatus
from tests.app.api.asking import Api, refusal


@pytest.fixture
def a_sale(api: Api) -> str:
    """The builders write histories by hand: the transfers of one sale follow, as the services post them."""
    with transaction() as session:
        payment = session.exec(select(Payment).where(Payment.status == PaymentStatus.ACCESS_GRANTED).order_by(col(Payment.id))).first()
        assert payment is not None
        own = select(PaymentEvent).where(PaymentEvent.payment_id == payment.id).order_by(col(PaymentEvent.sequence))
        for event in session.exec(own).all():
            post_event(session, payment, event.kind, event.detail, actor="system", now=event.at)
        return of_payment(payment)


def test_accounts_show_what_stands_open_by_age(api: Api, a_sale: str) -> None:
    found = api.get("/api/v1/ledger/accounts", api.staff(Role.BILLING_OFFICER))["accounts"]

    assert [line["account"] for line in found] == ["wave_receivable", "unearned_access", "refunds", "portabilling_charge", "suspense"]
    assert found[0]["balance"] == -found[1]["balance"] > 0
    assert found[0]["ages"]["today"]["items"] == 1


def test_open_items_have_reasons_and_are_paged(api: Api, a_sale: str) -> None:
    officer = api.staff(Role.BILLING_OFFICER)
    first = api.get("/api/v1/ledger/open", officer, limit="1")
    second = api.get("/api/v1/ledger/open", officer, limit="1", cursor=first["next_cursor"])

    items = first["items"] + second["items"]
    assert {item["account"] for item in items} == {"wave_receivable", "unearned_access"}
    assert second["next_cursor"] is None
    assert all(item["subject"] == a_sale and item["is_explained"] and item["explanation"] for item in items)
    assert api.get("/api/v1/ledger/open", officer, account="suspense")["items"] == []


def test_transfers_are_narrowed_and_paged(api: Api, a_sale: str) -> None:
    officer = api.staff(Role.BILLING_OFFICER)
    first = api.get("/api/v1/ledger/transfers", officer, subject=a_sale, limit="2")
    rest = api.get("/api/v1/ledger/transfers", officer, subject=a_sale, limit="2", cursor=first["next_cursor"])

    assert sorted(row["reason"] for row in first["items"] + rest["items"]) == ["charge_due", "charged", "paid"]
    (paid,) = api.get("/api/v1/ledger/transfers", officer, reason="paid")["items"]
    assert (paid["debit"], paid["credit"], paid["subject"]) == ("wave_receivable", "unearned_access", a_sale)
    assert api.get("/api/v1/ledger/transfers", officer, account="sales")["items"] == []


def test_a_summary_says_what_was_taken_of_what_where_and_how(api: Api) -> None:
    today = utc_now().date()
    query = {"from": str(today - timedelta(days=1)), "to": str(today)}
    shown = api.get("/api/v1/money/summary", api.service("money:read"), **query)

    assert shown["taken"]["payments"] == sum(part["taken"]["payments"] for part in shown["packages"]) > 0
    assert shown["taken"]["amount"] == sum(day["amount"] for day in shown["days"])
    assert shown["taken"]["amount"] == sum(part["taken"]["amount"] for part in shown["sites"])
    assert {part["key"] for part in shown["channels"]} == {"portal"}
    assert {one["status"] for one in shown["failures"]} <= {"failed", "expired", "attention"}


def test_payments_are_narrowed_by_how_they_were_bought(api: Api) -> None:
    officer = api.staff(Role.BILLING_OFFICER)

    def number(**query: str) -> int:
        return len(api.get("/api/v1/payments", officer, limit="100", **query)["items"])

    whole = number()
    assert number(channel="portal", is_gift="false", least_amount="1") == whole
    assert (number(least_amount=str(10**12)), number(most_amount=str(10**12))) == (0, whole), "more than any payment's column holds"
    assert number(channel="mobile") == number(is_gift="true") == number(most_amount="1") == number(promo_code="NONE") == 0
    assert 0 < number(needs_person="true") < whole
    assert 0 < number(paid_since="2026-01-01T00:00:00Z") < whole
    assert number(refund="refunded") < whole


def test_what_cannot_be_is_refused(api: Api) -> None:
    officer = api.staff(Role.BILLING_OFFICER)
    for query in ("from=2026-11-02&to=2026-11-01", "from=2020-01-01&to=2026-01-01", "from=2026-11-01&to=9999-12-31"):
        refusal(api.http.get(f"/api/v1/money/summary?{query}", headers=officer), 422, "bad_range")
    for query in ("least_amount=-1", "least_amount=0.5", "most_amount=NaN", "site_id=-1", "channel=street"):
        assert api.http.get(f"/api/v1/payments?{query}", headers=officer).status_code == 422
    for path in ("ledger/accounts", "ledger/open", "ledger/transfers", "money/summary?from=2026-11-01&to=2026-11-02"):
        refusal(api.http.get(f"/api/v1/{path}", headers=api.staff(Role.CUSTOMER_CARE)), 403, "forbidden")
        assert api.http.get(f"/api/v1/{path}", headers=api.service("money:read")).status_code == 200
