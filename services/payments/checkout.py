"""Opening a purchase: the payment is saved with its unique reference before Wave hears of it (wave.md §4.1)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.clock import Clock, isoformat
from app.db import Begin
from app.failpoints import boundary
from app.keys import keyed_macs
from app.limits import Limit
from services.access.context import HotspotContext
from services.accounts import customers
from services.accounts.models import Device
from services.integrations.clients import Outside
from services.packages import service as packages
from services.packages.models import CURRENCY
from services.payments.errors import IdempotencyMismatch, PaymentNotFound, WaveRefused, WaveUnavailable
from services.payments.ledger import record
from services.payments.models import Checkout, EventKind, Payment, PaymentStatus
from services.payments.process import advance
from services.vouchers.codes import new_reference

_OWN_TRY = timedelta(seconds=5)
CHECKOUTS_OF_PHONE = Limit("checkouts-of-phone", "6 per minute")
"""One allowance for a number, wherever somebody buys for it."""


@dataclass(frozen=True)
class Order:
    """What a customer wants to buy, and from where they ask. `buyer` names who pays for somebody else (`customer:7`)."""

    package_id: str
    phone: str
    context: HotspotContext | None = None
    device: Device | None = None
    idempotency_key: str | None = None
    buyer: str | None = None

    def digest(self) -> str:
        hid = self.context.hid if self.context else ""
        return hashlib.sha256(f"{self.package_id}\n{self.phone}\n{hid}".encode()).hexdigest()


@dataclass(frozen=True)
class Opened:
    """A purchase as its buyer sees it. `launch_url` is None while Wave's answer is still awaited."""

    payment_id: str
    reference: str
    status: PaymentStatus
    amount_bututs: int
    currency: str
    launch_url: str | None
    expires_at: datetime | None
    device_id: int | None

    def as_json(self) -> dict[str, object]:
        return {
            "payment_id": self.payment_id,
            "reference": self.reference,
            "status": self.status.value,
            "amount": self.amount_bututs,
            "currency": self.currency,
            "launch_url": self.launch_url,
            "expires_at": isoformat(self.expires_at),
        }


def buy(begin: Begin, order: Order, outside: Outside, *, clock: Clock) -> Opened:
    """Save the purchase, open it at Wave, and answer where to pay. Repeating it with the same key answers the same purchase.

    Raises PackageNotFound, BadPhone, IdempotencyMismatch, WaveUnavailable or WaveRefused (nothing was charged).
    """
    with begin() as session:
        payment_id = save(session, order, now=clock())
        needs_wave = session.get_one(Payment, payment_id).status is PaymentStatus.CREATED
    boundary("checkout.saved")
    if needs_wave:
        advance(begin, payment_id, outside, clock=clock, only_wave=True)
    boundary("checkout.opened")
    with begin() as session:
        payment = session.get_one(Payment, payment_id)
        if payment.status is PaymentStatus.FAILED:
            raise WaveUnavailable if payment.reason == "Wave is not answering." else WaveRefused
        return opened(session, payment)


def save(session: Session, order: Order, *, now: datetime) -> int:
    """Save the purchase before anybody outside hears of it; a repeated key answers the earlier one's id."""
    keys = keyed_macs("idempotency-key", order.idempotency_key) if order.idempotency_key else ()
    if keys and (repeated := _repeated(session, keys, order)) is not None:
        return repeated
    offer = packages.offer_to_buy(session, order.package_id)
    customer = customers.find_or_create_customer(session, phone=order.phone, now=now)
    context = order.context
    assert customer.id is not None
    payment = Payment(
        public_id=secrets.token_urlsafe(16),
        reference=new_reference(),
        customer_id=customer.id,
        package_version_id=offer.version_id,
        amount_bututs=offer.terms.amount_bututs,
        currency=CURRENCY,
        status_since=now,
        gateway_id=context.gateway_id if context else None,
        client_hid=context.hid if context else None,
        client_mac=context.mac if context else None,
        mac_trusted=context.mac_trusted if context else False,
        device_id=order.device.id if order.device else None,
        idempotency_mac=keys[0] if keys else None,
        request_digest=order.digest(),
        # Who saves it also opens it; only if they die in between does the sweep.
        next_attempt_at=now + _OWN_TRY,
        created_at=now,
    )
    try:
        with session.begin_nested():
            session.add(payment)
    except IntegrityError:
        # The same key a moment ago on another thread: that purchase is the answer.
        repeated = _repeated(session, keys, order) if keys else None
        if repeated is None:
            raise
        return repeated
    if context is not None:
        mac = context.mac if context.mac_trusted else None
        payment.device_id = customers.remember_device(session, device=order.device, customer_id=customer.id, mac=mac, now=now).id
    record(session, payment, EventKind.CREATED, now=now, actor=order.buyer or "system")
    assert payment.id is not None
    return payment.id


def _repeated(session: Session, keys: tuple[str, ...], order: Order) -> int | None:
    earlier = session.exec(select(Payment).where(col(Payment.idempotency_mac).in_(keys))).one_or_none()
    if earlier is None:
        return None
    if earlier.request_digest != order.digest():
        raise IdempotencyMismatch
    return earlier.id


def opened(session: Session, payment: Payment) -> Opened:
    """The purchase with its newest Wave session."""
    checkout = session.exec(
        select(Checkout).where(Checkout.payment_id == payment.id).order_by(col(Checkout.is_winner).desc(), col(Checkout.id)).limit(1)
    ).first()
    return Opened(
        payment_id=payment.public_id,
        reference=payment.reference,
        status=payment.status,
        amount_bututs=payment.amount_bututs,
        currency=payment.currency,
        launch_url=checkout.launch_url if checkout else None,
        expires_at=checkout.expires_at if checkout else None,
        device_id=payment.device_id,
    )


def payment_by_public_id(session: Session, public_id: str) -> Payment:
    """Raises PaymentNotFound."""
    payment = session.exec(select(Payment).where(Payment.public_id == public_id)).one_or_none()
    if payment is None:
        raise PaymentNotFound
    return payment
