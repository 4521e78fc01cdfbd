"""The list of sites: how the access points of each fare, who is online there, and its up-time this month."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from pages.components.columns import Cell, Column, chip_cell
from pages.components.health_strip import share_text
from pages.components.list_file import list_file
from pages.components.list_state import ListState
from pages.components.parts import action_button, page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.network_parts import MAP_PATH, SITES_PATH
from pages.shell import console_page
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.network.site_queries import SiteFigures, SiteRow, figures_of, list_sites

COLUMNS = (
    Column("name", "Name", "link", sortable=True, phone="title"),
    Column("points", "Access points", "chip", phone="corner"),
    Column("gateways", "Gateways"),
    Column("live", "Online now"),
    Column("uptime", "Up-time this month"),
    Column("address", "Address", phone="hide"),
    Column("position", "On the map", phone="hide", hidden=True),
)


def points_cell(row: SiteRow) -> Cell:
    up, total = row.access_points_up, row.access_point_count
    if not total:
        return chip_cell("None", "off")
    return chip_cell(f"{up} of {total} up", "good" if up == total else "bad" if up == 0 else "wait")


def row_cells(row: SiteRow, figures: SiteFigures) -> dict[str, Any]:
    return {
        "id": row.id,
        "href": f"{SITES_PATH}/{row.id}",
        "name": row.name,
        "points": points_cell(row),
        "gateways": str(row.gateway_count),
        "live": None if figures.live_sessions is None else f"{figures.live_sessions:,}",
        "uptime": share_text(figures.uptime),
        "address": row.address,
        "position": "yes" if row.latitude is not None else "no position",
    }


def _load(session: Session, *, actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = list_sites(session, actor=actor, search=state.search, part=state.part)
    figures = figures_of(session, actor=actor, site_ids=[row.id for row in found.rows], now=utc_now())
    return Listing(tuple(row_cells(row, figures[row.id]) for row in found.rows), found.total, found.is_estimate)


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    return await in_transaction(_load, actor=actor, state=state)


_DEFAULT = ListState(sort="name", descending=False)
FILE = list_file(SITES_PATH, "sites", columns=COLUMNS, load=load, default=_DEFAULT, is_audited=False)


@console_page(SITES_PATH, title="Sites", permission=Permission.NETWORK_READ, icon="place", group="Network", in_navigation=True)
async def sites_page(actor: Principal) -> None:
    with page_header("Sites", lead="The places where gateways and access points stand."):
        action_button("On the map", lambda: ui.navigate.to(MAP_PATH), icon="map")
    table = ServerTable(
        path=SITES_PATH,
        marker="sites",
        file=FILE,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Name or address",
        empty=("No sites yet", "They come with the places of OpenWISP, and with the gateways that are registered."),
    )
    await table.first()
    refresh_on(("network", "sessions", "gateways"), table.refresh)
