"""Policies, calendars and tickets for the tests of stored clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlmodel import Session, select

from services.tickets import changes
from services.tickets.changes import SYSTEM
from services.tickets.models import Channel, MessageKind, Priority, Ticket, TicketState
from services.tickets.sla import desk
from services.tickets.sla.calendars import CalendarDraft
from services.tickets.sla.desk import PolicyDraft
from services.tickets.sla_models import SlaPolicy, SlaPolicyVersion
from tests.factories import staff

HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OFFICE = CalendarDraft("Office", spans={str(day): [["08:00", "16:00"]] for day in range(5)})
STEPS = (
    {"clock": "resolution", "at": "-25%", "do": "warn", "to": {"roles": ["customer_care"]}},
    {"clock": "resolution", "at": "0", "do": "breach", "to": {"assignee": True}},
    {"clock": "resolution", "at": "+3600s", "do": "escalate", "to": {"priority": "up"}},
)
_numbers = count(1)


def at(hours: float) -> datetime:
    return MONDAY + hours * HOUR


def a_calendar(session: Session, draft: CalendarDraft = OFFICE) -> int:
    row = desk.save_calendar(session, actor=staff(), calendar_id=None, draft=draft, now=MONDAY)
    assert row.id is not None
    return row.id


def a_draft(calendar_id: int, **changes_of_it: Any) -> PolicyDraft:
    filled: dict[str, Any] = {
        "name": "Everything",
        "calendar_id": calendar_id,
        "first_response_seconds": 4 * 3600,
        "next_response_seconds": 4 * 3600,
        "resolution_seconds": 8 * 3600,
        "pauses": {"pending": ["resolution"]},
        "steps": STEPS,
    }
    return PolicyDraft(**(filled | changes_of_it))


def a_policy(session: Session, calendar_id: int | None = None, **changes_of_it: Any) -> SlaPolicy:
    draft = a_draft(calendar_id or a_calendar(session), **changes_of_it)
    return desk.save_policy(session, actor=staff(), policy_id=None, draft=draft, now=MONDAY)


def version_of(session: Session, policy: SlaPolicy) -> SlaPolicyVersion:
    return session.exec(
        select(SlaPolicyVersion).where(SlaPolicyVersion.policy_id == policy.id, SlaPolicyVersion.version == policy.current_version)
    ).one()


def a_ticket(session: Session, *, now: datetime = MONDAY, **values: Any) -> Ticket:
    filled = {"channel": Channel.PORTAL, "subject": "No Wi-Fi", "body": "My Wi-Fi does not work", "priority": Priority.NORMAL} | values
    ticket = Ticket(reference=f"T-SLA{next(_numbers):05d}", created_at=now, updated_at=now, last_customer_at=now, **filled)
    session.add(ticket)
    session.flush()
    changes.begin(session, ticket, who=SYSTEM, now=now)
    customer_says(session, ticket, now=now)
    return ticket


def customer_says(session: Session, ticket: Ticket, *, now: datetime) -> None:
    changes.say(session, ticket, kind=MessageKind.CUSTOMER, body="Please", channel=Channel.PORTAL, who=SYSTEM, now=now)


def we_reply(session: Session, ticket: Ticket, *, now: datetime) -> None:
    changes.say(session, ticket, kind=MessageKind.REPLY, body="We look", channel=Channel.PORTAL, who=SYSTEM, now=now)


def to_state(session: Session, ticket: Ticket, state: TicketState, *, now: datetime, **more: Any) -> None:
    changes.set_state(session, ticket, state, who=SYSTEM, now=now, **more)
