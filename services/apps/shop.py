"""Buying in INET-Go: for this phone's owner or, as a gift, for another number; and what became of it.

A gift is a purchase for that number, as if it had been bought there: the receipt goes to it by SMS, and the voucher and its time are that
person's. Of the buyer the ledger keeps the name, so that they can follow their payment; what was bought they do not see.
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
from services.payments import checkout, verify
from services.payments.checkout import Opened, Order
from services.payments.errors import PaymentNotFound
from services.payments.models import EventKind, Payment, PaymentEvent
from services.payments.verify import Truth

_LONGEST_ROW_ID = 18


@dataclass(frozen=True)
class Wish:
    """What somebody wants to buy in the app. `phone` is for whom, in either form; without one it is for themselves."""

    package_id: str
    key: str
    phone: str | None = None
    context: str | None = None


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
    return Bought(checkout.buy(begin, order, outside, clock=clock), order.buyer is not None)


def order_of(session: Session, caller: Caller, wish: Wish, *, now: datetime) -> Order:
    """Raises BadPhone, or StaleContext for an old visit to a hotspot."""
    buyer = session.get_one(Customer, caller.customer())
    # Keys are the apps' own and short: two people's must never meet.
    key = f"{caller.label}:{wish.key}"
    phone = parse_phone(wish.phone).canonical if wish.phone else buyer.phone_e164
    if phone != buyer.phone_e164:
        # The place and the phone are the buyer's, and would be let in on what is another person's.
        return Order(wish.package_id, phone, idempotency_key=key, buyer=caller.label)
    device = session.get(Device, caller.device_id) if caller.device_id is not None else None
    return Order(wish.package_id, phone, read_context(wish.context, now=now), device, key)


def purchase(begin: Begin, caller: Caller, payment_id: str, outside: Outside, *, clock: Clock) -> Truth:
    """What became of an own purchase, by its id or its row's number; Wave is asked if it is time to.

    Raises PaymentNotFound, also for another person's.
    """
    with begin() as session:
        payment = own_payment(session, caller, payment_id)
    truth = verify.verify(begin, payment.public_id, outside, clock=clock)
    if payment.customer_id == caller.customer():
        return truth
    return replace(truth, voucher_code=None, voucher_state=None, access=None, is_given=True)


def own_payment(session: Session, caller: Caller, payment_id: str) -> Payment:
    """One that is the caller's own, or that they made for another person. Raises PaymentNotFound."""
    is_row = payment_id.isascii() and payment_id.isdigit() and len(payment_id) <= _LONGEST_ROW_ID
    named = col(Payment.id) == int(payment_id) if is_row else col(Payment.public_id) == payment_id
    paid_by = (
        sa.select(sa.literal(1))
        .where(col(PaymentEvent.payment_id) == col(Payment.id), col(PaymentEvent.sequence) == 1)
        .where(col(PaymentEvent.kind) == EventKind.CREATED, col(PaymentEvent.actor) == caller.label)
    )
    found = session.exec(
        select(Payment).where(named, sa.or_(col(Payment.customer_id) == caller.customer(), paid_by.exists()))
    ).one_or_none()
    if found is None:
        raise PaymentNotFound
    return found
