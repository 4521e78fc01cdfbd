"""What the portal's addresses answer, for the OpenAPI document. Fields may be added, never changed (contract.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.documented import refusals
from services.payments.models import PaymentStatus
from services.vouchers.models import VoucherState

Currency = Literal["GMD"]


class Offered(BaseModel):
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


class PriceList(BaseModel):
    items: list[Offered]
    next_cursor: str | None


class PriceWithPromo(BaseModel):
    """`amount` is what is left to pay; with `discount` it is the package's price."""

    amount: int = Field(description="In bututs, 100 to the dalasi", examples=[4000])
    discount: int = Field(examples=[1000])
    currency: Currency


class Access(BaseModel):
    """`bytes_left` is null without a data allowance."""

    state: Literal["waiting", "connecting", "online", "unconfirmed", "offline", "ended"]
    ends_at: datetime | None = Field(description="Null until the time has begun")
    seconds_left: int
    bytes_left: int | None
    paused_at: datetime | None = Field(description="Since when the clock stands because of an outage; null while it runs")


class CheckoutOpened(BaseModel):
    payment_id: str = Field(description="Cannot be guessed: who holds it may ask what became of the payment")
    reference: str = Field(description="The receipt code", examples=["7KMNPRST"])
    status: PaymentStatus
    amount: int
    currency: Currency
    launch_url: str | None = Field(description="Where to pay; null when there is nothing to pay any more")
    expires_at: datetime | None
    device_token: str | None = Field(description="Send it as X-Device-Token, and this device is known again")


class VoucherShown(BaseModel):
    code: str
    state: VoucherState


class PaymentTruth(BaseModel):
    payment_id: str
    reference: str
    status: PaymentStatus
    voucher: VoucherShown | None
    access: Access | None
    reason: str | None
    launch_url: str | None


class VoucherEntered(BaseModel):
    access: Access
    device_token: str | None


class PaymentUnderWay(BaseModel):
    payment_id: str
    status: PaymentStatus


class ClientSession(BaseModel):
    access: Access | None
    payment: PaymentUnderWay | None
    device_token: str | None
    captive_url: str = Field(description="Where a phone's system may ask about this client (RFC 8908); it opens nothing")


class PurchaseFound(BaseModel):
    payment_id: str | None
    access: Access | None
    device_token: str | None


class CodeSent(BaseModel):
    status: str


class Reported(BaseModel):
    reference: str = Field(examples=["T-7KMNPRS"])
    url: str | None = Field(description="The page on which the conversation goes on; null for a repeat by somebody who is not known")


def answers(model: type[BaseModel], *statuses: int, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: what it answers, and with which statuses it refuses."""
    return {status: {"model": model}, **refusals(*statuses, 422, 429, 503)}


VERIFY = {
    "get": {
        "tags": ["portal"],
        "summary": "What became of a payment",
        "description": "The truth about one payment and the access it bought. Who holds the unguessable payment id may ask.",
        "operationId": "portal_wave_verify",
        "parameters": [
            {"name": "payment_id", "in": "query", "required": True, "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}}
        ],
        "responses": {
            "200": {
                "description": "Its state",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/PaymentTruth"}}},
            },
            **{str(status): response for status, response in refusals(404, 429, 503).items()},
        },
    }
}
"""The path item of `GET /api/wave/verify`, which a bare route serves (portal/payment_status.py)."""
