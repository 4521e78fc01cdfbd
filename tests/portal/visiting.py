"""A phone's browser in front of the portal, and purchases at each of their stations."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import httpx
import uvicorn
from fastapi import FastAPI
from sqlmodel import Session, select

from app import redis
from app.clock import utc_now
from portal import captive, pages
from services.access import grants
from services.access.context import HotspotContext
from services.access.gateways import faskey_of
from services.access.models import Gateway, Grant
from services.integrations import opennds
from services.integrations.wave import WaveSession
from services.packages.service import Offer
from services.payments.absorb import absorb
from services.payments.granting import grant_access
from services.payments.models import Payment, PaymentStatus
from services.vouchers.models import VoucherState
from services.vouchers.service import voucher_for_payment
from tests.conftest import free_port
from tests.factories import make_payment

LAUNCH_URL = "https://pay.wave.com/c/cos-18qq25rgr100a?a=25&c=GMD&m=INET%20Portal%20Gambia"


@contextmanager
def portal_server() -> Iterator[str]:
    """The portal's pages on a real port; its threads use whatever database this process is bound to. Answers the address."""
    app = FastAPI()
    app.include_router(captive.router)
    app.include_router(pages.router)
    app.include_router(pages.fallback)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))

    async def serve() -> None:
        await server.serve()
        await redis.close_async()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as probe:
        probe.get(f"{url}/portal/static/none")
    yield url
    server.should_exit = True
    thread.join(10)


@contextmanager
def browser(url: str) -> Iterator[httpx.Client]:
    """A browser that follows redirects and keeps nothing."""
    with httpx.Client(base_url=url, follow_redirects=True, timeout=20) as client:
        yield client


def hidden(html: str, name: str) -> str:
    """The value of a form's hidden field, as a browser would send it."""
    match = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert match is not None, f"no field {name}"
    return match[1]


def wave_says(payment: Payment, *, status: str = "open", outcome: str | None = None, error: str | None = None) -> WaveSession:
    now = utc_now()
    return WaveSession(
        id=f"cos-{payment.reference}",
        amount_bututs=payment.amount_bututs,
        currency=payment.currency,
        client_reference=payment.reference,
        checkout_status=status,
        payment_status=outcome,
        transaction_id=f"T{payment.reference}" if outcome == "succeeded" else None,
        launch_url=LAUNCH_URL,
        last_error_code=error,
        when_created=now,
        when_expires=None,
        when_completed=None,
    )


def open_at_wave(
    session: Session, *, context: HotspotContext | None = None, package: Offer | None = None, error: str | None = None
) -> Payment:
    payment = make_payment(session, context=context, package=package, now=utc_now())
    absorb(session, payment, wave_says(payment, error=error), now=utc_now())
    session.flush()
    return payment


def paid(session: Session, *, context: HotspotContext | None = None, package: Offer | None = None) -> Payment:
    payment = open_at_wave(session, context=context, package=package)
    absorb(session, payment, wave_says(payment, status="complete", outcome="succeeded"), now=utc_now())
    session.flush()
    return payment


def granted(session: Session, *, context: HotspotContext | None = None, package: Offer | None = None) -> Payment:
    payment = paid(session, context=context, package=package)
    voucher = voucher_for_payment(session, payment, now=utc_now())
    voucher.state, voucher.porta_issued_at = VoucherState.ACTIVE, utc_now()
    payment.move(PaymentStatus.VOUCHER_ISSUED, now=utc_now())
    payment.move(PaymentStatus.CHARGED, now=utc_now())
    grant_access(session, payment, voucher, now=utc_now())
    session.flush()
    return payment


def router_lets_in(session: Session, gateway: Gateway, *, now: datetime | None = None) -> None:
    """The router polls, opens, and acknowledges."""
    assert gateway.id is not None
    faskey, at = faskey_of(gateway), now or utc_now()
    grants.entries_on_offer(session, gateway_id=gateway.id, now=at)
    hids = [hid for hid in session.exec(select(Grant.hid)) if hid]
    grants.acknowledge(session, gateway_id=gateway.id, acked=tuple(opennds.rhid(hid, faskey) for hid in hids), now=at)
