"""“Awa is looking at this too”: who else has the same thing open, on any console process."""

from __future__ import annotations

import time
from functools import partial

import anyio.to_thread
from nicegui import ui

from pages.shell import current_staff, silent_on_refusal
from services.accounts.permissions import Principal
from services.console import presence
from services.console.presence import Present, Subject


def show_presence(subject: Subject, subject_id: int, *, actor: Principal, in_dialog: bool = False) -> None:
    """A line that names whoever else is here, as long as this page, or dialog, is open. Nothing is shown while nobody is."""
    line = ui.element("div").classes("present-line").props("aria-live=polite").mark("presence")
    here = _Here(line, subject, subject_id, actor)
    if not in_dialog:
        ui.context.client.on_disconnect(here.leave)


class _Here:
    def __init__(self, line: ui.element, subject: Subject, subject_id: int, actor: Principal) -> None:
        self._line, self._subject, self._id, self._actor = line, subject, subject_id, actor
        self._shown: tuple[Present, ...] = ()
        ui.timer(presence.EVERY_SECONDS, self.beat)

    async def beat(self) -> None:
        with silent_on_refusal():
            self._actor = await current_staff()
            others = await anyio.to_thread.run_sync(partial(presence.here, self._subject, self._id, actor=self._actor, at=time.time()))
            if others != self._shown:
                self._shown = others
                self._draw()

    async def leave(self) -> None:
        await anyio.to_thread.run_sync(partial(presence.gone, self._subject, self._id, actor=self._actor))

    def _draw(self) -> None:
        self._line.clear()
        with self._line:
            for one in self._shown:
                ui.label(f"{one.name} is looking at this too").classes("present").mark("present")
