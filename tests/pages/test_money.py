"""The money desk's pages: each number leads to its rows, and what nobody can explain is loud."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import in_transaction, transaction
from pages.components.list_state import read_dalasi
from pages.money import Wanted, wanted_in
from services.accounts.models import Role
from services.payments.clearing.models import LedgerAccount, TransferReason
from services.payments.clearing.posting import of_payment, post, post_event
from services.payments.models import Payment, PaymentEvent, PaymentStatus
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import table, until

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def with_transfers() -> None:
    """The builders write histories by hand: their transfers follow, as the services post them."""
    with transaction() as session:
        for event in session.exec(select(PaymentEvent).order_by(col(PaymentEvent.at), col(PaymentEvent.id))).all():
            payment = session.get_one(Payment, event.payment_id)
            if payment.paid_at is not None and payment.status is not PaymentStatus.REFUNDED:
                post_event(
                    session, payment, event.kind, {"refund_id": 1, "transaction_id": "T"} | event.detail, actor="system", now=event.at
                )


@pytest.fixture
def books(shop: None) -> None:
    with_transfers()


@pytest.fixture
def a_sale(books: None) -> Payment:
    with transaction() as session:
        served = select(Payment).where(Payment.status == PaymentStatus.SERVED).order_by(col(Payment.id))
        payment = session.exec(served).first()
    assert payment is not None
    return payment


def shown(user: User, marker: str) -> str:
    """All the words inside an element."""
    (found,) = user.find(marker=marker).elements
    return " ".join(str(part.text) for part in found.descendants() if isinstance(part, ui.label | ui.link))


@pytest.mark.usefixtures("books")
async def test_the_dashboard_shows_what_was_taken_and_leads_to_the_rows(user: User, sign_in: SignIn, now: datetime) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/money?range=7")

    await user.should_see("Taken")
    await user.should_see("By package")
    await user.should_see("Not paid, and why")
    await user.should_see("Vouchers in stock")
    links = [link.props["href"] for link in user.find(kind=ui.link).elements]
    assert any(href.startswith("/console/payments?paid-from=") and "package=" in href for href in links)
    assert any("status=failed" in href for href in links)


@pytest.fixture
def nothing_sold(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        builders.a_staff(session, Role.BILLING_OFFICER, now=now)


@pytest.mark.usefixtures("nothing_sold")
async def test_with_nothing_sold_the_dashboard_says_so(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/money")

    await user.should_see("Nothing was sold in these days")
    await user.should_see("There is a reason for everything that stands open.")


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, Wanted("today")),
        ({"range": "month"}, Wanted("month")),
        ({"range": "nonsense"}, Wanted("today")),
        ({"from": "2026-11-02", "to": "2026-11-01"}, Wanted("today")),
        ({"from": "2026-11-01", "to": "x"}, Wanted("today")),
        ({"from": "0001-01-01", "to": "9999-12-31"}, Wanted("today")),
        ({"from": "2026-11-01", "to": "2026-11-02"}, Wanted("own", datetime(2026, 11, 1).date(), datetime(2026, 11, 2).date())),
    ],
)
def test_an_address_that_says_nothing_sensible_means_today(query: dict[str, str], wanted: Wanted) -> None:
    assert wanted_in(query) == wanted


def test_ranges_are_whole_days_and_half_open() -> None:
    def days(span: str) -> tuple[str, str]:
        start, until_ = Wanted(span).days(NOON)
        return f"{start:%m-%d}", f"{until_:%m-%d}"

    assert days("today") == ("11-22", "11-23")
    assert days("yesterday") == ("11-21", "11-22")
    assert days("7") == ("11-16", "11-23")
    assert days("month") == ("11-01", "11-23")
    assert days("last") == ("10-01", "11-01")


@pytest.mark.usefixtures("books")
async def test_the_ledger_shows_each_open_item_with_its_reason(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/ledger?account=wave_receivable")

    rows = table(user, "open-items").rows
    assert rows
    assert {row["account"] for row in rows} == {"At Wave, not listed yet"}
    assert all("Wave's list of" in row["second"] for row in rows)
    await user.should_see("To be charged in PortaBilling")


@pytest.mark.usefixtures("books")
async def test_what_nobody_can_explain_stands_on_top(user: User, sign_in: SignIn, a_sale: Payment) -> None:
    def correct(session: Session) -> None:
        reason, sales, refunds = TransferReason.CORRECTED, LedgerAccount.SALES, LedgerAccount.REFUNDS
        post(session, reason, sales, refunds, 700, subject=of_payment(a_sale), once="corrected:test", now=utc_now() - timedelta(days=9))

    await in_transaction(correct)
    reference, subject = a_sale.reference, of_payment(a_sale)
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/ledger")

    said = shown(user, "unexplained")
    assert "What is owed to the customer is not what is being given back." in said
    assert subject.replace("payment:", "Payment ") in said
    links = [link.props["href"] for link in user.find(kind=ui.link).elements]
    assert f"/console/payments/{reference}" in links
    assert f"/console/ledger/transfers?q={subject}" in links


@pytest.mark.usefixtures("books")
async def test_the_transfers_of_a_subject_are_a_link_away(user: User, sign_in: SignIn, a_sale: Payment) -> None:
    subject = of_payment(a_sale)
    await sign_in(Role.BILLING_OFFICER)
    await user.open(f"/console/ledger/transfers?q={subject}")

    assert {row["reason"] for row in table(user, "transfers").rows} == {"Paid", "Charge due", "Charged", "Earned"}


@pytest.mark.usefixtures("shop")
async def test_payments_are_narrowed_by_every_filter_of_the_address(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/payments?needs=yes&channel=portal&gift=no&least=1&most=100000")

    rows = table(user, "payments").rows
    assert rows
    await user.should_see("Needs a person: Only these")
    await user.open("/console/payments?gift=yes")
    assert table(user, "payments").rows == []
    await user.open("/console/payments")
    whole = len(table(user, "payments").rows)
    await user.open("/console/payments?least=-1")
    assert len(table(user, "payments").rows) == whole > len(rows)


@pytest.mark.usefixtures("shop")
async def test_a_sum_that_is_none_is_refused_in_its_field(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/payments")
    before = len(table(user, "payments").rows)
    # The fields behind the button are there and not shown.
    user.find(marker="more-filters").click()
    (field,) = user.find(kind=ui.input, marker="filter-least").elements
    field.set_value("0.005")

    await until(lambda: field.error is not None)
    assert field.error == "A sum in dalasi, such as 25 or 12.50"
    assert len(table(user, "payments").rows) == before


@pytest.mark.parametrize("text", ["-1", "NaN", "0.005", "1e3", "", "1,5", "inf", "12345678", "١٢"])
def test_what_is_no_sum_is_none(text: str) -> None:
    assert read_dalasi(text) is None


@pytest.mark.parametrize(("text", "bututs"), [("25", 2500), ("12.5", 1250), ("0.05", 5), (" 7 ", 700)])
def test_a_sum_is_read_as_bututs(text: str, bututs: int) -> None:
    assert read_dalasi(text) == bututs


@pytest.mark.usefixtures("shop")
async def test_the_file_holds_all_that_match(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/payments")
    answer = await user.http_client.get("/console/payments.csv?status=served")

    assert answer.status_code == 200
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows
    assert {row["State"] for row in rows} == {"Served"}
    assert all("•" in row["Customer"] for row in rows)


@pytest.mark.usefixtures("shop")
async def test_who_may_not_see_money_is_told_so(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    for path in ("/console/money", "/console/ledger", "/console/ledger/transfers"):
        await user.open(path)
        await user.should_see("Not allowed")
