"""What stands around every page: header, navigation by permission, the person's menu, light and dark."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from nicegui import app, ui

from services.accounts.permissions import Principal

if TYPE_CHECKING:
    from pages.shell import ConsolePage

_ASSETS = Path(__file__).parent / "static"
_ASSETS_URL = "/console/static"
_DARK = "dark"
_GROUPS = ("", "Shop", "Money", "Network", "Help", "Administration")


def serve_assets() -> None:
    app.add_static_files(_ASSETS_URL, _ASSETS, max_cache_age=365 * 86400)


@lru_cache(maxsize=8)
def asset(name: str) -> str:
    """With the content's hash, so that a browser keeps a file for ever and still gets the new one."""
    return f"{_ASSETS_URL}/{name}?v={hashlib.sha256((_ASSETS / name).read_bytes()).hexdigest()[:12]}"


def draw_bare() -> ui.dark_mode:
    """Style, script and the chosen light, without header and navigation."""
    ui.add_head_html(
        f'<link rel="stylesheet" href="{asset("console.css")}"><script src="{asset("console.js")}" defer></script>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="same-origin">'
    )
    return ui.dark_mode(value=app.storage.user.get(_DARK))


@contextmanager
def draw(
    *, page: ConsolePage, pages: Iterable[ConsolePage], actor: Principal, on_log_out: Callable[[], Awaitable[None]]
) -> Iterator[ui.element]:
    """Draw the frame; what is built inside the block is the page's content. Answers the place in the header for more of it."""
    dark = draw_bare()
    ui.html('<a class="skip" href="#content">Skip to the content</a>', sanitize=False)
    # Not None: NiceGUI would ask the browser whether it is open, and log an error for each page that is left before the answer.
    drawer = ui.left_drawer(value=False, fixed=True).props("width=232 breakpoint=1023 show-if-above").classes("side")
    with drawer:
        _navigation(page, pages, actor)
    with ui.header(elevated=False).classes("top"):
        menu = ui.button(icon="menu", color=None, on_click=drawer.toggle).props('flat round dense aria-label="Menu"').classes("lt-md")
        menu.tooltip("Menu")
        ui.html('<a class="brand" href="/console">INET <small>Console</small></a>', sanitize=False)
        ui.space()
        more = ui.element("div")
        _light_switch(dark)
        _person(actor, on_log_out)
    with ui.element("div").classes("page").props("id=content tabindex=-1"):
        yield more


def _navigation(here: ConsolePage, pages: Iterable[ConsolePage], actor: Principal) -> None:
    group = None
    shown = [page for page in pages if page.in_navigation and page.permission is not None and actor.may(page.permission)]
    shown.sort(key=lambda page: _GROUPS.index(page.group))
    # The page under which the open one lies is marked: the longest address that begins it.
    beginnings = [page.path for page in shown if here.path == page.path or (page.group and here.path.startswith(f"{page.path}/"))]
    marked = max(beginnings, key=len, default="")
    with ui.element("nav").props('aria-label="Console"'):
        for page in shown:
            if page.group and page.group != group:
                ui.label(page.group).classes("group")
            group = page.group
            link = ui.element("a").classes("nav" + (" here" if page.path == marked else "")).props(f'href="{page.path}"')
            if page.path == marked:
                link.props("aria-current=page")
            with link:
                ui.icon(page.icon)
                ui.label(page.title)


def _light_switch(dark: ui.dark_mode) -> None:
    names = {None: ("brightness_auto", "Light or dark as the device"), False: ("light_mode", "Light"), True: ("dark_mode", "Dark")}
    following = {None: False, False: True, True: None}

    def switch() -> None:
        dark.value = following[dark.value]
        app.storage.user[_DARK] = dark.value
        button.props(f'icon={names[dark.value][0]} aria-label="{names[dark.value][1]}"')
        tip.text = names[dark.value][1]

    button = ui.button(color=None, on_click=switch).props(
        f'flat round dense icon={names[dark.value][0]} aria-label="{names[dark.value][1]}"'
    )
    with button:
        tip = ui.tooltip(names[dark.value][1])
    button.mark("light-switch")


def _person(actor: Principal, on_log_out: Callable[[], Awaitable[None]]) -> None:
    role = actor.role.label if actor.role else ""
    with ui.button(color=None).props('flat aria-label="Your account"').classes("who").mark("person"):
        ui.icon("account_circle").classes("q-mr-sm")
        with ui.element("div").classes("who-text"):
            ui.label(actor.name).classes("who-name")
            ui.label(role).classes("who-role")
        with ui.menu().props('anchor="bottom right" self="top right"'):
            with ui.element("div").classes("q-pa-md"):
                ui.label(actor.name).classes("strong")
                ui.label(actor.email or "").classes("soft small")
                ui.label(role).classes("soft small")
            ui.separator()
            ui.menu_item("Your account", on_click=lambda: ui.navigate.to("/console/account")).mark("own-account")
            ui.menu_item("Log out", on_click=on_log_out).mark("log-out")
