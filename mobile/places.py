"""Outages near a customer (INET-Go)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.clock import utc_now
from app.db import transaction
from app.errors import InvalidInput
from mobile.security import CustomerPhone
from mobile.shapes import RowText
from services.apps import places
from services.apps.places import OutageNear

router = APIRouter(tags=["mobile"])


class OutageShown(BaseModel):
    place_id: RowText
    name: str = Field(examples=["Albert Market"])
    address: str | None
    latitude: float | None
    longitude: float | None
    since: datetime
    distance_km: float | None = Field(description="Null where one of the two positions is not known", examples=[1.4])
    is_mine: bool = Field(description="You were online there within two weeks")


class OutagesShown(BaseModel):
    items: list[OutageShown]


@router.get("/outages", summary="Outages near me")
def outages(
    caller: CustomerPhone,
    latitude: Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False)] = None,
    longitude: Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)] = None,
) -> OutagesShown:
    """Places whose Wi-Fi is down now: first those where you were lately, then the nearest. Paid time stands still meanwhile."""
    if (latitude is None) != (longitude is None):
        raise InvalidInput("Send latitude and longitude together.", field="longitude" if longitude is None else "latitude")
    near = (latitude, longitude) if latitude is not None and longitude is not None else None
    with transaction() as session:
        found = places.outages(session, caller, near=near, now=utc_now())
    return OutagesShown(items=[_shown(one) for one in found])


def _shown(one: OutageNear) -> OutageShown:
    return OutageShown(
        place_id=str(one.place_id),
        name=one.name,
        address=one.address,
        latitude=one.latitude,
        longitude=one.longitude,
        since=one.since,
        distance_km=one.km,
        is_mine=one.is_mine,
    )
