"""The customer's own data on their page: handed out as a file, and the wish to be forgotten, which two people see to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from nicegui import ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components import words
from pages.components.dialogs import confirm, dialog_card
from pages.components.forms import form_buttons
from pages.components.parts import Facts, action_button, notice, panel
from pages.components.prove import proven_staff
from pages.live import refresh_on
from pages.refund_actions import person_of
from pages.shell import current_staff, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.operations.models import ErasureChannel, ErasureProof, ErasureRequest, ErasureState
from services.operations.personal_data import erasing
from services.operations.personal_data.erasing import ErasurePreview
from services.operations.personal_data.export import ExportForm, export, file_name

Done = Callable[[], Awaitable[None]]
CHANNELS = {
    ErasureChannel.DESK: "At the desk",
    ErasureChannel.PHONE: "By phone",
    ErasureChannel.LETTER: "By letter",
    ErasureChannel.MAIL: "By mail",
}
PROOFS = {
    ErasureProof.IDENTITY_CARD: "Showed an identity card",
    ErasureProof.CALLED_BACK: "We called the number back",
    ErasureProof.SIGNED_LETTER: "Signed letter with a copy of a card",
    ErasureProof.KNOWS_PURCHASES: "Knew the last purchases",
}
_STATES = {ErasureState.ASKED: "Asked for", ErasureState.DONE: "Carried out", ErasureState.CALLED_OFF: "Called off"}
_MEDIA = {ExportForm.JSON: "application/json", ExportForm.HTML: "text/html; charset=utf-8"}
_IN_MEMORY = 1 << 20


async def personal_data_panel(customer_id: int, actor: Principal, *, is_gone: bool) -> None:
    """For whoever may see to people's own data; nothing for others. Of who `is_gone` there is only how that came about."""
    if not actor.may(Permission.PERSONAL_DATA_READ):
        return
    panel_of = _Panel(ui.element("div").mark("personal-data"), customer_id, is_gone)
    await panel_of.draw()
    refresh_on((erasing.TOPIC,), panel_of.draw)


@dataclass(frozen=True)
class _Panel:
    """Draws itself anew. A function that names itself would be a circle that outlives its page."""

    place: ui.element
    customer_id: int
    is_gone: bool

    async def draw(self) -> None:
        by = await current_staff()
        request = await in_transaction(erasing.request_of, actor=by, customer_id=self.customer_id)
        self.place.clear()
        with self.place, panel("Personal data"):
            if self.is_gone:
                _how_they_went(request)
            else:
                _draw(self.customer_id, request, by, self.draw)


def _how_they_went(request: ErasureRequest | None) -> None:
    if request is not None and request.state is ErasureState.DONE:
        _request_facts(request)
    else:
        ui.label("Deleted by the customer, in the app.").classes("soft")


def _draw(customer_id: int, request: ErasureRequest | None, by: Principal, again: Done) -> None:
    is_asked = request is not None and request.state is ErasureState.ASKED
    if request is not None:
        _request_facts(request)
    else:
        ui.label("Everything that is kept of this customer, for themself; and their wish to be forgotten.").classes("soft")
    with ui.element("div").classes("line q-mt-md"):
        action_button("Hand out …", partial(_ask_to_hand_out, customer_id), icon="download").mark("hand-out")
        if not by.may(Permission.PERSONAL_DATA_ERASE):
            return
        if not is_asked:
            action_button("Erase …", partial(_ask_to_erase, customer_id, again), icon="person_off", danger=True).mark("ask-erasure")
            return
        assert request is not None
        action_button("Call off", partial(_call_off, request, again), icon="undo").mark("call-off-erasure")
        if request.asked_by_id != by.id and utc_now() >= request.asked_at + erasing.THINK_IT_OVER:
            action_button("Carry out …", partial(_ask_to_carry_out, request, again), icon="person_off", danger=True).mark(
                "carry-out-erasure"
            )


def _request_facts(request: ErasureRequest) -> None:
    if request.state is ErasureState.ASKED:
        may_at = request.asked_at + erasing.THINK_IT_OVER
        text = "The customer was told by text and has a day to object. Then somebody other than who asked carries it out."
        if utc_now() >= may_at:
            text = "The customer had a day to object. Somebody other than who asked carries it out."
        notice("wait", text, title="To be erased").mark("erasure-waits")
    facts = Facts()
    facts.add("Erasure", _STATES[request.state])
    facts.add("Wished", f"{CHANNELS[request.channel]}; {PROOFS[request.proof][0].lower()}{PROOFS[request.proof][1:]}")
    facts.add("Asked by", person_of(request.asked_by))
    facts.add_time("Asked", request.asked_at)
    if request.state is ErasureState.ASKED:
        facts.add_time("Possible", request.asked_at + erasing.THINK_IT_OVER)
    else:
        facts.add("Decided by", person_of(request.decided_by or ""))
        facts.add_time("Decided", request.decided_at)


def _how_asked() -> dict[str, Any]:
    """The two questions that both dialogs ask."""
    fields = {
        "channel": ui.select({one.value: text for one, text in CHANNELS.items()}, label="How the wish reached us", value=None),
        "proof": ui.select({one.value: text for one, text in PROOFS.items()}, label="How we know it is them", value=None),
    }
    for name, field in fields.items():
        field.props("outlined hide-bottom-space").classes("w-full").mark(f"field-{name}")
    return fields


def _answers(fields: dict[str, Any]) -> dict[str, Any]:
    for name, ask in (("channel", "Say how the wish reached us."), ("proof", "Say how you made sure that it is the customer.")):
        if not fields[name].value:
            raise InvalidInput(ask, field=name)
    return {"channel": ErasureChannel(fields["channel"].value), "proof": ErasureProof(fields["proof"].value)}


async def _proven(field: str | None = None) -> Principal:
    by = await proven_staff()
    if by is None:
        raise InvalidInput("You did not prove who you are, so nothing was done.", field=field)
    return by


def _ask_to_hand_out(customer_id: int) -> None:
    with dialog_card("Hand out what we keep") as dialog:
        ui.label("One file with everything, without codes and without staff's notes. That it was handed out stands in the audit.").classes(
            "soft"
        )
        fields = _how_asked()
        forms = {ExportForm.HTML.value: "A page to read and print", ExportForm.JSON.value: "JSON, for a program"}
        form = ui.radio(forms, value=ExportForm.HTML.value).mark("field-form")

        async def act() -> None:
            how = _answers(fields)
            by, wanted = await _proven("proof"), ExportForm(form.value)
            content = await in_transaction(_document, actor=by, customer_id=customer_id, form=wanted, **how)
            ui.download.content(content, file_name(customer_id, wanted), _MEDIA[wanted])

        form_buttons(dialog, fields, yes="Make the file", act=act, marker="make-file")
    dialog.open()


def _document(session: Session, /, **wanted: Any) -> bytes:
    out: IO[bytes]
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as out:
        export(session, out, now=utc_now(), **wanted)
        out.seek(0)
        return out.read()


async def _ask_to_erase(customer_id: int, again: Done) -> None:
    with toast_on_refusal():
        preview = await in_transaction(erasing.preview, actor=await current_staff(), customer_id=customer_id, now=utc_now())
        _ask(customer_id, preview, again)


def _ask(customer_id: int, preview: ErasurePreview, again: Done) -> None:
    with dialog_card("Erase this customer") as dialog:
        if preview.waits_for:
            notice("bad", preview.waits_for, title="This cannot be done now").mark("erasure-refused")
            with ui.element("div").classes("buttons"):
                ui.button("Close", on_click=dialog.close).props("flat color=link")
            dialog.open()
            return
        _what_it_does(preview)
        fields = _how_asked()
        gives_up = (
            ui.checkbox("The customer was told what is left, and gives it up").mark("field-give_up_time") if preview.is_time_left else None
        )
        notice(
            "wait", "The customer is told by text and has a day to object. Then another person carries it out.", title="Nothing happens yet"
        )

        async def act() -> None:
            how = _answers(fields)
            if gives_up is not None and not gives_up.value:
                raise InvalidInput("Tell the customer what is left, and tick that they give it up.", field="proof")
            by = await _proven("proof")
            await in_transaction(erasing.ask, actor=by, customer_id=customer_id, gives_up_time=gives_up is not None, now=utc_now(), **how)
            ui.notify("It waits for a day, and for a second person.", type="positive")
            await again()

        form_buttons(dialog, fields, yes="Ask for it", act=act, danger=True, marker="send-erasure")
    dialog.open()


def _what_it_does(preview: ErasurePreview) -> None:
    ui.label("Name, number, devices, addresses and words go, everywhere. The books stay, without the person. It cannot be undone.").classes(
        "soft"
    )
    if preview.open_tickets:
        waiting = "1 request is" if preview.open_tickets == 1 else f"{preview.open_tickets} requests are"
        notice("wait", "It is closed with the erasure, without an answer.", title=f"{waiting} still open").mark("open-tickets")
    facts = Facts()
    facts.add(
        "Codes not used", f"{preview.unused_vouchers}, worth {words.money(preview.unused_bututs)}" if preview.unused_vouchers else "none"
    )
    facts.add("Time left", words.span(preview.seconds_left) if preview.seconds_left else "none")
    facts.add("Online now", "nobody" if not preview.online_now else f"{preview.online_now}, put out with it")
    facts.add("Phones with INET-Go", str(preview.phones))
    facts.add("Stay without the person", f"{preview.payments} payments, {preview.tickets} requests")
    facts.add("Back-ups", "hold the person until they age out")


async def _ask_to_carry_out(request: ErasureRequest, again: Done) -> None:
    with toast_on_refusal():
        preview = await in_transaction(erasing.preview, actor=await current_staff(), customer_id=request.customer_id, now=utc_now())
        with dialog_card("Erase this customer for good?") as dialog:
            ui.label(f"{person_of(request.asked_by)} asked for it.").classes("soft small")
            if preview.waits_for:
                notice("bad", preview.waits_for, title="This cannot be done now").mark("erasure-refused")
            _what_it_does(preview)

            async def act() -> None:
                await in_transaction(erasing.carry_out, actor=await _proven(), request_id=request.id or 0, now=utc_now())
                ui.notify("The customer is erased.", type="positive")
                ui.navigate.reload()

            form_buttons(dialog, {}, yes="Erase", act=act, danger=True, marker="erase")
        dialog.open()


async def _call_off(request: ErasureRequest, again: Done) -> None:
    with toast_on_refusal():
        text = "Nothing happens to the customer. It can be asked for again."
        if await confirm("Call the erasure off?", text, yes="Call it off") is None:
            return
        await in_transaction(erasing.call_off, actor=await _proven(), request_id=request.id or 0, now=utc_now())
        ui.notify("Called off.", type="positive")
        await again()
