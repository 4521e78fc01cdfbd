"""What staff do to a session from the list and from its own page: end it, give more time, take a device off."""

from __future__ import annotations

from datetime import datetime

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.dialogs import MIN_REASON, confirm, dialog_card
from pages.components.forms import form_buttons, text_field
from pages.shell import current_staff, toast_on_refusal
from services.access.errors import BadExtension
from services.access.sessions_desk import end_session_now, extend_entitlement
from services.access.slots import free_slot

_HONEST_END = (
    "The customer's time ends here and now, and no router lets them in again with it. If the router they are on runs our script, it puts "
    "them out within a minute or two; any other keeps them online until the time it was given is over, or until they leave."
)
_HONEST_EXTEND = (
    "A router cannot lengthen a session that runs. When its own end comes, the device is let in again for the rest by itself, within a "
    "poll, where the router vouches for it (level 3); elsewhere the portal's page lets it in without paying."
)
_HONEST_FREE = (
    "Another device can take the place. This one is not let in again with this purchase; a router without our script keeps it online "
    "until the time it was given is over."
)
_UNITS = {60: "minutes", 3600: "hours", 86400: "days"}


async def end_session(session_id: int) -> bool:
    """Ask for a reason, and end it. Answers whether it was ended."""
    with toast_on_refusal():
        reason = await confirm("End this session?", _HONEST_END, yes="End it", danger=True, ask_reason=True)
        if reason is None:
            return False
        by = await current_staff()
        ended = await in_transaction(end_session_now, actor=by, session_id=session_id, reason=reason, now=utc_now())
        what = (
            "The router puts the phone out within minutes." if ended.is_put_out else "The router keeps the phone online until its own end."
        )
        ui.notify(f"Ended. {what}", type="positive")
        return True
    return False


def extend_time(entitlement_id: int) -> None:
    """A form for how much, and why."""
    with dialog_card("Give more time") as dialog:
        ui.label(_HONEST_EXTEND).classes("soft")
        with ui.element("div").classes("row no-wrap q-gutter-sm"):
            amount = text_field("How much", "seconds", value="1", props="type=number min=1 inputmode=numeric autofocus")
            unit = ui.select(_UNITS, value=3600, label="Unit").props("outlined").mark("unit")
        reason = text_field("Reason", "reason", props="maxlength=200")

        async def act() -> None:
            given = (reason.value or "").strip()
            if len(given) < MIN_REASON:
                raise BadExtension("Say in a few words why.", field="reason")
            await in_transaction(
                extend_entitlement,
                actor=await current_staff(),
                entitlement_id=entitlement_id,
                seconds=_seconds(amount.value, int(unit.value or 60)),
                reason=given,
                now=utc_now(),
            )
            ui.notify("The time is theirs.", type="positive")

        form_buttons(dialog, {"seconds": amount, "reason": reason}, yes="Give it", act=act)
    dialog.open()


def _seconds(amount: object, unit: int) -> int:
    try:
        return round(float(str(amount)) * unit)
    except (ValueError, OverflowError):
        raise BadExtension("Give a number.", field="seconds") from None


async def free_device(entitlement_id: int, number: int, *, since: datetime) -> None:
    """Ask for a reason, and free the place."""
    with toast_on_refusal():
        title = f"Take the device of {words.relative(since, utc_now())} off this purchase?"
        reason = await confirm(title, _HONEST_FREE, yes="Take it off", danger=True, ask_reason=True)
        if reason is None:
            return
        by = await current_staff()
        await in_transaction(free_slot, actor=by, entitlement_id=entitlement_id, number=number, reason=reason, now=utc_now())
        ui.notify("The place is free.", type="positive")
