"""What happened in an outage, in order: seen, opened, joined, back, told, and what staff did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from pages.components.timeline import Happening
from services.audit.models import AuditEntry
from services.network.incident_models import IncidentState
from services.network.incident_queries import IncidentPage, Stretch

_NAMED = 4


def story(shown: IncidentPage) -> list[Happening]:
    """Oldest first. What went down or came back at one moment is one thing that happened."""
    return sorted(_happenings(shown), key=lambda one: one.at)


def _happenings(shown: IncidentPage) -> Iterator[Happening]:
    incident = shown.row.incident
    for at, names in _by_moment([(stretch.started_at, stretch) for stretch in shown.stretches]):
        yield Happening(at, "Seen down" if at == incident.started_at else "Joined it", "bad", aside=_count(names), more=_named(names))
    yield Happening(
        incident.opened_at,
        "Incident opened",
        "busy",
        aside="two health polls agreed",
        more="Clocks stand from the moment that it was first seen.",
    )
    for at, names in _by_moment([(stretch.ended_at, stretch) for stretch in shown.stretches if stretch.ended_at]):
        if incident.state is not IncidentState.FALSE_ALARM:
            yield Happening(at, "Back", "good", aside=_count(names), more=_named(names))
    if incident.resolved_at is not None and incident.state is IncidentState.RESOLVED:
        yield Happening(incident.resolved_at, "Over: everything is back", "good")
    if shown.messages.first_at is not None:
        yield Happening(shown.messages.first_at, "Customers told by SMS", "good", aside=f"{shown.messages.total:,}")
    for entry in shown.history:
        if (by_staff := _by_staff(entry)) is not None:
            yield by_staff


def _by_staff(entry: AuditEntry) -> Happening | None:
    who = entry.actor.partition(":")[2] or entry.actor
    if entry.action == "incident.false_alarm":
        return Happening(entry.at, "Called a false alarm", "off", aside=f"by {who}", more=str((entry.after or {}).get("reason", "")))
    if entry.action == "incident.note":
        return Happening(entry.at, "Note written", "off", aside=f"by {who}", is_call=True)
    return None


def _by_moment(stretches: list[tuple[datetime, Stretch]]) -> Iterator[tuple[datetime, list[str]]]:
    ordered = sorted(stretches, key=lambda one: (one[0], one[1].name))
    for at, group in groupby(ordered, key=lambda one: one[0]):
        yield at, [stretch.name for _, stretch in group]


def _count(names: list[str]) -> str:
    return "" if len(names) == 1 else f"{len(names):,} access points"


def _named(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
