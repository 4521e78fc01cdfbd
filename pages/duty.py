"""One's own duty, in the header: a member of a team says with one click that they are there, and is given what waits."""

from __future__ import annotations

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.live import refresh_on
from pages.shell import current_staff, in_header, silent_on_refusal, toast_on_refusal
from services.tickets import duty
from services.tickets.duty import OwnDuty


async def draw_duty() -> None:
    """Into the header; nothing for who is in no team."""
    button = ui.button(color=None).props("flat dense no-caps").mark("own-duty")
    with button:
        tip = ui.tooltip("")
    is_on_duty = False

    def show(own: OwnDuty) -> None:
        nonlocal is_on_duty
        is_on_duty = own.is_on_duty
        button.set_visibility(bool(own.teams))
        button.props(f"icon={'headset_mic' if is_on_duty else 'headset_off'} color={'positive' if is_on_duty else 'grey'}")
        said = "On duty" if is_on_duty else "Off duty"
        button.props(f'aria-label="{said} in {", ".join(own.teams)}. Switch"')
        tip.text = f"{said} in {', '.join(own.teams)}"

    async def look() -> None:
        show(await in_transaction(duty.own_duty, actor=await current_staff()))

    async def switch() -> None:
        with toast_on_refusal():
            by = await current_staff()
            own = await in_transaction(duty.set_own_duty, actor=by, is_on_duty=not is_on_duty, now=utc_now())
            show(own)
            words = "You are on duty: what waits comes to you." if own.is_on_duty else "You are off duty: nothing new comes to you."
            ui.notify(words, type="positive")

    button.on_click(switch)
    button.set_visibility(False)
    with silent_on_refusal():
        await look()
    refresh_on(("teams",), look)


in_header(draw_duty)
