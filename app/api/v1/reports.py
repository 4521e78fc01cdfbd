"""`/api/v1/reports`: how the help desk fares in a range of days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.security import requires
from app.api.v1.fields import Day
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.tickets.report_rows import By
from services.tickets.report_times import Times
from services.tickets.reports import Line, report
from services.tickets.sla.terms import Clock

router = APIRouter(prefix="/reports", tags=["reports"])
Reader = Annotated[Principal, requires(Permission.REPORTS_READ)]


class Kept(BaseModel):
    """Promises that came due: met in time, or not."""

    kept: int
    broken: int


class Durations(BaseModel):
    """Of open hours, as the clocks of the SLA count them."""

    tickets: int
    median_seconds: float
    p90_seconds: float


class GroupReport(BaseModel):
    """The numbers of one group of tickets, or of all."""

    key: str | int | None = Field(description="The number of a team, person or site, else a name; null for tickets that have none")
    name: str = Field(examples=["Care"])
    created: int
    solved: int = Field(description="Times that a ticket was resolved or closed")
    reopened: int
    promises: dict[Clock, Kept]
    first_response: Durations | None
    resolution: Durations | None
    backlog: int = Field(description="Not done now, whatever the range")
    oldest_at: datetime | None
    ratings: tuple[int, int, int, int, int] = Field(description="How many rated our help 1, 2, 3, 4 and 5")
    satisfaction: float | None = Field(description="The mean of the ratings")
    messages_a_ticket: float | None


class DayReport(BaseModel):
    day: date
    created: int
    solved: int


class TicketReport(BaseModel):
    """Each thing counts on the day on which it happened."""

    start: datetime
    until: datetime
    by: By
    all: GroupReport
    groups: list[GroupReport]
    days: list[DayReport]


@router.get("/tickets", summary="Report of the help desk")
def tickets(
    actor: Reader,
    first: Annotated[Day, Query(alias="from", description="The first day", examples=["2026-11-01"])],
    last: Annotated[Day, Query(alias="to", description="The last day", examples=["2026-11-30"])],
    by: By = "team",
) -> TicketReport:
    """Of at most 400 days: what came and was solved, which promises were kept, how long it took, what lies there, what customers say."""
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    until = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1) if last < date.max else start
    with transaction() as session:
        found = report(session, actor=actor, by=by, start=start, until=until, now=utc_now())
    return TicketReport(
        start=found.start,
        until=found.until,
        by=found.by,
        all=_group(found.whole),
        groups=[_group(line) for line in found.lines],
        days=[DayReport(day=day, created=came, solved=went) for day, came, went in found.days],
    )


def _group(line: Line) -> GroupReport:
    bad, poor, fair, good, best = line.scores
    return GroupReport(
        key=line.key,
        name=line.name,
        created=line.created,
        solved=line.solved,
        reopened=line.reopened,
        promises={clock: Kept(kept=outcome.kept, broken=outcome.broken) for clock, outcome in line.promises.items()},
        first_response=_durations(line.first_response),
        resolution=_durations(line.resolution),
        backlog=line.backlog,
        oldest_at=line.oldest_at,
        ratings=(bad, poor, fair, good, best),
        satisfaction=line.satisfaction,
        messages_a_ticket=line.messages_a_ticket,
    )


def _durations(times: Times | None) -> Durations | None:
    return Durations(tickets=times.number, median_seconds=times.median, p90_seconds=times.p90) if times is not None else None
