"""What staff do in the console: page through lists, retry, issue, block, end, register, change the price list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, col, select

from app import redis
from app.db import in_transaction, transaction
from app.events import CHANNEL
from services.access.models import AccessSession, SessionState
from services.accounts.models import Role, Staff
from services.packages.service import offers
from services.payments.models import EventKind, Payment, PaymentEvent, PaymentStatus
from services.vouchers import codes
from services.vouchers.models import Voucher, VoucherState
from tests.pages import builders
from tests.pages.conftest import SignIn


async def until(found: Callable[[], bool]) -> None:
    """Actions hop to a thread; give the loop turns until they are done. A `found` that can say what it saw instead is asked to."""
    for _ in range(1000):
        if found():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"it did not happen: {found}")


def table(user: User, marker: str) -> ui.table:
    (found,) = user.find(kind=ui.table, marker=f"{marker}-table").elements
    return found


def label(user: User, marker: str) -> str:
    (found,) = user.find(kind=ui.label, marker=marker).elements
    return found.text


class toasted:
    """Whether the person was told these words."""

    def __init__(self, user: User, words: str) -> None:
        self._user, self._words = user, words

    def __call__(self) -> bool:
        return self._user.notify.contains(self._words)

    def __str__(self) -> str:
        return f"{self._words!r} was not told, but {self._user.notify.messages}"


@pytest.fixture
def thirty_payments(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        builders.a_staff(session, Role.ROOT, now=now)
        offer = builders.an_offer(session, now=now)
        for number in range(30):
            builders.a_payment(
                session,
                offer=offer,
                customer=builders.a_customer(session, number, now=now),
                status=PaymentStatus.EXPIRED if number % 3 else PaymentStatus.SERVED,
                at=now - timedelta(minutes=number),
            )


@pytest.mark.usefixtures("thirty_payments")
async def test_the_second_page_is_fetched_from_the_server(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/payments")
    await user.should_see("1–25 of 30")
    first = {row["id"] for row in table(user, "payments").rows}
    user.find(marker="payments-after").click()
    await user.should_see("26–30 of 30", retries=100)
    second = {row["id"] for row in table(user, "payments").rows}
    assert len(first) == 25
    assert len(second) == 5
    assert not first & second


@pytest.mark.usefixtures("thirty_payments")
async def test_the_address_of_a_list_shows_the_same_rows_again(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/payments?status=expired&sort=created&rows=50")
    await user.should_see("1–20 of 20")
    created = [row["created"]["at"] for row in table(user, "payments").rows]
    assert created == sorted(created)
    assert {row["state"]["text"] for row in table(user, "payments").rows} == {"Not paid"}


@pytest.mark.usefixtures("thirty_payments")
async def test_an_address_with_nonsense_in_it_opens_the_plain_list(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/payments?status=nonsense&sort=-amount&rows=7&page=99999999999&from=yesterday")
    await user.should_see("1–25 of 30")


@pytest.mark.usefixtures("thirty_payments")
async def test_a_customer_is_found_by_the_old_and_the_new_form_of_the_phone(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    for phone in ("3000007", "83 300 0007", "+220833000007"):
        await user.open("/console/payments")
        user.find(marker="search").clear().type(phone)
        await user.should_see("1–1 of 1", retries=100)


@pytest.mark.usefixtures("thirty_payments")
async def test_news_of_a_payment_change_the_open_list_in_place(user: User, sign_in: SignIn, now: datetime) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/payments")

    def one_more(session: Session) -> str:
        offer, customer = builders.an_offer(session, now=now), builders.a_customer(session, 99, now=now)
        return builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=now).reference

    reference = await in_transaction(one_more)

    def told() -> bool:
        # Told again and again: the page may still be subscribing when the first news comes.
        redis.client().publish(CHANNEL, orjson.dumps({"topic": "payments", "id": 1}))
        return bool(table(user, "payments").rows[0]["reference"] == reference)

    await until(told)
    await user.should_see("1–25 of 31")


def _a_payment_of(status: PaymentStatus) -> Callable[[Session], str]:
    return lambda session: session.exec(select(Payment.reference).where(Payment.status == status)).first() or ""


@pytest.mark.usefixtures("shop")
async def test_a_payment_shows_every_ledger_event_and_call_in_order(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/payments/{await in_transaction(_a_payment_of(PaymentStatus.SERVED))}")
    for words in ("Paid", "PortaBilling issued the voucher", "A router confirmed: the customer is online", "Wave: what became of it?"):
        await user.should_see(words)
    await user.should_see("answered after 180 ms")
    await user.should_not_see(marker="retry", retries=1)


@pytest.mark.usefixtures("shop")
async def test_retry_now_takes_a_payment_off_the_attention_list(user: User, sign_in: SignIn) -> None:
    reference = await in_transaction(_a_payment_of(PaymentStatus.ATTENTION))
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/payments/{reference}")
    user.find(marker="retry").click()
    await user.should_see("Retried by hand", retries=100)

    def state(session: Session) -> tuple[PaymentStatus, str]:
        payment = session.exec(select(Payment).where(Payment.reference == reference)).one()
        retried = (PaymentEvent.payment_id == payment.id, PaymentEvent.kind == EventKind.RETRIED)
        return payment.status, session.exec(select(PaymentEvent.actor).where(*retried)).one()

    assert await in_transaction(state) == (PaymentStatus.PAID, "staff:customer.care@inet.test")


@pytest.mark.usefixtures("shop")
async def test_a_role_revoked_while_the_page_is_open_is_refused_at_the_next_action(user: User, sign_in: SignIn) -> None:
    reference = await in_transaction(_a_payment_of(PaymentStatus.ATTENTION))
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/payments/{reference}")

    def demote(session: Session) -> None:
        session.exec(select(Staff).where(Staff.role == Role.CUSTOMER_CARE)).one().role = Role.FIELD_TECHNICIAN

    await in_transaction(demote)
    user.find(marker="retry").click()
    await until(toasted(user, "Your role does not allow this"))
    assert await in_transaction(_a_payment_of(PaymentStatus.ATTENTION)) == reference


@pytest.mark.usefixtures("shop")
async def test_a_person_logged_out_elsewhere_is_led_to_the_log_in(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/payments/{await in_transaction(_a_payment_of(PaymentStatus.ATTENTION))}")

    def raise_epoch(session: Session) -> None:
        session.exec(select(Staff).where(Staff.role == Role.CUSTOMER_CARE)).one().session_epoch += 1

    await in_transaction(raise_epoch)
    user.find(marker="retry").click()
    await user.should_see(marker="log-in", retries=100)


@pytest.mark.usefixtures("shop")
async def test_a_voucher_made_by_hand_shows_its_code_once(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/vouchers")
    user.find(marker="issue").click()
    user.find(marker="phone").type("300 0001")
    user.find(marker="note").type("The router was down")
    user.find(marker="issue-now").click()
    await user.should_see(marker="code", retries=100)
    shown = label(user, "code")

    def newest(session: Session) -> Voucher:
        return session.exec(select(Voucher).order_by(col(Voucher.id).desc())).first() or Voucher()

    voucher = await in_transaction(newest)
    assert codes.code_mac(codes.read_code(shown)) == voucher.code_mac
    assert voucher.note == "The router was down"
    await user.open("/console/vouchers")
    await user.should_not_see(shown, retries=1)
    assert shown not in str(table(user, "vouchers").rows)


@pytest.mark.usefixtures("shop")
async def test_a_bad_phone_is_refused_and_makes_no_voucher(user: User, sign_in: SignIn) -> None:
    def how_many(session: Session) -> int:
        return session.exec(select(sa.func.count()).select_from(Voucher)).one()

    before = await in_transaction(how_many)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/vouchers")
    user.find(marker="issue").click()
    user.find(marker="phone").type("12")
    user.find(marker="issue-now").click()
    await until(toasted(user, "Enter a Gambian mobile number"))
    assert await in_transaction(how_many) == before


@pytest.mark.usefixtures("shop")
async def test_a_voucher_is_blocked_after_a_confirmation_and_freed_again(user: User, sign_in: SignIn) -> None:
    def an_active(session: Session) -> int:
        return session.exec(select(Voucher.id).where(Voucher.state == VoucherState.ACTIVE, col(Voucher.payment_id).is_(None))).one() or 0

    voucher_id = await in_transaction(an_active)
    await sign_in(Role.BILLING_OFFICER)
    await user.open(f"/console/vouchers/{voucher_id}")
    user.find(marker="block").click()
    await user.should_see(marker="confirm", retries=100)
    user.find(marker="confirm").click()
    await until(toasted(user, "Blocked."))
    await user.open(f"/console/vouchers/{voucher_id}")
    user.find(marker="unblock").click()
    await until(toasted(user, "The block is lifted."))


@pytest.mark.usefixtures("shop")
async def test_only_who_may_see_codes_can_reveal_one(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/vouchers/1")
    await user.should_not_see(marker="reveal", retries=1)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/vouchers/1")
    user.find(marker="reveal").click()
    await user.should_see(marker="code", retries=100)
    codes.read_code(label(user, "code"))


@pytest.mark.usefixtures("shop")
async def test_ending_a_session_asks_for_a_reason_and_ends_it(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/sessions")
    (row, *_) = table(user, "sessions").rows
    user.find(marker="sessions-table").trigger("act", row["id"])
    await user.should_see(marker="confirm", retries=100)
    user.find(marker="confirm").click()
    await user.should_see(marker="confirm")
    user.find(marker="reason").type("Lost phone")
    user.find(marker="confirm").click()
    await until(toasted(user, "Ended."))
    ended = await in_transaction(lambda session: session.get_one(AccessSession, row["id"]))
    assert ended.state is SessionState.ENDED
    assert ended.end_reason == "ended_by_staff"
    await until(lambda: row["id"] not in {left["id"] for left in table(user, "sessions").rows})


def _offer(public_id: str) -> Callable[[Session], Any]:
    return lambda session: next(offer for offer in offers(session, on_sale_only=False) if offer.public_id == public_id)


@pytest.mark.usefixtures("shop")
async def test_a_changed_price_makes_a_new_version(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/packages")
    user.find(marker="edit-day-1").click()
    user.find(marker="field-amount_bututs").clear().type("not a number")
    user.find(marker="save-package").click()
    (field,) = user.find(marker="field-amount_bututs").elements
    await until(lambda: field.props.get("error-message") == "Enter a whole number.")
    user.find(marker="field-amount_bututs").clear().type("60")
    user.find(marker="save-package").click()
    await until(toasted(user, "is saved"))
    changed = await in_transaction(_offer("day-1"))
    assert (changed.version, changed.terms.amount_bututs) == (2, 6000)


@pytest.mark.usefixtures("shop")
async def test_a_package_is_taken_off_sale_without_a_new_version(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/packages")
    user.find(marker="switch-day-1").click()
    await until(toasted(user, "is off sale"))
    changed = await in_transaction(_offer("day-1"))
    assert (changed.version, changed.is_on_sale) == (1, False)


@pytest.mark.usefixtures("shop")
async def test_a_package_is_added_and_its_short_name_is_taken_only_once(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/packages")
    user.find(marker="add-package").click()
    user.find(marker="field-name").type("Night")
    user.find(marker="field-public_id").type("day-1")
    user.find(marker="save-package").click()
    (field,) = user.find(marker="field-public_id").elements
    await until(lambda: "There is a package" in str(field.props.get("error-message")))
    user.find(marker="field-public_id").clear().type("night-1")
    user.find(marker="save-package").click()
    await until(toasted(user, "Night is saved."))
    assert (await in_transaction(_offer("night-1"))).terms.name == "Night"


@pytest.mark.usefixtures("shop")
async def test_a_payment_that_does_not_exist_is_said_so_calmly(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/payments/NOSUCHPAY")
    await user.should_see("There is no payment with that receipt code.")
