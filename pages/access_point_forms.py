"""Correcting where an access point belongs: its site and its gateway, or letting discovery decide again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons
from pages.components.picker import Picker
from pages.shell import current_staff, toast_on_refusal
from services.network.access_point_queries import AccessPointRow, GatewayChoice, find_gateways
from services.network.desk import AccessPointChanges, change_access_point
from services.network.models import SetBy
from services.network.site_queries import find_sites

Refresh = Callable[[], Awaitable[None]]


async def correct_site(row: AccessPointRow, refresh: Refresh) -> None:
    async def find(text: str) -> dict[int, str]:
        found = await in_transaction(find_sites, actor=await current_staff(), search=text)
        return {site.id: site.name for site in found if site.id is not None}

    site_id = row.point.site_id
    chosen = (site_id, row.site_name or "") if site_id is not None else None
    with ui.context.client.content, toast_on_refusal():
        with dialog_card(f"Where is {row.point.name}?") as dialog:
            picker: Picker[int] = Picker("sites", find=find, none="At no site", chosen=chosen, marker="site")
            by_staff = row.point.site_set_by is SetBy.STAFF

            async def act(*, give_back: bool = False) -> None:
                await _change(row, {"site_set_by": "discovery"} if give_back else {"site_id": picker.value}, refresh)

            _buttons(dialog, {"site_id": picker.field}, act, by_staff=by_staff)
        dialog.open()
        await picker.first()


async def correct_gateway(row: AccessPointRow, refresh: Refresh, suggested: GatewayChoice | None = None) -> None:
    async def find(text: str) -> dict[str, str]:
        found = await in_transaction(find_gateways, actor=await current_staff(), search=text)
        return {choice.slug: f"{choice.name} ({choice.hint})" for choice in found}

    chosen = (row.gateway_slug, row.gateway_name or "") if row.gateway_slug else None
    if suggested is not None:
        chosen = (suggested.slug, f"{suggested.name} ({suggested.hint})")
    with ui.context.client.content, toast_on_refusal():
        with dialog_card(f"Which router is {row.point.name}?") as dialog:
            picker: Picker[str] = Picker("gateways", find=find, none="No router of ours", chosen=chosen, marker="gateway")
            by_staff = row.point.gateway_set_by is SetBy.STAFF

            async def act(*, give_back: bool = False) -> None:
                await _change(row, {"gateway_set_by": "discovery"} if give_back else {"gateway": picker.value}, refresh)

            _buttons(dialog, {"gateway": picker.field}, act, by_staff=by_staff)
        dialog.open()
        await picker.first()


def _buttons(dialog: ui.dialog, fields: dict[str, ui.input], act: Callable[..., Awaitable[None]], *, by_staff: bool) -> None:
    if by_staff:
        text = "Staff said this, and discovery leaves it alone. Discovery goes by the places of OpenWISP and by equal MACs."
    else:
        text = "Discovery decided this, by the places of OpenWISP and by equal MACs. What you choose here it leaves alone from now on."
    ui.label(text).classes("soft small")

    async def give_back() -> None:
        with toast_on_refusal():
            await act(give_back=True)
            dialog.close()

    if by_staff:
        ui.button("Let discovery decide again", icon="undo", on_click=give_back).props("flat dense color=link").mark("give-back")
    form_buttons(dialog, fields, yes="Save", act=act)


async def _change(row: AccessPointRow, changes: AccessPointChanges, refresh: Refresh) -> None:
    """What was drawn is what is changed: who was slower is told that somebody else was there first."""
    await in_transaction(
        change_access_point,
        actor=await current_staff(),
        access_point_id=row.id,
        changes=changes,
        expected_revision=row.point.revision,
        now=utc_now(),
    )
    ui.notify("Saved." if "site_id" in changes or "gateway" in changes else "The next discovery decides.", type="positive")
    await refresh()
