"""The portal's JSON (contract.md, "portal API"): thin, for a customer who has no account."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.exc import DataError

from app.access import public
from app.clock import utc_now
from app.db import in_transaction, transaction
from app.documented import refusals
from app.errors import InvalidInput
from app.failpoints import boundary
from app.outbound import run_outbound
from portal import limits, price_list, reports, schemas
from portal.buying import From, Wish, buy_for, price_with
from portal.captive import captive_url
from portal.limits import Asker
from portal.proof import Proof
from portal.schemas import answers
from portal.visitor import DEVICE_HEADER, visitor
from services.access import entry
from services.access.entitlements import usable_for_client, view_access
from services.access.entry import Entry
from services.accounts.customers import token_for
from services.packages.models import CURRENCY
from services.payments import find, webhooks
from services.vouchers import service as vouchers

_CUSTOMER = public("a customer at a hotspot has no account")
router = APIRouter(prefix="/api", tags=["portal"], dependencies=[_CUSTOMER, Depends(limits.visits)])
webhook_router = APIRouter(
    prefix="/api", tags=["portal"], dependencies=[public("Wave proves itself by its signature; it is never slowed down")]
)
DeviceToken = Annotated[str | None, Header(alias=DEVICE_HEADER, max_length=300)]
_Context = Annotated[str | None, Field(max_length=1000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    @field_validator("*")
    @classmethod
    def _is_text(cls, value: object) -> object:
        # PostgreSQL takes no NUL, and no person types one.
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("contains a character that is not text")
        return value


class _Provable(_Body):
    """`proof` and `work` answer an earlier refusal `proof_needed` (portal/proof.py)."""

    proof: str = Field(default="", max_length=400)
    work: str = Field(default="", max_length=16)

    @property
    def paid(self) -> Proof:
        return Proof(self.proof, self.work)


class Purchase(_Provable):
    """A gift is the number's in `phone`, and its voucher goes there by SMS; `buyer_phone` says who gives it, if they like."""

    package_id: str = Field(min_length=1, max_length=32)
    phone: str = Field(min_length=1, max_length=32)
    context: _Context = None
    promo_code: str = Field(default="", max_length=40)
    is_gift: bool = False
    buyer_phone: str = Field(default="", max_length=32)


@router.post("/wave/checkout", summary="Buy", status_code=201, responses=answers(schemas.CheckoutOpened, 404, 409, 410, status=201))
async def wave_checkout(
    body: Purchase,
    idempotency_key: Annotated[str | None, Header(min_length=8, max_length=200)] = None,
    device_token: DeviceToken = None,
) -> dict[str, Any]:
    """Open a purchase at Wave. With an `Idempotency-Key` a repeated request answers the same purchase."""
    wish = Wish(body.package_id, body.phone, body.promo_code, body.is_gift, body.buyer_phone if body.is_gift else "")
    opened, token = await run_outbound(buy_for, wish, From(body.context, device_token, body.paid), idempotency_key)
    return {**opened.as_json(), "device_token": token}


class PromoAsked(_Provable):
    code: str = Field(min_length=1, max_length=40)
    package_id: str = Field(min_length=1, max_length=32)
    context: _Context = None


@router.post("/portal/promo", summary="What a promo code takes off", responses=answers(schemas.PriceWithPromo, 404, 409, 410))
def promo(body: PromoAsked, device_token: DeviceToken = None) -> dict[str, Any]:
    """The price of a package with a promo code. Nothing is used up by asking; whether a customer used it before is looked at in buying."""
    found = price_with(body.package_id, body.code, From(body.context, device_token, body.paid))
    return {"amount": found.amount_bututs, "discount": found.discount_bututs, "currency": CURRENCY}


@webhook_router.post("/wave/webhook", summary="Wave's webhook", responses=refusals(401, 413, 422, 503))
async def wave_webhook(request: Request) -> Response:
    """Wave's own call: verified, stored, answered; the rest is a job's."""
    body = await request.body()
    try:
        await in_transaction(
            webhooks.receive,
            body=body,
            signature=request.headers.get("wave-signature"),
            authorization=request.headers.get("authorization"),
            now=utc_now(),
        )
    except (ValueError, DataError):  # JSON that PostgreSQL cannot hold is no event of Wave's either
        raise InvalidInput("The webhook's body is not an event.") from None
    boundary("webhook.stored")
    return Response(status_code=200)


class VoucherEntry(_Provable):
    code: str = Field(min_length=1, max_length=64)
    context: _Context = None


@router.post("/portal/voucher", summary="Enter a voucher", responses=answers(schemas.VoucherEntered, 404, 409, 410))
def enter_voucher(body: VoucherEntry, device_token: DeviceToken = None) -> dict[str, Any]:
    """Spend a voucher; at a hotspot the client is let in at once."""
    now = utc_now()
    with transaction() as session:
        who = visitor(session, context=body.context, device_token=device_token, now=now)
        with limits.entering(Asker(who.context, who.device), body.code, body.paid, now=now):
            entered = vouchers.enter_code(session, code=body.code, context=who.context, device=who.device, now=now)
        return {"access": view_access(session, entered.entitlement, now=now).as_json(), "device_token": _token(entered)}


def _token(entered: Entry) -> str | None:
    return token_for(entered.device.id) if entered.device is not None and entered.device.id is not None else None


@router.get("/portal/session", summary="Time left", responses=answers(schemas.ClientSession, 410))
def portal_session(context: Annotated[str | None, Query(max_length=1000)] = None, device_token: DeviceToken = None) -> dict[str, Any]:
    """The time left of this client, letting it in where it stands, and its purchase under way."""
    now = utc_now()
    with transaction() as session:
        who = visitor(session, context=context, device_token=device_token, now=now)
        payment = find.payment_of_client(session, who.context, who.device, now=now)
        back = entry.welcome_back(session, who.context, who.device, now=now, again=False)
        entitlement = back.entitlement if back else usable_for_client(session, who.context, who.device, now=now)
        return {
            "access": view_access(session, entitlement, now=now).as_json() if entitlement else None,
            "payment": {"payment_id": payment.public_id, "status": payment.status.value} if payment else None,
            "device_token": _token(back) if back else None,
            "captive_url": captive_url(context or "", back.device if back else who.device),
        }


class Finding(_Provable):
    """Either phone number and receipt code, or a voucher code."""

    phone: str | None = Field(default=None, max_length=32)
    reference: str | None = Field(default=None, max_length=20)
    voucher: str | None = Field(default=None, max_length=64)
    context: _Context = None


@router.post("/portal/find", summary="Find a purchase", responses=answers(schemas.PurchaseFound, 404, 409, 410))
def find_purchase(body: Finding, device_token: DeviceToken = None) -> dict[str, Any]:
    """Find a purchase again and bring it to this device."""
    now = utc_now()
    with transaction() as session:
        who = visitor(session, context=body.context, device_token=device_token, now=now)
        asker = Asker(who.context, who.device)
        if body.voucher:
            with limits.entering(asker, body.voucher, body.paid, now=now):
                entered = vouchers.find_by_code(session, code=body.voucher, context=who.context, device=who.device, now=now)
            return {
                "payment_id": find.public_id_of(session, entered.entitlement),
                "access": view_access(session, entered.entitlement, now=now).as_json(),
                "device_token": _token(entered),
            }
        if not body.phone or not body.reference:
            raise InvalidInput("Send phone and reference, or voucher.", field="reference" if body.phone else "phone")
        with limits.guessing(asker, body.reference, body.paid, now=now, about_phone=body.phone):
            found = find.find_by_receipt(
                session, phone=body.phone, reference=body.reference, context=who.context, device=who.device, now=now
            )
        return {
            "payment_id": found.payment_id,
            "access": found.access.as_json() if found.access else None,
            "device_token": token_for(found.device.id) if found.device is not None and found.device.id is not None else None,
        }


class CodeRequest(_Body):
    phone: str = Field(min_length=1, max_length=32)


@router.post("/portal/find/send-code", summary="Text the receipt codes", status_code=202, responses=answers(schemas.CodeSent, status=202))
def send_code(body: CodeRequest) -> dict[str, str]:
    """Have receipt codes sent to the phone itself; the answer is the same whether it ever bought anything."""
    limits.send_code(body.phone)
    with transaction() as session:
        find.send_receipt_codes(session, phone=body.phone, now=utc_now())
    return {"status": "If this number bought Wi-Fi, its receipt code is on the way by SMS."}


router.include_router(price_list.router)
router.include_router(reports.router)
