"""The list of access points, and the discovery that finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from app.db import in_transaction
from pages.components import words
from pages.components.bulk_bar import bulk_of
from pages.components.columns import Column, chip_cell, state_cell, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import Choice, Filter, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import page_header
from pages.components.table import ServerTable
from pages.discovery_panel import discovery_panel
from pages.live import refresh_on
from pages.network_parts import MAP_PATH, POINTS_PATH
from pages.shell import console_page
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.network.access_point_queries import AccessPointFilter, AccessPointRow, Presence, list_access_points
from services.network.models import Health
from services.network.site_queries import site_choices

_SHOW: dict[Presence, str] = {"present": "In OpenWISP", "vanished": "Vanished", "all": "All"}
_NO_SITE = "none"
_LINKED, _UNLINKED = "yes", "no"
COLUMNS = (
    Column("name", "Name", "link", sortable=True, phone="title"),
    Column("health", "Health", "chip", phone="corner"),
    Column("since", "Since", "time"),
    Column("site", "Site"),
    Column("gateway", "Gateway"),
    Column("model", "Model", phone="hide"),
    Column("mac", "MAC", "code", hidden=True),
    Column("address", "Address", "code", hidden=True),
)
VIEWS: tuple[BuiltIn, ...] = (
    ("All", {}),
    ("Offline", {"health": Health.OFFLINE.value}),
    ("Not linked", {"linked": _UNLINKED}),
    ("Vanished", {"show": "vanished"}),
)


def row_cells(row: AccessPointRow) -> dict[str, Any]:
    point = row.point
    return {
        "id": row.id,
        "href": f"{POINTS_PATH}/{row.id}",
        "name": point.name,
        "health": chip_cell("Vanished", "off") if point.vanished_at else state_cell(point.health),
        "since": time_cell(point.vanished_at or point.health_since),
        "site": row.site_name,
        "gateway": row.gateway_name,
        "model": point.model,
        "mac": point.mac,
        "address": point.address,
    }


def wanted_by(state: ListState, *, site_id: int | None = None) -> AccessPointFilter:
    """What the filters of the address ask for; `site_id` is fixed on a site's own page."""
    chosen = state.filters.get
    site, linked, health = chosen("site", ""), chosen("linked"), chosen("health")
    return AccessPointFilter(
        presence=next((name for name in _SHOW if name == chosen("show")), "present"),
        health=Health(health) if health else None,
        site_id=site_id if site_id is not None else int(site) if site.isdecimal() else None,
        has_site=False if site == _NO_SITE else None,
        is_linked=None if not linked else linked == _LINKED,
        search=state.search,
    )


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(list_access_points, actor=actor, wanted=wanted_by(state), part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


def _filters(sites: Mapping[str, str]) -> tuple[Filter, ...]:
    return (
        Choice("health", "Health", {state.value: words.words_of(state).text for state in Health}),
        Choice("site", "Site", {_NO_SITE: "No site", **sites}),
        Choice("linked", "Gateway", {_LINKED: "Linked", _UNLINKED: "Not linked"}),
        Choice("show", "Show", dict(_SHOW.items())),
    )


async def filters_for(actor: Principal) -> Sequence[Filter]:
    return _filters(await in_transaction(site_choices, actor=actor))


_DEFAULT = ListState(sort="name", descending=False, filters={"show": "present"})
FILE = list_file(POINTS_PATH, "access-points", columns=COLUMNS, load=load, default=_DEFAULT, filters=filters_for, is_audited=False)


@console_page(
    POINTS_PATH, title="Access points", permission=Permission.NETWORK_READ, icon="cell_tower", group="Network", in_navigation=True
)
async def access_points_page(actor: Principal) -> None:
    asked = ui.context.client.request.query_params.get("site", "")
    besides = int(asked) if asked.isdecimal() and len(asked) < 19 else None
    sites = await in_transaction(site_choices, actor=actor, besides=besides)
    with page_header("Access points", lead="The radios that OpenWISP manages, how they fare, and to which router each belongs."):
        pass
    refresh_panel = await discovery_panel(actor)
    table = ServerTable(
        path=POINTS_PATH,
        marker="access-points",
        file=FILE,
        bulk=bulk_of("access-points", actor),
        views=VIEWS,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Name, MAC or address",
        filters=_filters(sites),
        empty=("No access points yet", "Discovery finds them in OpenWISP, every hour and when you ask for it."),
    )
    await table.first()
    ui.link("On the map", MAP_PATH).classes("small")

    async def refresh() -> None:
        await refresh_panel()
        await table.refresh()

    refresh_on(("network",), refresh)
