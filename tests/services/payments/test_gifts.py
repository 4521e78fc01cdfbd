"""Buying for another phone: it is that person's from the beginning, and whoever bought it sees the payment alone."""

from __future__ import annotations

import pytest
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from app.keys import unseal
from services.access.models import Grant
from services.accounts.errors import BadPhone
from services.accounts.models import Customer
from services.notifications.models import Medium, Notification
from services.notifications.service import BODY
from services.payments import checkout, find, verify
from services.payments.checkout import Order
from services.payments.errors import IdempotencyMismatch
from services.payments.find import GiftOpensByVoucher
from services.payments.models import Payment, SaleChannel
from services.vouchers import codes
from services.vouchers.service import enter_code
from tests.conftest import NOON
from tests.factories import make_context, make_gateway, make_package, make_payment
from tests.services.apps.buying import paid

MINE, THEIRS, THEIRS_OLD = "+220833000031", "+220833000032", "3000032"


def gift(session: Session, **order: object) -> Payment:
    wish = Order(make_package(session).public_id, THEIRS, is_gift=True, **order)  # type: ignore[arg-type]
    return session.get_one(Payment, checkout.save(session, wish, now=NOON))


def number(session: Session, customer_id: int | None) -> str:
    return session.get_one(Customer, customer_id).phone_e164


@pytest.mark.parametrize("phone", [THEIRS, THEIRS_OLD])
def test_a_gift_is_the_recipients_and_knows_who_gave_it(session: Session, phone: str) -> None:
    context = make_context(make_gateway(session))
    package_id = make_package(session).public_id
    order = Order(package_id, phone, context, is_gift=True, buyer_phone="300 0031", channel=SaleChannel.MOBILE)
    payment = session.get_one(Payment, checkout.save(session, order, now=NOON))
    assert (number(session, payment.customer_id), number(session, payment.bought_by_id)) == (THEIRS, MINE)
    assert (payment.is_gift, payment.channel) == (True, SaleChannel.MOBILE)
    # The buyer stands before this router, and is not let in on what is another person's.
    assert (payment.gateway_id, payment.client_hid, payment.device_id) == (None, None, None)
    paid(session, payment)
    assert not session.exec(select(Grant)).all()


def test_the_buyers_number_may_be_left_out(session: Session) -> None:
    payment = gift(session)
    assert (payment.is_gift, payment.bought_by_id) == (True, None)


def test_numbers_that_cannot_be_are_refused_at_their_field(session: Session) -> None:
    with pytest.raises(BadPhone) as bad:
        gift(session, buyer_phone="12")
    assert bad.value.field == "buyer_phone"
    with pytest.raises(InvalidInput) as same:
        gift(session, buyer_phone=THEIRS_OLD)
    assert same.value.field == "buyer_phone"
    assert not session.exec(select(Payment)).all()


def test_a_key_is_not_taken_for_a_gift_and_for_oneself(session: Session) -> None:
    package_id = make_package(session).public_id
    checkout.save(session, Order(package_id, THEIRS, idempotency_key="the-same-key"), now=NOON)
    with pytest.raises(IdempotencyMismatch):
        checkout.save(session, Order(package_id, THEIRS, idempotency_key="the-same-key", is_gift=True), now=NOON)


def test_the_recipient_gets_the_voucher_by_sms_and_the_buyer_sees_the_payment_alone(session: Session) -> None:
    payment, voucher, _ = paid(session, gift(session, buyer_phone=MINE))
    code = codes.show_code(codes.unseal_code(voucher.code_sealed))
    texts = session.exec(select(Notification).where(Notification.medium == Medium.SMS)).all()
    assert [(text.customer_id, text.event) for text in texts] == [(payment.customer_id, "voucher_given")]
    assert code in unseal(BODY, texts[0].body_sealed).decode()
    seen = verify.tell(session, payment, now=NOON)
    assert (seen.status, seen.voucher_code, seen.access, seen.is_given) == ("access_granted", None, None, True)
    owners = verify.tell(session, payment, now=NOON, is_owner=True)
    assert (owners.voucher_code, owners.access is not None) == (code, True)


def test_the_code_in_the_text_lets_the_recipient_in(session: Session) -> None:
    _, voucher, time = paid(session, gift(session))
    context = make_context(make_gateway(session))
    entered = enter_code(session, code=codes.unseal_code(voucher.code_sealed), context=context, device=None, now=NOON)
    assert entered.entitlement.id == time.id
    assert find.public_id_of(session, entered.entitlement) is None


def test_phone_and_receipt_code_which_the_buyer_knows_open_no_gift(session: Session) -> None:
    payment, _, _ = paid(session, gift(session))
    with pytest.raises(GiftOpensByVoucher):
        find.find_by_receipt(session, phone=THEIRS, reference=payment.reference, context=None, device=None, now=NOON)


def test_asked_for_codes_again_the_recipient_gets_the_vouchers_and_the_receipts_of_own_purchases(session: Session) -> None:
    paid(session, gift(session))
    own, _, _ = paid(session, make_payment(session, phone=THEIRS))
    before = set(session.exec(select(Notification.id)).all())
    for _ in range(2):
        find.send_receipt_codes(session, phone=THEIRS_OLD, now=NOON)
    texts = session.exec(select(Notification).where(col(Notification.id).not_in(before), Notification.medium == Medium.SMS)).all()
    said = {text.event: unseal(BODY, text.body_sealed).decode() for text in texts}
    assert sorted(text.event for text in texts) == ["receipt_reminder", "voucher_given"]
    assert own.reference in said["receipt_reminder"]
