"""The form that orders a batch: whatever is wrong is said at its field, and nothing is ordered."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components import words
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons, text_field
from pages.components.prove import proven_staff
from services.packages.service import Offer
from services.vouchers.batch_models import MOST_IN_A_BATCH
from services.vouchers.batches.desk import order_batch

_COMMON = (50, 100, 500, 1_000, 10_000)


def order_form(on_sale: Sequence[Offer], sites: Mapping[str, str]) -> None:
    """Opens the batch's own page when it was ordered."""
    by_id = {offer.public_id: offer for offer in on_sale}
    # A second press on the same form is the same batch.
    key = secrets.token_urlsafe(16)
    with dialog_card("Order a batch of vouchers") as dialog:
        fields: dict[str, Any] = {}
        with ui.element("div").classes("form"):
            names = {offer.public_id: f"{offer.terms.name} · {words.money(offer.terms.amount_bututs)}" for offer in on_sale}
            fields["package_id"] = ui.select(names, label="Package", value=next(iter(names), None))
            fields["package_id"].props("outlined hide-bottom-space").classes("whole").mark("field-package")
            fields["name"] = text_field("Name", "name", props='maxlength=80 hint="by which you find it again"').classes("whole")
            fields["size"] = text_field("How many", "size", props="inputmode=numeric maxlength=9").classes("whole")
            with ui.element("div").classes("whole line").props('role=group aria-label="Common sizes"'):
                for size in _COMMON:
                    button = ui.button(f"{size:,}", on_click=lambda size=size: fields["size"].set_value(str(size)))
                    button.props("outline dense no-caps color=link")
            fields["seller"] = text_field("Seller", "seller", props='maxlength=120 hint="printed on each"')
            fields["site_id"] = ui.select(dict(sites), label="Site", clearable=True, with_input=True)
            fields["site_id"].props('outlined hint="where they are sold"').classes("w-full").mark("field-site")
            day = "type=date stack-label"
            fields["use_from"] = text_field("Usable from", "use-from", props=f'{day} hint="empty: at once"')
            fields["use_before"] = text_field("Usable until, that day too", "use-before", props=day)
            fields["note"] = text_field("Note for staff", "note", props="maxlength=200").classes("whole")
        worth = ui.label("").classes("soft").props("aria-live=polite").mark("worth")

        def show_worth() -> None:
            offer, size = by_id.get(fields["package_id"].value or ""), _number(fields["size"].value)
            is_sane = offer is not None and 1 <= size <= MOST_IN_A_BATCH
            worth.text = f"{size:,} vouchers worth {words.money(size * offer.terms.amount_bututs)}" if is_sane and offer else ""
            if offer and not fields["use_before"].value:
                until = (utc_now() + timedelta(days=offer.terms.validity_days - 1)).date()
                fields["use_before"].props["hint"] = f"empty: until {until.day} {until:%B %Y}"
                fields["use_before"].update()

        fields["package_id"].on_value_change(show_worth)
        fields["size"].on_value_change(show_worth)
        show_worth()

        async def act() -> None:
            use_from, last_day = _day(fields["use_from"], "use_from"), _day(fields["use_before"], "use_before")
            by = await proven_staff()
            if by is None:
                raise InvalidInput("You did not prove who you are, so nothing was ordered.", field="name")
            batch = await in_transaction(
                order_batch,
                actor=by,
                package_id=fields["package_id"].value or "",
                size=_number(fields["size"].value),
                name=fields["name"].value or "",
                seller=fields["seller"].value,
                site_id=int(fields["site_id"].value) if fields["site_id"].value else None,
                note=fields["note"].value,
                use_from=use_from,
                use_before=last_day + timedelta(days=1) if last_day else None,
                key=key,
                now=utc_now(),
            )
            ui.navigate.to(f"/console/batches/{batch.id}")

        form_buttons(dialog, fields, yes="Order it", act=act, marker="order-now")
    dialog.open()


def _number(text: str | None) -> int:
    """What is no number is refused as 0 is."""
    clean = (text or "").strip().replace(",", "")
    return int(clean) if clean.isascii() and clean.isdecimal() else 0


def _day(field: ui.input, name: str) -> datetime | None:
    """Its first moment in Banjul, whose clock is UTC. Raises InvalidInput for what is no date."""
    text = (field.value or "").strip()
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidInput("That is not a date.", field=name) from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
