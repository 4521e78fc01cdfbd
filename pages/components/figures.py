"""Few numbers to compare: shares of one thing as bars that can be read, and tables that can be scrolled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from nicegui import ui

from pages.components.states import empty_state
from pages.components.words import Tone


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
