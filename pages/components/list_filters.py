"""The fields above a list: its search, and what it can be narrowed by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from nicegui import events, ui

from pages.components.list_state import Amount, Choice, Filter, ListState, read_dalasi

# Longer menus can be searched.
_MANY = 12
Go = Callable[[ListState], Awaitable[None]]


class Filters:
    """The filters from the number `folded_from` on stand behind a button."""

    def __init__(
        self, filters: Sequence[Filter], *, of: str, search: str, folded_from: int, default: ListState, state: ListState, go: Go
    ) -> None:
        self._default, self._state, self._go = default, state, go
        self._drawn: dict[str, Any] = {}
        self._search: ui.input | None = None
        if not search and not filters:
            return
        with ui.element("div").classes("filters").props(f'role=search aria-label="Filters of {of}"'):
            if search:
                self._draw_search(search)
            for one in filters[:folded_from] if folded_from else filters:
                self._draw(one)
            if folded_from and len(filters) > folded_from:
                self._draw_folded(filters[folded_from:])

    def show(self, state: ListState) -> None:
        """Say in the fields what the list shows, where it came to that otherwise than by them: what is being typed stays."""
        before, self._state = self._state, state
        if self._search is not None and state.search != before.search:
            self._search.set_value(state.search)
        for name, field in self._drawn.items():
            if (value := state.filters.get(name)) != before.filters.get(name):
                field.set_value(value)

    def _draw_search(self, label: str) -> None:
        field = ui.input(label, value=self._state.search, on_change=self._look_for)
        field.props("outlined dense clearable debounce=400 type=search maxlength=100 autocomplete=off data-key=/")
        field.classes("search").mark("search")
        with field.add_slot("prepend"):
            ui.icon("search")
        self._search = field

    async def _look_for(self, event: events.ValueChangeEventArguments[str | None]) -> None:
        text = (event.value or "").strip()[:100]
        if text != self._state.search:
            self._state = replace(self._state, search=text, page=1)
            await self._go(self._state)

    def _draw_folded(self, filters: Sequence[Filter]) -> None:
        def turn() -> None:
            box.set_visibility(not box.visible)
            button.props(f"aria-expanded={'true' if box.visible else 'false'}")

        button = ui.button("More filters", icon="tune", on_click=turn).props("outline color=link no-caps aria-expanded=false")
        button.classes("more-filters").mark("more-filters")
        with ui.element("div").classes("filters folded") as box:
            for one in filters:
                self._draw(one)
        box.set_visibility(False)

    def _draw(self, one: Filter) -> None:
        value = self._state.filters.get(one.name)

        async def choose(event: events.ValueChangeEventArguments[str | None]) -> None:
            if isinstance(one, Amount) and not _is_sum(event.value):
                return  # the field says what is wrong with it
            if (event.value or None) == self._state.filters.get(one.name):
                return  # the field was told, not asked
            bare = self._state.without(one.name, self._default)
            self._state = replace(bare, filters={**bare.filters, one.name: event.value}) if event.value else bare
            await self._go(self._state)

        if isinstance(one, Choice):
            drawn: ui.element = ui.select(
                dict(one.options),
                label=one.label,
                value=value,
                on_change=choose,
                clearable=one.name not in self._default.filters,
                with_input=len(one.options) > _MANY,
            )
            drawn.props("outlined dense options-dense")
        elif isinstance(one, Amount):
            drawn = ui.input(one.label, value=value or "", on_change=choose, validation={"A sum in dalasi, such as 25 or 12.50": _is_sum})
            drawn.props("outlined dense clearable inputmode=decimal maxlength=10 debounce=600 hide-bottom-space")
        else:
            drawn = ui.input(one.label, value=value or "", on_change=choose).props("outlined dense type=date stack-label debounce=600")
        drawn.mark(f"filter-{one.name}")
        self._drawn[one.name] = drawn


def _is_sum(text: str | None) -> bool:
    return not text or read_dalasi(text) is not None
