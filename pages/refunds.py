"""Refunds: what waits for a second person, what Wave refused, and everything that was ever given back."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.db import in_transaction
from pages.components import words
from pages.components.list_file import list_file
from pages.components.list_state import Choice, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import action_button, page_header, panel
from pages.components.states import empty_state
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.refund_actions import Done
from pages.refund_parts import COLUMNS, cells, failed_rows, waiting_rows
from pages.shell import console_page, current_staff, silent_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import MAX_LIMIT, Listing, Slice
from services.payments.models import RefundState
from services.payments.refund_queries import RefundFilter, RefundRow, list_refunds, waiting

PATH = "/console/refunds"
RULES = f"{PATH}/rules"
_FILTERS = (
    Choice("state", "State", {state.value: words.words_of(state).text for state in RefundState}),
    Choice("by", "Asked by", {"me": "Me"}),
)
VIEWS: tuple[BuiltIn, ...] = (
    ("All", {}),
    ("Wait for a second person", {"state": RefundState.ASKED.value}),
    ("Refused by Wave", {"state": RefundState.FAILED.value}),
    ("Asked by me", {"by": "me"}),
)
_OLDEST_FIRST = Slice(limit=MAX_LIMIT, sort="created", descending=False)


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    chosen = state.filters.get("state")
    wanted = RefundFilter(
        states=frozenset({RefundState(chosen)}) if chosen else frozenset(),
        search=state.search,
        asked_by_id=actor.id if state.filters.get("by") else None,
    )
    found = await in_transaction(list_refunds, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(cells(row) for row in found.rows), found.total, found.is_estimate)


_DEFAULT = ListState(sort="created")
FILE = list_file(PATH, "refunds", columns=COLUMNS, load=load, default=_DEFAULT, filters=_FILTERS)


async def _all_in(actor: Principal, state: RefundState) -> Listing[RefundRow]:
    return await in_transaction(list_refunds, actor=actor, wanted=RefundFilter(frozenset({state})), part=_OLDEST_FIRST)


@console_page(PATH, title="Refunds", permission=Permission.PAYMENTS_REFUND, icon="undo", group="Money", in_navigation=True)
async def refunds_page(actor: Principal) -> None:
    with page_header("Refunds"):
        action_button("Limits", lambda: ui.navigate.to(RULES), icon="tune").mark("limits")
    lead = ui.label().classes("soft").mark("waiting")
    open_ones = ui.element("div").classes("stack w-full").props("aria-live=polite")

    async def draw() -> None:
        by = await current_staff()
        number = await in_transaction(waiting, actor=by)
        asked, failed = await _all_in(by, RefundState.ASKED), await _all_in(by, RefundState.FAILED)
        lead.text = _lead(number)
        open_ones.clear()
        with open_ones:
            _open(asked, failed, by, refresh)

    async def refresh() -> None:
        with silent_on_refusal():
            await draw()
        await table.refresh()

    with panel("All refunds", flush=True):
        table = ServerTable(
            path=PATH,
            marker="refunds",
            file=FILE,
            views=VIEWS,
            columns=COLUMNS,
            load=load,
            default=_DEFAULT,
            search="Receipt code",
            filters=_FILTERS,
            folded_from=1,
            empty=("No refund yet", "The money of a payment is given back from the payment's own page."),
        )
    await draw()
    await table.first()
    refresh_on(("refunds",), refresh)


def _lead(number: int) -> str:
    if not number:
        return "None waits for a second person."
    return f"{number:,} {'waits' if number == 1 else 'wait'} for a second person, who is never the one who asked."


def _open(asked: Listing[RefundRow], failed: Listing[RefundRow], actor: Principal, refresh: Done) -> None:
    if failed.rows:
        with panel("Refused by Wave", aside=f"{failed.total:,} owed to customers", flush=True) as refused:
            refused.mark("failed")
            failed_rows(failed.rows, failed.total, actor, refresh)
    with panel("Wait for a second person", aside="oldest first" if asked.rows else "", flush=bool(asked.rows)):
        if asked.rows:
            waiting_rows(asked.rows, asked.total, actor, refresh)
        else:
            empty_state("Nothing to decide", "What is above somebody's own limit waits here until another person agrees.", icon="task_alt")
