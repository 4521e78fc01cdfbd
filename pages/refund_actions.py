"""Giving money back: the dialogs in which it is asked for, decided and sent again. Each asks for a fresh proof."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components import words
from pages.components.dialogs import confirm, dialog_card
from pages.components.drafts import keep_draft
from pages.components.forms import form_buttons, text_field
from pages.components.parts import Facts, notice
from pages.components.presence import show_presence
from pages.components.prove import proven_staff
from pages.shell import current_staff, toast_on_refusal
from services.accounts.permissions import Principal
from services.payments.models import RefundState
from services.payments.refund_queries import RefundRow
from services.payments.refunding import RefundPreview, approve_refund, ask_refund, decline_refund, refund_preview
from services.payments.refused import pay_out, retry_refund
from services.vouchers.models import VoucherState

Done = Callable[[], Awaitable[None]]
_VOUCHER_AFTER = {
    VoucherState.PENDING: "is blocked before anybody can enter it",
    VoucherState.ACTIVE: "was not entered yet, and is blocked",
    VoucherState.USED: "was entered; the time that it gave ends",
    VoucherState.BLOCKED: "is blocked already",
    VoucherState.EXPIRED: "is expired already",
}


async def ask_for_refund(public_id: str, done: Done) -> None:
    """Show what giving a payment's money back would do, and have it asked for."""
    with toast_on_refusal():
        preview = await in_transaction(refund_preview, actor=await current_staff(), public_id=public_id, now=utc_now())
        _ask(public_id, preview, done)


def _ask(public_id: str, preview: RefundPreview, done: Done) -> None:
    with dialog_card("Give the money back") as dialog:
        if preview.why_refused:
            notice("bad", preview.why_refused, title="This cannot be given back by you now").mark("refund-refused")
            with ui.element("div").classes("buttons"):
                ui.button("Close", on_click=dialog.close).props("flat color=link")
            dialog.open()
            return
        _what_it_does(preview)
        if preview.needs_second:
            notice("wait", "Nothing changes for the customer before.", title="A second person has to agree")
        else:
            notice("wait", "This is within your own limit and cannot be taken back.", title="It happens at once")
        reason = text_field("Reason", "reason", props='maxlength=300 autofocus hint="it stands in the history of the payment"')

        async def act() -> None:
            by = await _proven("reason")
            text = reason.value or ""
            refund = await in_transaction(ask_refund, actor=by, public_id=public_id, reason=text, now=utc_now())
            waits = refund.state is RefundState.ASKED
            ui.notify("It waits for a second person." if waits else "The money is on its way back.", type="positive")
            await done()

        yes = "Ask for it" if preview.needs_second else f"Give {words.money(preview.amount_bututs)} back"
        draft = keep_draft(f"refund:{public_id}", {"reason": reason})
        form_buttons(dialog, {"reason": reason}, yes=yes, act=act, danger=not preview.needs_second, marker="ask-refund", draft=draft)
    dialog.open()


async def ask_to_approve(row: RefundRow, done: Done) -> None:
    with toast_on_refusal():
        preview = await in_transaction(refund_preview, actor=await current_staff(), public_id=row.payment_public_id, now=utc_now())
        _approve(row, preview, done, await current_staff())


def _approve(row: RefundRow, preview: RefundPreview, done: Done, actor: Principal) -> None:
    with dialog_card(f"Give {words.money(row.amount_bututs)} back?") as dialog:
        ui.label(f"“{row.reason}”").classes("anywhere")
        ui.label(f"{person_of(row.asked_by)} asked for it. It cannot be taken back.").classes("soft small")
        show_presence("refund", row.id, actor=actor, in_dialog=True)
        _what_it_does(preview)

        async def act() -> None:
            by = await _proven()
            await in_transaction(approve_refund, actor=by, refund_id=row.id, expected_revision=row.revision, now=utc_now())
            ui.notify("The money is on its way back.", type="positive")
            await done()

        form_buttons(dialog, {}, yes="Give it back", act=act, danger=True, marker="approve-refund")
    dialog.open()


async def ask_to_decline(row: RefundRow, done: Done) -> None:
    with dialog_card(f"Keep the {words.money(row.amount_bututs)}?") as dialog:
        ui.label("The customer keeps what was bought. Whoever asked reads why, and may ask again.").classes("soft")
        note = text_field("Why not", "note", props="maxlength=300 autofocus")

        async def act() -> None:
            by = await _proven("note")
            text = note.value or ""
            await in_transaction(decline_refund, actor=by, refund_id=row.id, note=text, expected_revision=row.revision, now=utc_now())
            ui.notify("Declined.", type="positive")
            await done()

        draft = keep_draft(f"refund-no:{row.id}", {"note": note})
        form_buttons(dialog, {"note": note}, yes="Decline", act=act, marker="decline-refund", draft=draft)
    dialog.open()


async def ask_to_retry(row: RefundRow, done: Done) -> None:
    with toast_on_refusal():
        text = f"Wave is asked once more to give {words.money(row.amount_bututs)} back. Asking twice never pays twice."
        if await confirm("Send it again?", text, yes="Send it again") is None:
            return
        by = await _proven()
        await in_transaction(retry_refund, actor=by, refund_id=row.id, now=utc_now())
        ui.notify("It is sent again.", type="positive")
        await done()


async def ask_to_pay_out(row: RefundRow, done: Done) -> None:
    with dialog_card(f"{words.money(row.amount_bututs)} paid out another way?") as dialog:
        text = "For money that the customer got in cash or by a transfer because Wave refuses. It is never sent to Wave again."
        ui.label(text).classes("soft")
        how = text_field("How", "how", props='maxlength=300 autofocus hint="with the number of its receipt: it stands in the books"')

        async def act() -> None:
            by = await _proven("how")
            said = how.value or ""
            await in_transaction(pay_out, actor=by, refund_id=row.id, how=said, expected_revision=row.revision, now=utc_now())
            ui.notify("Nothing is owed to the customer any more.", type="positive")
            await done()

        draft = keep_draft(f"refund-out:{row.id}", {"how": how})
        form_buttons(dialog, {"how": how}, yes="It is paid out", act=act, danger=True, marker="pay-out-refund", draft=draft)
    dialog.open()


async def _proven(field: str | None = None) -> Principal:
    by = await proven_staff()
    if by is None:
        raise InvalidInput("You did not prove who you are, so nothing was changed.", field=field)
    return by


def _what_it_does(preview: RefundPreview) -> None:
    facts = Facts()
    facts.add("Goes back", f"{words.money(preview.amount_bututs)}, the whole sum, through Wave")
    if preview.voucher_state:
        facts.add("The voucher", _VOUCHER_AFTER[VoucherState(preview.voucher_state)])
    running = preview.ends_sessions
    facts.add("Online now", "nobody" if not running else f"{running} {'session ends' if running == 1 else 'sessions end'} at once")
    facts.add("Used so far", words.span(preview.minutes_used * 60) if preview.minutes_used else "nothing")


def person_of(label: str) -> str:
    """`awa@inet.gm` of `staff:awa@inet.gm`; the product itself by what it is."""
    return "the product itself" if label == "system" else label.partition(":")[2] or label
