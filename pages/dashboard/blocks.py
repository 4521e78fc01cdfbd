"""What parts of the first page are made of. Each block is a plain value: one that equals what is shown already is not drawn again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from nicegui import ui

from pages.alarms import checks_panel
from pages.components import words
from pages.components.charts import Series, line_chart
from pages.components.figures import Bar, bars
from pages.components.parts import moment, panel, tile, tone_chip
from pages.components.states import empty_state
from pages.components.words import Tone
from services.network.alarm_models import CheckKind, NetworkCheck


class Block(Protocol):
    def draw(self) -> None: ...


@dataclass(frozen=True)
class Row:
    """A line that leads to what it is about. `beside` and `below` explain; `at` is when it began, or with `is_due` its deadline."""

    title: str
    href: str | None = None
    chip: tuple[str, Tone] | None = None
    is_code: bool = False
    beside: str = ""
    end: str = ""
    at: datetime | None = None
    is_due: bool = False
    below: str = ""

    def draw(self) -> None:
        item = ui.element("a" if self.href else "div").classes("item")
        if self.href:
            item.props["href"] = self.href
        with item:
            if self.chip:
                tone_chip(*self.chip)
            ui.label(self.title).classes("mono strong" if self.is_code else "strong anywhere")
            if self.beside:
                ui.label(self.beside).classes("soft anywhere")
            if self.end or self.at:
                with ui.element("div").classes("end line one"):
                    if self.at:
                        with ui.element("div").classes("soft small"):
                            moment(self.at, mode="due" if self.is_due else "relative")
                    if self.end:
                        ui.label(self.end).classes("money strong")
            if self.below:
                ui.label(self.below).classes("soft small full-width anywhere")


@dataclass(frozen=True)
class Rows:
    """A panel of lines. `empty` is said where there is none: a title, a sentence and an icon."""

    title: str
    rows: tuple[Row, ...]
    empty: tuple[str, str, str]
    aside: str = ""
    marker: str = ""

    def draw(self) -> None:
        with panel(self.title, aside=self.aside, flush=True) as box:
            box.mark(self.marker)
            if not self.rows:
                empty_state(self.empty[0], self.empty[1], icon=self.empty[2])
                return
            with ui.element("div").classes("rows q-mt-sm"):
                for row in self.rows:
                    row.draw()


@dataclass(frozen=True)
class SoFar:
    """What was taken by the end of each hour, today until now, beside yesterday."""

    today: tuple[int | None, ...]
    yesterday: tuple[int, ...]
    said: str

    def draw(self) -> None:
        hours = [f"{hour + 1:02d}:00" for hour in range(24)]
        with panel("Taken so far", aside="by the hour, in Banjul's time"):
            line_chart(
                "Taken by the end of each hour",
                hours,
                (Series("Today", self.today), Series("Yesterday", self.yesterday)),
                said=self.said,
                say=words.money,
                rows=("Until", hours),
                marker="so-far",
            )


@dataclass(frozen=True)
class Shares:
    """A panel of bars."""

    title: str
    rows: tuple[Bar, ...]
    marker: str
    aside: str = ""

    def draw(self) -> None:
        with panel(self.title, aside=self.aside):
            bars(self.rows, marker=self.marker)


@dataclass(frozen=True)
class Checks:
    """How asking OpenWISP went last."""

    checks: Mapping[CheckKind, NetworkCheck] = field(compare=False)
    said: tuple[object, ...]

    def draw(self) -> None:
        checks_panel(dict(self.checks))


def checks_of(checks: Mapping[CheckKind, NetworkCheck]) -> Checks:
    said = tuple((kind, one.outcome, one.message, one.started_at, one.ended_at, one.done_at) for kind, one in checks.items())
    return Checks(checks, said)


@dataclass(frozen=True)
class Sum:
    """A sum of money, or of time, that leads to what it is made of."""

    label: str
    number: str
    note: str
    href: str
    marker: str

    def draw(self) -> None:
        tile(self.label, self.number, self.note, href=self.href).mark(self.marker)


@dataclass(frozen=True)
class Drawn:
    """What a part shows beside its numbers; `sums` stand among these. Without `right` there is one column."""

    left: Sequence[Block]
    right: Sequence[Block] = ()
    sums: Sequence[Sum] = ()
