"""Buying in the app: for oneself or for another number, once under each key, and told only to who it concerns."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import cast

import pytest
from sqlmodel import Session, select

from services.access.errors import StaleContext
from services.accounts.customers import remember_device
from services.accounts.errors import BadPhone
from services.accounts.models import Customer
from services.apps import shop
from services.apps.callers import Caller
from services.apps.shop import Wish
from services.integrations.clients import Outside
from services.packages.models import Package
from services.packages.service import PackageNotFound
from services.payments import checkout
from services.payments.errors import IdempotencyMismatch, PaymentNotFound
from services.payments.models import Payment
from services.payments.verify import Truth
from tests.conftest import NOON
from tests.factories import make_context, make_gateway, make_package
from tests.services.apps.buying import bought, paid
from tests.services.apps.texting import logged_in

MINE, OTHER, OTHER_OLD = "+220833000021", "+220833000022", "3000022"


@pytest.fixture
def me(session: Session) -> Caller:
    return logged_in(session, MINE)[1]


@pytest.fixture
def package_id(session: Session) -> str:
    return make_package(session).public_id


def buys(session: Session, caller: Caller, wish: Wish) -> Payment:
    """What is saved before Wave hears of it."""
    return session.get_one(Payment, checkout.save(session, shop.order_of(session, caller, wish, now=NOON), now=NOON))


def told(session: Session, caller: Caller, payment: Payment) -> Truth:
    """The answer about a payment that Wave need not be asked about."""

    def begin() -> AbstractContextManager[Session]:
        return nullcontext(session)

    return shop.purchase(begin, caller, payment.public_id, cast("Outside", None), clock=lambda: NOON)


def owner(session: Session, payment: Payment) -> str:
    return session.get_one(Customer, payment.customer_id).phone_e164


@pytest.mark.parametrize("phone", [None, MINE, "3000021"])
def test_a_purchase_is_the_phones_owners(session: Session, me: Caller, package_id: str, phone: str | None) -> None:
    device = remember_device(session, device=None, customer_id=me.customer_id, mac=None, now=NOON)
    context = make_context(make_gateway(session))
    payment = buys(session, replace(me, device_id=device.id), Wish(package_id, "key-0001", phone, context.token()))
    assert owner(session, payment) == MINE
    assert (payment.gateway_id, payment.client_hid, payment.device_id) == (context.gateway_id, context.hid, device.id)


@pytest.mark.parametrize("phone", [OTHER, OTHER_OLD])
def test_a_gift_is_the_other_persons_and_lets_the_buyers_phone_in_nowhere(
    session: Session, me: Caller, package_id: str, phone: str
) -> None:
    context = make_context(make_gateway(session))
    payment = buys(session, me, Wish(package_id, "key-0001", phone, context.token()))
    assert owner(session, payment) == OTHER
    assert (payment.gateway_id, payment.client_hid, payment.device_id) == (None, None, None)


def test_the_same_key_is_the_same_purchase_whichever_form_the_number_has(session: Session, me: Caller, package_id: str) -> None:
    first = buys(session, me, Wish(package_id, "key-0001", OTHER))
    assert buys(session, me, Wish(package_id, "key-0001", OTHER_OLD)).id == first.id
    assert buys(session, me, Wish(package_id, "key-0002", OTHER)).id != first.id


def test_a_key_is_not_taken_for_another_order(session: Session, me: Caller, package_id: str) -> None:
    buys(session, me, Wish(package_id, "key-0001"))
    for other in (Wish(make_package(session).public_id, "key-0001"), Wish(package_id, "key-0001", OTHER)):
        with pytest.raises(IdempotencyMismatch):
            buys(session, me, other)


def test_keys_of_two_people_never_meet(session: Session, me: Caller, package_id: str) -> None:
    _, other = logged_in(session, OTHER)
    mine = buys(session, me, Wish(package_id, "key-0001", OTHER))
    assert buys(session, other, Wish(package_id, "key-0001")).id != mine.id


def test_what_cannot_be_bought_is_refused(session: Session, me: Caller, package_id: str) -> None:
    with pytest.raises(BadPhone):
        buys(session, me, Wish(package_id, "key-0001", "12"))
    with pytest.raises(StaleContext):
        buys(session, me, Wish(package_id, "key-0001", context="not ours"))
    session.exec(select(Package).where(Package.public_id == package_id)).one().is_on_sale = False
    session.flush()
    with pytest.raises(PackageNotFound):
        buys(session, me, Wish(package_id, "key-0001"))


def test_one_is_told_of_ones_own_purchases_alone(session: Session, me: Caller) -> None:
    payment, voucher, _ = bought(session, MINE)
    truth = told(session, me, payment)
    assert (truth.status, truth.voucher_state) == ("access_granted", voucher.state.value)
    assert truth.access is not None
    assert shop.own_payment(session, me, str(payment.id)).id == payment.id
    _, stranger = logged_in(session)
    for named in (payment.public_id, str(payment.id), "no-such-payment", "0"):
        with pytest.raises(PaymentNotFound):
            shop.own_payment(session, stranger, named)


def test_of_a_gift_the_buyer_is_told_the_payment_and_its_owner_the_voucher(session: Session, me: Caller, package_id: str) -> None:
    payment, _, _ = paid(session, buys(session, me, Wish(package_id, "key-0001", OTHER)))
    mine = told(session, me, payment)
    assert (mine.status, mine.reference) == ("access_granted", payment.reference)
    assert (mine.voucher_code, mine.voucher_state, mine.access) == (None, None, None)
    theirs = told(session, logged_in(session, OTHER)[1], payment)
    assert theirs.voucher_code is not None
    assert theirs.access is not None
