"""Buying in INET-Go: for this phone's owner or, as a gift, for another number; and what became of it.

A gift is a purchase for that number, as if it had been bought there: its voucher goes to it by SMS, and its time is that person's.
The buyer follows their payment; what was bought they do not see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from services.access.context import read_context
from services.accounts.models import Customer, Device
from services.accounts.phones import parse_phone
from services.apps.callers import Caller
from services.integrations.clients import Outside
from services.packages import promos
from services.packages import service as packages
from services.packages.promos import Discount
from services.packages.selling import Counter
from services.packages.service import Offer
from services.payments import checkout, verify
from services.payments.checkout import Opened, Order
from services.payments.errors import PaymentNotFound
from services.payments.models import EventKind, Payment, PaymentEvent, SaleChannel
from services.payments.verify import Truth

_LONGEST_ROW_ID = 18


@dataclass(frozen=True)
class Wish:
    """What somebody wants to buy in the app. `phone` is for whom, in either form; without one it is for themselves."""

    package_id: str
    key: str
    phone: str | None = None
    context: str | None = None
    promo_code: str | None = None


@dataclass(frozen=True)
class Bought:
    """`is_gift`: it is another person's, and the buyer is told of the payment alone."""

    opened: Opened
    is_gift: bool


def buy(begin: Begin, caller: Caller, wish: Wish, outside: Outside, *, clock: Clock, count: Callable[[Order], None]) -> Bought:
    """Open the purchase at Wave. The same key answers the same purchase. `count` refuses who asks too often, before anything is saved.

    Raises BadPhone, StaleContext and what `checkout.buy` raises.
    """
    with begin() as session:
        order = order_of(session, caller, wish, now=clock())
    count(order)
    return Bought(checkout.buy(begin, order, outside, clock=clock), order.is_gift)


def order_of(session: Session, caller: Caller, wish: Wish, *, now: datetime) -> Order:
    """Raises BadPhone, or StaleContext for an old visit to a hotspot."""
    buyer = session.get_one(Customer, caller.customer())
    phone = parse_phone(wish.phone).canonical if wish.phone else buyer.phone_e164
    is_gift = phone != buyer.phone_e164
    device = session.get(Device, caller.device_id) if caller.device_id is not None else None
    return Order(
        package_id=wish.package_id,
        phone=phone,
        context=read_context(wish.context, now=now),
        device=device,
        # Keys are the apps' own and short: two people's must never meet.
        idempotency_key=f"{caller.label}:{wish.key}",
        buyer=caller.label if is_gift else None,
        buyer_phone=buyer.phone_e164 if is_gift else None,
        is_gift=is_gift,
        promo_code=wish.promo_code,
        channel=SaleChannel.MOBILE,
    )


def price_list(session: Session, caller: Caller, context: str | None, *, now: datetime) -> list[Offer]:
    """What is sold where this phone is now; without a hotspot's context, what is sold everywhere. Raises StaleContext for an old one."""
    return packages.offers(session, counter=_counter(context, now=now))


def price_with(session: Session, caller: Caller, *, code: str, package_id: str, context: str | None, now: datetime) -> Discount:
    """What a promo code takes off for this customer. Raises StaleContext, and what buying with it would raise."""
    offer = packages.offer_to_buy(session, package_id, _counter(context, now=now))
    return promos.quote(session, code, offer, customer_id=caller.customer(), now=now)


def _counter(context: str | None, *, now: datetime) -> Counter:
    place = read_context(context, now=now)
    return Counter(now, place.gateway_id if place else None)


def purchase(begin: Begin, caller: Caller, payment_id: str, outside: Outside, *, clock: Clock) -> Truth:
    """What became of an own purchase, by its id or its row's number; Wave is asked if it is time to.

    Raises PaymentNotFound, also for another person's.
    """
    with begin() as session:
        payment = own_payment(session, caller, payment_id)
    is_owner = payment.customer_id == caller.customer()
    truth = verify.verify(begin, payment.public_id, outside, clock=clock, is_owner=is_owner)
    if is_owner:
        return truth
    return replace(truth, voucher_code=None, voucher_state=None, access=None, is_given=True)


def own_payment(session: Session, caller: Caller, payment_id: str) -> Payment:
    """One that is the caller's own, or that they made for another person. Raises PaymentNotFound."""
    is_row = payment_id.isascii() and payment_id.isdigit() and len(payment_id) <= _LONGEST_ROW_ID
    named = col(Payment.id) == int(payment_id) if is_row else col(Payment.public_id) == payment_id
    # Gifts of earlier releases name their buyer in the ledger alone.
    paid_by = (
        sa.select(sa.literal(1))
        .where(col(PaymentEvent.payment_id) == col(Payment.id), col(PaymentEvent.sequence) == 1)
        .where(col(PaymentEvent.kind) == EventKind.CREATED, col(PaymentEvent.actor) == caller.label)
    )
    found = session.exec(
        select(Payment).where(
            named, sa.or_(col(Payment.customer_id) == caller.customer(), col(Payment.bought_by_id) == caller.customer(), paid_by.exists())
        )
    ).one_or_none()
    if found is None:
        raise PaymentNotFound
    return found
