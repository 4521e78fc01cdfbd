"""Choosing one of very many: a search, and the few that match it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from nicegui import ui

from pages.shell import toast_on_refusal

Key = TypeVar("Key", int, str)
Search = Callable[[str], Awaitable[dict[Key, str]]]


class Picker(Generic[Key]):
    """`value` is the key that is chosen, None for "none of them"; the present choice stays on offer whatever is searched for."""

    def __init__(self, label: str, *, find: Search[Key], none: str, chosen: tuple[Key, str] | None, marker: str) -> None:
        self._find: Search[Key] = find
        self._none = none
        self._chosen: dict[Key, str] = dict([chosen]) if chosen else {}
        self._offered: dict[Key, str] = dict(self._chosen)
        self.field = ui.input(f"Search {label}", on_change=lambda event: self._search(event.value or ""))
        self.field.props("outlined dense clearable hide-bottom-space debounce=300 type=search maxlength=80 autocomplete=off")
        self.field.classes("w-full").mark(f"search-{marker}")
        with ui.element("div").classes("choices"):
            self._radio = ui.radio({}, value=None).props("dense").mark(f"pick-{marker}")
        self._offer({}, chosen[0] if chosen else None)

    async def first(self) -> None:
        """Offer some before anything is searched for."""
        await self._search("")

    @property
    def value(self) -> Key | None:
        return self._radio.value if self._radio.value != _NOBODY else None

    async def _search(self, text: str) -> None:
        with toast_on_refusal():
            found = await self._find(text)
            self._offer(found, self.value)

    def _offer(self, found: dict[Key, str], value: Key | None) -> None:
        kept = {key: text for key, text in self._offered.items() if key == value}
        self._offered = {**self._chosen, **kept, **found}
        self._radio.set_options({_NOBODY: self._none, **self._offered}, value=_NOBODY if value is None else value)


_NOBODY = ""
