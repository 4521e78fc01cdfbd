"""Finding a purchase again: with nothing stored on the phone, in another browser, behind another address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Conflict, NotFound
from services.access.context import HotspotContext
from services.access.entitlements import AccessView, entitlement_of_payment, view_access
from services.access.entry import let_in
from services.access.models import Entitlement
from services.accounts.customers import find_customer
from services.accounts.models import Device
from services.notifications import receipts
from services.payments.models import MONEY_TAKEN, Payment, PaymentStatus

_REMIND_OF = timedelta(days=30)
_IN_PROGRESS = (PaymentStatus.CREATED, PaymentStatus.CHECKOUT_OPEN, *MONEY_TAKEN, PaymentStatus.ATTENTION)


class PurchaseNotFound(NotFound):
    code, title = "purchase_not_found", "No such purchase"
    message = "There is no purchase with that phone number and receipt code. Check both, or let us send you the code."


class GiftOpensByVoucher(Conflict):
    code, title = "gift_opens_by_voucher", "This was bought as a gift"
    message = "This was bought as a gift. It opens with its voucher code, which was sent by SMS to the phone it is for."


@dataclass(frozen=True)
class Found:
    payment_id: str | None
    access: AccessView | None
    device: Device | None


def find_by_receipt(
    session: Session, *, phone: str, reference: str, context: HotspotContext | None, device: Device | None, now: datetime
) -> Found:
    """Phone number and receipt code together prove the purchase: its time moves to this device.

    Raises BadPhone, PurchaseNotFound, or GiftOpensByVoucher: who bought a gift knows both, and must not open it.
    """
    customer = find_customer(session, phone=phone)
    wanted = reference.upper().replace("-", "").replace(" ", "")
    payment = session.exec(select(Payment).where(Payment.reference == wanted)).one_or_none() if customer else None
    if customer is None or payment is None or payment.customer_id != customer.id:
        raise PurchaseNotFound
    if payment.is_gift:
        raise GiftOpensByVoucher
    assert payment.id is not None
    entitlement = entitlement_of_payment(session, payment.id, customer_id=payment.customer_id)
    if entitlement is None or not entitlement.is_usable(now=now):
        return Found(payment.public_id, view_access(session, entitlement, now=now) if entitlement else None, device)
    entry = let_in(session, entitlement, context, device, swap=True, now=now)
    return Found(payment.public_id, view_access(session, entitlement, now=now), entry.device)


def send_receipt_codes(session: Session, *, phone: str, now: datetime) -> None:
    """Send the codes to the phone itself; whether the number ever bought anything is not told to who asks. Raises BadPhone."""
    customer = find_customer(session, phone=phone)
    if customer is None or customer.id is None:
        return
    newest = session.exec(
        select(Payment)
        .where(Payment.customer_id == customer.id, col(Payment.paid_at) >= now - _REMIND_OF)
        .order_by(col(Payment.id).desc())
        .limit(3)
    ).all()
    if references := [payment.reference for payment in newest if not payment.is_gift]:
        receipts.queue_reminder(session, customer_id=customer.id, references=references, now=now)
    for payment in newest:
        if payment.is_gift:
            receipts.queue_gift_reminder(session, payment=payment, now=now)


def payment_of_client(session: Session, context: HotspotContext | None, device: Device | None, *, now: datetime) -> Payment | None:
    """The newest purchase under way that was begun by this very client of this router, or by this device."""
    wanted: list[sa.ColumnElement[bool]] = []
    if context is not None:
        wanted.append((col(Payment.gateway_id) == context.gateway_id) & (col(Payment.client_hid) == context.hid))
    if device is not None:
        wanted.append(col(Payment.device_id) == device.id)
    for condition in wanted:
        found = session.exec(
            select(Payment)
            .where(condition, col(Payment.status).in_(_IN_PROGRESS), col(Payment.created_at) >= now - timedelta(hours=24))
            .order_by(col(Payment.id).desc())
            .limit(1)
        ).one_or_none()
        if found is not None:
            return found
    return None


def public_id_of(session: Session, entitlement: Entitlement) -> str | None:
    """The purchase that it was bought by; None for a voucher of staff, and for a gift, whose payment is the giver's own."""
    payment = session.get_one(Payment, entitlement.payment_id) if entitlement.payment_id is not None else None
    is_own = payment is not None and payment.customer_id == entitlement.customer_id and not payment.is_gift
    return payment.public_id if payment is not None and is_own else None
