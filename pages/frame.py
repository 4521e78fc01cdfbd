"""What stands around every page: header, navigation by permission, the person's menu, light and dark."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from nicegui import ElementFilter, app, ui

from pages.components.keys import GO, keys_button
from services.accounts.permissions import Principal

if TYPE_CHECKING:
    from pages.shell import ConsolePage

_ASSETS = Path(__file__).parent / "static"
_ASSETS_URL = "/console/static"
_STYLES = ("tokens.css", "console.css", "desk.css", "live.css", "lists.css")
_SCRIPTS = ("connection.js", "console.js", "keys.js", "lists.js")
_DARK = "dark"
GROUPS = ("", "Shop", "Money", "Network", "Help", "Administration")


def serve_assets() -> None:
    app.add_static_files(_ASSETS_URL, _ASSETS, max_cache_age=365 * 86400)


@lru_cache(maxsize=32)
def asset(name: str) -> str:
    """With the content's hash, so that a browser keeps a file for ever and still gets the new one."""
    return f"{_ASSETS_URL}/{name}?v={hashlib.sha256((_ASSETS / name).read_bytes()).hexdigest()[:12]}"


def draw_bare() -> ui.dark_mode:
    """Style, script and the chosen light, without header and navigation."""
    ui.add_head_html(
        "".join(f'<link rel="stylesheet" href="{asset(name)}">' for name in _STYLES)
        + "".join(f'<script src="{asset(name)}" defer></script>' for name in _SCRIPTS)
        + '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="same-origin">'
    )
    return ui.dark_mode(value=app.storage.user.get(_DARK))


@contextmanager
def draw(
    *, page: ConsolePage, pages: Iterable[ConsolePage], actor: Principal, on_log_out: Callable[[], Awaitable[None]]
) -> Iterator[ui.element]:
    """Draw the frame; what is built inside the block is the page's content. Answers the place in the header for more of it."""
    dark = draw_bare()
    # Before all else in the document: the first thing that the Tab key meets.
    ui.add_body_html('<a class="skip" href="#content">Skip to the content</a>')
    # Not None: NiceGUI would ask the browser whether it is open, and log an error for each page that is left before the answer.
    drawer = ui.left_drawer(value=False, fixed=True).props("width=232 breakpoint=1023 show-if-above").classes("side")
    with drawer:
        _navigation(page, pages, actor)
    with ui.header(elevated=False).classes("top"):
        menu = ui.button(icon="menu", color=None, on_click=drawer.toggle).props('flat round dense aria-label="Menu"').classes("lt-md")
        menu.tooltip("Menu")
        ui.html('<a class="brand" href="/console">INET <small>Console</small></a>', sanitize=False)
        ui.space()
        more = ui.element("div").classes("top-parts")
        keys_button([(one.path, one.title) for one in reachable(pages, actor)])
        _light_switch(dark)
        _person(actor, on_log_out)
    with ui.element("div").classes("page").props("id=content tabindex=-1"):
        yield more


def reachable(pages: Iterable[ConsolePage], actor: Principal) -> list[ConsolePage]:
    """The pages of the navigation that this person may open, in its order."""
    shown = [page for page in pages if page.in_navigation and page.permission is not None and actor.may(page.permission)]
    return sorted(shown, key=lambda page: GROUPS.index(page.group))


def _navigation(here: ConsolePage, pages: Iterable[ConsolePage], actor: Principal) -> None:
    group = None
    shown = reachable(pages, actor)
    # The page under which the open one lies is marked: the longest address that begins it.
    beginnings = [page.path for page in shown if here.path == page.path or (page.group and here.path.startswith(f"{page.path}/"))]
    marked = max(beginnings, key=len, default="")
    lines = []
    for page in shown:
        if page.group and page.group != group:
            lines.append(f'<div class="group">{escape(page.group)}</div>')
        group = page.group
        here_too, current = (" here", ' aria-current="page"') if page.path == marked else ("", "")
        go = f' data-go="{escape(GO[page.path])}"' if page.path in GO else ""
        icon = f'<i class="q-icon notranslate material-icons" aria-hidden="true">{escape(page.icon)}</i>'
        lines.append(f'<a class="nav{here_too}" href="{escape(page.path)}"{current}{go}>{icon}<div>{escape(page.title)}</div></a>')
    # One part instead of three for each line: every open page keeps all its parts, and this is on every page.
    ui.html("".join(lines), sanitize=False, tag="nav").props('aria-label="Console"')


def _light_switch(dark: ui.dark_mode) -> None:
    names = {None: ("brightness_auto", "Light or dark as the device"), False: ("light_mode", "Light"), True: ("dark_mode", "Dark")}
    following = {None: False, False: True, True: None}

    def switch() -> None:
        set_light(following[dark.value])

    def show() -> None:
        button.props(f'icon={names[dark.value][0]} aria-label="{names[dark.value][1]}"')
        tip.text = names[dark.value][1]

    button = ui.button(color=None, on_click=switch).props(
        f'flat round dense icon={names[dark.value][0]} aria-label="{names[dark.value][1]}"'
    )
    with button:
        tip = ui.tooltip(names[dark.value][1])
    button.mark("light-switch")
    dark.on_value_change(show)


def set_light(value: bool | None) -> None:
    """Dark, light, or (None) as the device, on this page and on those that this person opens from now on."""
    app.storage.user[_DARK] = value
    for dark in ElementFilter(kind=ui.dark_mode):
        dark.value = value


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
            ui.menu_item("Help", on_click=lambda: ui.navigate.to("/console/help")).mark("help")
            ui.menu_item("Log out", on_click=on_log_out).mark("log-out")
