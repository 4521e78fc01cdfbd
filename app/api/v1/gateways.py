"""`/api/v1/gateways`: the openNDS routers. A router's key is answered once, with the configuration that it is pasted into."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import Name, Search, Slug, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from app.settings import get_settings
from services.access.desk import GatewayChanges, change_gateway, register_gateway, snippet_for
from services.access.gateways import new_identity
from services.access.queries import gateway_page, list_gateways
from services.accounts.permissions import Permission, Principal

router = APIRouter(prefix="/gateways", tags=["gateways"])
Reader = Annotated[Principal, requires(Permission.GATEWAYS_READ)]
Editor = Annotated[Principal, requires(Permission.GATEWAYS_EDIT)]


class GatewayDetail(BaseModel):
    """The ETag of one stands for its name and site; polls do not change it."""

    model_config = ConfigDict(from_attributes=True)

    slug: str = Field(examples=["5f0c2a9be1d34770"])
    name: str = Field(examples=["Serekunda Market north"])
    site_id: int | None
    site: str | None = Field(validation_alias="site_name", examples=["Serekunda Market"])
    gateway_name: str = Field(description="What the router calls itself")
    level: Literal[3, 4] = Field(description="openNDS security level")
    version: str | None = Field(description="Of openNDS, as the router named it last")
    last_poll_at: datetime | None
    last_restart_at: datetime | None = Field(validation_alias="last_clear_at")
    created_at: datetime


class NewGateway(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Serekunda Market north", "site": "Serekunda Market"}]})

    name: Name
    site: Name | None = None
    level: Literal[3, 4] = 4
    slug: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{2,63}$", description="Made at random when left out")


class RegisteredGateway(BaseModel):
    """`configuration` holds the router's key, and is seen this one time."""

    slug: str
    name: str
    gateway_name: str
    level: Literal[3, 4]
    configuration: str = Field(description="To be put into /etc/config/opennds", examples=["config opennds\n    option enabled '1'\n"])


class GatewayChange(Wanted):
    """What is left out stays; a `site` of null takes the gateway from its place."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Serekunda Market south"}]})

    name: Name = ""
    site: Name | None = None


@router.get("", summary="List gateways")
def list_all(actor: Reader, paging: WantedPage, search: Search = "") -> Page[GatewayDetail]:
    """Newest first. `search` is looked for anywhere in a gateway's or its site's name."""
    with transaction() as session:
        found = list_gateways(session, actor=actor, search=search, part=paging.part("created"))
    return paging.page(found.rows, GatewayDetail.model_validate, lambda row: (row.created_at, row.id))


@router.get("/{slug}", summary="One gateway", responses=tagged(404))
def one(actor: Reader, slug: Slug, response: Response) -> GatewayDetail:
    """Its ETag is what a change sends back as If-Match."""
    with transaction() as session:
        row = gateway_page(session, actor=actor, slug=slug)
    response.headers.update(tag_header(row.revision))
    return GatewayDetail.model_validate(row)


@router.post("", summary="Register a gateway", status_code=201, response_model=RegisteredGateway, responses=tagged(409, status=201))
def register(actor: Editor, body: NewGateway, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Identity and key are made here at random."""

    def work(session: Session) -> tuple[RegisteredGateway, dict[str, str]]:
        slug, gateway_name, faskey = new_identity()
        made = register_gateway(
            session,
            actor=actor,
            slug=body.slug or slug,
            gateway_name=gateway_name,
            faskey=faskey,
            level=body.level,
            name=body.name,
            site_name=body.site,
            now=utc_now(),
        )
        configuration = snippet_for(session, actor=actor, slug=made.slug, public_url=get_settings().public_url, reveal=True, now=utc_now())
        shown = RegisteredGateway(slug=made.slug, name=made.name, gateway_name=gateway_name, level=body.level, configuration=configuration)
        return shown, {**tag_header(made.revision), "Location": f"/api/v1/gateways/{made.slug}"}

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


@router.patch("/{slug}", summary="Change a gateway", responses=tagged(404, 412, 428))
def change(actor: Editor, slug: Slug, expected: Expected, body: GatewayChange, response: Response) -> GatewayDetail:
    """Its name, or the site that it stands at."""
    changes = cast("GatewayChanges", body.model_dump(exclude_unset=True))
    with transaction() as session:
        made = change_gateway(session, actor=actor, slug=slug, changes=changes, expected_revision=expected, now=utc_now())
        response.headers.update(tag_header(made.revision))
        return GatewayDetail.model_validate(gateway_page(session, actor=actor, slug=slug))
