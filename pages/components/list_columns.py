"""Which columns of a list are shown: a menu, whose choice is the person's and goes with them from browser to browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from app.db import in_transaction
from pages.components.columns import Column, shown_columns
from pages.shell import current_staff
from services.console.columns import keep_columns

Chosen = Callable[[tuple[str, ...]], Awaitable[None]]


class ColumnMenu:
    """A button with a menu of checkboxes; `chosen` hears of the names, and of none for the list's own choice."""

    def __init__(self, columns: Sequence[Column], *, marker: str, fixed: int, chosen: Chosen) -> None:
        self._columns, self._fixed, self._chosen = columns, fixed, chosen
        self._own = tuple(self._names(()))
        always = {column.name for column in columns if column.is_tool} | set(self._own[:fixed])
        self._boxes: dict[str, ui.checkbox] = {}
        self._is_told = False
        with ui.button("Columns", icon="view_column").props("flat dense no-caps color=link aria-haspopup=true") as button:
            button.mark(f"{marker}-columns").classes("choose-columns")
            with ui.menu().props('anchor="bottom right" self="top right"'), ui.element("div").classes("column-menu"):
                with ui.element("div").props('role=group aria-label="Columns"').classes("column-boxes"):
                    for column in columns:
                        if column.name not in always:
                            box = ui.checkbox(column.label, value=column.name in self._own, on_change=self._choose)
                            self._boxes[column.name] = box.props("dense").mark(f"{marker}-column-{column.name}")
                self._reset = ui.button("As the list has them", icon="restart_alt", on_click=self._forget)
                self._reset.props("flat dense no-caps color=link").mark(f"{marker}-columns-reset")

    @property
    def names(self) -> list[str]:
        """Every column that says something."""
        return [column.name for column in self._columns if not column.is_tool]

    def show(self, chosen: Sequence[str]) -> None:
        """Tick what the list shows."""
        shown = self._names(chosen)
        self._is_told = True
        for name, box in self._boxes.items():
            if box.value != (name in shown):
                box.set_value(name in shown)
        self._is_told = False
        self._reset.set_enabled(tuple(shown) != self._own)

    def _names(self, chosen: Sequence[str]) -> list[str]:
        return [column.name for column in shown_columns(self._columns, chosen, self._fixed) if not column.is_tool]

    def _choose(self) -> Awaitable[None] | None:
        if self._is_told:
            return None
        ticked = {name for name, box in self._boxes.items() if box.value}
        wanted = tuple(name for name in self.names if name in ticked or name not in self._boxes)
        return self._chosen(() if wanted == self._own else wanted)

    async def _forget(self) -> None:
        await self._chosen(())


async def keep(page: str, columns: Sequence[str]) -> None:
    """Remember the person's choice of a list's columns."""
    await in_transaction(keep_columns, actor=await current_staff(), page=page, columns=columns)
