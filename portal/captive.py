"""What a phone's own system asks and shows (RFC 8908): is this client captive, what has it left, and what is this place.

A router's DHCP names the router's own address for this (opennds.md §7); the address here is handed out by the portal and says which
client it is about: by its hotspot context, or by a token that opens nothing but this answer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.access import public
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from app.settings import get_settings
from portal import limits, rendering
from portal.visits import Linked, PageRoute, error_page
from services.access.captive import Place, Standing, gateway_place, reading_token, site_place, standing
from services.access.gateways import gateway_by_slug
from services.accounts.models import Device
from services.packages.selling import Counter
from services.packages.service import offers

MEDIA_TYPE = "application/captive+json"
_CUSTOMER = public("what is told is of the client that the address itself names, or of nobody")
router = APIRouter(tags=["portal"], dependencies=[_CUSTOMER, Depends(limits.visits)])
places = APIRouter(route_class=PageRoute, default_response_class=Response)
"""Pages about a place: part of the portal's pages (portal/pages.py)."""
_Token = Annotated[str, Query(max_length=1000)]


class CaptiveState(BaseModel):
    """RFC 8908 §5. What is left is told of a client that is not captive, and left out where there is no limit."""

    model_config = ConfigDict(serialize_by_alias=True)

    captive: bool
    user_portal_url: str = Field(alias="user-portal-url")
    venue_info_url: str | None = Field(default=None, alias="venue-info-url")
    can_extend_session: bool = Field(default=True, alias="can-extend-session")
    seconds_remaining: int | None = Field(default=None, alias="seconds-remaining")
    bytes_remaining: int | None = Field(default=None, alias="bytes-remaining")


_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"description": "Captive or not", "content": {MEDIA_TYPE: {"schema": CaptiveState.model_json_schema()}}}
}


def captive_url(context_token: str, device: Device | None) -> str:
    """The address to ask about this client, by its hotspot's context and, once that is old, by its device."""
    query = {"d": reading_token(device)} if device is not None else {}
    return get_settings().public_url + rendering.link("/portal/captive", context_token=context_token, **query)


@router.get(
    "/portal/captive", summary="Captive-portal API (RFC 8908)", response_class=Response, responses={**_ANSWER, **refusals(422, 429, 503)}
)
def captive_state(c: _Token = "", d: _Token = "") -> Response:
    """Whether the client behind this address is captive, and what it has left. One that nothing names is captive."""
    with transaction() as session:
        found = standing(session, context_token=c, reading_token=d, now=utc_now())
    headers = {"Cache-Control": "private", "X-Content-Type-Options": "nosniff"}
    return Response(orjson.dumps(_as_json(found)), headers=headers, media_type=MEDIA_TYPE)


def _as_json(found: Standing) -> dict[str, Any]:
    base = get_settings().public_url
    told: dict[str, Any] = {
        "captive": found.is_captive,
        "user-portal-url": base + rendering.link("/portal/", context_token=found.context_token),
        "can-extend-session": True,
    }
    if found.gateway_slug is not None:
        told["venue-info-url"] = f"{base}/portal/venue/{found.gateway_slug}"
    if not found.is_captive and found.access is not None:
        told["seconds-remaining"] = found.access.seconds_left
        if found.access.bytes_left is not None:
            told["bytes-remaining"] = found.access.bytes_left
    return told


@places.get("/portal/venue/site/{site_id}")
def venue_of_site(visit: Linked, site_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Response:
    return _venue(visit, lambda session: site_place(session, site_id), lambda _: Counter(visit.now, site_id=site_id))


@places.get("/portal/venue/{slug}")
def venue_of_gateway(visit: Linked, slug: Annotated[str, Path(max_length=64)]) -> Response:
    return _venue(visit, lambda session: gateway_place(session, slug), lambda session: _counter_of(session, slug, visit.now))


def _counter_of(session: Session, slug: str, now: datetime) -> Counter:
    return Counter(now, gateway_id=gateway_by_slug(session, slug).id)


def _venue(visit: Linked, find: Callable[[Session], Place | None], counter: Callable[[Session], Counter]) -> Response:
    with transaction() as session:
        place = find(session)
        price_list = offers(session, counter=counter(session)) if place is not None else []
    if place is None:
        return error_page(visit.request, "not_found", status=404)
    return visit.page("venue", place=place, offers=price_list)
