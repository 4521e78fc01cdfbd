"""The list of gateways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.again import again_every
from pages.components.columns import Cell, Column, chip_cell, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import Choice, Filter, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import action_button, page_header
from pages.components.table import ServerTable
from pages.components.words import Tone
from pages.gateway_wizard import PATH as WIZARD
from pages.live import refresh_on
from pages.shell import console_page
from services.access.queries import GatewayRow, list_gateways
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.network.site_queries import site_choices

PATH = "/console/gateways"
_REFRESH_SECONDS = 15.0
COLUMNS = (
    Column("name", "Name", "link", sortable=True, phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("site", "Site"),
    Column("slug", "Address", "code"),
    Column("level", "Level", phone="hide"),
    Column("version", "openNDS"),
    Column("poll", "Last poll", "time"),
    Column("created", "Registered", "time", sortable=True, phone="hide", hidden=True),
    Column("mac", "MAC", "code", hidden=True),
    Column("key", "Key since", "time", hidden=True),
)
VIEWS: tuple[BuiltIn, ...] = (("All", {}), ("Silent", {"silent": "yes"}))


def liveness(row: GatewayRow) -> tuple[str, Tone]:
    if row.last_poll_at is None:
        return "Never polled", "wait"
    return ("Silent", "bad") if row.is_silent(now=utc_now()) else ("Polling", "good")


def _state(row: GatewayRow) -> Cell:
    return chip_cell(*liveness(row))


def row_cells(row: GatewayRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "href": f"{PATH}/{row.slug}",
        "name": row.name,
        "state": _state(row),
        "site": row.site_name,
        "slug": row.slug,
        "level": str(row.level),
        "version": row.version,
        "poll": time_cell(row.last_poll_at),
        "created": time_cell(row.created_at),
        "mac": row.mac,
        "key": time_cell(row.key_since),
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    silent, site = state.filters.get("silent"), state.filters.get("site")
    found = await in_transaction(
        list_gateways,
        actor=actor,
        search=state.search,
        part=state.part,
        is_silent=silent == "yes" if silent else None,
        site_id=int(site) if site else None,
    )
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


async def filters_for(actor: Principal) -> Sequence[Filter]:
    sites = await in_transaction(site_choices, actor=actor) if actor.may(Permission.NETWORK_READ) else {}
    return Choice("silent", "Alarm", {"yes": "Silent", "no": "None"}), Choice("site", "Site", sites)


_DEFAULT = ListState(sort="name", descending=False)
FILE = list_file(PATH, "gateways", columns=COLUMNS, load=load, default=_DEFAULT, filters=filters_for, is_audited=False)


@console_page(PATH, title="Gateways", permission=Permission.GATEWAYS_READ, icon="router", group="Network", in_navigation=True)
async def gateways_page(actor: Principal) -> None:
    with page_header("Gateways", lead="The openNDS routers at the hotspots. Each asks us every few seconds whom to let in."):
        if actor.may(Permission.GATEWAYS_EDIT):
            action_button("Register a router", lambda: ui.navigate.to(WIZARD), icon="add", main=True).props("data-key=n").mark("register")
    table = ServerTable(
        path=PATH,
        marker="gateways",
        file=FILE,
        views=VIEWS,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Name, site or address",
        filters=await filters_for(actor),
        empty=("No gateways yet", "Register the first router, then paste its settings into it."),
    )
    await table.first()
    refresh_on(("gateways",), table.refresh)
    # Polls are too many to be news; the page looks at them now and then.
    again_every(_REFRESH_SECONDS, table.refresh)
