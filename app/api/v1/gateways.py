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
from services.access.gateway_keys import cancel_rotation, rotate_key
from services.access.gateways import new_identity
from services.access.queries import gateway_page, list_gateways
from services.access.router_config import RouterSystem, portal_address, router_snippet
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
    poll_seconds: int = Field(description="How many seconds apart it is set to poll")
    mac: str | None = Field(description="The router's own, as it tells itself at level 3", examples=["02:00:00:aa:00:01"])
    key_state: Literal["steady", "waiting", "settling"] = Field(
        description="waiting: a new key was made and is not used yet. settling: it is used, and the former one still opens for a day"
    )
    clients: int | None = Field(validation_alias="agent_clients", description="As the router's script counted them last")
    clients_at: datetime | None = Field(validation_alias="agent_seen_at")


class NewGateway(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Serekunda Market north", "site": "Serekunda Market"}]})

    name: Name
    site: Name | None = None
    level: Literal[3, 4] = 4
    poll_seconds: int = Field(default=10, ge=1, le=59)
    system: RouterSystem = Field(default="openwrt", description="For which the configuration is written")
    slug: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{2,63}$", description="Made at random when left out")


class RegisteredGateway(BaseModel):
    """`configuration` holds the router's key, and is seen this one time."""

    slug: str
    name: str
    gateway_name: str
    level: Literal[3, 4]
    configuration: str = Field(description="To be put into /etc/config/opennds", examples=["config opennds\n    option enabled '1'\n"])


class NewKey(BaseModel):
    """`configuration` holds the new key."""

    slug: str
    key_state: Literal["waiting"]
    configuration: str = Field(description="To be put into the router", examples=["config opennds\n    option enabled '1'\n"])


class NewKeyWanted(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"system": "openwrt"}]})

    system: RouterSystem = "openwrt"


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
    portal = portal_address(get_settings().public_url)

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
            poll_seconds=body.poll_seconds,
            now=utc_now(),
        )
        configuration = snippet_for(session, actor=actor, slug=made.slug, portal=portal, system=body.system, reveal=True, now=utc_now())
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


@router.post(
    "/{slug}/key", summary="Change a gateway's key", status_code=201, response_model=NewKey, responses=tagged(404, 409, status=201)
)
def rotate(actor: Editor, slug: Slug, body: NewKeyWanted, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """A new key stands beside the router's own, and both open until the router is seen to use the new one."""
    portal = portal_address(get_settings().public_url)

    def work(session: Session) -> tuple[NewKey, dict[str, str]]:
        changed = rotate_key(session, actor=actor, slug=slug, now=utc_now())
        # Whoever made the key sees it, this one time.
        configuration = router_snippet(changed, portal=portal, system=body.system)
        return NewKey(slug=slug, key_state="waiting", configuration=configuration), tag_header(changed.revision)

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


@router.delete("/{slug}/key/second", summary="Keep one key", responses=tagged(404, 409))
def keep_one_key(actor: Editor, slug: Slug, response: Response) -> GatewayDetail:
    """Forgets the new key while the router does not use it, or else the former one."""
    with transaction() as session:
        changed = cancel_rotation(session, actor=actor, slug=slug, now=utc_now())
        response.headers.update(tag_header(changed.revision))
        return GatewayDetail.model_validate(gateway_page(session, actor=actor, slug=slug))
