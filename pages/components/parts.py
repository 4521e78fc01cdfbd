"""Small parts that every page is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Literal

from nicegui import ui

from app.clock import isoformat, utc_now
from pages.components import words
from pages.components.words import Tone

_NOTICE_ICONS: dict[Tone, str] = {"good": "check_circle", "busy": "info", "wait": "schedule", "bad": "error", "off": "info"}


@contextmanager
def page_header(title: str, *, lead: str = "", back: tuple[str, str] | None = None, state: StrEnum | None = None) -> Iterator[None]:
    """Title and, inside the block, the page's actions. `back` is the address and name of the list that this page belongs to."""
    with ui.element("div").classes("heading"):
        if back:
            with ui.element("div").classes("crumb"):
                ui.link(f"‹ {back[1]}", back[0])
        with ui.element("h1"):
            ui.label(title)
        if state is not None:
            chip(state)
        with ui.element("div").classes("actions"):
            yield
        if lead:
            ui.label(lead).classes("lead")


@contextmanager
def panel(title: str = "", *, aside: str = "", flush: bool = False) -> Iterator[ui.element]:
    with ui.element("section").classes("panel" + (" flush" if flush else "")) as section:
        if title:
            with ui.element("div").classes("panel-head"):
                with ui.element("h2"):
                    ui.label(title)
                if aside:
                    ui.label(aside).classes("aside")
        yield section


def tile(label: str, number: str, note: str = "", *, href: str = "", alarm: bool = False) -> ui.element:
    """A figure that stands for itself, among others of the class `tiles`. `href` leads to the rows behind it; `alarm` asks for a person."""
    box = ui.element("a" if href else "div").classes("tile alarm" if alarm else "tile")
    if href:
        box.props["href"] = href
    with box:
        with ui.element("div").classes("label"):
            ui.label(label)
            if alarm:
                ui.icon("error").props('role=img aria-hidden=false aria-label="needs a person"')
        ui.label(number).classes("number")
        if note:
            ui.label(note).classes("note")
    return box


def chip(state: StrEnum) -> ui.label:
    found = words.words_of(state)
    return tone_chip(found.text, found.tone)


def tone_chip(text: str, tone: Tone) -> ui.label:
    return ui.label(text).classes(f"chip tone-{tone}")


def moment(at: datetime | None, *, mode: Literal["relative", "left", "due"] = "relative", otherwise: str = "–") -> ui.element:
    """A time in words that go on ticking in the browser, exact on hover."""
    if at is None:
        return ui.label(otherwise).classes("faint")
    now = utc_now()
    text = words.time_left(at, now) if mode == "left" else words.due(at, now) if mode == "due" else words.relative(at, now)
    shown = ui.html(text, tag="time", sanitize=False)
    shown.props(f'datetime="{isoformat(at)}" data-at="{isoformat(at)}" data-mode={mode} title="{words.exact(at)}"')
    if mode == "due" and at <= now:
        shown.classes("late")
    return shown


class Facts:
    """A two-column list of what is known. A value is a text, or is drawn inside `with facts.row(...)`."""

    def __init__(self) -> None:
        self._grid = ui.element("dl").classes("facts")

    def add(self, label: str, value: str | int | None, *, mono: bool = False) -> None:
        with self.row(label):
            ui.label("–" if value in (None, "") else str(value)).classes("mono" if mono else "")

    def add_time(self, label: str, at: datetime | None, *, mode: Literal["relative", "left"] = "relative", otherwise: str = "–") -> None:
        with self.row(label):
            moment(at, mode=mode, otherwise=otherwise)

    def add_link(self, label: str, text: str | None, target: str) -> None:
        with self.row(label):
            if text:
                ui.link(text, target)
            else:
                ui.label("–").classes("faint")

    @contextmanager
    def row(self, label: str) -> Iterator[None]:
        with self._grid:
            with ui.element("dt"):
                ui.label(label)
            with ui.element("dd"):
                yield


def notice(tone: Tone, text: str, *, title: str = "") -> ui.element:
    """A calm box that says something about the whole page."""
    with ui.element("div").classes(f"notice tone-{tone}") as box:
        ui.icon(_NOTICE_ICONS[tone])
        with ui.element("div").classes("words"):
            if title:
                ui.label(title).classes("strong")
            if text:
                ui.label(text)
    return box


def action_button(text: str, on_click: Callable[..., object], *, icon: str = "", main: bool = False, danger: bool = False) -> ui.button:
    style = "unelevated color=primary" if main else ("outline color=danger" if danger else "outline color=link")
    return ui.button(text, icon=icon or None, on_click=on_click).props(style)


def copy_button(text: str, *, label: str = "Copy") -> ui.button:
    """Copies in the browser; the text is not sent back and forth."""
    button = ui.button(label, icon="content_copy").props("outline color=link")
    # The text stands in an attribute of the button and not in the script, so nothing in it can become code.
    button.props["data-copy"] = text
    return button.on("click", js_handler="(event) => window.inetCopy(event.currentTarget.dataset.copy)")
