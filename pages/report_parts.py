"""What reports are drawn with: shares and numbers as bars that can be read, tables that can be scrolled, a chart with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from nicegui import ui

from pages.components import words
from pages.components.states import empty_state
from pages.components.words import Tone

_GREY = "#7d8996"  # readable on the light and on the dark surface
_CAME, _WENT = "#c8842b", "#1b9482"


@dataclass(frozen=True)
class Bar:
    """`share` (0 to 1) is how long it is; `number` and `note` say what it means."""

    label: str
    share: float
    number: str
    note: str = ""
    tone: Tone = "good"
    href: str | None = None


@dataclass(frozen=True)
class Cell:
    text: str | None
    href: str | None = None


def bars(rows: Sequence[Bar], *, marker: str) -> None:
    with ui.element("div").classes("bars").mark(marker):
        for row in rows:
            ui.label(row.label).classes("soft")
            with ui.element("div").classes("bar"):
                ui.element("span").classes(row.tone).style(f"width: {row.share * 100:.1f}%")
            if row.href:
                ui.link(row.number, row.href).classes("end strong")
            else:
                ui.label(row.number).classes("end strong")
            ui.label(row.note).classes("end soft small")


def percent(share: float | None) -> str | None:
    """`97 %`; never rounded up to 100: what was broken once was not always kept."""
    if share is None:
        return None
    return f"{int(share * 100)} %" if share < 1 else "100 %"


def tone_of(share: float) -> Tone:
    return "good" if share >= 0.9 else "wait" if share >= 0.75 else "bad"


def span(seconds: float | None) -> str | None:
    return None if seconds is None else words.span(round(seconds))


@contextmanager
def _scrolled(label: str) -> Iterator[None]:
    with ui.element("div").classes("scrolled").props(f'role=region tabindex=0 aria-label="{label}"'):
        yield


def table(label: str, head: Sequence[str], rows: Sequence[Sequence[Cell]], *, marker: str, are_words: bool = False) -> None:
    """A plain table whose first cell names its row; `are_words` where its cells are read and not compared."""
    if not rows:
        empty_state("Nothing in this range", "Choose another one.", icon="event_busy")
        return
    with _scrolled(label), ui.element("table").classes(f"matrix {'words' if are_words else 'numbers'}").mark(marker):
        with ui.element("thead"), ui.element("tr"):
            for text in head:
                with ui.element("th").props("scope=col"):
                    ui.label(text)
        with ui.element("tbody"):
            for cells in rows:
                with ui.element("tr"):
                    for number, cell in enumerate(cells):
                        with ui.element("th").props("scope=row") if number == 0 else ui.element("td"):
                            _draw(cell)


def _draw(cell: Cell) -> None:
    if cell.text is None:
        ui.label("–").classes("faint")
    elif cell.href:
        ui.link(cell.text, cell.href)
    else:
        ui.label(cell.text)


def came_and_went(days: Sequence[tuple[date, int, int]]) -> None:
    """Two bars a day, and the same numbers as a table."""
    said = f"Created {sum(one for _, one, _ in days):,} and solved {sum(two for _, _, two in days):,} tickets"
    # What is drawn cannot be read out: the sentence and the table below can.
    chart = ui.echart(_chart(days)).classes("w-full").style("height: 220px").mark("per-day")
    chart.props(f'role=img aria-label="{said} in {len(days)} days. The numbers are in the table below."')
    with ui.expansion("The numbers as a table").classes("w-full").props("dense"):
        rows = [[Cell(f"{day:%a} {day.day} {day:%b %Y}"), Cell(f"{came:,}"), Cell(f"{went:,}")] for day, came, went in reversed(days)]
        table("Created and solved by day", ("Day", "Created", "Solved"), rows, marker="days")


def _chart(days: Sequence[tuple[date, int, int]]) -> dict[str, Any]:
    def series(name: str, colour: str, number: Callable[[tuple[date, int, int]], int]) -> dict[str, Any]:
        style = {"color": colour, "borderRadius": [3, 3, 0, 0]}
        return {"name": name, "type": "bar", "data": [number(day) for day in days], "itemStyle": style, "barMaxWidth": 16}

    return {
        "animation": False,
        "grid": {"left": 8, "right": 8, "top": 36, "bottom": 4, "containLabel": True},
        "legend": {"top": 0, "left": 0, "textStyle": {"color": _GREY}},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "category",
            "data": [f"{day.day} {day:%b}" for day, _, _ in days],
            "axisLabel": {"color": _GREY},
            "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": _GREY, "opacity": 0.4}},
        },
        "yAxis": {
            "type": "value",
            "minInterval": 1,
            "axisLabel": {"color": _GREY},
            "splitLine": {"lineStyle": {"color": _GREY, "opacity": 0.2}},
        },
        "series": [series("Created", _CAME, lambda day: day[1]), series("Solved", _WENT, lambda day: day[2])],
    }
