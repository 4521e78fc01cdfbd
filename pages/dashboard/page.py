"""The first page: what asks for somebody, then the parts of the person's work, each brought up to date by its own news."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.again import again_every
from pages.components.parts import page_header
from pages.components.region import Region
from pages.dashboard import field, help_desk, money, network, running
from pages.dashboard.blocks import Block, Drawn
from pages.dashboard.figures import asking, draw_asking, figure_tile
from pages.dashboard.first_steps import draw_first_steps
from pages.live import refresh_on
from pages.shell import HOME_PATH, console_page, current_staff, silent_on_refusal
from services.accounts.permissions import Permission, Principal
from services.console.dashboards import Dashboard, Part, Shown, dashboard, load_part, parts_of
from services.console.dashboards.figures import Weight

_REFRESH_SECONDS = 60.0
# Payments and sessions change all day long: numbers are read again as often as somebody looks up, not as often as they change.
_AT_MOST_EVERY_SECONDS = 5.0
_TITLES = {Part.FIELD: "Field", Part.HELP: "Help desk", Part.MONEY: "Money", Part.NETWORK: "Network", Part.RUNNING: "INET itself"}
_TOPICS = {
    Part.FIELD: ("tickets", "incidents"),
    Part.HELP: ("tickets", "notifications", "inbound"),
    Part.MONEY: ("payments", "refunds", "findings", "reconciliation"),
    Part.NETWORK: ("network", "incidents", "alarms", "gateways", "sessions"),
    Part.RUNNING: ("health", "jobs", "errors"),
}
_DRAWN: Mapping[Part, Callable[[Any, datetime], Drawn]] = {
    Part.FIELD: field.drawn,
    Part.HELP: help_desk.drawn,
    Part.MONEY: money.drawn,
    Part.NETWORK: network.drawn,
    Part.RUNNING: running.drawn,
}


@console_page(HOME_PATH, title="Today", permission=Permission.DASHBOARD_READ, icon="space_dashboard", in_navigation=True)
async def dashboard_page(actor: Principal) -> None:
    now = utc_now()
    page = _Page(await in_transaction(dashboard, actor=actor, now=now), actor, now)
    for part in page.parts:
        refresh_on(_TOPICS[part], partial(page.refresh_part, part), at_most_every=_AT_MOST_EVERY_SECONDS)
    again_every(_REFRESH_SECONDS, page.refresh)


class _Page:
    def __init__(self, found: Dashboard, actor: Principal, now: datetime) -> None:
        self.parts = tuple(found.parts)
        self._shown: dict[Part, Shown] = dict(found.parts)
        with page_header("Today", lead=f"{now:%A} {now.day} {now:%B %Y}, Banjul time"):
            pass
        with ui.element("div").classes("stack"):
            self._steps, self._asking = Region(), Region()
            self._places = {part: _Place(part, is_alone=len(self.parts) == 1) for part in self.parts}
        self._draw(found, actor, now)

    def _draw(self, found: Dashboard, actor: Principal, now: datetime) -> None:
        self._steps.draw((found.first_steps, actor.permissions), lambda: draw_first_steps(found.first_steps, actor))
        for part, shown in found.parts.items():
            self._draw_part(part, shown, now)
        self._draw_asking(now)

    def _draw_part(self, part: Part, shown: Shown, now: datetime) -> None:
        self._shown[part] = shown
        self._places[part].draw(shown, _DRAWN[part](shown, now), now)

    def _draw_asking(self, now: datetime) -> None:
        found = asking(figure for shown in self._shown.values() for figure in shown.figures)
        self._asking.draw((found, now.date()), lambda: draw_asking(found, now.date()))

    async def refresh_part(self, part: Part) -> None:
        with silent_on_refusal():
            by, now = await current_staff(), utc_now()
            if part in parts_of(by):
                self._draw_part(part, await in_transaction(load_part, actor=by, part=part, now=now), now)
                self._draw_asking(now)
            else:
                ui.navigate.reload()

    async def refresh(self) -> None:
        """All of it: what merely grows old brings no news."""
        with silent_on_refusal():
            by, now = await current_staff(), utc_now()
            found = await in_transaction(dashboard, actor=by, now=now)
            if tuple(found.parts) != self.parts:
                ui.navigate.reload()  # the person's rights were changed
                return
            self._draw(found, by, now)


class _Place:
    """Where one part stands: its numbers, and what it shows beside."""

    def __init__(self, part: Part, *, is_alone: bool) -> None:
        with ui.element("section").classes("stack").props(f'aria-label="{_TITLES[part]}"').mark(f"part-{part}"):
            if not is_alone:
                with ui.element("h2").classes("section"):
                    ui.label(_TITLES[part])
            self._numbers = Region("tiles few")
            with ui.element("div").classes("columns wide-left") as columns:
                self._columns = columns
                self._left, self._right = Region(), Region()

    def draw(self, shown: Shown, drawn: Drawn, now: datetime) -> None:
        # What asks for somebody stands at the top of the page already.
        figures = [figure for figure in shown.figures if figure.weight is Weight.PLAIN]
        self._numbers.draw((drawn.sums, figures, now.date()), lambda: self._draw_numbers(drawn, figures, now))
        self._left.draw(tuple(drawn.left), lambda: _draw_all(drawn.left))
        self._right.draw(tuple(drawn.right), lambda: _draw_all(drawn.right))
        self._right.box.set_visibility(bool(drawn.right))
        self._columns.classes(add="wide-left") if drawn.right else self._columns.classes(remove="wide-left")
        self._numbers.box.set_visibility(bool(drawn.sums or figures))

    @staticmethod
    def _draw_numbers(drawn: Drawn, figures: list[Any], now: datetime) -> None:
        for one in drawn.sums:
            one.draw()
        for figure in figures:
            figure_tile(figure, now.date())


def _draw_all(blocks: Any) -> None:
    block: Block
    for block in blocks:
        block.draw()
