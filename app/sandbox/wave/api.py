"""Wave's HTTP API, as far as the product uses it (protocols/wave.md §2, §4, §6). No partial refund, no status change: Wave has none."""

from __future__ import annotations

import asyncio
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import date as Day
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from app.sandbox.problems import json_response
from app.sandbox.wave.create import read_create
from app.sandbox.wave.errors import WaveError, auth_error, invalid, session_not_found
from app.sandbox.wave.models import CheckoutSession
from app.sandbox.wave.webhooks import sign
from app.sandbox.wave.world import WaveWorld

FIRST_ATTEMPT_SECONDS = 2.0


def api_router(world: WaveWorld) -> APIRouter:
    """The addresses under `/v1`."""

    async def authorised(request: Request) -> None:
        _check_key(world, request)
        await _check_signature(world, request)

    router = APIRouter(prefix="/v1", dependencies=[Depends(authorised)], include_in_schema=False)

    def session_of(session_id: str) -> CheckoutSession:
        session = world.checkout.get(session_id)
        if session is None:
            raise session_not_found()
        return session

    @router.post("/checkout/sessions")
    async def create(request: Request) -> Response:
        # `Idempotency-Key` is not looked at: Wave documents it for payouts only (§1 fact 2).
        asked = read_create(await _json(request))
        session = world.checkout.create(asked, str(request.base_url).rstrip("/"))
        opened = session.wire()
        if world.pay_on_create:
            first_attempt = world.pay(session) if world.pay_on_create == "succeed" else world.fail(session, "insufficient-funds")
            await wait_for_first_attempt(first_attempt)
        return json_response(opened)

    @router.get("/checkout/sessions/search")
    async def search(client_reference: str = "") -> Response:
        if not client_reference:
            raise invalid("client_reference", "field required")
        return json_response({"result": [session.wire() for session in world.checkout.by_reference(client_reference)]})

    @router.get("/checkout/sessions")
    async def by_transaction(transaction_id: str = "") -> Response:
        transaction = world.wallet.transactions.get(transaction_id)
        return json_response(session_of((transaction and transaction.checkout_api_session_id) or "").wire())

    @router.get("/checkout/sessions/{session_id}")
    async def get(session_id: str) -> Response:
        return json_response(session_of(session_id).wire())

    @router.post("/checkout/sessions/{session_id}/expire")
    async def expire(session_id: str) -> Response:
        world.checkout.expire(session_of(session_id))
        return Response()

    @router.post("/checkout/sessions/{session_id}/refund")
    async def refund(session_id: str) -> Response:
        world.checkout.refund(session_of(session_id))
        return Response()

    @router.get("/balance")
    async def balance() -> Response:
        return json_response({"amount": str(world.wallet.balance()), "currency": "GMD"})

    @router.get("/transactions")
    async def transactions(date: str = "", after: str = "") -> Response:
        return json_response(_transaction_page(world, date, after))

    @router.post("/transactions/{transaction_id}/refund")
    async def refund_transaction(transaction_id: str) -> Response:
        transaction = world.wallet.transactions.get(transaction_id)
        if transaction is None:
            raise WaveError(404, "transaction-not-found", "Transaction not found")
        world.wallet.refund(transaction)
        return Response()

    return router


async def wait_for_first_attempt(first_attempt: asyncio.Event | None) -> None:
    """Give the product's webhook a moment: Wave tries it before it shows anybody the outcome (§4.4)."""
    if first_attempt is None:
        return
    try:
        await asyncio.wait_for(first_attempt.wait(), FIRST_ATTEMPT_SECONDS)
    except TimeoutError:
        return


def _check_key(world: WaveWorld, request: Request) -> None:
    header = request.headers.get("Authorization")
    if header is None:
        raise auth_error("missing-auth-header")
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer":
        raise auth_error("invalid-auth")
    if not key.strip():
        raise auth_error("api-key-not-provided")
    if not hmac.compare_digest(key.strip().encode(), world.config.wave_api_key.encode()):
        raise auth_error("no-matching-api-key")
    # A disabled wallet's balance can still be read (§2).
    if world.auth_error and not (world.auth_error == "disabled-wallet" and request.url.path == "/v1/balance"):
        raise auth_error(world.auth_error)


async def _check_signature(world: WaveWorld, request: Request) -> None:
    secret = world.config.wave_signing_secret
    if not secret:
        return
    parts = dict(part.partition("=")[::2] for part in request.headers.get("Wave-Signature", "").split(","))
    t = parts.get("t", "")
    expected = sign(secret, int(t), await request.body()) if t.isdecimal() else ""
    if not expected or not hmac.compare_digest(expected, parts.get("v1", "")):
        raise auth_error("invalid-auth")


async def _json(request: Request) -> object:
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise WaveError(400, "request-validation-error", "The body is not JSON") from None


def _transaction_page(world: WaveWorld, date: str, after: str) -> dict[str, Any]:
    try:
        day = Day.fromisoformat(date).isoformat()
    except ValueError:
        raise invalid("date", "must be YYYY-MM-DD") from None
    rows = [row for row in world.wallet.transactions.grouped(day) if not row.vanished]
    start = _read_cursor(after)
    items = rows[start : start + world.page_size]
    end = start + len(items)
    return {
        "page_info": {
            "start_cursor": _cursor(start) if items else None,
            "end_cursor": _cursor(end) if items else None,
            "has_next_page": end < len(rows),
        },
        "date": day,
        "items": [row.wire() for row in items],
    }


def _cursor(position: int) -> str:
    return urlsafe_b64encode(b"p%d" % position).decode()


def _read_cursor(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        return int(urlsafe_b64decode(cursor)[1:])
    except ValueError:
        raise invalid("after", "not a cursor of this list") from None
