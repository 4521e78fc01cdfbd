"""One voucher: its state here and in PortaBilling, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages import sheets
from pages.components import words
from pages.components.dialogs import confirm, show_secret
from pages.components.parts import Facts, action_button, chip, notice, page_header, panel
from pages.components.prove import proven_staff
from pages.components.timeline import timeline
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from pages.voucher_cells import ORIGINS
from pages.voucher_story import happenings
from services.accounts.permissions import Permission, Principal
from services.vouchers.history import Event, story
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.queries import VoucherPage, voucher_page
from services.vouchers.service import reveal_code, set_blocked

_BLOCKABLE = {VoucherState.PENDING, VoucherState.ACTIVE}


@console_page("/console/vouchers/{voucher_id}", title="Voucher", permission=Permission.VOUCHERS_READ)
async def voucher_page_(voucher_id: int, actor: Principal) -> None:
    body = ui.element("div").classes("stack")

    async def draw(by: Principal) -> None:
        shown = await in_transaction(voucher_page, actor=by, voucher_id=voucher_id)
        events = await in_transaction(story, actor=by, voucher_id=voucher_id)
        body.clear()
        with body:
            _draw(shown, events, by)

    async def refresh() -> None:
        with silent_on_refusal():
            await draw(await current_staff())

    await draw(actor)
    refresh_on(("vouchers", "payments"), refresh)


def _draw(shown: VoucherPage, events: Sequence[Event], actor: Principal) -> None:
    voucher = shown.voucher
    assert voucher.id is not None
    with page_header(f"Voucher No. {voucher.id}", back=("/console/vouchers", "Vouchers"), state=voucher.state):
        if actor.may(Permission.VOUCHERS_REVEAL):
            action_button("Show the code", partial(_reveal, voucher.id), icon="visibility").mark("reveal")
        if actor.may(Permission.VOUCHERS_BATCH) and voucher.state in _BLOCKABLE:
            action_button("Print", partial(sheets.print_one, voucher.id), icon="print").mark("print")
        if actor.may(Permission.VOUCHERS_BLOCK) and voucher.state in _BLOCKABLE:
            action_button("Block", partial(_block, voucher.id, True), icon="block", danger=True).mark("block")
        if actor.may(Permission.VOUCHERS_BLOCK) and voucher.state is VoucherState.BLOCKED:
            action_button("Lift the block", partial(_block, voucher.id, False), icon="lock_open").mark("unblock")
    found = words.words_of(voucher.state)
    notice(found.tone, "", title=found.explanation)
    with ui.element("div").classes("columns wide-left"):
        with panel("What happened"):
            timeline(happenings(shown, events, now=utc_now()))
        with ui.element("div").classes("stack"):
            _facts(shown)
            _billing(voucher)


async def _reveal(voucher_id: int) -> None:
    with toast_on_refusal():
        by = await proven_staff()
        if by is None:
            return
        code = await in_transaction(reveal_code, actor=by, voucher_id=voucher_id, now=utc_now())
        show_secret("The voucher's code", "Whoever has it can use the time. Give it to its owner only.", code, marker="code")


async def _block(voucher_id: int, blocked: bool) -> None:
    with toast_on_refusal():
        if blocked:
            text = "Nobody can enter this voucher until the block is lifted. PortaBilling is told at once."
            if await confirm("Block this voucher?", text, yes="Block", danger=True) is None:
                return
        await in_transaction(set_blocked, actor=await current_staff(), voucher_id=voucher_id, blocked=blocked, now=utc_now())
        ui.notify("Blocked." if blocked else "The block is lifted.", type="positive")


def _facts(shown: VoucherPage) -> None:
    voucher = shown.voucher
    with panel("Facts"):
        facts = Facts()
        facts.add("Package", f"{shown.package.name} (version {shown.package.version})")
        facts.add("Worth", words.money(shown.package.amount_bututs))
        facts.add("Time", words.span(voucher.seconds or shown.package.duration_seconds))
        if shown.customer:
            facts.add_link("Customer", shown.customer.masked_phone, f"/console/customers/{shown.customer.id}")
        if shown.reference:
            facts.add_link("Payment", shown.reference, f"/console/payments/{shown.reference}")
        facts.add("Made", ORIGINS[voucher.origin])
        if shown.batch:
            facts.add_link("Batch", shown.batch.name, f"/console/batches/{shown.batch.id}")
            facts.add("Printed on it", f"Batch {shown.batch.id}, No. {shown.number_in_batch:,}")
            facts.add("Seller", shown.batch.seller)
        if voucher.use_from and voucher.use_from > utc_now():
            facts.add_time("Use from", voucher.use_from)
        facts.add_time("Use before", voucher.use_before)
        if shown.entitlement:
            with facts.row("Its time"):
                chip(shown.entitlement.state)
            facts.add("Left", words.span(shown.entitlement.seconds_left(now=utc_now())))


def _billing(voucher: Voucher) -> None:
    with panel("In PortaBilling"):
        facts = Facts()
        facts.add("Account", voucher.porta_account_id, mono=True)
        facts.add_time("Issued", voucher.porta_issued_at, otherwise="not yet")
        facts.add_time("Blocked", voucher.porta_blocked_at, otherwise="no")
        if voucher.porta_next_attempt_at:
            facts.add_time("Next try", voucher.porta_next_attempt_at)
        if voucher.porta_error:
            facts.add("Last trouble", voucher.porta_error)
