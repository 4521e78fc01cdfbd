"""Time given back for outages: the sums, the rule by which it is given, and every row, for the Billing Officer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import anyio.to_thread
from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction, transaction
from pages.compensation_rule import rule_panel
from pages.components import words
from pages.components.columns import Column, time_cell
from pages.components.list_state import Day, ListState
from pages.components.parts import action_button, page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.access import compensation
from services.access.compensation import CompensationFilter, CompensationRow, CompensationSum, list_compensations, sum_of
from services.access.outage_models import CompensationRule
from services.accounts.permissions import Permission, Principal
from services.listing import Listing

PATH = "/console/compensation"
COLUMNS = (
    Column("phone", "Customer", phone="title"),
    Column("given", "Given back", phone="corner"),
    Column("worth", "Worth", "money"),
    Column("incident", "Incident", "link"),
    Column("place", "Place"),
    Column("lost_from", "Clock stood from", "time"),
    Column("lost_until", "Until", "time", phone="hide"),
    Column("created", "Given", "time", sortable=True),
)


@dataclass(frozen=True)
class _Numbers:
    """Sums of what was given since each beginning, by its words."""

    sums: dict[str, CompensationSum]
    rule: CompensationRule
    history: tuple[CompensationRule, ...]


def row_cells(row: CompensationRow) -> dict[str, Any]:
    given = row.compensation
    return {
        "id": given.id,
        "href": f"/console/incidents/{row.incident.reference}",
        "phone": row.customer.masked_phone if row.customer else "By voucher",
        "given": words.span(given.seconds),
        "worth": words.money(given.worth_bututs),
        "incident": row.incident.reference,
        "place": row.site_name,
        "lost_from": time_cell(given.lost_from),
        "lost_until": time_cell(given.lost_until),
        "created": time_cell(given.created_at),
    }


def wanted_in(state: ListState) -> CompensationFilter:
    return CompensationFilter(search=state.search, since=state.day("from"), until=state.day("to", after=True))


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(list_compensations, actor=actor, wanted=wanted_in(state), part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


async def _numbers(actor: Principal) -> _Numbers:
    now = utc_now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    since = {"Today": today, "Last 7 days": today - timedelta(days=6), f"In {now:%B}": today.replace(day=1)}
    return _Numbers(
        {name: await _sum_since(actor, begin) for name, begin in since.items()},
        await in_transaction(compensation.current_rule, actor=actor, now=now),
        tuple(await in_transaction(compensation.rule_history, actor=actor)),
    )


async def _sum_since(actor: Principal, since: datetime) -> CompensationSum:
    return await in_transaction(sum_of, actor=actor, wanted=CompensationFilter(since=since))


@console_page(PATH, title="Compensation", permission=Permission.COMPENSATION_READ, icon="more_time", group="Shop", in_navigation=True)
async def compensation_page(actor: Principal) -> None:
    with page_header("Compensation", lead="Paid time that outages took, and that came back to customers by itself."):
        action_button("Download CSV", lambda: _download(table), icon="download").mark("csv")
    tiles = ui.element("div").classes("tiles")
    table = ServerTable(
        path=PATH,
        marker="compensations",
        columns=COLUMNS,
        load=load,
        default=ListState(sort="created"),
        search="Incident, place or phone",
        filters=(Day("from", "From"), Day("to", "To")),
        empty=("Nothing given back yet", "When an outage is over, everybody whose clock stood long enough is here."),
    )
    rule = ui.element("div").classes("columns wide-left")
    await table.first()

    def draw(shown: _Numbers, by: Principal) -> None:
        tiles.clear()
        with tiles:
            for name, total in shown.sums.items():
                _tile(name, total)
        rule.clear()
        with rule:
            rule_panel(shown.rule, shown.history, may_edit=by.may(Permission.COMPENSATION_EDIT), changed=refresh)

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await _numbers(by), by)
        await table.refresh()

    draw(await _numbers(actor), actor)
    refresh_on(("incidents", "sessions"), refresh)


def _tile(name: str, total: CompensationSum) -> None:
    with ui.element("div").classes("tile"):
        ui.label(name).classes("label")
        ui.label(words.span(total.seconds) if total.seconds else "nothing").classes("number")
        times = "once" if total.count == 1 else f"{total.count:,} times"
        ui.label(f"{times}, worth {words.money(total.worth_bututs)}" if total.count else "no outage cost anybody time").classes("note")


async def _download(table: ServerTable) -> None:
    with toast_on_refusal():
        wanted = wanted_in(table.state)
        lines = compensation.csv_lines(transaction, actor=await current_staff(), wanted=wanted)
        data = await anyio.to_thread.run_sync(partial("".join, lines))
        ui.download.content(data.encode(), f"compensation-{utc_now():%Y-%m-%d}.csv", "text/csv; charset=utf-8")
