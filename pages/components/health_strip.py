"""How something fared over time: a strip of its states, and bars of up-time by month."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from html import escape

from nicegui import ui

from pages.components import words
from pages.components.words import Tone
from services.network.uptime import Stretch, Uptime

_WIDTH = 1000.0


def share_text(uptime: Uptime) -> str:
    """Up-time in per cent, never rounded up: 100 % is said only of what was never down."""
    return "–" if uptime.share is None else f"{math.floor(uptime.share * 10_000) / 100:.2f} %"


def share_tone(uptime: Uptime) -> Tone:
    if uptime.share is None:
        return "off"
    return "good" if uptime.share >= 0.99 else "wait" if uptime.share >= 0.95 else "bad"


def health_strip(stretches: Sequence[Stretch], *, start: datetime, end: datetime) -> None:
    """The states in [start, end) from left to right; what nobody knows of is empty. Each says on hover what it is."""
    whole = (end - start).total_seconds()
    drawn = "".join(_rectangle(stretch, start, whole) for stretch in stretches)
    told = ", ".join(dict.fromkeys(words.words_of(stretch.state).text.lower() for stretch in stretches)) or "nothing is known"
    shown = ui.html(drawn, tag="svg", sanitize=False).classes("strip").mark("health-strip")
    shown.props(f'viewBox="0 0 {_WIDTH:.0f} 28" preserveAspectRatio="none" role="img" aria-label="States in this time: {told}"')
    with ui.element("div").classes("strip-scale"):
        ui.label(f"{start.day} {start:%b %H:%M}")
        ui.label("now")


def _rectangle(stretch: Stretch, start: datetime, whole: float) -> str:
    left = (stretch.start - start).total_seconds() / whole * _WIDTH
    # Half a minute in a month is seen all the same.
    width = max((stretch.end - stretch.start).total_seconds() / whole * _WIDTH, 1.0)
    shown = words.words_of(stretch.state)
    span = words.span(int((stretch.end - stretch.start).total_seconds()))
    title = escape(f"{shown.text}: {span}, from {words.exact(stretch.start)}")
    return f'<rect class="{shown.tone}" x="{left:.2f}" y="0" width="{width:.2f}" height="28"><title>{title}</title></rect>'


def uptime_bars(rows: Mapping[date, Uptime] | Iterable[tuple[date, Uptime]]) -> None:
    """A month a line, newest first; what is not known is left out."""
    pairs = list(rows.items() if isinstance(rows, Mapping) else rows)
    with ui.element("div").classes("bars").mark("uptime-months"):
        for month, uptime in reversed(pairs):
            if uptime.share is None:
                continue
            ui.label(f"{month:%b %Y}").classes("soft")
            with ui.element("div").classes("bar"):
                ui.element("span").classes(share_tone(uptime)).style(f"width: {uptime.share * 100:.1f}%")
            ui.label(share_text(uptime)).classes("end strong")
            ui.label(f"{words.span(uptime.offline)} down" if uptime.offline else "").classes("end soft small")
