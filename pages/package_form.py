"""The form that adds a package or changes one: what it promises, when and where it is sold, and how customers will see it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components.dialogs import dialog_card
from pages.components.drafts import keep_draft
from pages.components.forms import form_buttons
from pages.components.parts import notice
from pages.package_preview import preview_card
from pages.package_words import moment_field, read_moment
from pages.shell import current_staff
from services.packages.selling import Sale, read_sale
from services.packages.service import Offer, PackageTerms, add_package, change_package, read_terms

_UNITS = {"60": "minutes", "3600": "hours", "86400": "days"}
_MB = 1 << 20
Changed = Callable[[], Awaitable[None]]


def package_form(offer: Offer | None, all_offers: Sequence[Offer], sites: Mapping[int, str], saved: Changed) -> None:
    """Whatever is wrong is said at its field, and nothing is saved."""
    with dialog_card(f"Edit {offer.terms.name}" if offer else "Add a package") as dialog:
        if offer:
            notice("busy", f"Saving changed terms makes version {offer.version + 1}. What was bought stays as it was bought.")
        fields = _draw_fields(offer, sites)
        ui.label("As customers see it").classes("soft small")
        box = ui.element("div").classes("w-full")

        def preview() -> None:
            box.clear()
            with box:
                try:
                    preview_card(read_terms(_terms_of(fields)))
                except InvalidInput:
                    ui.label("As soon as name, price and time are whole, it is shown here.").classes("faint")

        async def save() -> None:
            terms, sale = read_terms(_terms_of(fields)), _sale_of(fields)
            if offer:
                await _change(offer, terms, sale)
            else:
                await _add(fields["public_id"].value, terms, sale, all_offers)
            ui.notify(f"{terms.name} is saved.", type="positive")
            await saved()

        for field in fields.values():
            field.on_value_change(preview)
        preview()
        draft = keep_draft(f"package:{offer.public_id if offer else 'new'}", fields)
        form_buttons(dialog, fields, yes="Save", act=save, marker="save-package", draft=draft)
    dialog.open()


def _draw_fields(offer: Offer | None, sites: Mapping[int, str]) -> dict[str, Any]:
    terms = offer.terms if offer else PackageTerms(name="new", amount_bututs=2500, duration_seconds=3600)
    sale = offer.sale if offer else Sale()
    unit = next(seconds for seconds in ("86400", "3600", "60") if terms.duration_seconds % int(seconds) == 0 or seconds == "60")
    fields: dict[str, Any] = {}
    with ui.element("div").classes("form"):
        fields["name"] = ui.input("Name", value=offer.terms.name if offer else "").props("maxlength=80").classes("whole")
        if offer is None:
            fields["public_id"] = ui.input("Short name in addresses, such as day-1").props("maxlength=32").classes("whole")
        fields["amount_bututs"] = ui.input("Price in dalasi (D)", value=str(terms.amount_bututs // 100))
        fields["device_limit"] = ui.input("Devices at once", value=str(terms.device_limit))
        fields["duration_seconds"] = ui.input("Time", value=str(terms.duration_seconds // int(unit)))
        fields["unit"] = ui.select(_UNITS, label="Unit", value=unit)
        fields["quota_bytes"] = ui.input("Data in MB (empty: no limit)", value=str(terms.quota_bytes // _MB) if terms.quota_bytes else "")
        fields["validity_days"] = ui.input("Days to start it", value=str(terms.validity_days))
        fields["down_kbps"] = ui.input("Download kbit/s (0: as the router allows)", value=str(terms.down_kbps))
        fields["up_kbps"] = ui.input("Upload kbit/s (0: as the router allows)", value=str(terms.up_kbps))
        for name, drawn in fields.items():
            drawn.props("outlined dense hide-bottom-space").mark(f"field-{name}")
            if name not in ("name", "public_id", "unit"):
                drawn.props("inputmode=numeric")
        fields["on_sale_from"] = moment_field("On sale from (empty: at once)", "on_sale_from", sale.on_sale_from)
        fields["on_sale_until"] = moment_field("On sale until (empty: no end)", "on_sale_until", sale.on_sale_until)
        chosen = {**{site_id: f"Site {site_id}" for site_id in sale.site_ids}, **sites}
        fields["site_ids"] = ui.select(
            chosen, label="Sold only at (empty: everywhere)", value=list(sale.site_ids), multiple=True, with_input=True
        )
        fields["site_ids"].props("outlined dense use-chips hide-bottom-space").classes("whole").mark("field-site_ids")
        label = "Vouchers kept in stock, for when billing does not answer"
        fields["stock_mark"] = ui.input(label, value=str(sale.stock_mark))
        fields["stock_mark"].props("outlined dense hide-bottom-space inputmode=numeric").classes("whole").mark("field-stock_mark")
    return fields


def _terms_of(fields: Mapping[str, Any]) -> dict[str, object]:
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


def _sale_of(fields: Mapping[str, Any]) -> Sale:
    return read_sale(
        {
            "on_sale_from": read_moment(fields["on_sale_from"].value, "on_sale_from"),
            "on_sale_until": read_moment(fields["on_sale_until"].value, "on_sale_until"),
            "site_ids": tuple(sorted(int(site_id) for site_id in fields["site_ids"].value or ())),
            "stock_mark": _number(fields, "stock_mark"),
        }
    )


def _number(fields: Mapping[str, Any], name: str) -> int:
    text = str(fields[name].value or "").strip().replace(",", "")
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise InvalidInput("Enter a whole number.", field=name)
    return int(text)


async def _change(offer: Offer, terms: PackageTerms, sale: Sale) -> None:
    await in_transaction(
        change_package,
        actor=await current_staff(),
        public_id=offer.public_id,
        expected_version=offer.version,
        expected_revision=offer.revision,
        terms=terms,
        sale=sale,
        is_on_sale=offer.is_on_sale,
        position=offer.position,
        now=utc_now(),
    )


async def _add(public_id: str | None, terms: PackageTerms, sale: Sale, all_offers: Sequence[Offer]) -> None:
    name = (public_id or "").strip().lower()
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,31}", name):
        raise InvalidInput("Use 2 to 32 of a-z, 0-9 and dashes.", field="public_id")
    if any(offer.public_id == name for offer in all_offers):
        raise InvalidInput("There is a package with this short name.", field="public_id")
    position = max((offer.position for offer in all_offers), default=0) + 1
    actor = await current_staff()
    await in_transaction(add_package, actor=actor, public_id=name, terms=terms, sale=sale, position=position, now=utc_now())
