"""`/api/v1/incidents`: outages, and what staff says about them; `/api/v1/compensations`: the paid time that came back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Bututs, Currency, Day, IdFilter, Moment, Person, Reference, Search, Wanted, person
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from services.access.compensation import CompensationFilter, CompensationRow, list_compensations, sum_of
from services.accounts.permissions import Permission, Principal
from services.network import incident_desk
from services.network.incident_models import IncidentState
from services.network.incident_queries import IncidentFilter, IncidentPage, IncidentRow, incident_page, incident_row, list_incidents
from services.notifications.models import NotificationState

router = APIRouter(prefix="/incidents", tags=["incidents"])
compensations = APIRouter(prefix="/compensations", tags=["compensations"])
Reader = Annotated[Principal, requires(Permission.NETWORK_READ)]
Editor = Annotated[Principal, requires(Permission.INCIDENTS_EDIT)]
Accountant = Annotated[Principal, requires(Permission.COMPENSATION_READ)]


class IncidentSummary(BaseModel):
    """The ETag of one stands for its state and its note."""

    reference: str = Field(examples=["I-7KMNPR"])
    state: IncidentState
    site_id: int | None = Field(description="Null for an access point that belongs to no site")
    place: str = Field(description="The site's name, or the access point's", examples=["Serekunda Market"])
    started_at: datetime = Field(description="When the first access point was seen down")
    opened_at: datetime = Field(description="When a second health poll agreed")
    resolved_at: datetime | None = Field(description="When the last one was back; null while it goes on")
    told_at: datetime | None = Field(description="When everybody who was given time back had been told")
    access_points: int = Field(description="How many were down in it")
    customers_hit: int = Field(description="How many purchases' clocks stood because of it")
    given_seconds: int = Field(description="Time given back because of it, together")
    note: str | None = Field(examples=["The site's mains failed; an inverter is ordered."])


class DownStretch(BaseModel):
    """One access point being down, once."""

    model_config = ConfigDict(from_attributes=True)

    access_point_id: int
    name: str = Field(examples=["Serekunda Market 2"])
    gateway: str | None = Field(validation_alias="gateway_slug", description="The slug of its gateway")
    started_at: datetime
    ended_at: datetime | None = Field(description="Null while it is down")


class IncidentDetail(IncidentSummary):
    """With what was down (the newest 500 stretches), and what came of it."""

    stretches: list[DownStretch]
    stretch_count: int
    clocks_standing: int = Field(description="How many purchases' clocks stand now")
    messages: dict[NotificationState, int] = Field(description="Texts to customers by what became of them", examples=[{"sent": 12}])
    tickets: list[str] | None = Field(description="References of tickets about it that the reader may know of; null without `tickets:read`")


class IncidentNote(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "The site's mains failed; an inverter is ordered."}]})

    note: str = Field(max_length=4000, pattern=NO_NUL, description="What was found and what is done about it; empty takes it away")


class FalseAlarm(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Monitoring was down; customers were online all the time."}]})

    reason: str = Field(min_length=3, max_length=1000, pattern=NO_NUL, description="How it is known")


class GivenBack(BaseModel):
    """Time that one purchase was given for one stretch of an outage."""

    id: int
    incident: str = Field(description="The reference of the incident", examples=["I-7KMNPR"])
    site: str | None = Field(examples=["Serekunda Market"])
    entitlement_id: int
    customer: Person | None
    lost_from: datetime
    lost_until: datetime
    seconds: int = Field(description="Given back; less than the stretch where the rule's cap cut it", examples=[2700])
    worth_bututs: Bututs
    currency: Currency = "GMD"
    given_at: datetime


class GivenSum(BaseModel):
    """All rows of the filters together."""

    count: int
    seconds: int
    worth_bututs: Bututs
    currency: Currency = "GMD"


class Compensations(Page[GivenBack]):
    """A part of the list, and the sum of the whole of it."""

    sum: GivenSum


def _summary(row: IncidentRow) -> dict[str, object]:
    incident = row.incident
    names = ("reference", "state", "site_id", "started_at", "opened_at", "resolved_at", "told_at", "note")
    return {name: getattr(incident, name) for name in names} | {
        "place": row.place,
        "access_points": row.access_points,
        "customers_hit": row.hit,
        "given_seconds": row.given_seconds,
    }


def _shown(row: IncidentRow) -> IncidentSummary:
    return IncidentSummary.model_validate(_summary(row))


def _detail(page: IncidentPage) -> IncidentDetail:
    return IncidentDetail.model_validate(
        _summary(page.row)
        | {
            "stretches": [DownStretch.model_validate(stretch) for stretch in page.stretches],
            "stretch_count": page.stretch_count,
            "clocks_standing": page.standing,
            "messages": dict(page.messages.by_state),
            "tickets": None if page.tickets is None else [ticket.reference for ticket in page.tickets],
        }
    )


@router.get("", summary="List incidents")
def list_all(
    actor: Reader,
    paging: WantedPage,
    state: IncidentState | None = None,
    site_id: IdFilter = None,
    since: Annotated[Moment | None, Query(description="Those that began at this moment or later")] = None,
    until: Annotated[Moment | None, Query(description="Those that began before this moment")] = None,
    search: Annotated[Search, Query(description="A reference, or a part of a place's or an access point's name")] = "",
) -> Page[IncidentSummary]:
    """Those that began last first."""
    wanted = IncidentFilter(state, site_id, search, since, until)
    with transaction() as session:
        found = list_incidents(session, actor=actor, wanted=wanted, part=paging.part())
    return paging.page(found.rows, _shown, lambda row: (row.incident.started_at, row.incident.id or 0))


@router.get("/{reference}", summary="One incident", responses=tagged(404))
def one(actor: Reader, reference: Reference, response: Response) -> IncidentDetail:
    """With what was down in it and what came of it. Its ETag is what a change sends back as If-Match."""
    with transaction() as session:
        page = incident_page(session, actor=actor, reference=reference)
    response.headers.update(tag_header(page.row.incident.revision))
    return _detail(page)


@router.patch("/{reference}", summary="Write the post-mortem note", responses=tagged(404, 412, 428))
def change(actor: Editor, reference: Reference, expected: Expected, body: IncidentNote, response: Response) -> IncidentSummary:
    """What was found, and what is done about it."""
    with transaction() as session:
        incident = incident_desk.note(session, actor=actor, reference=reference, text=body.note, expected_revision=expected, now=utc_now())
        response.headers.update(tag_header(incident.revision))
        return _shown(incident_row(session, actor=actor, reference=reference))


@router.post("/{reference}/false-alarm", summary="Call it a false alarm", response_model=IncidentSummary, responses=tagged(404, 409))
def false_alarm(
    actor: Editor, reference: Reference, body: FalseAlarm, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """Clocks that stood run as if they never had, and up-time is whole again. Time that was given back stays with the customers."""

    def work(session: Session) -> tuple[IncidentSummary, dict[str, str]]:
        incident = incident_desk.call_false_alarm(session, actor=actor, reference=reference, reason=body.reason, now=utc_now())
        return _shown(incident_row(session, actor=actor, reference=reference)), tag_header(incident.revision)

    return Wish(actor, request, idempotency_key).answer(work, body=body)


@compensations.get("", summary="List what was given back")
def given_back(
    actor: Accountant,
    paging: WantedPage,
    customer_id: IdFilter = None,
    entitlement_id: IdFilter = None,
    since: Annotated[Day | None, Query(description="Given on this day or later")] = None,
    until: Annotated[Day | None, Query(description="Given before this day")] = None,
    search: Annotated[Search, Query(description="An incident's reference, a phone number, or a part of a place's name")] = "",
) -> Compensations:
    """Newest first, with the sum of all that the filters find."""
    wanted = CompensationFilter(
        customer_id=customer_id, entitlement_id=entitlement_id, since=_begin(since), until=_begin(until), search=search
    )
    with transaction() as session:
        found = list_compensations(session, actor=actor, wanted=wanted, part=paging.part())
        total = sum_of(session, actor=actor, wanted=wanted)
    page = paging.page(found.rows, lambda row: _given(row, actor), lambda row: (row.compensation.created_at, row.compensation.id or 0))
    summed = GivenSum(count=total.count, seconds=total.seconds, worth_bututs=total.worth_bututs)
    return Compensations(items=page.items, next_cursor=page.next_cursor, sum=summed)


def _begin(day: Day | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


def _given(row: CompensationRow, actor: Principal) -> GivenBack:
    given = row.compensation
    assert given.id is not None
    return GivenBack(
        id=given.id,
        incident=row.incident.reference,
        site=row.site_name,
        entitlement_id=given.entitlement_id,
        customer=person(row.customer, actor) if row.customer else None,
        lost_from=given.lost_from,
        lost_until=given.lost_until,
        seconds=given.seconds,
        worth_bututs=given.worth_bututs,
        given_at=given.created_at,
    )
