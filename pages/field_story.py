"""Steps of the work in the field, in the words of a ticket's history. When the phone says another time than ours, both stand there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pages.components.timeline import Happening
from pages.components.words import Tone, exact
from services.fieldwork.models import VisitState
from services.tickets.models import TicketEvent

_NOT_THE_SAME = timedelta(minutes=2)
_VISITS: Mapping[str, tuple[str, Tone]] = {
    VisitState.ACCEPTED: ("Accepted the visit", "busy"),
    VisitState.ON_THE_WAY: ("On the way", "busy"),
    VisitState.ON_SITE: ("On site", "busy"),
    VisitState.DONE: ("Visit done", "good"),
    VisitState.CANNOT: ("Cannot be done", "wait"),
}
KINDS = frozenset({"visit", "check", "part", "confirmation"})


def field_step(event: TicketEvent, by: str) -> Happening:
    """One of `KINDS`."""
    data = event.data
    match event.kind:
        case "visit":
            title, tone = _VISITS.get(str(data.get("to")), ("Visit", "off"))
            more = [str(data.get("reason") or ""), _place(data.get("place"))]
        case "check":
            title, tone = ("Looked at, in order" if data.get("is_done") else "Looked at, not in order"), "off"
            more = [str(data.get("text") or ""), str(data.get("note") or "")]
        case "part":
            title, tone = f"Part used: {data.get('quantity')} × {data.get('name')}", "off"
            more = [str(data.get("serial") or "")]
        case _:
            title, tone = ("The customer says that it works", "good") if data.get("works") else ("The customer says: not yet", "bad")
            more = [str(data.get("name") or ""), str(data.get("comment") or "")]
    return Happening(event.at, title, tone, aside=by, more=" · ".join(one for one in (*more, _when(event)) if one))


def _when(event: TicketEvent) -> str:
    """Said when it reached us later than it happened."""
    try:
        happened = datetime.fromisoformat(str(event.data.get("happened_at")))
    except ValueError:
        return ""
    return f"by the phone's clock {exact(happened)}" if event.at - happened > _NOT_THE_SAME else ""


def _place(place: Any) -> str:
    if not isinstance(place, dict):
        return ""
    accuracy = place.get("accuracy")
    near = f" (within {accuracy:.0f} m)" if accuracy else ""
    return f"at {place['latitude']:.5f}, {place['longitude']:.5f}{near}"
