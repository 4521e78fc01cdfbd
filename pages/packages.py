"""The price list: what is sold, on which terms, in which order."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components import words
from pages.components.dialogs import dialog_card, enable_again
from pages.components.parts import action_button, notice, page_header, tone_chip
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.packages.service import Offer, PackageTerms, add_package, change_package, offers, read_terms

PATH = "/console/packages"
_UNITS = {"60": "minutes", "3600": "hours", "86400": "days"}
_MB = 1 << 20
Changed = Callable[[], Awaitable[None]]


@console_page(PATH, title="Packages", permission=Permission.PACKAGES_READ, icon="sell", group="Shop", in_navigation=True)
async def packages_page(actor: Principal) -> None:
    shown: list[Offer] = []
    lead = "The price list as customers see it. A change makes a new version: what was bought stays as it was bought."
    with page_header("Packages", lead=lead):
        if actor.may(Permission.PACKAGES_EDIT):
            action_button("Add a package", lambda: _form(None, shown, refresh), icon="add", main=True).mark("add-package")
    body = ui.element("div").classes("stack")

    async def refresh() -> None:
        with silent_on_refusal():
            draw(await in_transaction(partial(offers, on_sale_only=False)), await current_staff())

    def draw(found: list[Offer], by: Principal) -> None:
        shown[:] = found
        body.clear()
        with body:
            if not found:
                empty_state("Nothing on the price list", "Add the first package; customers see it at once.", icon="sell")
            for offer in found:
                _card(offer, found, by, refresh)

    draw(await in_transaction(partial(offers, on_sale_only=False)), actor)
    refresh_on(("packages",), refresh)


def _card(offer: Offer, all_offers: list[Offer], actor: Principal, refresh: Changed) -> None:
    with (
        ui.element("section").classes("panel").mark(f"package-{offer.public_id}"),
        ui.element("div").classes("row items-center q-col-gutter-md"),
    ):
        with ui.element("div").classes("col-12 col-sm"):
            with ui.element("div").classes("row items-center q-gutter-x-sm"):
                ui.label(offer.terms.name).classes("strong").style("font-size: 16px")
                tone_chip("On sale", "good") if offer.is_on_sale else tone_chip("Not on sale", "off")
            ui.label(_terms_in_words(offer.terms)).classes("soft")
            ui.label(f"{offer.public_id} · version {offer.version}").classes("faint small")
        with ui.element("div").classes("col-auto"):
            ui.label(words.money(offer.terms.amount_bututs)).classes("money strong").style("font-size: 20px")
        if actor.may(Permission.PACKAGES_EDIT):
            with ui.element("div").classes("col col-sm-auto row justify-end q-gutter-x-xs no-wrap"):
                up = ui.button(icon="arrow_upward", on_click=partial(_move, offer, all_offers, refresh)).props(
                    'flat round dense color=link aria-label="Move up"'
                )
                up.set_enabled(all_offers.index(offer) > 0)
                ui.button("Edit", on_click=partial(_form, offer, all_offers, refresh)).props("outline color=link").mark(
                    f"edit-{offer.public_id}"
                )
                text = "Take off sale" if offer.is_on_sale else "Put on sale"
                ui.button(text, on_click=partial(_switch, offer, refresh)).props("flat color=link").mark(f"switch-{offer.public_id}")


def _terms_in_words(terms: PackageTerms) -> str:
    parts = [
        words.span(terms.duration_seconds),
        words.size(terms.quota_bytes) if terms.quota_bytes else "no data limit",
        f"down {words.rate(terms.down_kbps)}",
        f"up {words.rate(terms.up_kbps)}",
        f"{terms.device_limit} device" + ("s" if terms.device_limit > 1 else ""),
        f"start within {terms.validity_days} days",
    ]
    return " · ".join(parts)


async def _change(offer: Offer, *, terms: PackageTerms | None = None, is_on_sale: bool | None = None, position: int | None = None) -> Offer:
    return await in_transaction(
        change_package,
        actor=await current_staff(),
        public_id=offer.public_id,
        expected_version=offer.version,
        terms=terms or offer.terms,
        is_on_sale=offer.is_on_sale if is_on_sale is None else is_on_sale,
        position=offer.position if position is None else position,
        now=utc_now(),
    )


async def _switch(offer: Offer, refresh: Changed) -> None:
    with toast_on_refusal():
        await _change(offer, is_on_sale=not offer.is_on_sale)
        ui.notify(f"{offer.terms.name} is {'off' if offer.is_on_sale else 'on'} sale.", type="positive")
        await refresh()


async def _move(offer: Offer, all_offers: list[Offer], refresh: Changed) -> None:
    """One place up: the whole list is numbered anew, because two packages may share a position."""
    with toast_on_refusal():
        order = list(all_offers)
        place = order.index(offer)
        order[place - 1], order[place] = order[place], order[place - 1]
        for position, one in enumerate(order, start=1):
            if one.position != position:
                await _change(one, position=position)
        await refresh()


def _form(offer: Offer | None, all_offers: list[Offer], refresh: Changed) -> None:
    """Add a package, or change one. Whatever is wrong is said at its field."""
    terms = offer.terms if offer else None
    with dialog_card(f"Edit {terms.name}" if terms else "Add a package") as dialog:
        if offer:
            notice("busy", f"Saving changed terms makes version {offer.version + 1}. What was bought stays as it was bought.")
        fields = _draw_fields(offer)

        async def save() -> None:
            for one in fields.values():
                one.props(remove="error error-message")
            button.disable()
            with toast_on_refusal():
                try:
                    wanted = read_terms(_values(fields))
                    name = terms.name if terms else wanted.name
                    if offer:
                        await _change(offer, terms=wanted)
                    else:
                        await _add(fields["public_id"].value, wanted, all_offers)
                    dialog.close()
                    ui.notify(f"{name} is saved.", type="positive")
                    await refresh()
                except InvalidInput as refusal:
                    if refusal.field not in fields:
                        raise
                    fields[refusal.field].props(add="error")
                    fields[refusal.field].props["error-message"] = refusal.text
            enable_again(button)

        with ui.element("div").classes("buttons"):
            ui.button("Cancel", on_click=dialog.close).props("flat color=link")
            button = ui.button("Save", on_click=save).props("unelevated color=primary").mark("save-package")
    dialog.open()


def _draw_fields(offer: Offer | None) -> dict[str, Any]:
    terms = offer.terms if offer else PackageTerms(name="new", amount_bututs=2500, duration_seconds=3600)
    unit = next(seconds for seconds in ("86400", "3600", "60") if terms.duration_seconds % int(seconds) == 0 or seconds == "60")
    fields: dict[str, Any] = {}
    with ui.element("div").classes("form"):
        fields["name"] = ui.input("Name", value=offer.terms.name if offer else "").classes("whole")
        if offer is None:
            fields["public_id"] = ui.input("Short name in addresses, such as day-1").classes("whole")
        fields["amount_bututs"] = ui.input("Price in dalasi (D)", value=str(terms.amount_bututs // 100))
        fields["device_limit"] = ui.input("Devices at once", value=str(terms.device_limit))
        fields["duration_seconds"] = ui.input("Time", value=str(terms.duration_seconds // int(unit)))
        fields["unit"] = ui.select(_UNITS, label="Unit", value=unit)
        fields["quota_bytes"] = ui.input("Data in MB (empty: no limit)", value=str(terms.quota_bytes // _MB) if terms.quota_bytes else "")
        fields["validity_days"] = ui.input("Days to start it", value=str(terms.validity_days))
        fields["down_kbps"] = ui.input("Download kbit/s (0: as the router allows)", value=str(terms.down_kbps))
        fields["up_kbps"] = ui.input("Upload kbit/s (0: as the router allows)", value=str(terms.up_kbps))
    for name, drawn in fields.items():
        drawn.props("outlined dense").mark(f"field-{name}")
        if name not in ("name", "public_id", "unit"):
            drawn.props("inputmode=numeric")
    return fields


def _values(fields: dict[str, Any]) -> dict[str, object]:
    """The form's numbers in the units of the terms. Raises InvalidInput that names the field."""
    quota = str(fields["quota_bytes"].value or "").strip()
    return {
        "name": str(fields["name"].value or "").strip(),
        "amount_bututs": _number(fields, "amount_bututs") * 100,
        "duration_seconds": _number(fields, "duration_seconds") * int(fields["unit"].value),
        "quota_bytes": _number(fields, "quota_bytes") * _MB if quota else None,
        "down_kbps": _number(fields, "down_kbps"),
        "up_kbps": _number(fields, "up_kbps"),
        "device_limit": _number(fields, "device_limit"),
        "validity_days": _number(fields, "validity_days"),
    }


def _number(fields: dict[str, Any], name: str) -> int:
    text = str(fields[name].value or "").strip().replace(",", "")
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InvalidInput("Enter a whole number.", field=name)
    return int(text)


async def _add(public_id: str | None, terms: PackageTerms, all_offers: list[Offer]) -> None:
    name = (public_id or "").strip().lower()
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,31}", name):
        raise InvalidInput("Use 2 to 32 of a-z, 0-9 and dashes.", field="public_id")
    if any(offer.public_id == name for offer in all_offers):
        raise InvalidInput("There is a package with this short name.", field="public_id")
    position = max((offer.position for offer in all_offers), default=0) + 1
    actor = await current_staff()
    await in_transaction(add_package, actor=actor, public_id=name, terms=terms, position=position, now=utc_now())
