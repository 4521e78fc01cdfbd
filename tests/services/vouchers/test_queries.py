"""Vouchers as the console lists them."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from app.errors import Forbidden
from services.accounts.models import Role
from services.listing import Slice
from services.payments.models import PaymentStatus
from services.vouchers import codes
from services.vouchers.errors import VoucherNotFound
from services.vouchers.models import VoucherState
from services.vouchers.queries import VoucherFilter, list_vouchers, voucher_page
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders


def found(session: Session, wanted: VoucherFilter) -> list[int]:
    return [row.id for row in list_vouchers(session, actor=staff(), wanted=wanted, part=Slice()).rows]


def test_a_voucher_is_found_by_everything_a_person_may_hold_in_hand(session: Session) -> None:
    offer = builders.an_offer(session, now=NOON)
    customer = builders.a_customer(session, 1, now=NOON)
    payment = builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=NOON)
    by_hand = builders.a_voucher(session, offer=offer, state=VoucherState.BLOCKED, at=NOON, note="a gift")
    (paid,) = [row for row in found(session, VoucherFilter()) if row != by_hand.id]
    code = codes.show_code(codes.unseal_code(by_hand.code_sealed))
    assert found(session, VoucherFilter(search=code.lower())) == [by_hand.id]
    assert found(session, VoucherFilter(search=by_hand.porta_account_id)) == [by_hand.id]
    assert found(session, VoucherFilter(search=payment.reference)) == [paid]
    assert found(session, VoucherFilter(search="3000001")) == [paid]
    assert found(session, VoucherFilter(state=VoucherState.BLOCKED)) == [by_hand.id]
    assert found(session, VoucherFilter(by_hand=True)) == [by_hand.id]
    assert found(session, VoucherFilter(by_hand=False)) == [paid]
    assert found(session, VoucherFilter(package_id="other")) == []
    assert found(session, VoucherFilter(search="no such thing")) == []


def test_one_voucher_knows_its_payment_and_time(session: Session) -> None:
    offer = builders.an_offer(session, now=NOON)
    payment = builders.a_payment(
        session, offer=offer, customer=builders.a_customer(session, 1, now=NOON), status=PaymentStatus.SERVED, at=NOON
    )
    (voucher_id,) = found(session, VoucherFilter())
    page = voucher_page(session, actor=staff(), voucher_id=voucher_id)
    assert page.reference == payment.reference
    assert page.entitlement is not None


def test_vouchers_are_not_for_everybody(session: Session) -> None:
    technician = staff(Role.FIELD_TECHNICIAN)
    with pytest.raises(Forbidden):
        list_vouchers(session, actor=technician, wanted=VoucherFilter(), part=Slice())
    with pytest.raises(VoucherNotFound):
        voucher_page(session, actor=staff(), voucher_id=999_999)
