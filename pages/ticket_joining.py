"""Merging, splitting and linking tickets from a ticket's page: each shows first what it would do, and can be taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import DomainError
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons, refuse_at, text_field
from pages.components.parts import moment, notice
from pages.shell import current_staff, toast_on_refusal
from pages.ticket_data import Shown
from pages.ticket_words import PATH
from services.listing import Slice
from services.tickets import links, merging, operations, splitting
from services.tickets.errors import TicketNotFound
from services.tickets.merging import MergePreview
from services.tickets.models import MessageKind
from services.tickets.people import headline
from services.tickets.queries import TicketFilter, list_tickets
from services.tickets.seen import whatever_was_noted
from services.tickets.work_models import TicketOperation

Refresh = Callable[[], Awaitable[None]]
_OFFERED, _LINE = 8, 90


async def _offers(shown: Shown) -> dict[str, str]:
    """Tickets of the same customer, or of the same place: what it is most likely about."""
    ticket, by = shown.ticket, await current_staff()
    wanted = TicketFilter(customer_id=ticket.customer_id) if ticket.customer_id else TicketFilter(site_id=ticket.site_id, is_undone=True)
    if not ticket.customer_id and not ticket.site_id:
        return {}
    found = await in_transaction(list_tickets, actor=by, wanted=wanted, part=Slice(limit=_OFFERED + 1, sort="created"))
    return {
        row.ticket.reference: f"{row.ticket.reference} · {headline(row.ticket)}"[:_LINE]
        for row in found.rows
        if row.ticket.id != ticket.id and row.ticket.merged_into_id is None
    }


def _other_field(offers: dict[str, str], *, label: str) -> ui.select:
    field = ui.select(dict(offers), label=label, with_input=True, new_value_mode="add-unique", clearable=True)
    return field.props("outlined hide-bottom-space input-debounce=200").classes("w-full").mark("field-other")


async def merge_form(shown: Shown, refresh: Refresh) -> None:
    """Choose the ticket that takes this one in; what would happen is said before it does."""
    with ui.context.client.content, toast_on_refusal():
        _draw_merge(shown, await _offers(shown), refresh)


def _draw_merge(shown: Shown, offers: dict[str, str], refresh: Refresh) -> None:
    ticket = shown.ticket
    looked: list[MergePreview] = []
    with dialog_card(f"Merge {ticket.reference} into another ticket") as dialog:
        ui.label("All that was said here moves there, and this one is closed. It can be undone for a day.").classes("soft")
        other = _other_field(offers, label="Reference of the ticket that stays")
        seen = ui.element("div").classes("stack").mark("merge-preview")
        sure = ui.checkbox("The customers are not the same. Show the words of the one to the other.").mark("merge-sure")
        sure.set_visibility(False)

        async def look() -> None:
            seen.clear()
            looked.clear()
            sure.set_visibility(False)
            if not other.value:
                return
            try:
                found = await in_transaction(
                    merging.preview, actor=await current_staff(), source=ticket.reference, into=other.value.strip()
                )
            except DomainError as refusal:
                if not refuse_at({"other": other, "not_found": other, TicketNotFound.code: other}, refusal):
                    raise
                return
            other.props(remove="error error-message")
            looked.append(found)
            sure.set_visibility(found.other_customer)
            with seen:
                _what_would_happen(found)

        async def changed() -> None:
            with toast_on_refusal():
                await look()

        other.on_value_change(changed)

        async def act() -> None:
            await in_transaction(
                merging.merge,
                actor=await current_staff(),
                source=ticket.reference,
                into=(other.value or "").strip(),
                expected_revision=ticket.revision,
                confirm=bool(sure.value),
                now=utc_now(),
            )
            into = looked[0].into if looked else other.value
            ui.navigate.to(f"{PATH}/{into}")

        form_buttons(dialog, {"other": other, TicketNotFound.code: other}, yes="Merge", act=act, marker="merge-now")
    dialog.open()


def _what_would_happen(found: MergePreview) -> None:
    if found.refusal:
        notice("bad", found.refusal)
        return
    parts = [f"{found.messages} message{'s' if found.messages != 1 else ''}"]
    parts += [f"{found.attachments} file{'s' if found.attachments != 1 else ''}"] if found.attachments else []
    parts += [f"tags {', '.join(found.tags)}"] if found.tags else []
    notice("busy", f"{', '.join(parts)} would move to {found.into}.")
    for warning in found.warnings:
        notice("wait", warning)


def split_form(shown: Shown, refresh: Refresh) -> None:
    """Choose the messages that are about something else."""
    ticket = shown.ticket
    movable = [one for one in shown.story.messages if one.kind is not MessageKind.SYSTEM][1:]
    with dialog_card(f"Split {ticket.reference}") as dialog:
        ui.label(
            "The chosen messages move into a new ticket of the same customer. The first one stays. It can be undone for a day."
        ).classes("soft")
        chosen: dict[int, ui.checkbox] = {}
        with ui.element("div").classes("choices tall"):
            for message in movable:
                with ui.element("div").classes("row items-center no-wrap q-px-sm"):
                    chosen[message.id or 0] = ui.checkbox(" ".join(message.body.split())[:_LINE]).mark(f"split-{message.id}")
                    ui.element("div").classes("grow")
                    with ui.element("div").classes("soft small"):
                        moment(message.created_at)
        if not movable:
            notice("off", "There is only one message, and it stays.")
        subject = text_field("Subject of the new ticket", "subject", props="maxlength=200")

        async def act() -> None:
            operation = await in_transaction(
                whatever_was_noted(splitting.split),
                actor=await current_staff(),
                reference=ticket.reference,
                message_ids=[number for number, box in chosen.items() if box.value],
                subject=subject.value or "",
                expected_revision=ticket.revision,
                now=utc_now(),
            )
            ui.notify(f"{operations.words(operation)}.", type="positive")
            await refresh()

        form_buttons(dialog, {"subject": subject}, yes="Split off", act=act, marker="split-now")
    dialog.open()


async def link_form(shown: Shown, refresh: Refresh) -> None:
    """Say that another ticket has to do with this one."""
    with ui.context.client.content, toast_on_refusal():
        _draw_link(shown, await _offers(shown), refresh)


def _draw_link(shown: Shown, offers: dict[str, str], refresh: Refresh) -> None:
    with dialog_card(f"What has to do with {shown.ticket.reference}?") as dialog:
        ui.label("Linked tickets stay two; each leads to the other.").classes("soft")
        other = _other_field(offers, label="Reference of the other ticket")

        async def act() -> None:
            await in_transaction(
                links.link,
                actor=await current_staff(),
                reference=shown.ticket.reference,
                other=(other.value or "").strip(),
                now=utc_now(),
            )
            ui.notify("Linked.", type="positive")
            await refresh()

        form_buttons(dialog, {"other": other, TicketNotFound.code: other}, yes="Link", act=act, marker="link-now")
    dialog.open()


async def unlink(shown: Shown, other: str, refresh: Refresh) -> None:
    """They have nothing to do with each other after all."""
    with ui.context.client.content, toast_on_refusal():
        await in_transaction(links.unlink, actor=await current_staff(), reference=shown.ticket.reference, other=other, now=utc_now())
        ui.notify("No longer linked.", type="positive")
        await refresh()


def undo_notice(operation: TicketOperation, refresh: Refresh) -> None:
    """What was done, for how long it can be taken back, and the way to do so."""
    with notice("busy", f"{operations.words(operation)}."):
        ui.element("div").classes("grow")
        with ui.element("div").classes("line"):
            with ui.element("span").classes("soft small"):
                ui.label("can be undone for").classes("inline")
                moment(operation.undo_until, mode="left")
            button = ui.button("Undo", icon="undo", on_click=partial(undo, operation.id or 0, refresh))
            button.props("outline dense color=link").mark("undo")


async def undo(operation_id: int, refresh: Refresh) -> None:
    """Take a step back; what somebody changed since stays, and is named."""
    with ui.context.client.content, toast_on_refusal():
        undone = await in_transaction(operations.undo, actor=await current_staff(), operation_id=operation_id, now=utc_now())
        kept = f" It stays as it is: {'; '.join(undone.kept)}." if undone.kept else ""
        ui.notify(f"Undone.{kept}", type="positive", multi_line=True, timeout=8000 if kept else 3000)
        await refresh()
