"""`/api/v1/sites`: the places that gateways and access points stand at."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Id, Name, Search
from app.api.v1.fields import Wanted as WantedBody
from app.api.v1.paging import Page, Wanted
from app.api.v1.writes import Expected, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.network.desk import ADDRESS_LENGTH, SiteChanges, change_site
from services.network.site_queries import list_sites, site_page

router = APIRouter(prefix="/sites", tags=["sites"])
Reader = Annotated[Principal, requires(Permission.NETWORK_READ)]
Editor = Annotated[Principal, requires(Permission.NETWORK_EDIT)]


class SiteDetail(BaseModel):
    """The ETag of one stands for its name, address and position."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str = Field(examples=["Serekunda Market"])
    external_id: str | None = Field(description="OpenWISP's number of the place; null for one that is ours alone")
    address: str | None = Field(examples=["Sayerr Jobe Avenue, Serekunda"])
    latitude: float | None = Field(description="Degrees north", examples=[13.438])
    longitude: float | None = Field(description="Degrees east; The Gambia's are negative", examples=[-16.678])
    gateway_count: int
    access_point_count: int = Field(description="Those in OpenWISP and in service")
    access_points_up: int = Field(description="Of these, those that work")


class SiteChange(WantedBody):
    """What is left out stays. A position is both numbers, or null twice."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Serekunda Market"}, {"latitude": 13.438, "longitude": -16.678}]})

    name: Name = ""
    address: str | None = Field(default=None, max_length=ADDRESS_LENGTH, pattern=NO_NUL)
    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=180)


@router.get("", summary="List sites")
def list_all(actor: Reader, paging: Wanted, search: Search = "") -> Page[SiteDetail]:
    """Newest first. `search` is looked for anywhere in names and addresses."""
    with transaction() as session:
        found = list_sites(session, actor=actor, search=search, part=paging.part())
    return paging.page(found.rows, SiteDetail.model_validate, lambda row: (row.id,))


@router.get("/{site_id}", summary="One site", responses=tagged(404))
def one(actor: Reader, site_id: Id, response: Response) -> SiteDetail:
    """With what stands there. Its ETag is what a change sends back as If-Match."""
    with transaction() as session:
        row = site_page(session, actor=actor, site_id=site_id)
    response.headers.update(tag_header(row.revision))
    return SiteDetail.model_validate(row)


@router.patch("/{site_id}", summary="Change a site", responses=tagged(404, 409, 412, 428))
def change(actor: Editor, site_id: Id, expected: Expected, body: SiteChange, response: Response) -> SiteDetail:
    """Its name, address or position. Where OpenWISP has an address or a position for the place, those win at the next discovery."""
    changes = cast("SiteChanges", body.model_dump(exclude_unset=True))
    with transaction() as session:
        site = change_site(session, actor=actor, site_id=site_id, changes=changes, expected_revision=expected, now=utc_now())
        response.headers.update(tag_header(site.revision))
        return SiteDetail.model_validate(site_page(session, actor=actor, site_id=site_id))
