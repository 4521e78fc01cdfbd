"""The list of gateways, and registering one."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.settings import get_settings
from pages.components.dialogs import dialog_card, enable_again
from pages.components.parts import action_button, notice, page_header
from pages.components.table import Cell, Column, ListState, ServerTable, chip_cell, time_cell
from pages.components.words import Tone
from pages.gateway import snippet
from pages.live import refresh_on
from pages.shell import console_page, current_staff, toast_on_refusal
from services.access.desk import register_gateway, snippet_for
from services.access.gateways import new_identity
from services.access.queries import GatewayRow, list_gateways
from services.accounts.permissions import Permission, Principal
from services.listing import Listing

PATH = "/console/gateways"
_LEVELS = {4: "4: the router asks for its grants over HTTPS, signed (recommended)", 3: "3: for routers without an HTTPS client"}
_REFRESH_SECONDS = 15.0
COLUMNS = (
    Column("name", "Name", "link", sortable=True, phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("site", "Site"),
    Column("slug", "Address", "code"),
    Column("level", "Level"),
    Column("poll", "Last poll", "time"),
    Column("created", "Registered", "time", sortable=True, phone="hide"),
)


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
        "poll": time_cell(row.last_poll_at),
        "created": time_cell(row.created_at),
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(list_gateways, actor=actor, search=state.search, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


@console_page(PATH, title="Gateways", permission=Permission.GATEWAYS_READ, icon="router", group="Network", in_navigation=True)
async def gateways_page(actor: Principal) -> None:
    with page_header("Gateways", lead="The openNDS routers at the hotspots. Each asks us every few seconds whom to let in."):
        if actor.may(Permission.GATEWAYS_EDIT):
            action_button("Register a router", lambda: _wizard(table), icon="add", main=True).mark("register")
    table = ServerTable(
        path=PATH,
        marker="gateways",
        columns=COLUMNS,
        load=load,
        default=ListState(sort="name", descending=False),
        search="Name, site or address",
        empty=("No gateways yet", "Register the first router, then paste its settings into it."),
    )
    await table.first()
    refresh_on(("gateways",), table.refresh)
    # Polls are too many to be news; the page looks at them now and then.
    ui.timer(_REFRESH_SECONDS, table.refresh, immediate=False)


def _wizard(table: ServerTable) -> None:
    """Two steps: name the place; paste the settings, whose identity and key were made here."""
    slug, gateway_name, faskey = new_identity()
    with dialog_card("Register a router") as dialog:
        dialog.props("persistent")
        body = ui.element("div").classes("stack")

        async def register() -> None:
            button.disable()
            with toast_on_refusal():
                by = await current_staff()
                await in_transaction(
                    register_gateway,
                    actor=by,
                    slug=(address.value or "").strip(),
                    gateway_name=gateway_name,
                    faskey=faskey,
                    level=int(level.value),
                    name=(name.value or "").strip()[:120],
                    site_name=(site.value or "").strip()[:120] or None,
                    now=utc_now(),
                )
                public_url = get_settings().public_url
                settings = await in_transaction(
                    snippet_for, actor=by, slug=(address.value or "").strip(), public_url=public_url, reveal=True, now=utc_now()
                )
                body.clear()
                with body:
                    notice("good", "Put this into /etc/config/opennds on the router and restart openNDS. It is polling within a minute.")
                    snippet(settings)
                    with ui.element("div").classes("buttons"):
                        ui.button("Done", on_click=dialog.close).props("unelevated color=primary").mark("done")
                await table.reload()
            enable_again(button)

        with body:
            ui.label("Identity and key are made here at random; you only say where the router stands.").classes("soft")
            name = (
                ui.input("Name, such as Serekunda Market north")
                .props("outlined autofocus maxlength=120")
                .classes("w-full")
                .mark("gateway-name")
            )
            site = ui.input("Site (may stay empty)").props("outlined maxlength=120").classes("w-full").mark("gateway-site")
            level = ui.select(_LEVELS, label="openNDS security level", value=4).props("outlined").classes("w-full").mark("gateway-level")
            address = ui.input("Address part", value=slug).props("outlined maxlength=64").classes("w-full").mark("gateway-slug")
            with ui.element("div").classes("buttons"):
                ui.button("Cancel", on_click=dialog.close).props("flat color=link")
                button = ui.button("Register", on_click=register).props("unelevated color=primary").mark("register-now")
    dialog.open()
