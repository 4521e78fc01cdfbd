"""The person who is logged in, and their phones: listed, named, logged out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from mobile.people import DeviceName, Me, device_name, person_of
from mobile.security import AnyPhone
from mobile.shapes import Body
from services.apps import devices
from services.apps.models import AppDevice

router = APIRouter(tags=["mobile"])


class OwnDevice(DeviceName):
    """`is_this` marks the phone that asks."""

    platform: str = Field(examples=["android"])
    app_version: str = Field(examples=["1.4.0"])
    logged_in_at: datetime
    last_seen_at: datetime
    is_this: bool


class OwnDevices(BaseModel):
    items: list[OwnDevice]
    next_cursor: None = Field(default=None, description="Nobody has more phones than fit here")


class DeviceRename(Body):
    name: str = Field(min_length=1, max_length=80, examples=["Awa's phone"])


@router.get("/me", summary="Who am I")
def me(caller: AnyPhone) -> Me:
    """The phone that asks, and its person with the permissions of this moment."""
    with transaction() as session:
        device = session.get_one(AppDevice, caller.app_device_id)
        return Me(device=device_name(device), person=person_of(session, caller))


@router.get("/devices", summary="My phones")
def own_devices(caller: AnyPhone) -> OwnDevices:
    """Where this person is logged in, the phone used last first."""
    with transaction() as session:
        found = devices.devices_of(session, caller=caller)
        return OwnDevices(items=[_own(device, caller.app_device_id) for device in found])


def _own(device: AppDevice, asking: int) -> OwnDevice:
    return OwnDevice(
        id=device.public_id,
        name=device.name,
        app=device.app,
        platform=device.platform,
        app_version=device.app_version,
        logged_in_at=device.created_at,
        last_seen_at=device.last_seen_at,
        is_this=device.id == asking,
    )


@router.patch("/devices/me", summary="Name this phone")
def rename_device(body: DeviceRename, caller: AnyPhone) -> DeviceName:
    """The name by which its owner knows it in lists. It stays, whatever the app says of the phone later."""
    with transaction() as session:
        return device_name(devices.name_device(session, caller=caller, name=body.name))


@router.delete("/devices/{public_id}", summary="Log one of my phones out", status_code=204, responses=refusals(404))
def revoke_device(public_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")], caller: AnyPhone) -> None:
    """It is out with its next request, and gets no push any more. Repeated, nothing happens; another person's is not found."""
    with transaction() as session:
        devices.revoke(session, caller=caller, public_id=public_id, now=utc_now())
