"""Things in the order in which they happened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from nicegui import ui

from pages.components.parts import moment
from pages.components.words import Tone


@dataclass(frozen=True)
class Happening:
    """`is_call` marks an exchange with an outside service, drawn smaller than what it brought about."""

    at: datetime
    title: str
    tone: Tone = "off"
    aside: str = ""
    more: str = ""
    is_call: bool = False


def timeline(happenings: Iterable[Happening]) -> ui.element:
    with ui.element("ol").classes("timeline") as drawn:
        for happening in happenings:
            with ui.element("li").classes(f"tone-{happening.tone}" + (" call" if happening.is_call else "")):
                with ui.element("div").classes("line"):
                    ui.label(happening.title).classes("" if happening.is_call else "strong")
                    if happening.aside:
                        ui.label(happening.aside).classes("soft small")
                    with ui.element("span").classes("when"):
                        moment(happening.at)
                if happening.more:
                    ui.label(happening.more).classes("more")
    return drawn
