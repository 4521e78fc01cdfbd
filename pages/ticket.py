"""One ticket: what was said, what it is about, who looks after it, and everything that happened to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from app.db import in_transaction
from pages.components.parts import Facts, action_button, chip, notice, page_header, panel
from pages.components.states import refused_state
from pages.components.timeline import timeline
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal
from pages.ticket_actions import assign_form, go_on, move_form, note_form, take, triage_form, wait_form
from pages.ticket_story import conversation, happenings
from pages.ticket_thoughts import thoughts
from pages.tickets import CATEGORY_WORDS, name_of
from pages.tickets import PATH as LIST_PATH
from services.accounts.permissions import Permission, Principal
from services.tickets.errors import TicketNotFound
from services.tickets.models import TicketState
from services.tickets.queries import TicketRow, TicketStory, ticket_story

Refresh = Callable[[], Awaitable[None]]


@console_page(f"{LIST_PATH}/{{reference}}", title="Ticket", permission=Permission.TICKETS_READ)
async def ticket_page_(reference: str, actor: Principal) -> None:
    story = await in_transaction(ticket_story, actor=actor, reference=reference)
    place = ui.element("div").classes("stack")

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            try:
                draw(await in_transaction(ticket_story, actor=by, reference=reference), by)
            except TicketNotFound as refusal:
                # Given to somebody else while it was open here.
                place.clear()
                with place:
                    refused_state(refusal)

    def draw(shown: TicketStory, by: Principal) -> None:
        place.clear()
        with place:
            _story(shown, by, refresh)

    draw(story, actor)
    refresh_on(("tickets",), refresh)


def _story(story: TicketStory, actor: Principal, refresh: Refresh) -> None:
    row = story.row
    with page_header(f"Ticket {row.ticket.reference}", back=(LIST_PATH, "Tickets"), state=row.ticket.state):
        _actions(row, actor, refresh)
    if row.assignee and not row.assignee.is_active and row.ticket.is_open:
        words = f"The account of {row.assignee.name} is disabled. Give the ticket to somebody else."
        notice("wait", words, title="Nobody looks after it").mark("orphaned")
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            with panel("Conversation"):
                conversation(story.messages)
            with panel("History"):
                timeline(happenings(story))
        with ui.element("div").classes("stack"):
            with panel("Facts"):
                _facts(row, actor)
            thoughts(story, actor, refresh)


def _facts(row: TicketRow, actor: Principal) -> None:
    ticket, facts = row.ticket, Facts()
    with facts.row("Assigned to"):
        ui.label(name_of(row.assignee) if row.assignee else "nobody").classes("" if row.assignee else "faint").mark("assignee")
    facts.add("Team", row.team_name)
    with facts.row("Priority"):
        chip(ticket.priority)
    facts.add("About", CATEGORY_WORDS[ticket.category] if ticket.category else None)
    facts.add_time("Sent", ticket.created_at)
    facts.add_time("First answer due", ticket.first_response_due_at if ticket.first_responded_at is None else None)
    facts.add_time("Resolution due", ticket.resolution_due_at if ticket.is_open else None)
    if ticket.sla_policy_version_id is not None:
        facts.add_link("Deadlines", "why these", f"{LIST_PATH}/{ticket.reference}/deadline")
    facts.add("From", ticket.channel)
    phone = row.customer.masked_phone if row.customer else None
    _link(facts, actor, Permission.CUSTOMERS_READ, "Customer", phone, f"/console/customers/{ticket.customer_id}")
    _link(facts, actor, Permission.PAYMENTS_READ, "Payment", row.payment_reference, f"/console/payments/{row.payment_reference}")
    _link(facts, actor, Permission.GATEWAYS_READ, "Gateway", row.gateway_name, f"/console/gateways/{row.gateway_slug}")
    _link(facts, actor, Permission.NETWORK_READ, "Incident", row.incident_reference, f"/console/incidents/{row.incident_reference}")
    facts.add("Device", ticket.client_mac, mono=True)


def _link(facts: Facts, actor: Principal, permission: Permission, label: str, text: str | None, target: str) -> None:
    if actor.may(permission):
        facts.add_link(label, text, target)
    else:
        facts.add(label, text)


def _actions(row: TicketRow, actor: Principal, refresh: Refresh) -> None:
    ticket = row.ticket
    if ticket.is_open and actor.may(Permission.TICKETS_ASSIGN):
        if ticket.assignee_id != actor.id:
            action_button("Take it", partial(take, ticket, refresh), icon="front_hand").mark("take")
        action_button("Assign", partial(assign_form, row, refresh), icon="person_add").mark("assign")
    if not actor.may(Permission.TICKETS_EDIT):
        return
    action_button("Note", partial(note_form, ticket, refresh), icon="edit_note").mark("note")
    if ticket.is_open:
        action_button("Priority and subject", partial(triage_form, ticket, refresh), icon="flag").mark("triage")
        if ticket.state in (TicketState.PENDING, TicketState.ON_HOLD, TicketState.NEW):
            action_button("Work on it", partial(go_on, ticket, refresh), icon="play_arrow").mark("go-on")
        if ticket.state not in (TicketState.PENDING, TicketState.ON_HOLD):
            action_button("Let it wait", partial(wait_form, ticket, refresh), icon="pause").mark("wait")
        action_button("Close", partial(move_form, ticket, refresh), icon="task_alt", main=True).mark("close-ticket")
    else:
        action_button("Open again", partial(move_form, ticket, refresh), icon="undo").mark("reopen-ticket")
