"""How the product itself fares: one word for all of it, each part with what it means for people, its day or week, and the processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nicegui import ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from pages.components.again import again_every
from pages.components.parts import notice, page_header, panel
from pages.components.region import Region
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal
from pages.system_health_parts import draw_part, draw_processes, headline
from services.accounts.permissions import Permission, Principal
from services.operations.health.history import RANGES, History, Range, history
from services.operations.health.standing import Look, Standing, by_importance, standing

PATH = "/console/health"
# A page hears of each round; should nobody probe any more, it finds that out by itself.
_LOOK_SECONDS = 60.0


@dataclass(frozen=True)
class Shown:
    """What one drawing of the page shows."""

    standing: Standing
    history: History


def load(session: Session, *, actor: Principal, wanted: Range) -> Shown:
    now = utc_now()
    return Shown(standing(session, actor=actor, now=now), history(session, actor=actor, wanted=wanted, now=now))


@console_page(
    PATH, title="System health", permission=Permission.HEALTH_READ, icon="monitor_heart", group="Administration", in_navigation=True
)
async def system_health_page(actor: Principal, range: str = "day") -> None:
    page = _Page(RANGES.get(range, RANGES["day"]))
    with page_header("System health", lead="Everything that INET stands on, looked at every minute."):
        toggle = ui.toggle(
            {one.name: one.title for one in RANGES.values()}, value=page.wanted.name, on_change=lambda event: page.choose(event.value)
        )
        toggle.props('no-caps unelevated aria-label="How far back"').mark("health-range")
    page.place()
    page.draw(await in_transaction(load, actor=actor, wanted=page.wanted))
    refresh_on(("health", "alarms"), page.refresh)
    again_every(_LOOK_SECONDS, page.refresh_quietly)


class _Page:
    """The regions of the page, each drawn anew when what it shows has changed."""

    def __init__(self, wanted: Range) -> None:
        self.wanted = wanted

    def place(self) -> None:
        self._head, self._bad, self._well, self._processes = Region(), Region(), Region(), Region()

    async def choose(self, name: Any) -> None:
        self.wanted = RANGES.get(str(name), self.wanted)
        ui.run_javascript(f"history.replaceState(null, '', '{PATH}?range={self.wanted.name}')")
        await self.refresh_quietly()

    async def refresh_quietly(self) -> None:
        with silent_on_refusal():
            await self.refresh()

    async def refresh(self) -> None:
        self.draw(await in_transaction(load, actor=await current_staff(), wanted=self.wanted))

    def draw(self, shown: Shown) -> None:
        now = shown.standing
        parts = by_importance(now.looks)
        tone, title, text = headline(now)
        self._head.draw((tone, title, text), lambda: notice(tone, text, title=title).mark("overall"))
        self._bad.draw(
            (parts["bad"], shown.history), lambda: self._parts("Not well", parts["bad"], shown.history) if parts["bad"] else None
        )
        self._well.draw((parts["well"], shown.history), lambda: self._parts("Well", parts["well"], shown.history))
        living = [(process.id, process.memory_bytes >> 22, now.is_alive(process)) for process in now.processes]
        self._processes.draw((living, now.releases), lambda: draw_processes(now))

    @staticmethod
    def _parts(title: str, looks: tuple[Look, ...], shown: History) -> None:
        with panel(title, aside=f"the last {shown.range.title}", flush=True), ui.element("div").classes("rows q-mt-sm").mark("parts"):
            for look in looks:
                draw_part(look, shown)
