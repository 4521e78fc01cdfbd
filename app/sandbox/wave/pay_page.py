"""The page behind `wave_launch_url`: Pay, Refuse, Leave (protocols/wave.md §4.4)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Response
from fastapi.responses import RedirectResponse

from app.sandbox.html import page
from app.sandbox.wave.api import wait_for_first_attempt
from app.sandbox.wave.checkout import DEMO_PAYER, SessionNotOpen
from app.sandbox.wave.errors import PAYMENT_ERRORS
from app.sandbox.wave.models import CURRENCY, CheckoutSession
from app.sandbox.wave.world import WaveWorld


def pay_page_router(world: WaveWorld) -> APIRouter:
    """The addresses under `/c`."""
    router = APIRouter(prefix="/c", include_in_schema=False)

    def session_of(session_id: str) -> CheckoutSession:
        session = world.checkout.get(session_id)
        if session is None:
            raise HTTPException(404, "No such payment")
        return session

    @router.get("/{session_id}")
    async def show(session_id: str) -> Response:
        return _show(session_of(session_id))

    @router.post("/{session_id}/pay")
    async def pay(session_id: str, payer: Annotated[str, Form()] = DEMO_PAYER) -> Response:
        session = session_of(session_id)
        try:
            first_attempt = world.pay(session, payer_mobile=payer.strip() or DEMO_PAYER)
        except SessionNotOpen:
            return _show(session)
        await wait_for_first_attempt(first_attempt)
        if session.payment_status != "succeeded":
            return _show(session, failed=True)
        return RedirectResponse(session.success_url, status_code=303)

    @router.post("/{session_id}/refuse")
    async def refuse(session_id: str, code: Annotated[str, Form()] = "insufficient-funds") -> Response:
        session = session_of(session_id)
        try:
            first_attempt = world.fail(session, code if code in PAYMENT_ERRORS else "payment-failure")
        except SessionNotOpen:
            return _show(session)
        await wait_for_first_attempt(first_attempt)
        return _show(session, failed=True)

    @router.post("/{session_id}/leave")
    async def leave(session_id: str) -> Response:
        session_of(session_id)
        return page("pay_left.html", session_id=session_id)

    return router


def _show(session: CheckoutSession, *, failed: bool = False) -> Response:
    template = {"open": "pay_failed.html" if failed else "pay.html", "complete": "pay_done.html", "expired": "pay_expired.html"}
    return page(
        template[session.checkout_status], session=session, currency=CURRENCY, payer=session.restrict_payer_mobile or DEMO_PAYER,
        reasons=PAYMENT_ERRORS,
    )  # fmt: skip
