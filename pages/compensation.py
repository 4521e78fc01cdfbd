"""Time given back for outages: the sums, the rule by which it is given, and every row, for the Billing Officer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.compensation_rule import rule_panel
from pages.components import words
from pages.components.columns import Column, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import Day, ListState
from pages.components.parts import page_header, tile
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal
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
    Column("seconds", "Seconds", "number", hidden=True),
    Column("number", "Customer number", "number", hidden=True),
)
_FILTERS = (Day("from", "From"), Day("to", "To"))


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
        "seconds": f"{given.seconds:,}",
        "number": str(given.customer_id) if given.customer_id else None,
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


_DEFAULT = ListState(sort="created")
FILE = list_file(PATH, "compensations", columns=COLUMNS, load=load, default=_DEFAULT, filters=_FILTERS)


@console_page(PATH, title="Compensation", permission=Permission.COMPENSATION_READ, icon="more_time", group="Shop", in_navigation=True)
async def compensation_page(actor: Principal) -> None:
    with page_header("Compensation", lead="Paid time that outages took, and that came back to customers by itself."):
        pass
    tiles = ui.element("div").classes("tiles")
    table = ServerTable(
        path=PATH,
        marker="compensations",
        file=FILE,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Incident, place or phone",
        filters=_FILTERS,
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
    times = "once" if total.count == 1 else f"{total.count:,} times"
    note = f"{times}, worth {words.money(total.worth_bututs)}" if total.count else "no outage cost anybody time"
    tile(name, words.span(total.seconds) if total.seconds else "nothing", note)
