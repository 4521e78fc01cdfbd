"""Setting a site right: its name, address and position, and merging it with another that is the same place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components.dialogs import confirm, dialog_card
from pages.components.forms import form_buttons, text_field
from pages.components.picker import Picker
from pages.network_parts import SITES_PATH, plural
from pages.shell import current_staff, toast_on_refusal
from services.network.desk import ADDRESS_LENGTH, NAME_LENGTH, change_site
from services.network.merging import Merger, merge_sites, preview_merger
from services.network.site_queries import SiteRow, find_sites

Refresh = Callable[[], Awaitable[None]]
# Where a position of ours can be expected; beyond it somebody mostly swapped the two numbers.
_LATITUDES, _LONGITUDES = (12.8, 14.1), (-17.1, -13.5)
_OUTSIDE = "That position is not in The Gambia. Latitude is about 13, longitude about -16. Keep it all the same?"


async def edit_site(row: SiteRow, refresh: Refresh) -> None:
    with ui.context.client.content, dialog_card(f"Edit {row.name}") as dialog:
        name = text_field("Name", "name", value=row.name, props=f"maxlength={NAME_LENGTH}")
        address = text_field("Address", "address", value=row.address or "", props=f"maxlength={ADDRESS_LENGTH}")
        with ui.element("div").classes("form"):
            latitude = text_field("Latitude", "latitude", value=_degrees(row.latitude), props="inputmode=decimal placeholder=13.45490")
            longitude = text_field("Longitude", "longitude", value=_degrees(row.longitude), props="inputmode=decimal placeholder=-16.57900")
        if row.external_id:
            text = "OpenWISP knows this place. The address and the position it has there win at the next discovery: correct them there."
            ui.label(text).classes("soft small")

        async def act() -> None:
            by = await current_staff()
            where = (_number(latitude.value, "latitude"), _number(longitude.value, "longitude"))
            if _is_elsewhere(*where) and await confirm("Is that right?", _OUTSIDE, yes="Keep it") is None:
                raise InvalidInput("Look at the position once more.", field="latitude")
            await in_transaction(
                change_site,
                actor=by,
                site_id=row.id,
                changes={"name": name.value or "", "address": address.value, "latitude": where[0], "longitude": where[1]},
                expected_revision=row.revision,
                now=utc_now(),
            )
            ui.notify("Saved.", type="positive")
            # The map stands where the site was; a moved one is drawn anew.
            if where == (row.latitude, row.longitude):
                await refresh()
            else:
                ui.navigate.reload()

        form_buttons(dialog, {"name": name, "address": address, "latitude": latitude, "longitude": longitude}, yes="Save", act=act)
    dialog.open()


def _degrees(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if abs(value * 1e5 - round(value * 1e5)) > 1e-6 else f"{value:.5f}"


def _number(text: str | None, field: str) -> float | None:
    """A number as people type it, also with a comma. Raises InvalidInput."""
    cleaned = (text or "").strip().replace(",", ".").removesuffix("°")
    if not cleaned:
        return None
    try:
        return float(cleaned)
    except ValueError:
        raise InvalidInput("Write degrees as a number, such as 13.4549 or -16.579.", field=field) from None


def _is_elsewhere(latitude: float | None, longitude: float | None) -> bool:
    if latitude is None or longitude is None:
        return False
    return not (_LATITUDES[0] <= latitude <= _LATITUDES[1] and _LONGITUDES[0] <= longitude <= _LONGITUDES[1])


async def merge_site(row: SiteRow) -> None:
    """Choose the other one, see what would happen, agree."""

    async def find(text: str) -> dict[int, str]:
        found = await in_transaction(find_sites, actor=await current_staff(), search=text, besides=row.id)
        return {site.id: site.name for site in found if site.id is not None}

    with ui.context.client.content, toast_on_refusal():
        with dialog_card(f"Merge {row.name} into another site") as dialog:
            ui.label(f"Choose the site that stays. All that belongs to {row.name} moves there, and {row.name} is gone.").classes("soft")
            picker: Picker[int] = Picker("sites", find=find, none="Not chosen yet", chosen=None, marker="target")

            async def act() -> None:
                if picker.value is None:
                    raise InvalidInput("Choose the site that stays.", field="site_id")
                target_id, by = picker.value, await current_staff()
                merger = await in_transaction(preview_merger, actor=by, source_id=row.id, target_id=target_id)
                _preview(row, target_id, merger)

            form_buttons(dialog, {"site_id": picker.field}, yes="See what happens", act=act, marker="preview")
        dialog.open()
        await picker.first()


def _preview(row: SiteRow, target_id: int, merger: Merger) -> None:
    with dialog_card(f"Merge {merger.source} into {merger.target}?") as dialog:
        with ui.element("ul").classes("dots").mark("merger"):
            for line in _lines(merger):
                with ui.element("li"):
                    ui.label(line)
        ui.label("This cannot be taken back.").classes("strong")

        async def act() -> None:
            by, revision = await current_staff(), merger.revision
            await in_transaction(merge_sites, actor=by, source_id=row.id, target_id=target_id, expected_revision=revision, now=utc_now())
            ui.navigate.to(f"{SITES_PATH}/{target_id}")

        form_buttons(dialog, {}, yes="Merge them", act=act, danger=True, marker="merge")
    dialog.open()


def _lines(merger: Merger) -> list[str]:
    numbers = ((merger.access_points, "access point"), (merger.gateways, "gateway"), (merger.incidents, "outage"))
    moving = [plural(number, what) for number, what in numbers if number]
    lines = [
        f"{', '.join(moving)} move to {merger.target}." if moving else f"Nothing stands at {merger.source}.",
        f"{merger.source} is gone.",
    ]
    if merger.position_moves:
        lines.append(f"{merger.target} gets its position.")
    if merger.place_moves:
        lines.append(f"{merger.target} becomes the place that OpenWISP knows as {merger.source}.")
    if merger.place_returns:
        lines.append(
            f"OpenWISP has both as places of its own: delete {merger.source} there as well, or the next discovery brings it back, empty. "
            "The access points stay where you put them."
        )
    return lines
