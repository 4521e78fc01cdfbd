"""What narrows a list, each with a way to take it off; and how many rows match."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import partial

from nicegui import ui

from pages.components.list_filters import Go
from pages.components.list_state import Amount, Choice, Filter, ListState


class Chips:
    """A row of buttons: pressed, each is gone, and so is what it stood for."""

    def __init__(self, filters: Sequence[Filter], *, default: ListState, go: Go) -> None:
        self._filters, self._default, self._go = filters, default, go
        self._shown: list[tuple[str, str]] | None = None
        self._state = default
        self._row = ui.element("div").classes("filter-chips").props('role=group aria-label="Narrowed by"').mark("filter-chips")

    def show(self, state: ListState) -> None:
        self._state = state
        narrowing = state.narrowing(self._default)
        said = [(one.name, f"{one.label}: {in_words(one, narrowing[one.name])}") for one in self._filters if one.name in narrowing]
        if state.search:
            said.insert(0, ("q", f"“{state.search}”"))
        if said == self._shown:
            return  # drawn anew it would lose the focus
        self._shown = said
        self._row.clear()
        with self._row:
            for name, text in said:
                chip = ui.element("button").classes("narrowing").props("type=button").on("click", partial(self._take_off, name))
                chip.props["aria-label"] = f"Take off {text}"
                chip.props["data-keep"] = f"chip-{name}"
                with chip.mark(f"chip-{name}"):
                    ui.label(text)
                    ui.icon("close")
            if len(said) > 1:
                ui.button("Clear all", on_click=self._clear).props("flat dense no-caps color=link").mark("clear-filters")

    async def _take_off(self, name: str) -> None:
        await self._go(replace(self._state, search="", page=1) if name == "q" else self._state.without(name, self._default))

    async def _clear(self) -> None:
        await self._go(replace(self._state, search="", filters=dict(self._default.filters), page=1))


def in_words(one: Filter, value: str) -> str:
    if isinstance(one, Choice):
        return one.options.get(value, value)
    if isinstance(one, Amount):
        return f"D {value}"
    with suppress(ValueError):
        day = date.fromisoformat(value)
        return f"{day.day} {day:%b %Y}"
    return value
