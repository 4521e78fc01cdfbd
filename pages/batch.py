"""One batch: how far it is, what became of its vouchers, and what can be done with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages import sheets
from pages.batch_bulk import ask_for_bulk
from pages.batch_parts import days_panel, facts_panel, places_panel, progress_panel, tiles
from pages.components import words
from pages.components.again import again_every
from pages.components.dialogs import confirm
from pages.components.list_state import Choice, ListState
from pages.components.parts import action_button, notice, page_header, panel
from pages.components.region import Region
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from pages.voucher_cells import COLUMNS
from pages.voucher_cells import load as load_rows
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.vouchers.batch_models import BatchState
from services.vouchers.batch_queries import BatchPage, batch_page
from services.vouchers.batches.bulk import BulkAction
from services.vouchers.batches.desk import cancel_batch
from services.vouchers.models import VoucherState

PATH = "/console/batches"
# Uses come by themselves, and their figures cost a look at the whole batch.
_LOOK_SECONDS = 20.0
_LEFT_OUT = ("package", "worth", "origin")


@console_page(PATH + "/{batch_id}", title="Batch", permission=Permission.VOUCHERS_READ, group="Money")
async def batch_page_(batch_id: int, actor: Principal) -> None:
    shown = await in_transaction(batch_page, actor=actor, batch_id=batch_id, now=utc_now())
    head, below = Region(), Region()
    vouchers = ui.element("div").classes("stack w-full")
    table: list[ServerTable] = []

    async def ask() -> tuple[BatchPage, Principal]:
        by = await current_staff()
        return await in_transaction(batch_page, actor=by, batch_id=batch_id, now=utc_now()), by

    async def draw(shown: BatchPage, by: Principal) -> None:
        head.draw((shown.batch.state, shown.figures.used > 0, by.permissions), partial(_head, shown, by, refresh))
        below.draw(_key(shown), partial(_below, shown))
        if shown.batch.state is BatchState.READY and not table:
            with vouchers, panel("Its vouchers", flush=True):
                table.append(_vouchers(batch_id))
                await table[0].first()

    async def refresh() -> None:
        with silent_on_refusal():
            await draw(*await ask())
        for one in table:
            await one.refresh()

    await draw(shown, actor)
    refresh_on(("batches",), refresh)
    again_every(_LOOK_SECONDS, refresh)


def _key(shown: BatchPage) -> tuple[object, ...]:
    batch, figures = shown.batch, shown.figures
    return (batch.state, batch.made, batch.registered, batch.error, tuple(figures.by_state.items()), figures.by_day, figures.by_place)


def _head(shown: BatchPage, actor: Principal, refresh: Callable[[], Awaitable[None]]) -> None:
    batch = shown.batch
    may = actor.may(Permission.VOUCHERS_BATCH)
    with page_header(batch.name, back=(PATH, "Batches"), state=batch.state):
        if may and batch.state is BatchState.READY:
            action_button("Print", partial(sheets.ask_for_sheet, shown), icon="print", main=True).mark("print")
            action_button("CSV", partial(sheets.ask_for_codes, shown), icon="download").mark("csv")
            with ui.button("Change all", icon="expand_more").props("outline color=link").mark("change-all"), ui.menu():
                for action, text in (
                    (BulkAction.BLOCK, "Block all"),
                    (BulkAction.UNBLOCK, "Lift all blocks"),
                    (BulkAction.EXPIRE, "Expire all"),
                ):
                    ui.menu_item(text, partial(ask_for_bulk, action, batch_id=batch.id or 0, done=refresh)).mark(f"all-{action}")
        # Whether a code of it was seen is known only when it is tried; then it is said.
        if may and batch.state in (BatchState.MAKING, BatchState.READY) and not shown.figures.used:
            action_button("Cancel the batch", partial(_cancel, shown, refresh), icon="close", danger=True).mark("cancel")
    found = words.words_of(batch.state)
    notice(found.tone, "", title=found.explanation)


def _below(shown: BatchPage) -> None:
    is_ready = shown.batch.state is BatchState.READY
    if is_ready:
        tiles(shown)
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            progress_panel(shown.batch)
            if is_ready:
                days_panel(shown.figures)
        with ui.element("div").classes("stack"):
            facts_panel(shown)
            if is_ready:
                places_panel(shown.figures)


def _vouchers(batch_id: int) -> ServerTable:
    async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
        return await load_rows(actor, replace(state, filters={**state.filters, "batch": str(batch_id)}))

    return ServerTable(
        path=PATH,
        marker="batch-vouchers",
        columns=[column for column in COLUMNS if column.name not in _LEFT_OUT],
        load=load,
        default=ListState(sort="created", descending=False),
        search="Code, its last five characters, or account",
        filters=(Choice("state", "State", {state.value: words.words_of(state).text for state in VoucherState}),),
        empty=("No vouchers", "There is nothing in this batch."),
        in_address=False,
    )


async def _cancel(shown: BatchPage, refresh: Callable[[], Awaitable[None]]) -> None:
    with toast_on_refusal():
        text = "All of its vouchers are taken away. That cannot be undone; it works only as long as nobody has seen a code of it."
        if await confirm("Cancel this batch?", text, yes="Cancel the batch", danger=True) is None:
            return
        by = await current_staff()
        await in_transaction(cancel_batch, actor=by, batch_id=shown.batch.id or 0, now=utc_now())
        ui.notify("Its vouchers are being taken away.", type="positive")
        await refresh()
