"""`/api/v1/sla`: what is promised, by which calendars, what a change would do, and why a ticket is due when it is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.api.security import requires
from app.api.v1.fields import Reference
from app.api.v1.writes import tagged
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.tickets.sla import calendars, desk
from services.tickets.sla.calendars import CalendarView
from services.tickets.sla.desk import PolicyView
from services.tickets.sla.terms import Clock
from services.tickets.sla.why import ClockStory, why

router = APIRouter(prefix="/sla", tags=["sla"])
Reader = Annotated[Principal, requires(Permission.TICKETS_READ)]
Id = Annotated[int, Path(ge=1, le=2**53)]


class Policy(BaseModel):
    """The terms that hold for new tickets; the first policy by position whose conditions fit decides."""

    id: int
    position: int
    name: str = Field(examples=["Urgent"])
    version: int = Field(description="Counts changes of the terms; tickets keep the one that they were promised")
    is_active: bool
    conditions: dict[str, list[str]] = Field(examples=[{"priority": ["urgent"]}])
    calendar_id: int
    first_response_seconds: int | None
    next_response_seconds: int | None
    resolution_seconds: int | None
    pauses: dict[str, list[Clock]] = Field(description="Which clocks stand in which state or for which reason of holding")
    steps: list[dict[str, Any]]
    open_tickets: int


class OwnDay(BaseModel):
    day: date
    is_open: bool
    name: str


class Calendar(BaseModel):
    """Business time. Weekday 0 is Monday; a span whose end is not later than its beginning ends on the next day."""

    id: int
    name: str = Field(examples=["Support hours"])
    timezone: str = Field(examples=["Africa/Banjul"])
    spans: dict[str, list[tuple[str, str]]] = Field(examples=[{"0": [["08:00", "12:30"], ["14:00", "18:00"]]}])
    holidays_of: str | None = Field(description="The country whose public holidays are closed", examples=["GM"])
    days: list[OwnDay]
    used_by: list[str] = Field(description="The policies that count by it")


class CountedStretch(BaseModel):
    start: datetime
    end: datetime
    counted_seconds: float = Field(description="0 for time that did not count")
    why: str = Field(examples=["open hours of Support hours"])
    policy: str | None


class ClockRun(BaseModel):
    """One run of one clock, from its start to where it was met, or until now."""

    clock: Clock
    round: int = Field(description="Which run of this clock it is: a reply ends one, the customer's next words begin another")
    started_at: datetime
    target_seconds: float | None
    counted_seconds: float
    due_at: datetime | None = Field(description="Null while the clock stands, or when nothing is promised")
    met_at: datetime | None
    breached_at: datetime | None
    stands: str | None = Field(description="Why it does not run now")
    stretches: list[CountedStretch]
    left_out: int = Field(description="How many earlier stretches are not listed; the sum counts them")


class Deadline(BaseModel):
    """A ticket's clocks, counted anew from its history for this answer."""

    reference: str
    policy: str | None
    chosen_because: str | None
    calendar: str | None
    timezone: str | None
    due_at: datetime | None = Field(description="The stored deadline that comes first")
    matches: bool = Field(description="Whether every stored deadline is the one that the history gives")
    clocks: list[ClockRun]


@router.get("/policies", summary="List SLA policies")
def policies(actor: Reader) -> list[Policy]:
    """In the order in which they are tried."""
    with transaction() as session:
        return [_policy(view) for view in desk.list_policies(session, actor=actor)]


@router.get("/policies/{policy_id}", summary="One SLA policy", responses=tagged(404))
def policy(actor: Reader, policy_id: Id) -> Policy:
    """With its current terms."""
    with transaction() as session:
        return _policy(desk.one_policy(session, actor=actor, policy_id=policy_id))


@router.get("/calendars", summary="List business calendars")
def all_calendars(actor: Reader) -> list[Calendar]:
    """By name."""
    with transaction() as session:
        return [_calendar(view) for view in calendars.list_calendars(session, actor=actor, now=utc_now())]


@router.get("/tickets/{reference}", summary="Why a ticket is due when it is", responses=tagged(404))
def deadline(actor: Reader, reference: Reference) -> Deadline:
    """Each stretch of time that counted or did not, by which policy and calendar, and the sum."""
    with transaction() as session:
        found = why(session, actor=actor, reference=reference, now=utc_now())
    return Deadline(
        reference=found.reference,
        policy=found.policy,
        chosen_because=found.chosen_because,
        calendar=found.calendar,
        timezone=found.timezone,
        due_at=found.stored_due_at,
        matches=found.matches,
        clocks=[_run(story) for story in found.stories],
    )


def _policy(view: PolicyView) -> Policy:
    draft = view.draft
    names = ("name", "is_active", "conditions", "calendar_id", "pauses", "steps")
    seconds = ("first_response_seconds", "next_response_seconds", "resolution_seconds")
    said = {name: getattr(draft, name) for name in (*names, *seconds)}
    return Policy.model_validate(
        said | {"id": view.id, "position": view.position, "version": view.version, "open_tickets": view.open_tickets}
    )


def _calendar(view: CalendarView) -> Calendar:
    draft = view.draft
    return Calendar.model_validate(
        {
            "id": view.id,
            "name": draft.name,
            "timezone": draft.timezone,
            "spans": draft.spans,
            "holidays_of": draft.holidays_of,
            "days": [OwnDay(day=day, is_open=own.is_open, name=own.name) for day, own in sorted(draft.days.items())],
            "used_by": list(view.used_by),
        }
    )


def _run(story: ClockStory) -> ClockRun:
    stretches = [
        CountedStretch(start=one.start, end=one.end, counted_seconds=one.counted.total_seconds(), why=one.why, policy=one.policy)
        for one in story.stretches
    ]
    return ClockRun(
        clock=story.clock,
        round=story.round,
        started_at=story.started_at,
        target_seconds=None if story.target is None else story.target.total_seconds(),
        counted_seconds=story.counted.total_seconds(),
        due_at=story.due_at,
        met_at=story.met_at,
        breached_at=story.breached_at,
        stands=story.stands,
        stretches=stretches,
        left_out=story.left_out,
    )
