"""One payment: what it is, what state it is in and why, and every step that led there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.acting import on_the_page
from pages.components.parts import Facts, action_button, chip, moment, notice, page_header, panel
from pages.components.presence import show_presence
from pages.components.states import empty_state
from pages.components.timeline import timeline
from pages.live import refresh_on
from pages.payment_story import happening
from pages.refund_actions import ask_for_refund, person_of
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.access.entitlements import AccessView, view_access
from services.access.queries import GrantRow, grants_of
from services.access.session_queries import SessionRow, sessions_of
from services.accounts.permissions import Permission, Principal
from services.payments.desk import retry_now
from services.payments.models import MONEY_TAKEN, Payment, PaymentStatus, Refund, RefundKind, RefundState
from services.payments.queries import PaymentPage, payment_page

_ASKABLE = {PaymentStatus.CREATED, PaymentStatus.CHECKOUT_OPEN, PaymentStatus.EXPIRED, PaymentStatus.FAILED}
_REFUNDABLE = MONEY_TAKEN | {PaymentStatus.ATTENTION}
_RETRYABLE = {PaymentStatus.PAID, PaymentStatus.VOUCHER_ISSUED, PaymentStatus.CHARGED, PaymentStatus.ATTENTION}

REFUNDS = "/console/refunds"
Act = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class _Everything:
    page: PaymentPage
    access: AccessView | None
    grants: tuple[GrantRow, ...]
    sessions: tuple[SessionRow, ...]


async def _load(actor: Principal, reference: str) -> _Everything:
    page = await in_transaction(payment_page, actor=actor, reference=reference)
    if page.entitlement is None or page.entitlement.id is None:
        return _Everything(page, None, (), ())
    own = page.entitlement.id
    return _Everything(
        page,
        await in_transaction(view_access, page.entitlement, now=utc_now()),
        await in_transaction(grants_of, actor=actor, entitlement_id=own),
        await in_transaction(sessions_of, actor=actor, entitlement_id=own),
    )


@console_page("/console/payments/{reference}", title="Payment", permission=Permission.PAYMENTS_READ)
async def payment_page_(reference: str, actor: Principal) -> None:
    shown = await _load(actor, reference)
    is_asked = any(refund.state is RefundState.ASKED for refund in shown.page.refunds)
    if shown.page.payment.status is PaymentStatus.ATTENTION or is_asked:
        show_presence("payment", shown.page.payment.id or 0, actor=actor)
    body = ui.element("div").classes("stack")

    def draw(everything: _Everything, by: Principal) -> None:
        body.clear()
        with body:
            _draw(everything, by, retry, redraw)

    async def redraw() -> None:
        by = await current_staff()
        draw(await _load(by, reference), by)

    async def refresh() -> None:
        with silent_on_refusal():
            await redraw()

    async def retry() -> None:
        with toast_on_refusal():
            by = await current_staff()
            await in_transaction(retry_now, actor=by, public_id=shown.page.payment.public_id, now=utc_now())
            ui.notify("Under way; this page follows by itself.", type="positive")
            draw(await _load(by, reference), by)

    draw(shown, actor)
    refresh_on(("payments", "grants", "sessions", "refunds"), refresh)


def _draw(shown: _Everything, actor: Principal, retry: Act, redraw: Act) -> None:
    payment = shown.page.payment
    with page_header(f"Payment {payment.reference}", back=("/console/payments", "Payments"), state=payment.status):
        _retry_button(payment, actor, retry)
        if _may_ask(shown.page, actor):
            ask = on_the_page(partial(ask_for_refund, payment.public_id, redraw))
            action_button("Give the money back", ask, icon="undo", danger=True).mark("refund")
    found = words.words_of(payment.status)
    notice(found.tone, payment.reason or "", title=found.explanation).mark("explanation")
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"), panel("What happened", aside=f"{len(shown.page.timeline)} entries"):
            timeline(happening(entry) for entry in shown.page.timeline)
        with ui.element("div").classes("stack"):
            _refunds(shown.page, actor)
            _facts(shown.page)
            _access(shown)
            _checkouts(shown.page)


def _may_ask(page: PaymentPage, actor: Principal) -> bool:
    is_asked = any(refund.kind is RefundKind.SALE and refund.state is not RefundState.DECLINED for refund in page.refunds)
    return (
        actor.may(Permission.PAYMENTS_REFUND) and page.payment.status in _REFUNDABLE and page.payment.paid_at is not None and not is_asked
    )


def _retry_button(payment: Payment, actor: Principal, retry: Act) -> None:
    # A refund that Wave refused is sent again from the list of refunds.
    if not actor.may(Permission.PAYMENTS_RETRY) or payment.attention_from is PaymentStatus.REFUNDING:
        return
    if payment.status in _ASKABLE:
        action_button("Ask Wave now", retry, icon="sync", main=True).mark("retry")
    elif payment.status in _RETRYABLE:
        action_button("Retry now", retry, icon="replay", main=True).mark("retry")


def _refunds(page: PaymentPage, actor: Principal) -> None:
    if not page.refunds:
        return
    with panel("Money back") as drawn:
        drawn.mark("refunds")
        for refund in reversed(page.refunds):
            _refund(refund)
        if actor.may(Permission.PAYMENTS_REFUND):
            ui.link("All refunds of this payment", f"{REFUNDS}?q={page.payment.reference}").classes("small").mark("to-refunds")


def _refund(refund: Refund) -> None:
    facts = Facts()
    with facts.row("Refund"), ui.element("div").classes("row items-center q-gutter-x-sm"):
        ui.label(words.money(refund.amount_bututs))
        chip(refund.state)
    facts.add("Why", refund.reason)
    facts.add("Asked by", person_of(refund.asked_by))
    facts.add_time("Asked", refund.created_at)
    if refund.decided_by:
        facts.add("Decided by", person_of(refund.decided_by))
    if refund.paid_out_by:
        facts.add("Paid out by", person_of(refund.paid_out_by))
    if refund.decision_note:
        facts.add("What was said", refund.decision_note)
    if refund.settled_at:
        facts.add_time("Ended", refund.settled_at)
    explanation = words.words_of(refund.state).explanation
    if explanation:
        ui.label(explanation).classes("soft small q-mb-sm")


def _facts(page: PaymentPage) -> None:
    payment = page.payment
    with panel("Facts"):
        facts = Facts()
        facts.add("Amount", words.money(payment.amount_bututs))
        facts.add("Held now", words.money(page.balance_bututs))
        facts.add("Package", f"{page.package.name} (version {page.package.version})")
        facts.add_link("Customer", page.customer.masked_phone, f"/console/customers/{page.customer.id}")
        if page.gateway:
            facts.add_link("Bought at", page.gateway.name, f"/console/gateways/{page.gateway.slug}")
        else:
            facts.add("Bought at", "not at a hotspot")
        facts.add_time("Created", payment.created_at)
        facts.add_time("Paid", payment.paid_at, otherwise="not yet")
        facts.add_time("Served", payment.served_at, otherwise="not yet")
        if payment.next_attempt_at:
            facts.add_time("Next try", payment.next_attempt_at)
        facts.add("Wave transaction", payment.wave_transaction_id, mono=True)
        if page.voucher:
            with facts.row("Voucher"), ui.element("div").classes("row items-center q-gutter-x-sm"):
                ui.link(f"No. {page.voucher.id}", f"/console/vouchers/{page.voucher.id}")
                chip(page.voucher.state)


def _access(shown: _Everything) -> None:
    entitlement = shown.page.entitlement
    with panel("Access"):
        if entitlement is None or shown.access is None:
            empty_state("No time yet", "It is given when the voucher is charged.", icon="wifi_off")
            return
        facts = Facts()
        with facts.row("Time"):
            chip(entitlement.state)
        facts.add("Left", words.span(shown.access.seconds_left) if shown.access.seconds_left else "none")
        if entitlement.quota_bytes:
            facts.add("Data", f"{words.size(entitlement.bytes_used)} of {words.size(entitlement.quota_bytes)} used")
        facts.add_time("Started", entitlement.started_at, otherwise="not yet")
        if entitlement.ends_at:
            facts.add_time("Ends", entitlement.ends_at)
        else:
            facts.add_time("Start before", entitlement.use_before)
        _attempts(shown)


def _attempts(shown: _Everything) -> None:
    if not shown.grants:
        ui.label("No router has been asked to let the customer in yet.").classes("soft small q-mt-md")
        return
    ui.label("Routers asked to let the customer in").classes("strong small q-mt-md q-mb-xs")
    for grant in shown.grants:
        with ui.element("div").classes("row items-center q-gutter-x-sm q-py-xs"):
            chip(grant.state)
            ui.label(grant.gateway_name)
            ui.label(words.end_reason(grant.end_reason)).classes("soft small")
    for session in shown.sessions:
        with ui.element("div").classes("row items-center q-gutter-x-sm q-py-xs"):
            chip(session.state)
            ui.label(f"session, {_data(session)}").classes("soft small")
            moment(session.started_at)


def _data(session: SessionRow) -> str:
    if session.bytes_down is None:
        return "data not reported yet"
    return f"{words.size(session.bytes_down)} down, {words.size(session.bytes_up)} up"


def _checkouts(page: PaymentPage) -> None:
    with panel("At Wave", aside="" if len(page.checkouts) < 2 else f"{len(page.checkouts)} sessions"):
        if not page.checkouts:
            ui.label("Wave has not opened a session for this payment.").classes("soft")
        for checkout in page.checkouts:
            facts = Facts()
            with facts.row("Session"), ui.element("div").classes("row items-center q-gutter-x-sm"):
                ui.label(checkout.wave_session_id).classes("mono small")
                if checkout.is_winner:
                    ui.label("paid by this one").classes("chip tone-good")
            facts.add("State at Wave", " · ".join(text for text in (checkout.checkout_status, checkout.payment_status) if text))
            if checkout.checkout_status == "open":
                facts.add_time("Open until", checkout.expires_at)
            facts.add_time("Last asked", checkout.asked_at, otherwise="not yet")
            if checkout.last_error_code:
                facts.add("Wave's refusal", checkout.last_error_code.replace("-", " "))
