"""Discovery on the console: how the last one went, asking for one now, and those before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.settings import get_settings
from pages.components import words
from pages.components.columns import Cell, Column, chip_cell, state_cell, time_cell
from pages.components.dialogs import confirm, dialog_card
from pages.components.list_state import ListState
from pages.components.parts import action_button, chip, moment, panel, tone_chip
from pages.components.table import ServerTable
from pages.network_parts import check_notices
from pages.shell import current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.network import discovery
from services.network.alarm_models import CheckOutcome, DiscoveryRun, NetworkCheck
from services.network.checks import under_way
from services.network.queries import NetworkSummary, list_runs, network_summary

Refresh = Callable[[], Awaitable[None]]
_LOOK_SECONDS = 2.0
_SURE = (
    "OpenWISP listed far fewer access points than are known here, and nothing was changed, since that is mostly a lost right or a broken "
    "list. If they were really removed there, this run marks them as vanished. Nothing is deleted."
)
_NUMBERS = ("listed", "created", "changed", "vanished", "returned")
_RUN_COLUMNS = (
    Column("started", "Started", "time", phone="title"),
    Column("outcome", "Outcome", "chip", phone="corner"),
    Column("counts", "Found"),
    Column("message", "In words"),
    Column("by", "Asked by"),
    Column("took", "Took", phone="hide"),
)


async def discovery_panel(actor: Principal) -> Refresh:
    """Draw it; answers what brings it up to date."""
    place = ui.element("div").classes("stack near")

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(*await _load(by), by)

    # Only looked at while somebody waits: the start of a run is no news, its end is.
    look = ui.timer(_LOOK_SECONDS, refresh, active=False, immediate=False)

    def draw(summary: NetworkSummary, newest: DiscoveryRun | None, by: Principal) -> None:
        look.active = under_way(summary.discovery, now=utc_now())
        place.clear()
        with place:
            check_notices(summary)
            with panel("Discovery", aside="every hour, and now if you ask"):
                _panel(summary.discovery, newest, by, refresh)

    draw(*await _load(actor), actor)
    return refresh


async def _load(actor: Principal) -> tuple[NetworkSummary, DiscoveryRun | None]:
    summary = await in_transaction(network_summary, actor=actor)
    runs = await in_transaction(list_runs, actor=actor, part=ListState(per_page=1).part)
    return summary, next(iter(runs.rows), None)


def _panel(check: NetworkCheck | None, newest: DiscoveryRun | None, actor: Principal, refresh: Refresh) -> None:
    is_running = under_way(check, now=utc_now())
    with ui.element("div").classes("line w-full"):
        if is_running:
            ui.spinner(size="20px")
            tone_chip("Under way", "busy").mark("discovery-state")
            ui.label("OpenWISP is being asked.").classes("soft")
        elif check is None or check.outcome is None:
            tone_chip("Never run", "off").mark("discovery-state")
        else:
            chip(check.outcome).mark("discovery-state")
            moment(check.ended_at)
        ui.element("div").classes("col-grow")
        action_button("History", partial(_history, actor), icon="history").mark("discovery-history")
        if actor.may(Permission.NETWORK_EDIT) and get_settings().openwisp_base_url:
            if check is not None and check.outcome is CheckOutcome.SUDDEN_LOSS and not is_running:
                action_button("They are really gone", partial(_accept, refresh), icon="playlist_remove", danger=True).mark("accept-loss")
            button = action_button("Discover now", partial(_ask, refresh), icon="radar", main=True).mark("discover")
            button.set_enabled(not is_running)
    # A failure is told above, for the whole page.
    if newest is not None and newest.outcome is CheckOutcome.DONE and not is_running:
        ui.label(newest.message).classes("soft q-mt-sm").mark("discovery-words")
        _examples(newest)


def _examples(run: DiscoveryRun) -> None:
    told = {
        "created": "New",
        "changed": "Changed",
        "vanished": "Vanished",
        "returned": "Back again",
        "ambiguous": "Not linked, MAC not unique",
    }
    for kind, label in told.items():
        if names := run.examples.get(kind):
            more = getattr(run, kind, len(names)) - len(names)
            ui.label(f"{label}: {', '.join(names)}" + (f" and {more:,} more" if more > 0 else "")).classes("small soft")


async def _ask(refresh: Refresh, *, accept_loss: bool = False) -> None:
    # On the page itself: news of the run redraws the button before this is done.
    with ui.context.client.content, toast_on_refusal():
        await in_transaction(discovery.request, actor=await current_staff(), accept_loss=accept_loss, now=utc_now())
        ui.notify("Asked. A worker looks at once; what it finds is shown here.", type="positive")
        await refresh()
        # The worker takes a moment to begin.
        ui.timer(_LOOK_SECONDS, refresh, once=True)


async def _accept(refresh: Refresh) -> None:
    with ui.context.client.content:
        answer = await confirm("Are they really gone?", _SURE, yes="Discover, and believe it", danger=True)
        if answer is not None:
            await _ask(refresh, accept_loss=True)


async def _history(actor: Principal) -> None:
    with dialog_card("Discoveries", is_wide=True) as dialog:
        table = ServerTable(
            path="",
            marker="runs",
            columns=_RUN_COLUMNS,
            load=_runs,
            default=ListState(sort="started"),
            empty=("No discovery yet", ""),
            in_address=False,
        )
        with ui.element("div").classes("buttons"):
            ui.button("Close", on_click=dialog.close).props("flat color=link")
    dialog.open()
    await table.reload()


async def _runs(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(list_runs, actor=actor, part=state.part)
    return Listing(tuple(_run_cells(run) for run in found.rows), found.total, found.is_estimate)


def _run_cells(run: DiscoveryRun) -> dict[str, Any]:
    outcome: Cell = state_cell(run.outcome) if run.outcome else chip_cell("Under way", "busy")
    counts = ", ".join(f"{number:,} {name}" for name in _NUMBERS if (number := getattr(run, name)))
    return {
        "id": run.id,
        "started": time_cell(run.started_at),
        "outcome": outcome,
        "counts": counts,
        "message": run.message,
        "by": run.asked_by.partition(":")[2] or run.asked_by,
        "took": words.span(int((run.ended_at - run.started_at).total_seconds())) if run.ended_at else None,
    }
