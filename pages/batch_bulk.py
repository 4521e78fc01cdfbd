"""Blocking, unblocking and expiring all vouchers of a batch: what would happen is counted first, and what happened afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio.to_thread
from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction, transaction
from app.errors import InvalidInput
from pages.components import words
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons, text_field
from pages.components.parts import notice
from pages.components.prove import proven_staff
from pages.shell import current_staff, toast_on_refusal
from services.vouchers.batches import bulk
from services.vouchers.batches.bulk import BulkAction, Chosen, Outcome
from services.vouchers.models import VoucherState

_TITLES = {BulkAction.BLOCK: "Block", BulkAction.UNBLOCK: "Lift the block of", BulkAction.EXPIRE: "Expire"}
_DONE = {BulkAction.BLOCK: "blocked", BulkAction.UNBLOCK: "free again", BulkAction.EXPIRE: "expired"}
_WHAT = {
    BulkAction.BLOCK: "Nobody can enter them until the block is lifted. PortaBilling is told in the background.",
    BulkAction.UNBLOCK: "They can be entered again. PortaBilling is told in the background.",
    BulkAction.EXPIRE: "Nobody can enter them any more. This cannot be taken back.",
}
_KEPT = {"paid": "paid for by a customer: give the money back instead", "not_found": "no longer there"}


async def ask_for_bulk(action: BulkAction, *, batch_id: int, done: Callable[[], Awaitable[None]]) -> None:
    """Preview, reason, and the result."""
    chosen = Chosen(batch_id)
    with toast_on_refusal():
        _ask(action, chosen, await in_transaction(bulk.preview, actor=await current_staff(), action=action, chosen=chosen), done)


def _ask(action: BulkAction, chosen: Chosen, outcome: Outcome, done: Callable[[], Awaitable[None]]) -> None:
    many = "one voucher" if outcome.total == 1 else f"{outcome.total:,} vouchers"
    with dialog_card(f"{_TITLES[action]} {many}") as dialog:
        ui.label(_WHAT[action]).classes("soft")
        _counts(outcome)
        if not outcome.total:
            notice("off", "Nothing would change.")
            with ui.element("div").classes("buttons"):
                ui.button("Close", on_click=dialog.close).props("flat color=link")
            dialog.open()
            return
        reason = text_field("Reason", "reason", props='maxlength=200 hint="it stands in the history of each"')

        async def act() -> None:
            by = await proven_staff()
            if by is None:
                raise InvalidInput("You did not prove who you are, so nothing was changed.", field="reason")
            told = await anyio.to_thread.run_sync(
                partial(bulk.run, transaction, actor=by, action=action, chosen=chosen, reason=reason.value or "", clock=utc_now)
            )
            _show(action, told)
            await done()

        form_buttons(dialog, {"reason": reason}, yes=_TITLES[action].split(" ")[0], act=act, danger=True, marker="bulk-apply")
    dialog.open()


def _counts(outcome: Outcome) -> None:
    with ui.element("div").classes("choices").mark("bulk-preview"):
        for name, number in outcome.changed.items():
            _line(f"{number:,} {_state(name).lower()}", "will change")
        for name, number in outcome.kept.items():
            _line(f"{number:,} {_state(name).lower()}", f"stay as they are: {_KEPT[name]}" if name in _KEPT else "stay as they are")


def _line(said: str, more: str) -> None:
    with ui.element("div").classes("q-pa-sm"):
        ui.label(said).classes("strong small")
        ui.label(more).classes("soft small")


def _state(name: str) -> str:
    return words.words_of(VoucherState(name)).text if name in set(VoucherState) else {"paid": "Paid for", "not_found": "Not found"}[name]


def _show(action: BulkAction, outcome: Outcome) -> None:
    kept = sum(outcome.kept.values())
    with dialog_card(f"{outcome.total:,} {_DONE[action]}" + (f", {kept:,} left as they were" if kept else "")) as dialog:
        dialog.mark("bulk-result")
        ui.label("The history of each voucher says who did it, when and why.").classes("soft")
        with ui.element("div").classes("buttons"):
            ui.button("Done", on_click=dialog.close).props("unelevated color=primary").mark("done")
    dialog.open()
