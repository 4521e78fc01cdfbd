"""One ticket: what was said and where it is answered, what it is about, who looks after it, and everything that happened to it."""

from __future__ import annotations

import time
from functools import partial

import anyio.to_thread
from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages import ticket_data
from pages.components.again import again_every
from pages.components.keys import keys_help
from pages.components.parts import action_button, chip, notice, panel
from pages.components.region import Region
from pages.components.states import refused_state
from pages.components.timeline import timeline
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal
from pages.ticket_actions import assign_form, go_on, move_form, resolve_form, take, triage_form, wait_form
from pages.ticket_composer import Composer
from pages.ticket_conversation import Conversation
from pages.ticket_data import Refresh, Shown
from pages.ticket_facts import draw_facts
from pages.ticket_fieldwork import field_panel
from pages.ticket_joining import merge_form, split_form, undo_notice
from pages.ticket_keys import ON_TICKET
from pages.ticket_side import lately, side
from pages.ticket_story import happenings
from pages.ticket_thoughts import thoughts
from pages.ticket_words import PATH, name_of
from services.accounts.permissions import Permission, Principal
from services.console import presence
from services.console.models import Draft
from services.console.presence import Present
from services.tickets.errors import TicketNotFound
from services.tickets.models import TicketState
from services.tickets.people import headline

_LONG = 8


@console_page(f"{PATH}/{{reference}}", title="Ticket", permission=Permission.TICKETS_READ)
async def ticket_page_(reference: str, actor: Principal) -> None:
    shown = await in_transaction(ticket_data.read, actor=actor, reference=reference, now=utc_now())
    drafted = await in_transaction(ticket_data.own_drafts, actor=actor, reference=reference)
    page = _Page(shown, actor, drafted)
    keys_help("This ticket", ON_TICKET)
    refresh_on(("tickets", "notifications", "payments", "sessions"), page.refresh)
    again_every(presence.EVERY_SECONDS, page.beat, at_once=True)
    ui.context.client.on_disconnect(page.leave)
    if len(shown.story.messages) > _LONG:
        last = f"document.getElementById('message-{shown.story.messages[-1].id}')"
        ui.run_javascript(f"{last}?.scrollIntoView({{block: 'center'}})")


class _Page:
    """The parts of the page, each drawn anew only when what it shows has changed; the composer never is."""

    def __init__(self, shown: Shown, actor: Principal, drafted: dict[str, Draft]) -> None:
        self._reference, self._actor = shown.ticket.reference, actor
        self._ticket_id = shown.ticket.id or 0
        self._present: tuple[Present, ...] = ()
        self._whole = ui.element("div").classes("stack")
        with self._whole:
            self._top = Region("ticket-top")
            with ui.element("div").classes("columns wide-left"):
                with ui.element("div").classes("stack"):
                    with panel("Conversation"):
                        self._conversation = Conversation(self.refresh)
                    self._composer = self._draw_composer(shown, actor, drafted)
                with ui.element("div").classes("stack"):
                    self._side = Region()
                    self._field = Region()
                    self._thoughts = Region()
                    self._facts = Region()
                    self._lately = Region()
                    self._history = Region()
        self.draw(shown, actor)

    def _draw_composer(self, shown: Shown, actor: Principal, drafted: dict[str, Draft]) -> Composer | None:
        may_write = actor.may(Permission.TICKETS_REPLY) or actor.may(Permission.TICKETS_EDIT)
        return Composer(shown, actor, drafted, self.refresh) if may_write else None

    async def refresh(self) -> None:
        with silent_on_refusal():
            by = await current_staff()
            try:
                self.draw(await in_transaction(ticket_data.read, actor=by, reference=self._reference, now=utc_now()), by)
            except TicketNotFound as refusal:
                # Given to somebody else while it was open here.
                self._whole.clear()
                with self._whole:
                    refused_state(refusal)

    def draw(self, shown: Shown, by: Principal) -> None:
        self._actor = by
        rights, number = by.permissions, shown.ticket.change_number
        self._top.draw(
            (rights, number, shown.undoable and shown.undoable.id, self._present, shown.merged_into),
            partial(self._draw_top, shown, by),
        )
        self._conversation.draw(shown, by)
        self._side.draw(
            (rights, number, shown.tags, shown.known_tags, shown.links, shown.watchers, shown.is_watching),
            partial(side, shown, by, self.refresh),
        )
        self._lately.draw((rights, repr(shown.lately)), partial(lately, shown, by))
        self._field.draw(number, partial(field_panel, shown.field))
        use_reply = self._composer.put if self._composer else _nothing
        self._thoughts.draw((rights, number), partial(thoughts, shown.story, by, self.refresh, use_reply))
        self._facts.draw((rights, repr(shown.facts)), partial(draw_facts, shown.facts, by, self.refresh))
        self._history.draw(number, partial(_history, shown))
        self._shown = shown
        if self._composer:
            self._composer.news(shown)

    async def beat(self) -> None:
        """Say that this person is here, and see who else is."""
        is_writing = self._composer is not None and self._composer.is_writing
        with silent_on_refusal():
            say = partial(presence.here, "ticket", self._ticket_id, actor=self._actor, is_writing=is_writing, at=time.time())
            others = await anyio.to_thread.run_sync(say)
            if others != self._present:
                self._present = others
                self.draw(self._shown, self._actor)

    async def leave(self) -> None:
        await anyio.to_thread.run_sync(partial(presence.gone, "ticket", self._ticket_id, actor=self._actor))

    def _draw_top(self, shown: Shown, actor: Principal) -> None:
        row, ticket = shown.story.row, shown.ticket
        with ui.element("div").classes("heading"):
            with ui.element("div").classes("crumb"):
                ui.link("‹ Tickets", PATH).props("data-key=u")
            with ui.element("h1"):
                ui.label(f"Ticket {ticket.reference}")
            chip(ticket.state)
            if ticket.priority.value in ("high", "urgent"):
                chip(ticket.priority)
            for one in self._present:
                ui.label(f"{one.name} {'is writing' if one.is_writing else 'is here'}").classes("present").mark("present")
            with ui.element("div").classes("actions"):
                _actions(shown, actor, self.refresh)
            ui.label(headline(ticket)).classes("lead")
        if shown.merged_into:
            with notice("off", "What is written to it is heard there.", title="Merged"):
                ui.link(shown.merged_into, f"{PATH}/{shown.merged_into}").classes("mono")
        if shown.undoable is not None:
            undo_notice(shown.undoable, self.refresh)
        if row.assignee and not row.assignee.is_active and ticket.is_open:
            words = f"The account of {name_of(row.assignee)} cannot be used. Give the ticket to somebody else."
            notice("wait", words, title="Nobody looks after it").mark("orphaned")


def _nothing(_: str) -> None:
    """For whoever may not answer."""


def _history(shown: Shown) -> None:
    with panel(), ui.expansion("History", icon="history").classes("w-full").props("dense header-class=strong").mark("history"):
        timeline(reversed(happenings(shown.story)))


def _actions(shown: Shown, actor: Principal, refresh: Refresh) -> None:
    row, ticket = shown.story.row, shown.ticket
    is_merged, may_edit = shown.merged_into is not None, actor.may(Permission.TICKETS_EDIT)
    if ticket.is_open and actor.may(Permission.TICKETS_ASSIGN):
        if ticket.assignee_id != actor.id:
            action_button("Take it", partial(take, ticket, refresh), icon="front_hand").props("data-key=a").mark("take")
        action_button("Assign", partial(assign_form, row, refresh), icon="person_add").mark("assign")
    if may_edit and ticket.is_open:
        if ticket.state in (TicketState.PENDING, TicketState.ON_HOLD, TicketState.NEW):
            action_button("Work on it", partial(go_on, ticket, refresh), icon="play_arrow").mark("go-on")
        else:
            action_button("Let it wait", partial(wait_form, ticket, refresh), icon="pause").mark("wait")
        resolve = action_button("Resolve", partial(resolve_form, ticket, refresh), icon="task_alt", main=True)
        resolve.props("data-key=e").mark("resolve")
    elif may_edit and not is_merged:
        action_button("Open again", partial(move_form, ticket, refresh), icon="undo").mark("reopen-ticket")
    if may_edit and not is_merged:
        with ui.button(icon="more_horiz").props('outline color=link aria-label="More to do"').mark("more"), ui.menu():
            if ticket.is_open:
                ui.menu_item("Priority and subject", partial(triage_form, ticket, refresh)).mark("triage")
            ui.menu_item("Merge into another ticket", partial(merge_form, shown, refresh)).mark("merge")
            ui.menu_item("Split: move messages into a new one", partial(split_form, shown, refresh)).mark("split")
            if ticket.is_open:
                ui.menu_item("Close", partial(move_form, ticket, refresh)).mark("close-ticket")
        # For the key alone: a menu's lines are not on the page until it is open.
        ui.button(on_click=partial(merge_form, shown, refresh)).props("data-key=m tabindex=-1 aria-hidden=true").classes("hidden-key")
