"""One purchase in the portal, from a form or from JSON: for oneself or for another phone, with or without a promo code; blocking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from app.clock import utc_now
from app.db import transaction
from portal import limits
from portal.limits import Asker
from portal.proof import Proof
from portal.visitor import Visitor, visitor
from services.access.context import HotspotContext
from services.accounts.customers import token_for
from services.integrations.clients import outside
from services.packages import promos
from services.packages.promos import Discount
from services.packages.selling import Counter
from services.packages.service import offer_to_buy
from services.payments import checkout
from services.payments.checkout import Opened, Order


@dataclass(frozen=True)
class From:
    """Who asks: the tokens of their hotspot and their device, as they were sent, and what they did for an earlier refusal."""

    context: str | None
    device_token: str | None
    paid: Proof = field(default_factory=Proof)

    def visitor(self, now: datetime) -> Visitor:
        """Raises StaleContext."""
        with transaction() as session:
            return visitor(session, context=self.context, device_token=self.device_token, now=now)


@dataclass(frozen=True)
class Wish:
    """`phone` is whose it will be; of a gift, `buyer_phone` is the buyer's own number, if they like to say it."""

    package_id: str
    phone: str
    promo_code: str = ""
    is_gift: bool = False
    buyer_phone: str = ""


def counter(context: HotspotContext | None, now: datetime) -> Counter:
    """Where the price list is read: what is sold only at some sites is offered only before their gateways."""
    return Counter(now, context.gateway_id if context is not None else None)


def buy_for(wish: Wish, asker: From, idempotency_key: str | None) -> tuple[Opened, str | None]:
    """Answers also the token by which the device is known again; there is none for a gift."""
    now = utc_now()
    who = asker.visitor(now)
    if wish.promo_code:
        with _guessing(who, wish.promo_code, asker.paid, now), transaction() as session:
            promos.require_known(session, wish.promo_code)
    limits.checkout(Asker(who.context, who.device), wish.phone, idempotency_key)
    order = Order(
        package_id=wish.package_id,
        phone=wish.phone,
        context=who.context,
        device=who.device,
        idempotency_key=idempotency_key,
        buyer_phone=wish.buyer_phone or None,
        is_gift=wish.is_gift,
        promo_code=wish.promo_code or None,
    )
    opened = checkout.buy(transaction, order, outside(), clock=utc_now)
    return opened, token_for(opened.device_id) if opened.device_id is not None else None


def price_with(package_id: str, code: str, asker: From) -> Discount:
    """What a promo code takes off, before anybody says who they are. Raises what buying with it would raise."""
    now = utc_now()
    who = asker.visitor(now)
    with transaction() as session:
        offer = offer_to_buy(session, package_id, counter(who.context, now))
        with _guessing(who, code, asker.paid, now):
            return promos.quote(session, code, offer, now=now)


@contextmanager
def _guessing(who: Visitor, code: str, paid: Proof, now: datetime) -> Iterator[None]:
    with limits.guessing(Asker(who.context, who.device), code, paid, now=now):
        yield
