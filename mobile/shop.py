"""Buying, the price list, and vouchers of one's own (INET-Go)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from app.limits import Limit, count_once, note, refuse_spent
from app.outbound import run_outbound
from mobile.security import CustomerPhone
from mobile.shapes import NO_STORE, Body, RowId, RowText
from services.accounts.customers import token_for
from services.accounts.phones import parse_phone
from services.apps import giving, shop
from services.apps.callers import Caller
from services.apps.shop import Bought, Wish
from services.integrations.clients import outside
from services.packages import promos
from services.packages.promo_errors import PromoUnknown
from services.payments.checkout import CHECKOUTS_OF_PHONE, Order
from services.payments.models import PaymentStatus
from services.payments.verify import Truth
from services.vouchers.models import VoucherState

CHECKOUTS_OF_CUSTOMER = Limit("checkouts-of-customer", "20 per minute")
# A promo code is worth guessing: whoever was wrong that often waits.
WRONG_PROMO_CODES = Limit("wrong-promo-codes-of-customer", "10 per 10 minutes", is_tight=True)
# Each sends a text to somebody.
GIFTS_OF_CUSTOMER = Limit("gifts-of-customer", "10 per hour", is_tight=True)
router = APIRouter(tags=["mobile"])
Currency = Literal["GMD"]
_Context = Annotated[str | None, Query(max_length=1000, description="The hotspot's token: the list is of what is sold there")]
PromoText = Annotated[str, Field(min_length=1, max_length=40, examples=["TABASKI-20"])]
PaymentId = Annotated[
    str, Path(pattern=r"^[\w-]{1,64}$", description="As the purchase was answered, or the number that a sync names it by")
]


class PackageOffered(BaseModel):
    """Rates of 0 mean the router's own limit."""

    id: str = Field(examples=["day-1"])
    name: str = Field(examples=["1 day"])
    amount: int = Field(description="In bututs, 100 to the dalasi", examples=[5000])
    currency: Currency
    duration_seconds: int = Field(examples=[86400])
    quota_bytes: int | None
    down_kbps: int
    up_kbps: int
    device_limit: int
    validity_days: int = Field(description="How long after buying the time may be begun", examples=[30])


class PackagesOffered(BaseModel):
    items: list[PackageOffered]


class PurchaseWanted(Body):
    """`phone` is for whom, in the old or the new form: without it, or with the own number, it is for oneself."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"package_id": "day-1"}, {"package_id": "day-1", "phone": "301 2345"}]})

    package_id: str = Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9-]+$")
    phone: str | None = Field(default=None, min_length=1, max_length=32)
    context: str | None = Field(default=None, max_length=1000, description="The hotspot's token, when the phone stands at one")
    promo_code: PromoText | None = None


class PromoAsked(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "TABASKI-20", "package_id": "day-1"}]})

    code: PromoText
    package_id: str = Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9-]+$")
    context: str | None = Field(default=None, max_length=1000, description="The hotspot's token, when the phone stands at one")


class PriceWithPromo(BaseModel):
    """`amount` is what is left to pay; with `discount` it is the package's price."""

    amount: int = Field(examples=[4000])
    discount: int = Field(examples=[1000])
    currency: Currency


class PurchaseOpened(BaseModel):
    payment_id: str = Field(description="Ask under it what became of the payment")
    reference: str = Field(description="The receipt code", examples=["7KMNPRST"])
    status: PaymentStatus
    amount: int = Field(examples=[5000])
    currency: Currency
    launch_url: str | None = Field(description="Opens Wave; null when there is nothing to pay any more")
    expires_at: datetime | None
    device_token: str | None = Field(description="By which the portal knows this phone; null for a gift")
    is_gift: bool = Field(description="It is another person's: the voucher goes to their number")


class AccessOfPurchase(BaseModel):
    state: Literal["waiting", "connecting", "online", "unconfirmed", "offline", "ended"]
    ends_at: datetime | None = Field(description="Null until the time has begun")
    seconds_left: int
    bytes_left: int | None = Field(description="Null without a data allowance")
    paused_at: datetime | None = Field(description="Since when the clock stands because of an outage")


class VoucherOfPurchase(BaseModel):
    code: str
    state: VoucherState


class PurchaseState(BaseModel):
    """`voucher` and `access` are null of what is another person's, bought for them or given to them."""

    payment_id: str
    reference: str
    status: PaymentStatus
    voucher: VoucherOfPurchase | None
    access: AccessOfPurchase | None
    reason: str | None = Field(description="Why it failed or waits, in words")
    launch_url: str | None
    is_given: bool = Field(description="What was bought belongs to another person")


class VoucherCode(BaseModel):
    id: RowText
    code: str = Field(examples=["ABCD-EFGHJ-KMNPR"])
    link: str = Field(description="What its QR says", examples=["https://inet.gm/portal/v/ABCD-EFGHJ-KMNPR"])
    use_before: datetime


class Gift(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"phone": "301 2345"}]})

    phone: str = Field(min_length=1, max_length=32)


class VoucherGiven(BaseModel):
    id: RowText
    given_to: str = Field(description="The new owner's number, masked", examples=["+220 ••• 2345"])


@router.get("/packages", summary="What is sold", responses=refusals(410))
def packages(caller: CustomerPhone, context: _Context = None) -> PackagesOffered:
    """What is sold now where the phone is, in its order; without `context`, what is sold everywhere. A sync brings the whole list."""
    with transaction() as session:
        found = shop.price_list(session, caller, context, now=utc_now())
    items = [
        PackageOffered(
            id=offer.public_id,
            name=offer.terms.name,
            amount=offer.terms.amount_bututs,
            currency="GMD",
            duration_seconds=offer.terms.duration_seconds,
            quota_bytes=offer.terms.quota_bytes,
            down_kbps=offer.terms.down_kbps,
            up_kbps=offer.terms.up_kbps,
            device_limit=offer.terms.device_limit,
            validity_days=offer.terms.validity_days,
        )
        for offer in found
    ]
    return PackagesOffered(items=items)


@router.post("/promo", summary="What a promo code takes off", responses=refusals(404, 409, 410))
def promo(caller: CustomerPhone, body: PromoAsked) -> PriceWithPromo:
    """The price of a package with a promo code, for this customer. Nothing is used up by asking."""
    with _guessing(caller), transaction() as session:
        found = shop.price_with(session, caller, code=body.code, package_id=body.package_id, context=body.context, now=utc_now())
    return PriceWithPromo(amount=found.amount_bututs, discount=found.discount_bututs, currency="GMD")


@contextmanager
def _guessing(caller: Caller) -> Iterator[None]:
    """Around a look-up of a promo code: so many wrong ones, and no more are looked up for a while."""
    who = str(caller.customer_id)
    refuse_spent(WRONG_PROMO_CODES, who)
    try:
        yield
    except PromoUnknown:
        note(WRONG_PROMO_CODES, who)
        raise


@router.post("/purchases", summary="Buy", status_code=201, responses=refusals(404, 409, 410))
async def buy(
    caller: CustomerPhone,
    body: PurchaseWanted,
    response: Response,
    idempotency_key: Annotated[str, Header(min_length=8, max_length=200, examples=["6f2b1c1e-6a0c-4d53-9a3b-2f0f5f3f9f11"])],
) -> PurchaseOpened:
    """Open a purchase at Wave, for oneself or for another number. The same `Idempotency-Key` answers the same purchase.

    A gift is the other person's: its voucher goes to that number by SMS, and is not shown to the buyer.
    """
    bought = await run_outbound(_buy, caller, Wish(body.package_id, idempotency_key, body.phone, body.context, body.promo_code))
    response.headers.update(NO_STORE)
    opened, is_own = bought.opened, not bought.is_gift
    known = token_for(opened.device_id) if is_own and opened.device_id is not None else None
    return PurchaseOpened(**opened.as_json(), device_token=known, is_gift=bought.is_gift)


def _buy(caller: Caller, wish: Wish) -> Bought:
    def count(order: Order) -> None:
        key = order.idempotency_key or ""
        count_once(CHECKOUTS_OF_PHONE, key, order.phone)
        count_once(CHECKOUTS_OF_CUSTOMER, key, str(caller.customer_id))

    if wish.promo_code:
        with _guessing(caller), transaction() as session:
            promos.require_known(session, wish.promo_code)
    return shop.buy(transaction, caller, wish, outside(), clock=utc_now, count=count)


@router.get("/purchases/{payment_id}", summary="What became of a purchase", responses=refusals(404))
async def purchase(caller: CustomerPhone, payment_id: PaymentId, response: Response) -> PurchaseState:
    """The truth about an own purchase and about the access it bought; of a gift, about the payment alone.

    Wave is asked if it is time to.
    """
    truth: Truth = await run_outbound(_purchase, caller, payment_id)
    response.headers.update(NO_STORE)
    told: dict[str, Any] = truth.as_json()
    return PurchaseState.model_validate(told | {"is_given": truth.is_given})


def _purchase(caller: Caller, payment_id: str) -> Truth:
    return shop.purchase(transaction, caller, payment_id, outside(), clock=utc_now)


@router.get("/vouchers/{voucher_id}/code", summary="The code of a voucher", responses=refusals(404, 409, 410))
def voucher_code(caller: CustomerPhone, voucher_id: RowId, response: Response) -> VoucherCode:
    """The code of an own voucher whose time has not begun, with the link for its QR."""
    with transaction() as session:
        shown = giving.code_of(session, caller, voucher_id, now=utc_now())
    response.headers.update(NO_STORE)
    return VoucherCode(id=str(shown.voucher_id), code=shown.code, link=shown.link, use_before=shown.use_before)


@router.post("/vouchers/{voucher_id}/give", summary="Give a voucher away", responses=refusals(404, 409, 410))
def give_voucher(caller: CustomerPhone, voucher_id: RowId, body: Gift) -> VoucherGiven:
    """Make an unused voucher another person's. They get its new code by SMS; the old code opens nothing any more.

    Sent again for the same person, it is answered the same and changes nothing.
    """
    count_once(GIFTS_OF_CUSTOMER, f"{voucher_id}:{parse_phone(body.phone).canonical}", str(caller.customer_id))
    with transaction() as session:
        given = giving.give(session, caller, voucher_id, phone=body.phone, now=utc_now())
    return VoucherGiven(id=str(given.voucher_id), given_to=given.to)
