"""What the machine read out of a ticket: its opinion with confidence and reasons, beside which a person can always say otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from nicegui import ui

from pages.components.parts import Facts, action_button, chip, panel, tone_chip
from pages.ticket_actions import triage_form
from pages.ticket_words import CATEGORY_WORDS, PATH
from services.accounts.permissions import Permission, Principal
from services.tickets.models import Category, Priority
from services.tickets.queries import TicketStory
from services.tickets.sight import sees_all
from services.tickets.triage.language import NAMES

Refresh = Callable[[], Awaitable[None]]
UseReply = Callable[[str], None]
_SOURCES = {"rule": "Known from our records", "model": "Read on this machine", "provider": "Read here and by the language model outside"}
_KINDS = {
    "phone": "Phone",
    "voucher": "Voucher",
    "payment_reference": "Payment",
    "mac": "Device",
    "money": "Money",
    "email": "E-mail",
    "place": "Place",
    "access_point": "Access point",
}


def thoughts(story: TicketStory, actor: Principal, refresh: Refresh, use_reply: UseReply) -> None:
    """A panel with the latest reading; nothing where nothing was read."""
    read = next((event for event in reversed(story.history) if event.kind == "triaged"), None)
    if read is None:
        return
    said, ticket = read.data, story.row.ticket
    with (
        panel("What the machine thinks", aside=_SOURCES.get(str(said.get("source")), "")),
        ui.element("div").classes("stack").mark("thoughts"),
    ):
        _opinion(said)
        _reasons(said)
        if sees_all(actor):
            _lookalikes(said)
        if ticket.is_open and actor.may(Permission.TICKETS_REPLY):
            _reply(said, read.at, use_reply)
        if ticket.is_open and actor.may(Permission.TICKETS_EDIT):
            action_button("It is something else", partial(triage_form, ticket, refresh), icon="rule").mark("something-else")


def _opinion(said: Mapping[str, Any]) -> None:
    facts = Facts()
    with facts.row("About"):
        if said.get("abstain"):
            ui.label("not sure, a person decides").classes("strong").mark("not-sure")
            ui.label(f"likeliest: {_about(said)}").classes("soft small")
        else:
            ui.label(_about(said)).classes("strong").mark("thought-category")
    with facts.row("Priority"):
        if said.get("priority") in set(Priority):
            chip(Priority(said["priority"]))
        ui.label(str(said.get("priority_reason") or "")).classes("soft small")
    language = said.get("language") or {}
    facts.add("Language", NAMES.get(str(language.get("code")), str(language.get("code"))).capitalize())
    facts.add("Tone", str(said.get("sentiment") or ""))
    for one in said.get("entities") or ():
        with facts.row(_KINDS.get(str(one.get("kind")), str(one.get("kind")))):
            _named(one)


def _about(one: Mapping[str, Any]) -> str:
    name = one.get("category")
    about = CATEGORY_WORDS[Category(name)] if name in set(Category) else str(name)
    return f"{about} ({float(one.get('confidence') or 0):.0%} sure)"


def _named(one: Mapping[str, Any]) -> None:
    ui.label(str(one.get("value"))).classes("mono")
    if one.get("known") is False:
        text = "not in our records" if one.get("checked") else "mistyped"
        tone_chip(text, "wait")
    elif one.get("known"):
        tone_chip("in our records", "good")


def _reasons(said: Mapping[str, Any]) -> None:
    reasons = [str(reason) for reason in said.get("reasons") or ()]
    if said.get("fallback"):
        reasons.append(str(said["fallback"]))
    for reason in reasons:
        ui.label(reason).classes("soft small")
    if said.get("abstain") and (others := [_about(one) for one in said.get("alternatives") or ()]):
        ui.label(f"It may also be: {', '.join(others)}.").classes("soft small")


def _lookalikes(said: Mapping[str, Any]) -> None:
    found = said.get("duplicates") or ()
    if not found:
        return
    with ui.element("div").mark("lookalikes"):
        ui.label("Likely about the same").classes("strong small")
        for one in found:
            with ui.element("div"):
                ui.link(str(one.get("reference")), f"{PATH}/{one.get('reference')}").classes("mono")
                ui.label(str(one.get("reason") or "")).classes("soft small")


def _reply(said: Mapping[str, Any], read_at: datetime, use_reply: UseReply) -> None:
    reply = said.get("reply")
    if not reply:
        return
    text = str(reply.get("text") or "")
    with ui.element("div").classes("stack").mark("suggested-reply"):
        ui.label("Suggested reply, to be read before it goes out").classes("strong small")
        ui.label(text).classes("as-written")
        sources = ", ".join(str(source) for source in reply.get("sources") or ())
        if sources:
            # Live data stands beside it: what was true when it was read need not be so any more.
            ui.label(f"Facts from: {sources}, as they stood at {read_at:%H:%M on %d %b}").classes("soft small")
        with ui.element("div"):
            action_button("Take it over", partial(use_reply, text), icon="edit").mark("use-reply")
