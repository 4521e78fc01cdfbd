"""A ticket's history, in words."""

from __future__ import annotations

from pages.components.timeline import Happening
from pages.components.words import Tone
from pages.field_story import KINDS as FIELD_KINDS
from pages.field_story import field_step
from pages.ticket_words import CATEGORY_WORDS, CHANNEL_WORDS
from services.tickets.models import Category, Channel, TicketEvent
from services.tickets.queries import TicketStory

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
_STEPS = {
    "merged": "Merged into {into}",
    "unmerged": "Merge into {from} undone",
    "took_in": "Took in {from}",
    "gave_back": "Gave messages back to {to}",
    "took_back": "Took messages back from {from}",
    "split_off": "Messages split off into {to}",
    "split_from": "Split off {from}",
}
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


def happenings(story: TicketStory) -> list[Happening]:
    """Every change, oldest first; what was said stands in the conversation."""
    return [_happening(event, story) for event in story.history if event.kind != "message"]


def _happening(event: TicketEvent, story: TicketStory) -> Happening:
    data, by = event.data, _by(event.actor)
    match event.kind:
        case "created":
            return Happening(event.at, f"Reported ({CHANNEL_WORDS[Channel(str(data['channel']))]})", "busy")
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
        case "tags":
            return Happening(event.at, _tags(data), aside=by)
        case "link" | "unlink":
            text = f"Linked with {data.get('to')}" if event.kind == "link" else f"No longer linked with {data.get('to')}"
            return Happening(event.at, text, aside=by, more=str(data.get("why") or ""))
        case kind if kind in _STEPS:
            return Happening(event.at, _STEPS[kind].format_map(_Named(data)), "busy", aside=by)
        case "escalated":
            to = ", ".join(map(str, data.get("to") or ()))
            return Happening(event.at, f"Escalated to {to}", "wait", aside=by, more=str(data.get("why") or ""))
        case "routed":
            return _routed(event, by)
        case "action":
            return Happening(event.at, str(data.get("what") or "Did something"), "good", aside=by, more=str(data.get("target") or ""))
        case "facts":
            return Happening(event.at, "Facts of that moment noted", aside=by, is_call=True)
        case kind if kind in FIELD_KINDS:
            return field_step(event, by)
        case kind if kind in _FIELDS:
            return Happening(event.at, f"{_FIELDS[kind]}: {_said(data.get('to'))}", aside=by, more=str(data.get("why") or ""))
    return Happening(event.at, event.kind.replace("_", " ").capitalize(), aside=by)


class _Named(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "another ticket"


def _tags(data: dict[str, object]) -> str:
    added, removed = data.get("added") or [], data.get("removed") or []
    parts = [
        f"{word} {', '.join(map(str, some))}"
        for word, some in (("tagged", added), ("tag removed:", removed))
        if isinstance(some, list) and some
    ]
    return "; ".join(parts).capitalize() or "Tags"


def _routed(event: TicketEvent, by: str) -> Happening:
    data = event.data
    to = " · ".join(str(data[name]) for name in ("team", "person") if data.get(name) and not isinstance(data[name], int))
    return Happening(event.at, f"Routed{f' to {to}' if to else ''}", "busy", aside=by, more=str(data.get("why") or ""))


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
