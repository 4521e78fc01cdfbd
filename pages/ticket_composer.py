"""Where a ticket is answered: to the customer or among staff; with macros, mentions, drafts that survive, and no reply past another."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import dialog_card, enable_again
from pages.components.drafts import KeptDraft
from pages.components.parts import tone_chip
from pages.shell import current_staff, silent_on_refusal, toast_on_refusal
from pages.ticket_data import Shown
from pages.ticket_macros import Chosen, macro_choices, use_macro
from services.accounts.permissions import Permission, Principal
from services.console.drafts import MAX_TEXT
from services.console.models import Draft
from services.notifications.models import Medium
from services.tickets import mentions, notes, replies
from services.tickets.drafts import place_of
from services.tickets.errors import AnsweredMeanwhile
from services.tickets.reach import LONGEST_SMS, Reach
from services.tickets.replies import Then

Refresh = Callable[[], Awaitable[None]]
REPLY, NOTE = "reply", "note"
_WRITING_SECONDS = 15.0
_MENTION = re.compile(r"(?:^|\s)@([\w.-]*)$")
_MACRO = re.compile(r"^/([^\n]{0,40})$")
_OFFERED = 6
_TABS = {REPLY: ("Public reply", "reply"), NOTE: ("Internal note", "edit_note")}


class Composer:
    """Drawn once and never again while the page is open: news must not touch what is being typed."""

    def __init__(self, shown: Shown, actor: Principal, drafted: dict[str, Draft], refresh: Refresh) -> None:
        self._reference, self._actor, self._refresh = shown.ticket.reference, actor, refresh
        self._shown = shown
        # The state of the ticket that the writer had before them when they began: what was said since, they have not read.
        self._seen = shown.ticket.revision
        self._typed_at = 0.0
        may_reply = actor.may(Permission.TICKETS_REPLY)
        self._tab = REPLY if may_reply else NOTE
        self._buttons: list[ui.button] = []
        with ui.element("section").classes("panel composer").mark("composer") as self._box:
            with ui.element("div").classes("composer-tabs"):
                with ui.element("div").classes("line").props('role=tablist aria-label="What you write"'):
                    self._tabs = {tab: self._tab_button(tab) for tab in ([REPLY] if may_reply else []) + [NOTE]}
                ui.element("div").classes("grow")
                lines = {tab: ui.element("div").classes("draft-line to-end").props("aria-live=polite") for tab in self._tabs}
            self._reach = ui.element("div").classes("reach")
            self.fields = {tab: self._field(tab) for tab in self._tabs}
            self._lines = lines
            self._drafts = {
                tab: KeptDraft(place_of(self._reference, tab), {tab: field}, actor=actor, found=drafted.get(tab), line=lines[tab])
                for tab, field in self.fields.items()
            }
            self._offers = ui.element("div").classes("offers")
            with ui.element("div").classes("composer-foot"):
                self._count = ui.label("").classes("soft small").mark("text-cost")
                ui.element("div").classes("grow")
                self._sends = {tab: self._send_buttons(tab) for tab in self._tabs}
        self._choose(self._tab)

    @property
    def is_writing(self) -> bool:
        return time.monotonic() - self._typed_at < _WRITING_SECONDS and bool(self._text())

    def news(self, shown: Shown) -> None:
        """The ticket changed: how the customer is reached may have, and whoever has not begun to write has seen it all."""
        self._shown = shown
        if not any((field.value or "").strip() for field in self.fields.values()):
            self._seen = shown.ticket.revision
        self._draw_reach()

    def put(self, text: str, tab: str = REPLY) -> None:
        """Write a text in, below what is there."""
        if tab not in self.fields:
            tab = NOTE
        self._choose(tab)
        field = self.fields[tab]
        before = (field.value or "").rstrip()
        field.value = f"{before}\n\n{text}" if before else text
        field.run_method("focus")

    def _tab_button(self, tab: str) -> ui.button:
        text, icon = _TABS[tab]
        button = ui.button(text, icon=icon, color=None, on_click=partial(self._choose, tab, focus=True))
        return button.props(f"flat dense no-caps role=tab data-key={tab[0]}").mark(f"tab-{tab}")

    def _field(self, tab: str) -> ui.textarea:
        label = "Your answer to the customer. / for macros" if tab == REPLY else "Only staff read it. @ to name a colleague"
        field = ui.textarea(label, on_change=lambda: self._typed(tab))
        field.props(f"outlined autogrow hide-bottom-space maxlength={MAX_TEXT} input-style='min-height: 72px; max-height: 38vh'")
        return field.classes("w-full").mark(f"field-{tab}")

    def _send_buttons(self, tab: str) -> ui.element:
        with ui.element("div").classes("line to-end") as row:
            if tab == NOTE:
                self._button("Keep the note", self._note, main=True, marker="keep-note")
            else:
                self._button("Send", partial(self._send, "open"), marker="send-open", tip="It stays open")
                self._button(
                    "Send and resolve", partial(self._send, "resolved"), marker="send-resolve", tip="The customer is told that it is solved"
                )
                self._button("Send and wait", partial(self._send, "pending"), main=True, marker="send", tip="It waits for the customer")
        return row

    def _button(self, text: str, act: Callable[[], Awaitable[None]], *, marker: str, main: bool = False, tip: str = "") -> None:
        async def once() -> None:
            for button in self._buttons:
                button.disable()
            with self._box, toast_on_refusal():
                await act()
            for button in self._buttons:
                enable_again(button)

        button = ui.button(text, on_click=once).props("unelevated color=primary" if main else "outline color=link").mark(marker)
        if tip:
            button.tooltip(tip)
        self._buttons.append(button)

    def _choose(self, tab: str, *, focus: bool = False) -> None:
        self._tab = tab
        for name, field in self.fields.items():
            field.set_visibility(name == tab)
            self._lines[name].set_visibility(name == tab)
            self._sends[name].set_visibility(name == tab)
            self._tabs[name].classes(add="here" if name == tab else "", remove="" if name == tab else "here")
            self._tabs[name].props(f"aria-selected={'true' if name == tab else 'false'}")
        self._box.classes(add="is-note" if tab == NOTE else "", remove="" if tab == NOTE else "is-note")
        self._draw_reach()
        self._draw_cost()
        self._offers.clear()
        if focus:
            self.fields[tab].run_method("focus")

    def _text(self) -> str:
        return str(self.fields[self._tab].value or "")

    async def _typed(self, tab: str) -> None:
        self._typed_at = time.monotonic()
        self._draw_cost()
        await self._offer(tab)

    async def _sent(self, tab: str) -> None:
        await self._drafts[tab].sent()
        self.fields[tab].value = ""
        self._drafts[tab].go_on()
        self._typed_at = 0.0
        await self._refresh()
        self._seen = self._shown.ticket.revision

    async def _send(self, then: Then, *, anyway: bool = False) -> None:
        by = await current_staff()
        try:
            await in_transaction(
                replies.reply,
                actor=by,
                reference=self._reference,
                text=str(self.fields[REPLY].value or ""),
                expected_revision=self._seen,
                anyway=anyway,
                then=then,
                now=utc_now(),
            )
        except AnsweredMeanwhile as meanwhile:
            self._ask(meanwhile, then)
            return
        ui.notify(
            {"open": "Sent.", "pending": "Sent. It waits for the customer.", "resolved": "Sent, and resolved."}[then], type="positive"
        )
        await self._sent(REPLY)

    def _ask(self, meanwhile: AnsweredMeanwhile, then: Then) -> None:
        with dialog_card("Something was said meanwhile") as dialog:
            ui.label("You have not read this yet:").classes("soft")
            with ui.element("div").classes("quoted").mark("meanwhile"):
                for line in meanwhile.what.splitlines() or [meanwhile.what]:
                    ui.label(line)
            ui.label("Your answer is kept either way.").classes("soft small")

            async def look() -> None:
                dialog.close()
                self._seen = meanwhile.revision
                await self._refresh()

            async def send() -> None:
                dialog.close()
                with self._box, toast_on_refusal():
                    await self._send(then, anyway=True)

            with ui.element("div").classes("buttons"):
                ui.button("Send anyway", on_click=send).props("flat color=link").mark("send-anyway")
                ui.button("Look first", on_click=look).props("unelevated color=primary autofocus").mark("look-first")
        dialog.open()

    async def _note(self) -> None:
        noted = await in_transaction(
            notes.note, actor=await current_staff(), reference=self._reference, text=str(self.fields[NOTE].value or ""), now=utc_now()
        )
        told = f" {', '.join(noted.told)} is told." if noted.told else ""
        ui.notify(f"Kept.{told}", type="positive")
        if noted.not_told:
            words = f"{', '.join(noted.not_told)} may not see this ticket and was not told."
            ui.notify(words, type="warning", multi_line=True, timeout=7000)
        await self._sent(NOTE)

    async def _offer(self, tab: str) -> None:
        """Under the text: macros while it begins with /, colleagues while it ends with @ and a beginning of a name."""
        self._offers.clear()
        text = str(self.fields[tab].value or "")
        if tab == NOTE and (named := _MENTION.search(text)):
            await self._offer_people(named.group(1).casefold())
        elif begun := _MACRO.match(text):
            await self._offer_macros(tab, begun.group(1).casefold())

    async def _offer_people(self, begun: str) -> None:
        with silent_on_refusal():
            people = await in_transaction(mentions.mentionable, actor=await current_staff())
            fitting = [one for one in people if begun in one.handle.casefold() or begun in one.name.casefold()][:_OFFERED]
            self._offers.clear()
            with self._offers:
                for one in fitting:
                    ui.button(one.name, icon="alternate_email", on_click=partial(self._name, one.handle)).props(
                        "outline dense no-caps size=sm color=link"
                    ).mark(f"mention-{one.id}")

    def _name(self, handle: str) -> None:
        field = self.fields[NOTE]
        field.value = re.sub(r"@[\w.-]*$", f"@{handle} ", str(field.value or ""))
        self._offers.clear()
        field.run_method("focus")

    async def _offer_macros(self, tab: str, begun: str) -> None:
        with silent_on_refusal():
            fitting = await macro_choices(begun, is_note=tab == NOTE)
            self._offers.clear()  # another letter's offers may have come meanwhile
            with self._offers:
                for one in fitting[:_OFFERED]:
                    ui.button(one.name, icon="bolt", on_click=partial(self._use_macro, one)).props(
                        "outline dense no-caps size=sm color=link"
                    ).mark(f"macro-{one.id}")
                if not fitting:
                    ui.label("No macro of that name. They are made on the page Macros.").classes("soft small")

    async def _use_macro(self, macro: Chosen) -> None:
        with self._box, toast_on_refusal():

            def put(text: str) -> None:
                self.fields[self._tab].value = text
                self._offers.clear()
                self.fields[self._tab].run_method("focus")

            async def applied() -> None:
                await self._sent(self._tab)

            await use_macro(macro, self._reference, expected_revision=self._seen, put=put, applied=applied)

    def _draw_reach(self) -> None:
        self._reach.clear()
        if self._tab != REPLY:
            return
        with self._reach:
            icon, text, tone = _reach_words(self._shown.reach, self._reference)
            ui.icon(icon)
            ui.label(text).classes("small").mark("reach")
            if tone:
                tone_chip(tone, "wait")

    def _draw_cost(self) -> None:
        text = self._text().strip()
        count = f"{len(text):,} characters" if text else ""
        to = self._shown.reach
        if text and self._tab == REPLY and to.medium is Medium.SMS:
            cost = to.cost(text)
            count += f", {cost.segments} text{'s' if cost.segments != 1 else ''}"
            if len(to.whole(text)) > LONGEST_SMS:
                count += f"; a text ends after {LONGEST_SMS} characters, the whole is on their page"
            elif cost.foreign:
                count += f" (dearer for {cost.foreign[:8]})"
        self._count.text = count


def _reach_words(to: Reach, reference: str) -> tuple[str, str, str]:
    if to.medium is Medium.EMAIL:
        return "mail", f"By mail to {to.to}", ""
    if to.medium is Medium.SMS:
        return "sms", f"By SMS to {to.to}", "wants no texts" if to.is_unwanted else ""
    return "web", f"No number and no address is known: it can be read on the page of {reference} only", ""
