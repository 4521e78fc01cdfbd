"""Time left, the devices on it, and what was used (INET-Go)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from mobile.security import CustomerPhone
from mobile.shapes import MOST, RowId, RowText
from mobile.shop import AccessOfPurchase
from services.apps import balance
from services.apps import usage as used
from services.apps.balance import Left, OnIt

router = APIRouter(tags=["mobile"])
Number = Annotated[int, Path(ge=1, le=20, description="The place on the package, from 1")]


class DeviceOnAccess(BaseModel):
    number: int = Field(description="Its place on the package", examples=[1])
    device_id: RowText
    name: str | None = Field(description="Of a phone with the app, what its owner calls it")
    mac: str | None = Field(
        description="Its end, to tell devices apart; null where no router vouches for it", examples=["••:••:••:bb:00:50"]
    )
    since: datetime
    is_in: bool = Field(description="A router let it in and has not reported its end")
    is_this: bool


class AccessLeft(BaseModel):
    id: RowText
    package: str = Field(examples=["1 day"])
    access: AccessOfPurchase
    seconds_total: int
    bytes_total: int | None = Field(description="Null without a data allowance")
    started_at: datetime | None
    use_before: datetime = Field(description="Until when the time has to be begun")
    device_limit: int
    devices: list[DeviceOnAccess]
    swaps_left: int = Field(description="How many devices that are in use may still be taken off today")


class Balance(BaseModel):
    items: list[AccessLeft]


class DevicesOnAccess(BaseModel):
    items: list[DeviceOnAccess]


class UsedOnDay(BaseModel):
    day: date
    bytes_down: int
    bytes_up: int = Field(description="A lower bound: routers count it so")
    minutes: int = Field(description="Online, added up over the devices")
    seconds: int = Field(description="The same, exactly: the days add up")


class Usage(BaseModel):
    items: list[UsedOnDay] = Field(description="Today last; days without use too")
    bytes_down: int
    bytes_up: int
    seconds: int


@router.get("/access", summary="What is left")
def access(caller: CustomerPhone) -> Balance:
    """Time and data that can still be used, what runs first, with the devices on it."""
    with transaction() as session:
        found = balance.left(session, caller, now=utc_now())
    return Balance(items=[_left(one) for one in found])


def _left(one: Left) -> AccessLeft:
    return AccessLeft(
        id=str(one.id),
        package=one.package,
        access=AccessOfPurchase.model_validate(one.access.as_json()),
        seconds_total=one.seconds_total,
        bytes_total=one.bytes_total,
        started_at=one.started_at,
        use_before=one.use_before,
        device_limit=one.device_limit,
        devices=[_device(device) for device in one.devices],
        swaps_left=one.swaps_left,
    )


def _device(one: OnIt) -> DeviceOnAccess:
    return DeviceOnAccess(
        number=one.place,
        device_id=str(one.device_id),
        name=one.name,
        mac=one.mac,
        since=one.since,
        is_in=one.is_in,
        is_this=one.is_this,
    )


@router.get("/access/{access_id}/devices", summary="The devices on a purchase", responses=refusals(404))
def access_devices(caller: CustomerPhone, access_id: RowId) -> DevicesOnAccess:
    """Who holds the places of an own purchase, whoever was first before the others."""
    with transaction() as session:
        found = balance.devices(session, caller, access_id)
    return DevicesOnAccess(items=[_device(one) for one in found])


@router.delete("/access/{access_id}/devices/{number}", summary="Take a device off", status_code=204, responses=refusals(404, 409))
def free_device(
    caller: CustomerPhone,
    access_id: RowId,
    number: Number,
    device_id: Annotated[int | None, Query(ge=1, le=MOST, description="The device that is meant: another one is left alone")] = None,
) -> None:
    """Free a place of an own purchase; a place that is free already stays so. With `device_id` a repeat never hits who came after.

    Devices that are in use can be taken off a few times a day (`swaps_left`).
    """
    with transaction() as session:
        balance.free(session, caller, access_id, number=number, device_id=device_id, now=utc_now())


@router.get("/usage", summary="What was used, by day")
def usage(caller: CustomerPhone, days: Annotated[int, Query(ge=1, le=used.MOST_DAYS)] = 30) -> Usage:
    """Data and time online of the last days, of the day in Banjul (UTC).

    Routers report the data of a session as one sum, so what went over midnight is shared out by time; minutes are exact.
    """
    with transaction() as session:
        found = used.usage(session, caller, days=days, now=utc_now())
    items = [
        UsedOnDay(day=one.day, bytes_down=one.bytes_down, bytes_up=one.bytes_up, minutes=one.minutes, seconds=one.seconds) for one in found
    ]
    return Usage(
        items=items,
        bytes_down=sum(one.bytes_down for one in items),
        bytes_up=sum(one.bytes_up for one in items),
        seconds=sum(one.seconds for one in items),
    )
