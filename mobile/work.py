"""The technician's own: the list of the day, one ticket, the access point before them, and whether they are on duty."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from app.errors import InvalidInput
from mobile.mutations import ServerDocument
from mobile.security import AnyPhone, technician
from services.accounts.permissions import Permission
from services.apps import documents
from services.apps.callers import Caller
from services.fieldwork import boxes, worklist
from services.fieldwork.boxes import Box
from services.fieldwork.models import VisitState
from services.fieldwork.worklist import Errand
from services.network.incident_models import Incident
from services.network.models import Health, Site
from services.network.uptime import Uptime
from services.tickets import duty
from services.tickets.errors import TicketNotFound
from services.tickets.models import Category, HoldReason, Priority, Ticket, TicketState
from services.tickets.people import headline

router = APIRouter(tags=["mobile"])
Worker = Annotated[Caller, technician(Permission.TICKETS_READ)]
NetworkReader = Annotated[Caller, technician(Permission.NETWORK_READ)]
RowId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The number of the record")]
Latitude = Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False, description="Where the phone is; with `longitude`")]
Longitude = Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)]


class Route(BaseModel):
    """`geo` opens the phone's own maps (RFC 5870), `map` a page with the way there."""

    geo: str = Field(examples=["geo:13.4432,-16.6781?q=13.4432,-16.6781(Serekunda%20Market)"])
    map: str = Field(examples=["https://www.google.com/maps/dir/?api=1&destination=13.4432,-16.6781"])


class Place(BaseModel):
    """A site. `route` is null where nobody knows its position."""

    id: str
    name: str = Field(examples=["Serekunda Market"])
    address: str | None
    latitude: float | None
    longitude: float | None
    route: Route | None


class RadioNow(BaseModel):
    id: str
    name: str
    health: Health
    health_since: datetime


class ToCall(BaseModel):
    """The customer: `tel` dials them."""

    name: str | None
    phone: str = Field(examples=["+220833000001"])
    tel: str = Field(examples=["tel:+220833000001"])


class WorkItem(BaseModel):
    """A ticket, and why it stands where it stands."""

    id: str
    reference: str = Field(examples=["T-4KM7PX"])
    headline: str
    state: TicketState
    hold_reason: HoldReason | None
    priority: Priority
    category: Category | None
    due_at: datetime | None
    breached_at: datetime | None
    band: str = Field(description="under_way, late, soon, today, later or waits", examples=["soon"])
    why: str = Field(examples=["Due within 2 hours, 2.4 km away"])
    distance_km: float | None
    visit: VisitState | None
    site: Place | None
    access_point: RadioNow | None
    incident: str | None = Field(description="The outage that runs there now")
    customer: ToCall | None


class Work(BaseModel):
    """`total` is larger than the list when there are more than it shows."""

    items: list[WorkItem]
    total: int
    latitude: float | None = Field(description="Where distances are counted from; null when that is not known")
    longitude: float | None
    located_at: datetime | None = Field(description="Since when the phone is known to be there; null for what was just told")


class Period(BaseModel):
    """One state without a break: half-open [started_at, ended_at)."""

    state: Health
    started_at: datetime
    ended_at: datetime


class Month(BaseModel):
    """Seconds of a month; what is not known counts neither way. `share` is 0 to 1, null when nothing is known."""

    month: date
    share: float | None
    up_seconds: int
    down_seconds: int
    not_known_seconds: int


class Outage(BaseModel):
    reference: str = Field(examples=["I-2041"])
    started_at: datetime


class TicketThere(BaseModel):
    id: str
    reference: str
    headline: str
    state: TicketState
    due_at: datetime | None


class BoxDetail(BaseModel):
    """An access point: what it is, how it fares and fared in the last 30 days, and what is to be done about it."""

    id: str
    name: str = Field(examples=["Serekunda 03"])
    mac: str | None
    model: str
    firmware: str
    address: str | None
    label: str | None = Field(description="What the QR on the box says", examples=["inet:ap:02:00:00:aa:00:01"])
    health: Health
    health_since: datetime
    reported: Health = Field(description="What OpenWISP said last; the next poll decides")
    vanished_at: datetime | None
    gateway: str | None
    site: Place | None
    periods: list[Period]
    months: list[Month] = Field(description="The last month and the running one")
    incident: Outage | None
    tickets: list[TicketThere]


class DutyWish(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"is_on_duty": True}]})

    is_on_duty: bool


class OwnDuty(BaseModel):
    """Without teams there is nothing to switch."""

    is_on_duty: bool
    teams: list[str]


@router.get("/work", summary="The list of the day")
def work(caller: Worker, latitude: Latitude = None, longitude: Longitude = None) -> Work:
    """What lies undone with the person, in the order in which it is best seen to: by risk, then by the way from here.

    Without a position the phone's last one counts, for twelve hours.
    """
    if (latitude is None) is not (longitude is None):
        raise InvalidInput("A position is a latitude and a longitude.", field="latitude" if latitude is None else "longitude")
    here = (latitude, longitude) if latitude is not None and longitude is not None else None
    with transaction() as session:
        found = worklist.work_list(session, actor=caller.technician(), position=here, app_device_id=caller.app_device_id, now=utc_now())
        return Work(
            items=[_item(one) for one in found.errands],
            total=found.total,
            latitude=found.position[0] if found.position else None,
            longitude=found.position[1] if found.position else None,
            located_at=found.position_at,
        )


@router.get("/tickets/{ticket_id}", summary="One ticket", responses=refusals(404))
def ticket(caller: AnyPhone, ticket_id: RowId) -> ServerDocument:
    """As a sync tells it: for customers one of their own, for technicians one that they may know of."""
    with transaction() as session:
        found = documents.one(session, caller, "ticket", ticket_id)
        if found is None:
            raise TicketNotFound
        return ServerDocument(kind=found.kind, id=str(found.id), version=found.version, data=found.data)


@router.get("/access-points/scan", summary="The access point with this label", responses=refusals(404))
def scan(
    caller: NetworkReader, code: Annotated[str, Query(min_length=1, max_length=80, examples=["inet:ap:02:00:00:aa:00:01"])]
) -> BoxDetail:
    """What a QR says (`inet:ap:` and the MAC), or the MAC that is printed on the box, however it is written."""
    with transaction() as session:
        return _box(boxes.scanned(session, actor=caller.technician(), code=code, now=utc_now()))


@router.get("/access-points/{access_point_id}", summary="One access point", responses=refusals(404))
def access_point(caller: NetworkReader, access_point_id: RowId) -> BoxDetail:
    """The same by its number."""
    with transaction() as session:
        return _box(boxes.box(session, actor=caller.technician(), access_point_id=access_point_id, now=utc_now()))


@router.put("/duty", summary="Go on or off duty")
def set_duty(caller: Worker, wish: DutyWish) -> OwnDuty:
    """In all of the person's teams at once; who comes on duty is given what waits there."""
    with transaction() as session:
        own = duty.set_own_duty(session, actor=caller.technician(), is_on_duty=wish.is_on_duty, now=utc_now())
        return OwnDuty(is_on_duty=own.is_on_duty, teams=list(own.teams))


def _item(one: Errand) -> WorkItem:
    ticket = one.ticket
    radio = one.radio
    return WorkItem(
        id=str(ticket.id),
        reference=ticket.reference,
        headline=one.headline,
        state=ticket.state,
        hold_reason=ticket.hold_reason,
        priority=ticket.priority,
        category=ticket.category,
        due_at=ticket.due_at,
        breached_at=ticket.breached_at,
        band=one.band.name.lower(),
        why=one.why,
        distance_km=one.distance_km,
        visit=one.visit,
        site=_place(one.site),
        access_point=RadioNow(id=str(radio.id), name=radio.name, health=radio.health, health_since=radio.health_since) if radio else None,
        incident=one.incident,
        customer=ToCall(name=one.customer, phone=one.phone, tel=f"tel:{one.phone}") if one.phone else None,
    )


def _place(site: Site | None) -> Place | None:
    if site is None:
        return None
    named: dict[str, Any] = {"id": str(site.id), "name": site.name, "address": site.address}
    return Place(**named, latitude=site.latitude, longitude=site.longitude, route=_route(site))


def _route(site: Site) -> Route | None:
    if site.latitude is None or site.longitude is None:
        return None
    at = f"{site.latitude:.6f},{site.longitude:.6f}"
    return Route(geo=f"geo:{at}?q={at}({quote(site.name)})", map=f"https://www.google.com/maps/dir/?api=1&destination={at}")


def _box(found: Box) -> BoxDetail:
    row, point = found.row, found.row.point
    return BoxDetail(
        id=str(row.id),
        name=point.name,
        mac=point.mac,
        model=point.model,
        firmware=point.firmware,
        address=point.address,
        label=boxes.label_of(point.mac) if point.mac else None,
        health=point.health,
        health_since=point.health_since,
        reported=point.reported,
        vanished_at=point.vanished_at,
        gateway=row.gateway_name,
        site=_place(found.site),
        periods=[Period(state=one.state, started_at=one.start, ended_at=one.end) for one in found.periods],
        months=[_month(month, uptime) for month, uptime in found.months.items()],
        incident=_outage(found.incident),
        tickets=[_there(ticket) for ticket in found.tickets],
    )


def _month(month: date, uptime: Uptime) -> Month:
    not_known = uptime.unknown + uptime.retired
    return Month(month=month, share=uptime.share, up_seconds=uptime.up, down_seconds=uptime.offline, not_known_seconds=not_known)


def _outage(incident: Incident | None) -> Outage | None:
    return Outage(reference=incident.reference, started_at=incident.started_at) if incident is not None else None


def _there(ticket: Ticket) -> TicketThere:
    return TicketThere(id=str(ticket.id), reference=ticket.reference, headline=headline(ticket), state=ticket.state, due_at=ticket.due_at)
