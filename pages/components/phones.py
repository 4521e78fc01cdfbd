"""Phones with one of the apps: a list to log one out of, and the code by which a technician's phone is added."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import segno
from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.acting import on_the_page
from pages.components.dialogs import confirm, dialog_card
from pages.components.parts import action_button, copy_button, moment, panel
from pages.components.prove import proven_staff
from pages.components.states import empty_state
from pages.shell import toast_on_refusal
from services.apps import enrolment
from services.apps.enrolment import Shown
from services.apps.phones import PhoneRow

Refresh = Callable[[], Awaitable[None]]
LogOut = Callable[[int], Awaitable[None]]
_ICONS = {"ios": "phone_iphone", "android": "phone_android"}


def phones_panel(
    title: str,
    phones: tuple[PhoneRow, ...],
    *,
    none: str,
    log_out: LogOut | None = None,
    add_for: int | None = None,
    refresh: Refresh,
) -> None:
    """`log_out` gets the number of the phone; `add_for` is whose phone may be added here. Without them it is only to be seen."""
    with panel(title, aside=str(len(phones)) if phones else "", flush=True):
        if not phones:
            empty_state("No phone", none, icon="phonelink_off")
        with ui.element("div").classes("rows q-mt-sm").mark("phones"):
            for phone in phones:
                _row(phone, log_out, refresh)
        if add_for is not None:
            with ui.element("div").classes("row justify-end q-pa-md"):
                action_button("Add a phone", partial(_add, add_for, refresh), icon="qr_code_2").mark("add-phone")


def _row(phone: PhoneRow, log_out: LogOut | None, refresh: Refresh) -> None:
    with ui.element("div").classes("item phone"):
        ui.icon(_ICONS.get(phone.platform.lower(), "smartphone")).classes("soft")
        with ui.element("div").classes("grow"):
            ui.label(phone.name)
            with ui.element("div").classes("about soft small"):
                if about := " ".join(part for part in (phone.platform, phone.app_version) if part and part != phone.name):
                    ui.label(about)
                moment(phone.last_seen_at)
        if log_out is not None:
            button = ui.button("Log out", on_click=on_the_page(partial(_log_out, phone, log_out, refresh))).props(
                "flat dense no-wrap color=link"
            )
            button.props["aria-label"] = f"Log out {phone.name}"
            button.mark("log-out-phone")


async def _log_out(phone: PhoneRow, log_out: LogOut, refresh: Refresh) -> None:
    # On the page itself: news may redraw the list, and the button with it, before this is done.
    with ui.context.client.content, toast_on_refusal():
        words = "It is out with its next request, and gets no push any more. What waits on it is sent when it is logged in again."
        if await confirm(f"Log out {phone.name}?", words, yes="Log out", danger=True) is None:
            return
        await log_out(phone.id)
        ui.notify("Logged out.", type="positive")
        await refresh()


async def _add(staff_id: int, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        by = await proven_staff()
        if by is None:
            return
        _show(await in_transaction(enrolment.make, actor=by, staff_id=staff_id, now=utc_now()), refresh)


def _show(shown: Shown, refresh: Refresh) -> None:
    """The code, once; the list is read anew when the dialog goes."""

    async def done() -> None:
        dialog.close()
        await refresh()

    drawn = segno.make(shown.content, error="m").svg_inline(scale=5, border=3, dark="#000", light="#fff")
    with dialog_card("Scan this with INET-Tech") as dialog:
        words = "Whoever scans it acts as this person: let nobody else see it. It is good for one phone, and for ten minutes."
        ui.label(words).classes("soft")
        ui.html(drawn, sanitize=False).classes("self-center").props('role=img aria-label="QR code for INET-Tech"')
        ui.label("Or type this code into the app:").classes("soft small")
        ui.label(shown.code).classes("mono text-center w-full").mark("phone-code")
        with ui.element("div").classes("buttons"):
            copy_button(shown.code)
            ui.button("Done", on_click=done).props("unelevated color=primary").mark("done")
    dialog.props("persistent").open()
