"""Opening a purchase: the payment is saved with its unique reference before Wave hears of it (wave.md §4.1)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app import correlation
from app.clock import Clock, isoformat
from app.db import Begin
from app.errors import InvalidInput
from app.failpoints import boundary
from app.keys import keyed_macs
from app.limits import Limit
from services.access.context import HotspotContext
from services.accounts import customers
from services.accounts.errors import BadPhone
from services.accounts.models import Customer, Device
from services.accounts.phones import parse_phone
from services.integrations.clients import Outside
from services.packages import promos
from services.packages import service as packages
from services.packages.models import CURRENCY
from services.packages.promos import Discount
from services.packages.selling import Counter
from services.packages.service import Offer
from services.payments.errors import IdempotencyMismatch, PaymentNotFound, WaveRefused, WaveUnavailable
from services.payments.ledger import record
from services.payments.models import Checkout, EventKind, Payment, PaymentStatus, SaleChannel
from services.payments.process import advance
from services.vouchers.codes import new_reference

_OWN_TRY = timedelta(seconds=5)
CHECKOUTS_OF_PHONE = Limit("checkouts-of-phone", "6 per minute")
"""One allowance for a number, wherever somebody buys for it."""


@dataclass(frozen=True)
class Order:
    """What a customer wants to buy, and from where they ask.

    `phone` is whose it will be. Of a gift, `context` and `device` are the buyer's: they say where it is bought and let nobody in.
    `buyer` names in the ledger who pays for it (`customer:7`), and `buyer_phone` is their number, where that is known.
    """

    package_id: str
    phone: str
    context: HotspotContext | None = None
    device: Device | None = None
    idempotency_key: str | None = None
    buyer: str | None = None
    buyer_phone: str | None = None
    is_gift: bool = False
    promo_code: str | None = None
    channel: SaleChannel = SaleChannel.PORTAL

    def digest(self) -> str:
        wish = [self.package_id, self.phone, self.context.hid if self.context and not self.is_gift else ""]
        # Only what was said: without either it is the digest of an order that knows neither.
        if self.promo_code:
            wish.append(f"promo {self.promo_code.upper()}")
        if self.is_gift:
            wish.append(f"gift {self.buyer_phone or ''}")
        return hashlib.sha256("\n".join(wish).encode()).hexdigest()


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

    Raises PackageNotFound, PackageNotOnSale, BadPhone, InvalidInput for a gift to oneself, what `promos.discount` raises,
    IdempotencyMismatch, WaveUnavailable or WaveRefused (nothing was charged).
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
    if order.promo_code:
        promos.hold(session, order.promo_code)
    context = order.context
    offer = packages.offer_to_buy(session, order.package_id, Counter(now, context.gateway_id if context else None))
    customer, buyer = _people(session, order, now=now)
    assert customer.id is not None
    taken_off = _taken_off(session, order, offer, (buyer or customer).id, now=now)
    device = order.device
    if order.is_gift:
        # The place and the phone are the buyer's, and would be let in on what is another person's.
        context, device = None, None
    payment = Payment(
        public_id=secrets.token_urlsafe(16),
        reference=new_reference(),
        customer_id=customer.id,
        package_version_id=offer.version_id,
        amount_bututs=taken_off.amount_bututs if taken_off else offer.terms.amount_bututs,
        discount_bututs=taken_off.discount_bututs if taken_off else 0,
        promo_code_id=taken_off.promo_id if taken_off else None,
        channel=order.channel,
        is_gift=order.is_gift,
        bought_by_id=buyer.id if buyer else None,
        currency=CURRENCY,
        status_since=now,
        gateway_id=context.gateway_id if context else None,
        client_hid=context.hid if context else None,
        client_mac=context.mac if context else None,
        mac_trusted=context.mac_trusted if context else False,
        device_id=device.id if device else None,
        correlation_id=correlation.current(),
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
        payment.device_id = customers.remember_device(session, device=device, customer_id=customer.id, mac=mac, now=now).id
    detail: dict[str, Any] = {"discount_bututs": payment.discount_bututs} if taken_off else {}
    record(session, payment, EventKind.CREATED, now=now, actor=order.buyer or "system", **detail)
    assert payment.id is not None
    return payment.id


def _people(session: Session, order: Order, *, now: datetime) -> tuple[Customer, Customer | None]:
    """Whose it will be, and of a gift who buys it, where that is known. Raises BadPhone, or InvalidInput for a gift to oneself."""
    own = parse_phone(order.phone).canonical
    if not order.is_gift or not order.buyer_phone:
        return customers.find_or_create_customer(session, phone=own, now=now), None
    try:
        buyers = parse_phone(order.buyer_phone).canonical
    except BadPhone as refusal:
        refusal.field = "buyer_phone"
        raise
    if own == buyers:
        words = "This is the number of the person who gets it. Leave it empty, or buy without “For another phone”."
        raise InvalidInput(words, field="buyer_phone")
    # In one order for all: two who buy for each other at once must not wait for each other.
    found = {phone: customers.find_or_create_customer(session, phone=phone, now=now) for phone in sorted((own, buyers))}
    return found[own], found[buyers]


def _taken_off(session: Session, order: Order, offer: Offer, payer_id: int | None, *, now: datetime) -> Discount | None:
    return promos.discount(session, order.promo_code, offer, payer_id, now) if order.promo_code else None


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
