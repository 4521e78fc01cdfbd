"""Outages, and the warnings about the network that stand."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages import alarms
from pages.components import words
from pages.components.again import again_every
from pages.components.bulk_bar import bulk_of
from pages.components.columns import Column, state_cell, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import Choice, Day, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import page_header, panel
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.network.alarm_models import AlarmKind
from services.network.glance import count_standing, past_alarms, standing_alarms
from services.network.incident_models import IncidentState
from services.network.incident_queries import IncidentFilter, IncidentRow, list_incidents

PATH = "/console/incidents"
COLUMNS = (
    Column("reference", "Incident", "link", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("place", "Place"),
    Column("access_points", "Access points"),
    Column("started", "Began", "time", sortable=True),
    Column("lasted", "Lasted"),
    Column("hit", "Customers hit"),
    Column("given", "Time given back"),
)
_STATES = Choice("state", "State", {state.value: words.words_of(state).text for state in IncidentState})
_FILTERS = (_STATES, Day("from", "From"), Day("to", "To"))
VIEWS: tuple[BuiltIn, ...] = (("All", {}), ("Open", {"state": IncidentState.OPEN.value}))
# How long open ones last goes on while nothing happens.
_REFRESH_SECONDS = 30.0


def row_cells(row: IncidentRow) -> dict[str, Any]:
    incident = row.incident
    return {
        "id": incident.id,
        "href": f"{PATH}/{incident.reference}",
        "reference": incident.reference,
        "state": state_cell(incident.state),
        "place": row.place,
        "access_points": f"{row.access_points:,}",
        "started": time_cell(incident.started_at),
        "lasted": words.span(int(row.lasted(now=utc_now()).total_seconds())),
        "hit": f"{row.hit:,}" if row.hit else None,
        "given": words.span(row.given_seconds) if row.given_seconds else None,
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    chosen = state.filters.get("state")
    wanted = IncidentFilter(
        state=IncidentState(chosen) if chosen else None,
        search=state.search,
        since=state.day("from"),
        until=state.day("to", after=True),
    )
    found = await in_transaction(list_incidents, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


async def load_past_alarms(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    chosen = state.filters.get(alarms.KINDS.name)
    found = await in_transaction(past_alarms, actor=actor, kind=AlarmKind(chosen) if chosen else None, part=state.part)
    return Listing(tuple(alarms.past_cells(row) for row in found.rows), found.total, found.is_estimate)


_DEFAULT = ListState(sort="started")
FILE = list_file(PATH, "incidents", columns=COLUMNS, load=load, default=_DEFAULT, filters=_FILTERS, is_audited=False)

PAST_FILE = list_file(
    "/console/alarms",
    "past-alarms",
    columns=alarms.COLUMNS,
    load=load_past_alarms,
    default=_DEFAULT,
    filters=(alarms.KINDS,),
    is_audited=False,
)


@console_page(PATH, title="Incidents", permission=Permission.NETWORK_READ, icon="warning_amber", group="Network", in_navigation=True)
async def incidents_page(actor: Principal) -> None:
    with page_header(
        "Incidents", lead="Outages, one for each place and cause. While one is open, the clocks of those who are cut off stand."
    ):
        pass
    table = ServerTable(
        path=PATH,
        marker="incidents",
        file=FILE,
        bulk=bulk_of("incidents", actor),
        views=VIEWS,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Incident, place or access point",
        filters=_FILTERS,
        empty=("No outages", "When an access point is down in two health polls in a row, it is here by itself."),
    )
    await table.first()
    standing = ui.element("div").classes("w-full")
    with panel("Alarms that are over", flush=True):
        past = ServerTable(
            path=PATH,
            marker="past-alarms",
            columns=alarms.COLUMNS,
            load=load_past_alarms,
            default=_DEFAULT,
            file=PAST_FILE,
            filters=(alarms.KINDS,),
            empty=("None yet", "An alarm ends by itself when its cause is gone, and is kept here."),
            in_address=False,
        )
    await past.first()

    async def draw_standing(by: Principal) -> None:
        rows = await in_transaction(standing_alarms, actor=by)
        total = await in_transaction(count_standing)
        standing.clear()
        with standing:
            alarms.standing_panel(rows, by, total=total)

    async def refresh_alarms() -> None:
        with silent_on_refusal():
            await draw_standing(await current_staff())
        await past.refresh()

    await draw_standing(actor)
    refresh_on(("incidents", "sessions"), table.refresh)
    refresh_on(("alarms",), refresh_alarms)
    again_every(_REFRESH_SECONDS, table.refresh)
