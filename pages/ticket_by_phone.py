"""A customer is on the phone: who they are, what they have already, and their words into a ticket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import DomainError
from app.keys import keyed_mac
from pages.components.dialogs import dialog_card
from pages.components.drafts import keep_draft
from pages.components.forms import form_buttons, refuse_at, text_field
from pages.components.parts import chip, moment
from pages.components.words import money, words_of
from pages.shell import current_staff, toast_on_refusal
from pages.ticket_words import CATEGORY_WORDS
from services.accounts.permissions import Permission, Principal
from services.network.site_queries import site_choices
from services.tickets import intake
from services.tickets.callers import Caller, caller
from services.tickets.models import Category, Priority, Ticket

Opened = Callable[[Ticket], Awaitable[None]]
_ANEW = ""
_UNKNOWN = "unknown"


async def by_phone_form(on_opened: Opened | None = None, *, phone: str = "") -> None:
    """Open the dialog. `on_opened` gets the ticket that the words are in; without it the ticket's page is opened.

    `phone` is whose number is known already.
    """
    with ui.context.client.content, toast_on_refusal():
        by = await current_staff()
        by.require(Permission.TICKETS_EDIT)
        sites = await in_transaction(site_choices, actor=by) if by.may(Permission.NETWORK_READ) else {}
        # What was begun about one caller is not offered for another.
        place = f"new-ticket:{keyed_mac('draft-place', phone)[:16]}" if phone else "new-ticket"
        form = _Form(sites, on_opened or _go_there, place)
        form.draw()
        if phone:
            await form.is_about(phone)


async def _go_there(ticket: Ticket) -> None:
    ui.navigate.to(f"/console/tickets/{ticket.reference}")


class _Form:
    """The dialog and what is known of the caller so far."""

    def __init__(self, sites: dict[str, str], on_opened: Opened, place: str) -> None:
        self._sites, self._on_opened, self._place = sites, on_opened, place
        self._asked = ""

    def draw(self) -> None:
        with dialog_card("New ticket by phone") as dialog:
            self._phone = text_field("Phone number", "phone", props="autofocus type=tel maxlength=32 debounce=400 autocomplete=off")
            self._phone.on_value_change(self._look)
            self._known = ui.element("div").classes("caller").mark("caller")
            self._name = text_field("Name (if they say it)", "name", props="maxlength=120 autocomplete=off")
            self._where = ui.radio({_ANEW: "A new ticket"}, value=_ANEW).props("dense").mark("field-where")
            self._where.set_visibility(False)
            self._subject = text_field("Subject (a few words)", "subject", props="maxlength=200 autocomplete=off")
            self._words = ui.textarea("What they say").props(f"outlined autogrow hide-bottom-space maxlength={intake.MAX_WORDS}")
            self._words.classes("w-full").mark("field-words")
            with ui.element("div").classes("form-grid"):
                self._draw_choices()
            self._where.on_value_change(self._show_what_fits)
            fields = {"phone": self._phone, "words": self._words, "name": self._name, "subject": self._subject}
            form_buttons(dialog, fields, yes="Keep it", act=self._keep, draft=keep_draft(self._place, fields))
        dialog.open()

    async def is_about(self, phone: str) -> None:
        """The number is known: what is known of its owner is shown at once."""
        self._phone.set_value(phone)
        await self._look()

    def _draw_choices(self) -> None:
        about = {_UNKNOWN: "Let it be found out", **{one.value: text for one, text in CATEGORY_WORDS.items()}}
        self._category = _select(about, "About", _UNKNOWN, "category")
        self._priority = _select({one.value: words_of(one).text for one in Priority}, "Priority", Priority.NORMAL.value, "priority")
        self._site = _select({_ANEW: "Not known", **self._sites}, "Place", _ANEW, "site") if self._sites else None

    async def _look(self) -> None:
        """Find the caller while the number is being typed; a number that is not whole yet is no mistake."""
        number = (self._phone.value or "").strip()
        self._asked = number
        self._phone.props(remove="error error-message")
        found, is_whole = None, False
        if number:
            by = await current_staff()
            try:
                found, is_whole = await in_transaction(caller, actor=by, phone=number), True
            except DomainError as refusal:
                if len([character for character in number if character.isdigit()]) >= 7:
                    refuse_at({"phone": self._phone}, refusal)
        # Who types on has asked for another one meanwhile.
        if self._asked == number and not self._known.is_deleted:
            self._tell(found, is_new=is_whole and found is None)

    def _tell(self, found: Caller | None, *, is_new: bool) -> None:
        self._known.clear()
        with self._known:
            if is_new:
                ui.label("This number is new here.").classes("soft")
            if found is not None:
                _draw_caller(found)
        tickets = found.tickets if found is not None else ()
        choices = {_ANEW: "A new ticket"} | {one.reference: f"Add to {one.reference} instead" for one in tickets}
        self._where.set_options(choices, value=self._where.value if self._where.value in choices else _ANEW)
        self._where.set_visibility(bool(tickets))
        if found is not None and found.name and not self._name.value:
            self._name.set_value(found.name)

    def _show_what_fits(self) -> None:
        """What is asked only of a new ticket."""
        for field in (self._subject, self._category, self._priority, self._site):
            if field is not None:
                field.set_visibility(self._where.value == _ANEW)

    async def _keep(self) -> None:
        by = await current_staff()
        ticket = await (self._open(by) if self._where.value == _ANEW else self._add(by))
        ui.notify(f"Kept in {ticket.reference}.", type="positive")
        await self._on_opened(ticket)

    async def _add(self, by: Principal) -> Ticket:
        return await in_transaction(
            intake.add_by_staff,
            actor=by,
            reference=self._where.value,
            words=self._words.value or "",
            name=self._name.value or "",
            now=utc_now(),
        )

    async def _open(self, by: Principal) -> Ticket:
        chosen = self._category.value
        return await in_transaction(
            intake.open_by_staff,
            actor=by,
            phone=self._phone.value or "",
            name=self._name.value or "",
            words=self._words.value or "",
            subject=self._subject.value or "",
            category=None if chosen == _UNKNOWN else Category(chosen),
            priority=Priority(self._priority.value),
            site_id=int(self._site.value) if self._site is not None and self._site.value else None,
            now=utc_now(),
        )


def _select(options: dict[str, str], label: str, value: str, name: str) -> ui.select:
    field = ui.select(options, label=label, value=value, with_input=len(options) > 12)
    field.props("outlined hide-bottom-space").classes("w-full").mark(f"field-{name}")
    return field


def _draw_caller(found: Caller) -> None:
    ui.label(f"{found.name or 'Customer'} · {found.masked_phone}").classes("strong")
    for ticket in found.tickets:
        with ui.element("div").classes("caller-line"):
            ui.link(ticket.reference, f"/console/tickets/{ticket.reference}", new_tab=True)
            ui.label(ticket.headline).classes("grow")
            moment(ticket.created_at)
    for payment in found.payments:
        with ui.element("div").classes("caller-line"):
            ui.link(payment.reference, f"/console/payments/{payment.reference}", new_tab=True)
            ui.label(f"{payment.package_name}, {money(payment.amount_bututs)}").classes("grow")
            chip(payment.status)
            moment(payment.created_at)
    if not found.tickets and not found.payments:
        ui.label("No ticket waits, and nothing was bought yet.").classes("soft")
