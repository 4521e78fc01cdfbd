"""The page of one payment, from Wave to online. Wave sends the customer back to it in a browser that has nothing stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import Response

from app.clock import utc_now
from app.db import transaction
from portal.buying import counter
from portal.rendering import dalasi, texts
from portal.visits import Visit
from services.integrations.clients import outside
from services.packages.service import offers, terms_of
from services.payments.checkout import payment_by_public_id
from services.payments.models import PaymentStatus
from services.payments.verify import Truth, verify

# Longer than this, and the phone had better ask the hotspot again; or Wave is not merely thinking.
_SLOW_AFTER, _SILENT_AFTER = timedelta(seconds=60), timedelta(seconds=8)
_QUICK_SECONDS, _CALM_SECONDS = 4, 10
_PHASES = {
    PaymentStatus.CREATED: "created",
    PaymentStatus.CHECKOUT_OPEN: "open",
    PaymentStatus.PAID: "paid",
    PaymentStatus.VOUCHER_ISSUED: "paid",
    PaymentStatus.CHARGED: "paid",
    PaymentStatus.ACCESS_GRANTED: "access",
    PaymentStatus.SERVED: "access",
    PaymentStatus.EXPIRED: "expired",
    PaymentStatus.FAILED: "failed",
    PaymentStatus.ATTENTION: "attention",
    PaymentStatus.REFUNDING: "refunding",
    PaymentStatus.REFUNDED: "refunded",
}
_STEPS = {"created": "pay", "open": "pay", "paid": "connect"}
_UNSETTLED = ("connecting", "unconfirmed")


@dataclass(frozen=True)
class _Purchase:
    """What the payment's row knows beyond the truth that is told to everybody."""

    amount_bututs: int
    package_name: str
    package_id: str | None
    is_from_hotspot: bool
    is_gift: bool
    slow_in_seconds: int


def pay_page(visit: Visit, payment_id: str) -> Response:
    """Ask Wave if it is time to, and show where the payment stands; blocking. Raises PaymentNotFound."""
    truth = verify(transaction, payment_id, outside(), clock=utc_now)
    bought = _purchase(visit, payment_id)
    phase = _phase(truth)
    state = truth.access.state if truth.access and phase == "access" else ""
    is_waiting = phase in ("created", "open", "paid") or state in _UNSETTLED
    can_retry = phase in ("failed", "expired", "refunded") or state == "ended"
    return visit.page(
        "pay",
        truth=truth,
        phase=phase,
        heading=_heading(phase, state, bought),
        is_gift=bought.is_gift,
        step=_step(phase, state, bought),
        refusal=(truth.reason or "").removeprefix("Wave: "),
        package_name=bought.package_name,
        slow_in=bought.slow_in_seconds,
        is_other_browser=bought.is_from_hotspot and not visit.token,
        can_retry=can_retry,
        retry_path=f"/portal/buy/{bought.package_id}" if bought.package_id and phase != "access" else "/portal/",
        can_use_here=bool(visit.context and truth.voucher_code and state in ("waiting", "offline")),
        live=_live(visit, truth, is_waiting=is_waiting),
        refresh=(_CALM_SECONDS if phase == "open" else _QUICK_SECONDS) if is_waiting else None,
    )


def _phase(truth: Truth) -> str:
    phase = _PHASES[PaymentStatus(truth.status)]
    if phase == "access" and truth.is_given:
        return "given"
    return "paid" if phase == "access" and truth.access is None else phase


def _heading(phase: str, state: str, bought: _Purchase) -> str:
    said = texts()
    title = "title_paid_gift" if bought.is_gift and phase == "paid" else f"title_{phase}"
    return str(said["access"][state] if state else said["pay"][title].format(amount=dalasi(bought.amount_bututs)))


def _step(phase: str, state: str, bought: _Purchase) -> str | None:
    """Where on the way to being online; of a gift nobody here will be."""
    if bought.is_gift:
        return None
    if phase == "access" and state != "ended":
        return "connect" if state == "connecting" else "online"
    return _STEPS.get(phase)


def _purchase(visit: Visit, payment_id: str) -> _Purchase:
    with transaction() as session:
        payment = payment_by_public_id(session, payment_id)
        sold = offers(session, counter=counter(visit.context, visit.now))
        still_sold = next((offer for offer in sold if offer.version_id == payment.package_version_id), None)
        slow_at = payment.paid_at + _SLOW_AFTER if payment.paid_at else payment.created_at + _SILENT_AFTER
        return _Purchase(
            amount_bututs=payment.amount_bututs,
            package_name=terms_of(session, payment.package_version_id).name,
            package_id=still_sold.public_id if still_sold else None,
            is_from_hotspot=payment.gateway_id is not None,
            is_gift=payment.is_gift,
            slow_in_seconds=max(0, int((slow_at - visit.now).total_seconds())),
        )


def _live(visit: Visit, truth: Truth, *, is_waiting: bool) -> dict[str, Any]:
    """`state` is put together here and in portal.js alike, from the same answer of `GET /api/wave/verify`."""
    return {
        "self": visit.link(f"/portal/pay/{truth.payment_id}"),
        "poll": f"/api/wave/verify?payment_id={truth.payment_id}" if is_waiting else None,
        "state": "/".join((truth.status, truth.access.state if truth.access else "", truth.reason or "")),
    }
