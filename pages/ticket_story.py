"""A ticket's conversation and its history, in words."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from pages.components.parts import moment
from pages.components.timeline import Happening
from pages.components.words import Tone
from pages.tickets import CATEGORY_WORDS
from services.tickets.models import Category, MessageKind, TicketEvent, TicketMessage
from services.tickets.queries import TicketStory

_WHO = {MessageKind.CUSTOMER: "Customer", MessageKind.SYSTEM: "INET"}
_STATES = {
    "new": "Set back to new",
    "open": "Being worked on",
    "pending": "Waits for the customer",
    "on_hold": "On hold",
    "resolved": "Resolved",
    "closed": "Closed",
}
_TONES: dict[str, Tone] = {"closed": "good", "resolved": "good", "open": "busy"}
HOLD_WORDS = {"part": "a part", "third_party": "a third party", "site_access": "a way in", "outage": "the network"}
_FIELDS = {
    "priority": "Priority",
    "category": "What it is about",
    "incident": "Incident",
    "site": "Site",
    "access_point": "Access point",
    "customer": "Customer",
    "subject": "Subject",
    "language": "Language",
}


def conversation(messages: Sequence[TicketMessage]) -> None:
    """What was said, oldest first; notes among staff stand out, for the customer never sees them."""
    with ui.element("div").classes("conversation").mark("conversation"):
        for message in messages:
            with ui.element("article").classes(f"message {message.kind.value}"):
                with ui.element("header"):
                    ui.label(_WHO.get(message.kind, message.author)).classes("strong")
                    if message.kind is MessageKind.NOTE:
                        ui.label("Note, staff only").classes("soft small")
                    with ui.element("div").classes("end soft small"):
                        moment(message.created_at)
                ui.label(message.body).classes("text")


def happenings(story: TicketStory) -> list[Happening]:
    """Every change, oldest first; what was said stands in the conversation."""
    return [_happening(event, story) for event in story.history if event.kind != "message"]


def _happening(event: TicketEvent, story: TicketStory) -> Happening:
    data, by = event.data, _by(event.actor)
    match event.kind:
        case "created":
            return Happening(event.at, f"Reported ({data.get('channel')})", "busy")
        case "state":
            return _state(event, by)
        case "assignee" if data.get("to"):
            return Happening(event.at, f"Assigned to {story.people.get(data['to'], 'somebody')}", "busy", aside=by)
        case "assignee":
            return Happening(event.at, f"Taken from {story.people.get(data.get('from') or 0, 'somebody')}", "wait", aside=by)
        case "team":
            named = story.teams.get(data.get("to") or 0, "none")
            return Happening(event.at, f"Team: {named}", "busy", aside=by, more=str(data.get("why") or ""))
        case "triaged":
            return _triaged(event, by)
        case kind if kind in _FIELDS:
            return Happening(event.at, f"{_FIELDS[kind]}: {_said(data.get('to'))}", aside=by, more=str(data.get("why") or ""))
    return Happening(event.at, event.kind.replace("_", " ").capitalize(), aside=by)


def _triaged(event: TicketEvent, by: str) -> Happening:
    if event.data.get("abstain"):
        return Happening(event.at, "Read; not sure, a person decides", "wait", aside=by)
    category = event.data.get("category")
    about = CATEGORY_WORDS[Category(category)] if category in set(Category) else str(category)
    return Happening(event.at, f"Read: {about} ({event.data.get('confidence', 0):.0%} sure)", "busy", aside=by)


def _state(event: TicketEvent, by: str) -> Happening:
    to, was = str(event.data.get("to")), str(event.data.get("from"))
    text = "Opened again" if to == "open" and was in ("closed", "resolved") else _STATES.get(to, to)
    hold = event.data.get("hold_reason")
    if hold:
        text = f"{text}: waits for {HOLD_WORDS.get(hold, hold)}"
    return Happening(event.at, text, _TONES.get(to, "wait"), aside=by, more=str(event.data.get("note") or ""))


def _said(value: object) -> str:
    return "none" if value is None else str(value)


def _by(actor: str) -> str:
    kind, _, name = actor.partition(":")
    return f"by {name}" if name else "by itself" if kind == "system" else f"by the {kind}"
