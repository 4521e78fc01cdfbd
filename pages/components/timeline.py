"""Things in the order in which they happened."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nicegui import ui

from pages.components.parts import chip, moment
from pages.components.words import Tone


@dataclass(frozen=True)
class Remark:
    """Something said beside what happened; one that is not as it should be has a sign, and not its colour alone."""

    text: str
    tone: Tone = "off"
    href: str = ""


@dataclass(frozen=True)
class Happening:
    """`is_call` marks an exchange with an outside service, drawn smaller than what it brought about.

    `href` is where the title leads, `state` what has become of it by now, `icon` what kind of thing it is.
    """

    at: datetime
    title: str
    tone: Tone = "off"
    aside: str = ""
    more: str = ""
    is_call: bool = False
    href: str = ""
    state: StrEnum | None = None
    icon: str = ""
    remarks: tuple[Remark, ...] = ()


_SIGNS: dict[Tone, str] = {"bad": "error_outline", "wait": "schedule"}


def timeline(happenings: Iterable[Happening]) -> ui.element:
    with ui.element("ol").classes("timeline") as drawn:
        for happening in happenings:
            with ui.element("li").classes(f"tone-{happening.tone}" + (" call" if happening.is_call else "")):
                _draw(happening)
    return drawn


def _draw(happening: Happening) -> None:
    with ui.element("div").classes("line"):
        _title(happening)
        if happening.state is not None:
            chip(happening.state)
        if happening.aside:
            ui.label(happening.aside).classes("soft small")
        with ui.element("span").classes("when"):
            moment(happening.at)
    if happening.more:
        ui.label(happening.more).classes("more")
    for remark in happening.remarks:
        _remark(remark)


def _title(happening: Happening) -> None:
    weight = "" if happening.is_call else "strong"
    if not happening.icon:
        _words(happening, weight)
        return
    # A long title breaks beside its sign, not below it.
    with ui.element("div").classes("named"):
        ui.icon(happening.icon).classes("kind").props("aria-hidden=true")
        _words(happening, weight)


def _words(happening: Happening, weight: str) -> None:
    if happening.href:
        ui.link(happening.title, happening.href).classes(f"{weight} to")
    else:
        ui.label(happening.title).classes(weight)


def _remark(remark: Remark) -> None:
    with ui.element("div").classes(f"remark {remark.tone}"):
        if sign := _SIGNS.get(remark.tone):
            ui.icon(sign).props("aria-hidden=true")
        if remark.href:
            ui.link(remark.text, remark.href)
        else:
            ui.label(remark.text)
