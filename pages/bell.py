"""The bell in the header: how much news a person has not seen, and the newest of it; live."""

from __future__ import annotations

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.parts import moment
from pages.live import refresh_on
from pages.shell import current_staff, in_header, silent_on_refusal, toast_on_refusal
from services.notifications.desk import read_bells
from services.notifications.queries import Bell, bells, unread_bells


async def draw_bell() -> None:
    """Into the header. Opening it shows the newest; leaving it has read them."""
    with ui.button(icon="notifications", color=None).props('flat round dense aria-label="News for you"').mark("bell") as button:
        count = ui.badge().props("color=negative floating").mark("bell-count")
        with ui.menu().props('anchor="bottom right" self="top right" max-height="70vh"').classes("bell").mark("bell-menu") as menu:
            shown = ui.element("div").classes("rows bell-list")

    async def recount() -> None:
        number = await in_transaction(unread_bells, actor=await current_staff())
        count.text = f"{number}" if number < 100 else "99+"
        count.set_visibility(number > 0)
        button.props(f'aria-label="News for you: {number} new"')

    async def open_menu() -> None:
        with toast_on_refusal():
            news = await in_transaction(bells, actor=await current_staff())
            shown.clear()
            with shown:
                _draw(news)

    async def read() -> None:
        with silent_on_refusal():
            await in_transaction(read_bells, actor=await current_staff(), now=utc_now())
            await recount()

    menu.on_value_change(lambda event: open_menu() if event.value else read())
    with silent_on_refusal():
        await recount()
    refresh_on(("bell",), recount)


def _draw(news: tuple[Bell, ...]) -> None:
    if not news:
        with ui.element("div").classes("item soft small"):
            ui.label("Nothing new. What concerns you will stand here.")
    for one in news:
        with ui.element("a" if one.link else "div").classes("item") as item:
            if one.link:
                item.props["href"] = one.link
            ui.label(one.text).classes("strong full-width" if one.is_new else "full-width").mark("bell-news")
            with ui.element("div").classes("soft small"):
                moment(one.at)


in_header(draw_bell)
