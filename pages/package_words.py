"""Packages and their sales in words, and how a moment is typed in The Gambia's time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from nicegui import ui

from app.errors import InvalidInput
from pages.components import words
from pages.components.words import Tone
from services.packages.selling import Sale, SaleState, moment_in_words
from services.packages.service import PackageTerms

_LOCAL_TIME = ZoneInfo("Africa/Banjul")
STATES: dict[SaleState, tuple[str, Tone]] = {
    SaleState.ON_SALE: ("On sale", "good"),
    SaleState.COMING: ("Not yet on sale", "wait"),
    SaleState.OVER: ("Sale is over", "off"),
    SaleState.RETIRED: ("Not on sale", "off"),
}
TERMS = {
    "name": "name",
    "amount_bututs": "price",
    "duration_seconds": "time",
    "quota_bytes": "data",
    "down_kbps": "download",
    "up_kbps": "upload",
    "device_limit": "devices",
    "validity_days": "days to start it",
}


def terms_in_words(terms: PackageTerms) -> str:
    parts = [
        words.span(terms.duration_seconds),
        words.size(terms.quota_bytes) if terms.quota_bytes else "no data limit",
        f"down {words.rate(terms.down_kbps)}",
        f"up {words.rate(terms.up_kbps)}",
        f"{terms.device_limit} device" + ("s" if terms.device_limit > 1 else ""),
        f"start within {terms.validity_days} days",
    ]
    return " · ".join(parts)


def term_in_words(name: str, value: object) -> str:
    """One of the terms as it was or is."""
    if name == "quota_bytes":
        return words.size(value) if isinstance(value, int) else "no limit"
    if not isinstance(value, int):
        return str(value)
    shown = {"amount_bututs": words.money, "duration_seconds": words.span, "down_kbps": words.rate, "up_kbps": words.rate}.get(name)
    return shown(value) if shown else str(value)


def window_in_words(start: datetime | None, end: datetime | None) -> str:
    if start and end:
        return f"{moment_in_words(start)} to {moment_in_words(end)}"
    if start:
        return f"from {moment_in_words(start)}"
    return f"until {moment_in_words(end)}" if end else "always"


def sites_in_words(sale: Sale, sites: Mapping[int, str]) -> str:
    """`everywhere`, or the sites; of many the first few."""
    if not sale.site_ids:
        return "everywhere"
    known = [sites.get(site_id, f"site {site_id}") for site_id in sale.site_ids]
    return ", ".join(known[:3]) + (f" and {len(known) - 3} more" if len(known) > 3 else "")


def moment_field(label: str, marker: str, at: datetime | None) -> ui.input:
    field = ui.input(label, value=at.astimezone(_LOCAL_TIME).strftime("%Y-%m-%dT%H:%M") if at else "")
    field.props("outlined dense hide-bottom-space type=datetime-local stack-label").mark(f"field-{marker}")
    return field


def read_moment(text: str | None, name: str) -> datetime | None:
    """What was typed, in UTC; None for nothing. Raises InvalidInput."""
    if not (text or "").strip():
        return None
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=_LOCAL_TIME).astimezone(UTC)
    except ValueError:
        raise InvalidInput("Enter a day and a time.", field=name) from None
