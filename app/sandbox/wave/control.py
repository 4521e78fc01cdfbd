"""The strings behind Wave, for programs: what a payer does, what the clock does, what goes wrong in rare ways."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from app.sandbox.problems import json_response
from app.sandbox.wave.checkout import DEMO_PAYER, SessionNotOpen
from app.sandbox.wave.create import is_amount
from app.sandbox.wave.errors import AUTH_ERRORS
from app.sandbox.wave.models import CheckoutSession
from app.sandbox.wave.world import WaveWorld


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WhichSession(_Body):
    """A session by its id, or the open one of a client reference."""

    session_id: str | None = None
    client_reference: str | None = None

    @model_validator(mode="after")
    def _one_name(self) -> WhichSession:
        if bool(self.session_id) == bool(self.client_reference):
            raise ValueError("give either session_id or client_reference")
        return self


class Pay(WhichSession):
    """What the payer does."""

    outcome: Literal["succeed", "fail", "abandon"]
    error_code: str = "insufficient-funds"
    payer_mobile: str = DEMO_PAYER
    no_webhook: bool = False


class ForeignPayment(_Body):
    """Money that reaches the merchant outside of any checkout."""

    amount: str = "25"
    sender_mobile: str = DEMO_PAYER
    no_webhook: bool = False

    @field_validator("amount")
    @classmethod
    def _amount(cls, value: str) -> str:
        if not is_amount(value):
            raise ValueError("must be a positive decimal with at most two places")
        return value


class Planted(_Body):
    """What Wave's list shows wrongly from now on: `gross` is what the row adds up to, its fee stays; a vanished one is in no list."""

    transaction_id: str
    gross: str | None = None
    vanished: bool = False

    @field_validator("gross")
    @classmethod
    def _amount(cls, value: str | None) -> str | None:
        if value is not None and not is_amount(value):
            raise ValueError("must be a positive decimal with at most two places")
        return value


class AnyEvent(_Body):
    """An event of any type, known or not."""

    type: str = "test.test_event"
    data: dict[str, Any] = Field(default_factory=dict)


class Mode(_Body):
    """Switches; what is left out stays as it is."""

    auth_error: str | None = None
    pay_on_create: Literal["succeed", "fail"] | None = None
    refund_fails: bool = False
    session_life_seconds: float = Field(default=1800, gt=0)
    page_size: int = Field(default=1000, ge=1, le=1000)
    webhook_signing: Literal["ok", "two_values", "wrong_secret", "stale", "same_t"] = "ok"

    @field_validator("auth_error")
    @classmethod
    def _known_code(cls, value: str | None) -> str | None:
        if value is not None and value not in AUTH_ERRORS:
            raise ValueError(f"one of {', '.join(AUTH_ERRORS)}, or null")
        return value


def control_router(world: WaveWorld) -> APIRouter:
    """The addresses under `/_control/wave`."""
    router = APIRouter(prefix="/_control/wave", tags=["wave"])

    @router.post("/pay")
    async def pay(body: Pay) -> Response:
        session = _session_of(world, body)
        try:
            if body.outcome == "succeed":
                world.pay(session, payer_mobile=body.payer_mobile, silent=body.no_webhook)
            elif body.outcome == "fail":
                world.fail(session, body.error_code, silent=body.no_webhook)
        except SessionNotOpen as error:
            raise HTTPException(409, f"The session is {error}") from None
        return json_response(session.wire())

    @router.post("/expire")
    async def expire(body: WhichSession) -> Response:
        session = _session_of(world, body)
        if session.checkout_status == "open":
            world.checkout.expire(session)
        return json_response(session.wire())

    @router.post("/foreign-payment", status_code=201)
    async def foreign_payment(body: ForeignPayment) -> Response:
        return json_response(world.take_foreign(body.amount, body.sender_mobile, silent=body.no_webhook).wire(), 201)

    @router.post("/transaction")
    async def transaction(body: Planted) -> Response:
        row = world.wallet.plant(body.transaction_id, gross=body.gross, vanished=body.vanished)
        if row is None:
            raise HTTPException(404, "No such transaction")
        return json_response(row.wire())

    @router.post("/event", status_code=202)
    async def event(body: AnyEvent) -> Response:
        world.webhooks.emit(body.type, body.data)
        return json_response({"type": body.type}, 202)

    @router.post("/mode")
    async def mode(body: Mode) -> Response:
        _apply(world, body)
        return json_response(
            {
                "auth_error": world.auth_error,
                "pay_on_create": world.pay_on_create,
                "page_size": world.page_size,
                "webhook_signing": world.webhooks.signing.mode,
                **vars(world.checkout.mode),
            }
        )

    return router


def _session_of(world: WaveWorld, which: WhichSession) -> CheckoutSession:
    if which.session_id:
        found = [session] if (session := world.checkout.get(which.session_id)) else []
    else:
        found = world.checkout.by_reference(which.client_reference or "")
    if not found:
        raise HTTPException(404, "No such checkout session")
    # Of several sessions of one reference the payer sees the newest that is still open.
    return next((session for session in reversed(found) if session.checkout_status == "open"), found[-1])


def _apply(world: WaveWorld, body: Mode) -> None:
    given = body.model_fields_set
    if "auth_error" in given:
        world.auth_error = body.auth_error
    if "pay_on_create" in given:
        world.pay_on_create = body.pay_on_create
    if "page_size" in given:
        world.page_size = body.page_size
    if "webhook_signing" in given:
        world.webhooks.signing.mode = body.webhook_signing
    for name in ("refund_fails", "session_life_seconds"):
        if name in given:
            setattr(world.checkout.mode, name, getattr(body, name))
