"""The form that makes a promo code or changes one, with what it takes off each price."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components import words
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons
from pages.components.parts import notice
from pages.package_words import moment_field, read_moment
from pages.shell import current_staff
from services.packages import promos
from services.packages.discounts import reduced
from services.packages.promos import PromoRules, PromoView, read_rules
from services.packages.service import Offer

_KINDS = {"percent_off": "Percent off", "bututs_off": "Dalasis off"}
_PREVIEWED = 4
Changed = Callable[[], Awaitable[None]]


def promo_form(promo: PromoView | None, on_list: Sequence[Offer], saved: Changed) -> None:
    """Whatever is wrong is said at its field, and nothing is saved."""
    with dialog_card(f"Change {promo.code}" if promo else "Make a promo code") as dialog:
        if promo and promo.uses:
            notice("busy", f"{promo.uses:,} purchases used it. They keep what they were given.")
        fields = _draw_fields(promo, on_list)
        shown = ui.element("div").classes("w-full soft small").mark("promo-preview")

        def preview() -> None:
            shown.clear()
            with shown:
                _prices(fields, on_list)

        async def save() -> None:
            rules, actor, now = _rules_of(fields, promo), await current_staff(), utc_now()
            if promo:
                expected = promo.revision
                await in_transaction(promos.change, actor=actor, promo_id=promo.id, expected_revision=expected, rules=rules, now=now)
            else:
                await in_transaction(promos.make, actor=actor, code=str(fields["code"].value or ""), rules=rules, now=now)
            ui.notify("Saved. It counts for purchases from now on.", type="positive")
            await saved()

        for field in fields.values():
            field.on_value_change(preview)
        preview()
        form_buttons(dialog, fields, yes="Save", act=save, marker="save-promo")
    dialog.open()


def _draw_fields(promo: PromoView | None, on_list: Sequence[Offer]) -> dict[str, Any]:
    rules, now = promo.rules if promo else None, utc_now().replace(minute=0, second=0, microsecond=0)
    kind = "bututs_off" if rules and rules.bututs_off else "percent_off"
    size = (rules.percent_off or (rules.bututs_off or 0) // 100) if rules else 10
    fields: dict[str, Any] = {}
    with ui.element("div").classes("form"):
        if promo is None:
            fields["code"] = ui.input("Code, such as TABASKI-20").props("maxlength=24 autocomplete=off").classes("whole")
        fields["kind"] = ui.select(_KINDS, label="It takes off", value=kind)
        fields["size"] = ui.input("How much", value=str(size)).props("inputmode=numeric")
        fields["most_uses"] = ui.input("Uses in all (empty: no limit)", value=_text(rules.most_uses if rules else None))
        fields["most_per_customer"] = ui.input(
            "Uses of one customer (empty: no limit)", value=_text(rules.most_per_customer if rules else 1)
        )
        for name, drawn in fields.items():
            drawn.props("outlined dense hide-bottom-space").mark(f"field-{name}")
        start, end = (rules.valid_from, rules.valid_until) if rules else (now, now + timedelta(days=30))
        fields["valid_from"] = moment_field("From", "valid_from", start)
        fields["valid_until"] = moment_field("Until", "valid_until", end)
        names = {offer.public_id: offer.terms.name for offer in on_list}
        chosen = list(rules.package_ids) if rules else []
        fields["package_ids"] = ui.select(names, label="Only for (empty: every package)", value=chosen, multiple=True)
        fields["package_ids"].props("outlined dense use-chips hide-bottom-space").classes("whole").mark("field-package_ids")
        fields["note"] = ui.input("Note for staff", value=(rules.note or "") if rules else "").props("maxlength=200").classes("whole")
        fields["note"].props("outlined dense hide-bottom-space").mark("field-note")
    return fields


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _rules_of(fields: Mapping[str, Any], promo: PromoView | None) -> PromoRules:
    kind, size = str(fields["kind"].value), _number(fields, "size") or 0
    values: dict[str, object] = {
        "percent_off": size if kind == "percent_off" else None,
        "bututs_off": size * 100 if kind == "bututs_off" else None,
        "valid_from": read_moment(fields["valid_from"].value, "valid_from"),
        "valid_until": read_moment(fields["valid_until"].value, "valid_until"),
        "most_uses": _number(fields, "most_uses", may_be_empty=True),
        "most_per_customer": _number(fields, "most_per_customer", may_be_empty=True),
        "package_ids": tuple(fields["package_ids"].value or ()),
        "is_active": promo.rules.is_active if promo else True,
        "note": str(fields["note"].value or ""),
    }
    try:
        return read_rules(values)
    except InvalidInput as refusal:
        refusal.field = "size" if refusal.field in _KINDS else refusal.field
        raise


def _number(fields: Mapping[str, Any], name: str, *, may_be_empty: bool = False) -> int | None:
    text = str(fields[name].value or "").strip().replace(",", "")
    if not text and may_be_empty:
        return None
    if not re.fullmatch(r"[0-9]{1,8}", text):
        raise InvalidInput("Enter a whole number.", field=name)
    return int(text)


def _prices(fields: Mapping[str, Any], on_list: Sequence[Offer]) -> None:
    """What it makes of the prices it is for."""
    try:
        size = _number(fields, "size") or 0
    except InvalidInput:
        size = 0
    kind, chosen = fields["kind"].value, fields["package_ids"].value
    if not size or (kind == "percent_off" and size > 99):
        return
    meant = [offer for offer in on_list if not chosen or offer.public_id in chosen]
    for offer in meant[:_PREVIEWED]:
        price = offer.terms.amount_bututs
        left = reduced(price, percent_off=size) if kind == "percent_off" else reduced(price, bututs_off=size * 100)
        ui.label(f"{offer.terms.name}: {words.money(price)} → {words.money(left)}")
    if len(meant) > _PREVIEWED:
        ui.label(f"and {len(meant) - _PREVIEWED} more")
