"""The policies that a new installation and the demo begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.tickets.models import Channel, Priority
from services.tickets.sla.calendars import CalendarDraft
from services.tickets.sla.desk import PolicyDraft, draft_version
from services.tickets.sla_models import BusinessCalendar, SlaPolicy

_MINUTE, _HOUR = 60, 3600
OFFICE = CalendarDraft(
    "Support hours",
    spans={**{str(day): [["08:00", "20:00"]] for day in range(5)}, "5": [["09:00", "17:00"]]},
)
ALWAYS = CalendarDraft("Round the clock", spans={str(day): [["00:00", "24:00"]] for day in range(7)}, holidays_of=None)
PAUSES: Mapping[str, Sequence[str]] = {
    "pending": ["next_response", "resolution"],
    "on_hold:part": ["resolution"],
    "on_hold:third_party": ["resolution"],
    "on_hold:site_access": ["resolution"],
    "on_hold:outage": ["resolution"],
}
_CLOCKS = ("first_response", "next_response", "resolution")


def _steps(*, urgent: bool, clocks: Sequence[str] = _CLOCKS) -> list[dict[str, Any]]:
    """Warned at four fifths, told when broken, and escalated after a quarter of an hour or two hours of open time."""
    late = 15 * _MINUTE if urgent else 2 * _HOUR
    steps: list[dict[str, Any]] = []
    for clock in clocks:
        steps.append({"clock": clock, "at": "-20%", "do": "warn", "to": {"assignee": True}})
        steps.append({"clock": clock, "at": "0", "do": "breach", "to": {"assignee": True, "lead": True}})
    raised = {"lead": True, "roles": ["system_admin"] if urgent else [], "priority": "up"}
    steps.append({"clock": "resolution", "at": f"+{late}s", "do": "escalate", "to": raised})
    return steps


def _policies(office: int, always: int) -> list[PolicyDraft]:
    def of(name: str, priority: Priority, calendar: int, first: int, following: int, solved: int) -> PolicyDraft:
        steps = _steps(urgent=priority is Priority.URGENT)
        return PolicyDraft(name, calendar, {"priority": [priority]}, first, following, solved, PAUSES, steps)

    outage = PolicyDraft(
        "Outages",
        always,
        {"channel": [Channel.INCIDENT]},
        resolution_seconds=8 * _HOUR,
        pauses={"on_hold:part": ["resolution"], "on_hold:third_party": ["resolution"]},
        steps=_steps(urgent=True, clocks=("resolution",)),
    )
    return [
        outage,
        of("Urgent", Priority.URGENT, always, 30 * _MINUTE, 30 * _MINUTE, 4 * _HOUR),
        of("High", Priority.HIGH, office, 1 * _HOUR, 2 * _HOUR, 8 * _HOUR),
        of("Normal", Priority.NORMAL, office, 4 * _HOUR, 4 * _HOUR, 24 * _HOUR),
        of("Low", Priority.LOW, office, 8 * _HOUR, 8 * _HOUR, 60 * _HOUR),
    ]


def add_default_policies(session: Session, *, now: datetime) -> bool:
    """Two calendars and a policy for each priority, unless there is any policy already. Answers whether it added them."""
    if session.execute(sa.select(sa.exists().where(col(SlaPolicy.id).is_not(None)))).scalar_one():
        return False
    office, always = (_kept(session, draft, now=now) for draft in (OFFICE, ALWAYS))
    for position, draft in enumerate(_policies(office, always), 1):
        policy = SlaPolicy(position=position, name=draft.name, conditions=dict(draft.conditions))
        session.add(policy)
        session.flush()
        assert policy.id is not None
        version = draft_version(session, draft, now=now)
        version.policy_id, version.version = policy.id, 1
        session.add(version)
    session.flush()
    return True


def _kept(session: Session, draft: CalendarDraft, *, now: datetime) -> int:
    checked = draft.checked(now=now)
    row = BusinessCalendar(name=checked.name, timezone=draft.timezone, spans=checked.document()["spans"], holidays_of=checked.holidays_of)
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id
