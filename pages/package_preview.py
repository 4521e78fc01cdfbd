"""A package as the customer sees it on the portal's price list."""

from __future__ import annotations

from nicegui import ui

from pages.components import words
from services.packages.service import PackageTerms


def _lasts(seconds: int) -> str:
    """The two largest units, as the portal says it: `1 day 3 hours`."""
    days, rest = divmod(seconds, 86400)
    parts = [(days, "day"), (rest // 3600, "hour"), (rest % 3600 // 60, "minute")]
    while parts and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{number} {unit}" + ("s" if number > 1 else "") for number, unit in parts[:2] if number)


def preview_card(terms: PackageTerms) -> None:
    """Name, price and terms in the portal's words and order (portal/templates/start.html)."""
    lasts = _lasts(terms.duration_seconds)
    parts = [] if lasts == terms.name else [lasts]
    parts.append(words.size(terms.quota_bytes) if terms.quota_bytes else "unlimited data")
    if terms.down_kbps:
        parts.append(f"up to {words.rate(terms.down_kbps)}")
    parts.append(f"{terms.device_limit} device" + ("s" if terms.device_limit > 1 else ""))
    with ui.element("div").classes("panel w-full").mark("preview"):
        with ui.element("div").classes("line apart one"):
            ui.label(terms.name).classes("name")
            ui.label(words.money(terms.amount_bututs)).classes("price")
        ui.label(" · ".join(parts)).classes("soft")
