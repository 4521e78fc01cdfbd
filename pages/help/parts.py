"""What the pages of the help are drawn with: their own tabs, words with named things in them, pictures of both screens and lights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from pathlib import Path

from nicegui import ui

from pages import frame
from pages.components.parts import page_header
from pages.help.journeys import SCHEMES, SCREENS, Journey

PATH = "/console/help"
PICTURES = Path(frame.__file__).parent / "static" / "help"
TABS = (
    (PATH, "Start"),
    (f"{PATH}/navigation", "Pages"),
    (f"{PATH}/roles", "Roles"),
    (f"{PATH}/journeys", "Jobs step by step"),
    (f"{PATH}/words", "Words"),
    (f"{PATH}/keyboard", "Keyboard"),
    (f"{PATH}/architecture", "How it is built"),
)
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_LINK = re.compile(r"\[(.+?)\]\((/console[\w/-]*)\)")
# As the walks are made (tests/browser/browsers.py); the page keeps the place free before the picture has come.
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}


@contextmanager
def help_page(title: str, *, lead: str, here: str) -> Iterator[None]:
    """Title and tabs; `here` is the address of the tab that is open. The block is the page."""
    ui.add_head_html(f'<link rel="stylesheet" href="{frame.asset("help.css")}">')
    with page_header(title, lead=lead):
        pass
    with ui.element("nav").classes("view-tabs").props('aria-label="Help"'):
        for href, name in TABS:
            is_here = href == here
            with ui.element("a").classes("here" if is_here else "").props(f'href="{href}"') as tab:
                ui.label(name)
            if is_here:
                tab.props("aria-current=page")
    # On a phone the tabs scroll: the open one is brought into sight.
    ui.run_javascript("document.querySelector('.view-tabs .here')?.scrollIntoView({inline: 'center', block: 'nearest'})")
    with ui.element("div").classes("help stack"):
        yield


def spoken(text: str) -> ui.html:
    """A sentence in which **names on the screen** and [ways](/console) stand."""
    shown = _BOLD.sub(r'<b class="named">\1</b>', escape(text, quote=False))
    return ui.html(_LINK.sub(r'<a href="\2">\1</a>', shown), tag="span", sanitize=False)


def plain(text: str) -> str:
    """The same sentence without its marks."""
    return _LINK.sub(r"\1", _BOLD.sub(r"\1", text))


@cache
def picture_address(name: str) -> str | None:
    """With the content's hash, so that a browser keeps it until it is made anew. None for one that is not there."""
    file = PICTURES / f"{name}.webp"
    if not file.is_file():
        return None
    return f"/console/static/help/{file.name}?v={hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"


def step_picture(journey: Journey, number: int) -> None:
    """The picture of a step for this screen and light; a browser loads that one of the four only."""
    shows = journey.steps[number - 1].picture
    for scheme in SCHEMES:
        found = {screen: picture_address(journey.picture(number, screen, scheme)) for screen in SCREENS}
        if found["desktop"] is None or found["phone"] is None:
            continue
        (wide, high), (narrow, tall) = SIZES["desktop"], SIZES["phone"]
        ui.html(
            f'<picture><source media="(max-width: 599px)" srcset="{found["phone"]}" width="{narrow}" height="{tall}">'
            f'<img src="{found["desktop"]}" width="{wide}" height="{high}" loading="lazy" alt="{escape(shows)}"></picture>'
            f"<figcaption>{escape(shows)}</figcaption>",
            tag="figure",
            sanitize=False,
        ).classes(f"shot in-{scheme}")


def way_card(href: str, icon: str, title: str, text: str) -> None:
    """A way on, as a card."""
    with ui.element("a").classes("way").props(f'href="{href}"'):
        ui.icon(icon)
        with ui.element("div").classes("words"):
            ui.label(title).classes("strong")
            ui.label(text).classes("soft small")
