"""What stands on a card, in words, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.packages.service import PackageTerms

BRAND = "INET"
_STAYS = "\u00a0"
# The page comes up by itself on most phones; scanning is the quicker way to it.
STEPS = ("Join the INET Wi-Fi: a page opens.", "Scan the square, or type the code.", "Press “Go online”.")
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))


@dataclass(frozen=True)
class Card:
    """One voucher as it is printed. `code` is in its groups; `link` opens the portal with it."""

    package: str
    price: str
    terms: str
    code: str
    link: str
    window: str
    number: str
    seller: str = ""


def terms_in_words(terms: PackageTerms, *, seconds: int | None = None, quota_bytes: int | None = None) -> str:
    """`1 day · 2 GB · 4 Mbit/s · 2 devices at once`; a router's own speed is not promised.

    `seconds` and `quota_bytes` are those of a credit, which is worth less than its package.
    """
    speed = [] if terms.down_kbps == 0 else [_speed(terms.down_kbps)]
    devices = "1 device" if terms.device_limit == 1 else f"{terms.device_limit} devices at once"
    data = terms.quota_bytes if seconds is None else quota_bytes
    said = (time_in_words(seconds or terms.duration_seconds), _data(data), *speed, devices)
    # A line ends between two of them, never within one.
    return " · ".join(one.replace(" ", _STAYS) for one in said)


def time_in_words(seconds: int) -> str:
    """`1 hour`, `36 hours`, `2 days 6 hours`: whole hours up to two days, because that is how they are sold."""
    units = _UNITS[1:] if seconds < 2 * 86400 and seconds != 86400 else _UNITS
    said: list[str] = []
    for name, size in units:
        number, seconds = divmod(seconds, size)
        if number:
            said.append(f"{number} {name}" + ("" if number == 1 else "s"))
    return " ".join(said)


def _data(quota_bytes: int | None) -> str:
    if quota_bytes is None:
        return "no data limit"
    size, unit = (1 << 30, "GB") if quota_bytes >= 1 << 30 else (1 << 20, "MB")
    return f"{quota_bytes * 10 // size / 10:g} {unit}"


def _speed(kbps: int) -> str:
    return f"{kbps} kbit/s" if kbps < 1000 else f"{round(kbps / (1000 if kbps % 1024 else 1024), 1):g} Mbit/s"


def price(bututs: int) -> str:
    whole, rest = divmod(bututs, 100)
    return f"D {whole:,}" + (f".{rest:02}" if rest else "")


def window(use_from: datetime | None, use_before: datetime, *, now: datetime) -> str:
    """When it can be entered. A beginning that has passed is nobody's concern any more."""
    begins = f"Use from {_moment(use_from)}, before " if use_from is not None and use_from > now else "Use before "
    return begins + _moment(use_before)


def _moment(at: datetime) -> str:
    """Banjul's clock is UTC all year. Midnight is the day itself."""
    said = f"{at.day} {at:%b %Y}" if (at.hour, at.minute) == (0, 0) else f"{at.day} {at:%b %Y %H:%M}"
    return said.replace(" ", _STAYS)


def link_of(public_url: str, code: str) -> str:
    return f"{public_url.rstrip('/')}/portal/v/{code}"
