"""What staff do to a session from the list and from its own page: end it, give more time, credit the rest, take a device off."""

from __future__ import annotations

from datetime import datetime

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.dialogs import MIN_REASON, confirm, dialog_card, show_secret
from pages.components.forms import form_buttons, text_field
from pages.components.parts import Facts, notice
from pages.components.prove import proven_staff
from pages.shell import current_staff, toast_on_refusal
from services.access.errors import BadExtension
from services.access.sessions_desk import end_session_now, extend_entitlement
from services.access.slots import free_slot
from services.vouchers.credits import CreditPreview, credit_preview, credit_rest

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
_HONEST_CREDIT = (
    "The time ends here and now, and what is left of it becomes a voucher that can be used at any hotspot. A router without our script "
    "keeps the phone online until the time it was given is over."
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


async def credit_what_is_left(entitlement_id: int) -> None:
    """Show what is left, ask for a reason, and make a voucher of it; its code is shown once."""
    with toast_on_refusal():
        by = await proven_staff()
        if by is not None:
            _ask_credit(entitlement_id, await in_transaction(credit_preview, actor=by, entitlement_id=entitlement_id, now=utc_now()))


def _ask_credit(entitlement_id: int, left: CreditPreview) -> None:
    with dialog_card("Credit what is left") as dialog:
        if left.why_refused is not None:
            notice("wait", left.why_refused, title="This cannot be credited")
            with ui.element("div").classes("buttons"):
                ui.button("Close", on_click=dialog.close).props("flat color=link")
        else:
            ui.label(_HONEST_CREDIT).classes("soft")
            _left_facts(left)
            reason = text_field("Reason", "reason", props="maxlength=200 autofocus")

            async def act() -> None:
                made = await in_transaction(
                    credit_rest, actor=await current_staff(), entitlement_id=entitlement_id, reason=reason.value or "", now=utc_now()
                )
                worth = words.span(made.seconds) + (f" and {words.size(made.bytes)}" if made.bytes is not None else "")
                told = f" {left.masked_phone} is texted the code as well." if left.masked_phone else ""
                show_secret("The new voucher", f"It is worth {worth}. Its code is not shown here again.{told}", made.code, marker="code")

            form_buttons(dialog, {"reason": reason}, yes="Credit it", act=act, danger=True)
    dialog.open()


def _left_facts(left: CreditPreview) -> None:
    facts = Facts()
    facts.add("Package", left.package_name)
    facts.add("Time left", words.span(left.seconds))
    facts.add("Data left", "no limit" if left.bytes is None else words.size(left.bytes))
    facts.add("Sessions that end", str(left.ends_sessions))
    facts.add("Code goes to", left.masked_phone or "you alone: no customer is known")


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
