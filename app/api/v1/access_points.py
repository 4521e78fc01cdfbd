"""`/api/v1/access-points`: the radios that OpenWISP manages, how they fare, and asking OpenWISP for them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import Id, IdFilter, Moment, Search, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.network import discovery
from services.network.access_point_queries import AccessPointFilter, AccessPointRow, access_point_page, list_access_points, list_periods
from services.network.desk import AccessPointChanges, change_access_point
from services.network.models import Health, HealthPeriod, SetBy

router = APIRouter(prefix="/access-points", tags=["access_points"])
Reader = Annotated[Principal, requires(Permission.NETWORK_READ)]
Editor = Annotated[Principal, requires(Permission.NETWORK_EDIT)]


class AccessPointDetail(BaseModel):
    """The ETag of one stands for its site and its gateway; health does not change it."""

    id: int
    name: str = Field(examples=["Serekunda Market AP 1"])
    external_id: str = Field(description="OpenWISP's number of the device", examples=["0f0e5a1c-6c59-4c1a-8a9f-0d2b9d4c8e11"])
    organization: str = Field(examples=["inet-gambia"])
    mac: str | None = Field(examples=["02:00:00:aa:00:01"])
    address: str | None = Field(description="The last one known", examples=["10.20.0.11"])
    model: str = Field(examples=["TP-Link Archer C7 v5"])
    firmware: str = Field(examples=["OpenWrt 23.05.3"])
    site_id: int | None
    site: str | None = Field(examples=["Serekunda Market"])
    site_set_by: SetBy
    gateway: str | None = Field(description="The slug of its gateway", examples=["5f0c2a9be1d34770"])
    gateway_name: str | None = Field(examples=["Serekunda Market north"])
    gateway_set_by: SetBy
    health: Health = Field(description="What two polls agree on")
    health_since: datetime
    reported: Health = Field(description="What OpenWISP said last")
    last_online_at: datetime | None = Field(description="When it was last seen online, while it is not")
    discovered_at: datetime
    vanished_at: datetime | None = Field(description="Since when OpenWISP no longer lists it")


class AccessPointChange(Wanted):
    """What is left out stays. A site or a gateway that is named is left alone by discovery from then on, null too."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"site_id": 3}, {"gateway": None}, {"site_set_by": "discovery"}]})

    site_id: int | None = Field(default=None, ge=1, le=2**63 - 1, description="Where it stands; null for nowhere")
    gateway: str | None = Field(
        default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="The slug of the gateway it is; null for none of ours"
    )
    site_set_by: Literal["discovery"] = Field(default="discovery", description="Let discovery decide again, at its next run")
    gateway_set_by: Literal["discovery"] = Field(default="discovery", description="Let discovery decide again, at its next run")


class DiscoveryWish(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    accept_loss: bool = Field(
        default=False, description="Believe OpenWISP though more than a third is missing: a person made sure that they are gone"
    )


class DiscoveryAsked(BaseModel):
    state: Literal["asked"] = Field(default="asked", description="A worker looks at once")


class HealthPeriodDetail(BaseModel):
    """One state without a break: half-open [started_at, ended_at)."""

    model_config = ConfigDict(from_attributes=True)

    state: Health
    started_at: datetime
    ended_at: datetime | None = Field(description="Null for the state that stands now")


def _detail(row: AccessPointRow) -> AccessPointDetail:
    point = row.point
    return AccessPointDetail(
        id=row.id,
        name=point.name,
        external_id=point.external_id,
        organization=point.organization,
        mac=point.mac,
        address=point.address,
        model=point.model,
        firmware=point.firmware,
        site_id=point.site_id,
        site=row.site_name,
        site_set_by=point.site_set_by,
        gateway=row.gateway_slug,
        gateway_name=row.gateway_name,
        gateway_set_by=point.gateway_set_by,
        health=point.health,
        health_since=point.health_since,
        reported=point.reported,
        last_online_at=point.last_online_at,
        discovered_at=point.discovered_at,
        vanished_at=point.vanished_at,
    )


@router.get("", summary="List access points")
def list_all(
    actor: Reader,
    paging: WantedPage,
    health: Health | None = None,
    site_id: IdFilter = None,
    gateway: Annotated[str | None, Query(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="The slug of a gateway")] = None,
    linked: Annotated[bool | None, Query(description="Whether it is linked to a gateway")] = None,
    vanished: Annotated[bool | None, Query(description="Only those that OpenWISP no longer lists, or only those it does")] = None,
    search: Annotated[Search, Query(description="Part of a name or an address, or a MAC")] = "",
) -> Page[AccessPointDetail]:
    """Those discovered last first."""
    presence: Literal["present", "vanished", "all"] = "all" if vanished is None else "vanished" if vanished else "present"
    wanted = AccessPointFilter(presence=presence, health=health, site_id=site_id, gateway_slug=gateway, is_linked=linked, search=search)
    with transaction() as session:
        found = list_access_points(session, actor=actor, wanted=wanted, part=paging.part("discovered"))
    return paging.page(found.rows, _detail, lambda row: (row.id,))


@router.get("/{access_point_id}", summary="One access point", responses=tagged(404))
def one(actor: Reader, access_point_id: Id, response: Response) -> AccessPointDetail:
    """Its ETag is what a change sends back as If-Match."""
    with transaction() as session:
        row = access_point_page(session, actor=actor, access_point_id=access_point_id)
    response.headers.update(tag_header(row.point.revision))
    return _detail(row)


@router.patch("/{access_point_id}", summary="Say where an access point belongs", responses=tagged(404, 412, 428))
def change(actor: Editor, access_point_id: Id, expected: Expected, body: AccessPointChange, response: Response) -> AccessPointDetail:
    """Its site, its gateway, or that discovery decides again."""
    changes = cast("AccessPointChanges", body.model_dump(exclude_unset=True))
    with transaction() as session:
        point = change_access_point(
            session, actor=actor, access_point_id=access_point_id, changes=changes, expected_revision=expected, now=utc_now()
        )
        response.headers.update(tag_header(point.revision))
        return _detail(access_point_page(session, actor=actor, access_point_id=access_point_id))


@router.post(
    "/discover", summary="Ask OpenWISP for all access points now", status_code=202, response_model=DiscoveryAsked, responses=refusals(409)
)
def discover(actor: Editor, body: DiscoveryWish, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """A worker does it; it also happens every hour by itself. Refused while one is under way."""

    def work(session: Session) -> tuple[DiscoveryAsked, dict[str, str]]:
        discovery.request(session, actor=actor, accept_loss=body.accept_loss, now=utc_now())
        return DiscoveryAsked(), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=202)


@router.get("/{access_point_id}/health", summary="How an access point fared", responses=refusals(404))
def health_of(
    actor: Reader,
    access_point_id: Id,
    paging: WantedPage,
    since: Annotated[Moment | None, Query(description="Leave out what ended before", examples=["2026-11-01T00:00:00Z"])] = None,
    until: Annotated[Moment | None, Query(description="Leave out what began then or later")] = None,
) -> Page[HealthPeriodDetail]:
    """Its states, newest first, whole also where they reach beyond the range. Older ones than 13 months are kept as sums by month only."""

    def show(period: HealthPeriod) -> HealthPeriodDetail:
        return HealthPeriodDetail.model_validate(period)

    with transaction() as session:
        found = list_periods(session, actor=actor, access_point_id=access_point_id, since=since, until=until, part=paging.part("started"))
    return paging.page(found, show, lambda period: (period.started_at, period.id or 0))
