"""The up-time report: how access points or sites fared in a month or any range, the worst first, and as a file."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import anyio.to_thread
from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction, transaction
from pages.components import words
from pages.components.columns import Column
from pages.components.list_state import Choice, Day, ListState
from pages.components.parts import action_button, page_header, tile
from pages.components.table import ServerTable
from pages.shell import console_page, current_staff, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.network.uptime import Uptime, begins_at, month_after, month_of
from services.network.uptime_ranking import Ranked, Ranking, ranking
from services.network.uptime_report import By, Range, csv_lines

PATH = "/console/uptime"
COLUMNS = (
    Column("name", "Name", "link", sortable=True, phone="title"),
    Column("site", "Site"),
    Column("share", "Up-time", sortable=True, phone="corner"),
    Column("down", "Down", sortable=True),
    Column("seconds", "Down, in seconds", phone="hide"),
    Column("incidents", "Incidents", sortable=True),
    Column("unknown", "Unknown"),
)
_BY = {"site": "Sites", "access_point": "Access points"}
_MONTHS = 14


def months(now: datetime) -> dict[str, str]:
    """The running month and those before it, by what stands in the address."""
    last = month_of(now)
    wanted = [month_after(last, -back) for back in range(_MONTHS)]
    return {f"{month:%Y-%m}": f"{month:%B %Y}" for month in wanted}


def span_in(state: ListState, *, now: datetime) -> Range:
    """The chosen days, else the chosen month, else the running one. A range that ends before it begins is its first day."""
    since, until = state.day("from"), state.day("to", after=True)
    if since is not None or until is not None:
        start = since or begins_at(month_of(now))
        return Range(start, max(until or now, start))
    month = month_of(datetime.fromisoformat(f"{state.filters['month']}-01T00:00:00+00:00") if "month" in state.filters else now)
    return Range(begins_at(month), begins_at(month_after(month)))


def by_in(state: ListState) -> By:
    return "access_point" if state.filters.get("by") == "access_point" else "site"


def percent(uptime: Uptime) -> str | None:
    """`99.97 %`. Never rounded up to 100: whoever was down for a second was down."""
    if uptime.share is None:
        return None
    return "100 %" if uptime.offline == 0 else f"{int(uptime.share * 10_000) / 100:.2f} %"


def row_cells(ranked: Ranked, by: By) -> dict[str, Any]:
    row = ranked.row
    return {
        "id": row.id,
        "href": f"/console/{'access-points' if by == 'access_point' else 'sites'}/{row.id}",
        "name": row.name,
        "site": row.site,
        "share": percent(row.uptime),
        "down": words.span(row.uptime.offline) if row.uptime.offline else "never" if row.uptime.counted else None,
        "seconds": f"{row.uptime.offline:,}",
        "incidents": f"{ranked.incidents:,}",
        "unknown": words.span(row.uptime.unknown) if row.uptime.unknown else None,
    }


@console_page(PATH, title="Up-time", permission=Permission.NETWORK_READ, icon="insights", group="Network", in_navigation=True)
async def uptime_page() -> None:
    with page_header("Up-time", lead="Counted to the second from what two health polls agreed on. What is unknown counts neither way."):
        action_button("Download CSV", lambda: _download(table), icon="download").mark("csv")
    tiles = ui.element("div").classes("tiles")
    opened_at = utc_now()

    async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
        now = utc_now()
        by, span = by_in(state), span_in(state, now=now)
        found = await in_transaction(ranking, actor=actor, by=by, span=span, part=state.part, search=state.search, now=now)
        tiles.clear()
        with tiles:
            _tiles(found, by, span)
        rows = tuple(row_cells(row, by) for row in found.listing.rows)
        return Listing(rows, found.listing.total, found.listing.is_estimate)

    table = ServerTable(
        path=PATH,
        marker="uptime",
        columns=COLUMNS,
        load=load,
        default=ListState(sort="share", descending=False, filters={"by": "site", "month": f"{opened_at:%Y-%m}"}),
        search="Site or access point",
        filters=(Choice("by", "Of", _BY), Choice("month", "Month", months(opened_at)), Day("from", "Or from"), Day("to", "To")),
        views=(("Sites", {}), ("Access points", {"by": "access_point"})),
        empty=("No access points yet", "They are discovered from OpenWISP, and their time counts from then on."),
    )
    await table.first()


def _tiles(found: Ranking, by: By, span: Range) -> None:
    whole = found.whole
    lines = (
        ("Up-time", percent(whole) or "unknown", f"{span.start:%d %b %Y} to {span.end:%d %b %Y}"),
        ("Down", words.span(whole.offline) if whole.offline else "never", f"{whole.offline:,} seconds of {whole.counted:,}"),
        ("Incidents", f"{found.incidents:,}", "false alarms left out"),
        (_BY[by], f"{found.listing.total:,}", f"{words.span(whole.unknown)} unknown" if whole.unknown else "nothing unknown"),
    )
    for label, number, note in lines:
        tile(label, number, note)


async def _download(table: ServerTable) -> None:
    with toast_on_refusal():
        now = utc_now()
        by, span = by_in(table.state), span_in(table.state, now=now)
        lines = csv_lines(transaction, actor=await current_staff(), by=by, span=span, search=table.state.search, now=now)
        data = await anyio.to_thread.run_sync(partial("".join, lines))
        name = f"up-time-{by.replace('_', '-')}s-{span.start:%Y-%m-%d}.csv"
        ui.download.content(data.encode(), name, "text/csv; charset=utf-8")
