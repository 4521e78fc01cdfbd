"""Beside the conversation: what the ticket is, its deadlines, tags, watchers and links."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.parts import Facts, chip, moment, panel
from pages.customer_story import draw_glance
from pages.shell import current_staff, toast_on_refusal
from pages.ticket_data import Shown
from pages.ticket_joining import link_form, unlink
from pages.ticket_words import CATEGORY_WORDS, CHANNEL_WORDS, PATH, name_of
from services.accounts.permissions import Permission, Principal
from services.tickets import tags, watching
from services.tickets.models import Ticket
from services.tickets.triage.language import NAMES

Refresh = Callable[[], Awaitable[None]]


def side(shown: Shown, actor: Principal, refresh: Refresh) -> None:
    """The panel of facts; what the customer's story is comes from pages/ticket_facts.py."""
    with panel("Ticket"), ui.element("div").classes("stack"):
        _facts(shown, actor)
        _tags(shown, actor, refresh)
        _links(shown, actor, refresh)
        _watchers(shown, actor, refresh)


def lately(shown: Shown, actor: Principal) -> None:
    """The last few things of the customer's story, which is told whole on their own page."""
    if shown.lately is not None and shown.ticket.customer_id is not None:
        draw_glance(shown.ticket.customer_id, shown.lately, actor)


def _facts(shown: Shown, actor: Principal) -> None:
    row, ticket, facts = shown.story.row, shown.ticket, Facts()
    with facts.row("Assigned to"):
        ui.label(name_of(row.assignee) if row.assignee else "nobody").classes("" if row.assignee else "faint").mark("assignee")
    facts.add("Team", row.team_name)
    with facts.row("Priority"):
        chip(ticket.priority)
    facts.add("About", CATEGORY_WORDS[ticket.category] if ticket.category else None)
    _deadlines(facts, ticket)
    facts.add_time("Opened", ticket.created_at)
    facts.add("By", CHANNEL_WORDS[ticket.channel])
    facts.add("Language", NAMES.get(ticket.language, ticket.language).capitalize() if ticket.language else None)
    phone = row.customer.masked_phone if row.customer else None
    _link(facts, actor, Permission.CUSTOMERS_READ, "Customer", phone, f"/console/customers/{ticket.customer_id}")
    _link(facts, actor, Permission.PAYMENTS_READ, "Payment", row.payment_reference, f"/console/payments/{row.payment_reference}")
    _link(facts, actor, Permission.GATEWAYS_READ, "Gateway", row.gateway_name, f"/console/gateways/{row.gateway_slug}")
    _link(facts, actor, Permission.NETWORK_READ, "Incident", row.incident_reference, f"/console/incidents/{row.incident_reference}")
    if ticket.client_mac:
        facts.add("Device", ticket.client_mac, mono=True)


def _deadlines(facts: Facts, ticket: Ticket) -> None:
    """In words: in 25 min, 3 h late."""
    due = [
        ("First answer", ticket.first_response_due_at if ticket.first_responded_at is None else None),
        ("Next answer", ticket.next_response_due_at),
        ("Resolution", ticket.resolution_due_at),
    ]
    for name, at in due:
        if at is not None and ticket.is_open:
            with facts.row(name):
                moment(at, mode="due")
    if ticket.sla_policy_version_id is not None:
        facts.add_link("Deadlines", "why these", f"{PATH}/{ticket.reference}/deadline")


def _link(facts: Facts, actor: Principal, permission: Permission, label: str, text: str | None, target: str) -> None:
    """Only what there is: a row of dashes tells nobody anything."""
    if not text:
        return
    if actor.may(permission):
        facts.add_link(label, text, target)
    else:
        facts.add(label, text)


def _tags(shown: Shown, actor: Principal, refresh: Refresh) -> None:
    may_edit = actor.may(Permission.TICKETS_EDIT) and shown.merged_into is None
    if not may_edit and not shown.tags:
        return
    with ui.element("div").classes("tags").mark("tags"):
        for tag in shown.tags:
            with ui.element("span").classes("tag"):
                ui.link(tag, f"{PATH}?tag={tag}&state=all")
                if may_edit:
                    gone = ui.button(icon="close", color=None, on_click=partial(_tag, shown, "", tag, refresh))
                    gone.props(f'flat round dense size=xs aria-label="Take the tag {tag} off"').mark(f"untag-{tag}")
        if may_edit:
            field = ui.input(placeholder="Add a tag", autocomplete=list(shown.known_tags))
            field.props('dense borderless maxlength=40 aria-label="Add a tag"').classes("tag-field").mark("field-tag")
            field.on("keydown.enter", lambda: _tag(shown, str(field.value or ""), "", refresh))


async def _tag(shown: Shown, add: str, remove: str, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        if add.strip() or remove:
            await in_transaction(
                tags.change,
                actor=await current_staff(),
                reference=shown.ticket.reference,
                add=[add] if add.strip() else [],
                remove=[remove] if remove else [],
                now=utc_now(),
            )
            await refresh()


def _links(shown: Shown, actor: Principal, refresh: Refresh) -> None:
    may_edit = actor.may(Permission.TICKETS_EDIT)
    if not shown.links:
        return
    with ui.element("div").mark("links"):
        ui.label("Has to do with").classes("soft small")
        for one in shown.links:
            with ui.element("div").classes("line one"):
                ui.link(one.reference, f"{PATH}/{one.reference}").classes("mono")
                ui.label(one.headline).classes("soft small ellipsis")
                ui.element("div").classes("grow")
                chip(one.state)
                if may_edit:
                    gone = ui.button(icon="link_off", color=None, on_click=partial(unlink, shown, one.reference, refresh))
                    gone.props(f'flat round dense size=sm aria-label="No longer linked with {one.reference}"').mark(
                        f"unlink-{one.reference}"
                    )


def _watchers(shown: Shown, actor: Principal, refresh: Refresh) -> None:
    with ui.element("div").classes("line"):
        icon, text = ("visibility_off", "Watch no more") if shown.is_watching else ("visibility", "Watch")
        button = ui.button(text, icon=icon, on_click=partial(_watch, shown, refresh))
        button.props("outline dense no-caps color=link data-key=w padding='2px 10px'").mark("watch")
        if actor.may(Permission.TICKETS_EDIT):
            link = ui.button("Link", icon="link", on_click=partial(link_form, shown, refresh))
            link.props("outline dense no-caps color=link padding='2px 10px'").mark("link")
        watching_now = ", ".join(shown.watchers)
        ui.label(f"Watched by {watching_now}" if watching_now else "Nobody watches it").classes("soft small").mark("watchers")


async def _watch(shown: Shown, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        act = watching.unwatch if shown.is_watching else watching.watch
        await in_transaction(act, actor=await current_staff(), reference=shown.ticket.reference, now=utc_now())
        ui.notify("You hear no more of it." if shown.is_watching else "You hear of what happens here.", type="positive")
        await refresh()
