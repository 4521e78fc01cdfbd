"""A page whose figures are counted anew for other days: it says so meanwhile, and its address follows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from pages.shell import toast_on_refusal


class Counting:
    """The line that runs while something is counted; drawn where it is made."""

    def __init__(self) -> None:
        self._line = ui.linear_progress(show_value=False).props("indeterminate color=primary").mark("counting")
        self._line.set_visibility(False)

    async def anew(self, load: Callable[[], Awaitable[None]], address: str) -> None:
        """Load, with the line shown; the page can be found again under `address`. A refusal is told."""
        with toast_on_refusal():
            self._line.set_visibility(True)
            try:
                await load()
            finally:
                self._line.set_visibility(False)
            ui.navigate.history.replace(address)
