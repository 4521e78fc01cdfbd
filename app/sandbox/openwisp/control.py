"""The strings behind OpenWISP, for programs: what becomes of devices, rights and token, and how its answers are spoilt."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.sandbox.openwisp.access import Access
from app.sandbox.openwisp.models import Device, Location
from app.sandbox.openwisp.network import Network
from app.sandbox.openwisp.switches import Answer, Switches
from app.sandbox.problems import json_response


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewFleet(_Body):
    """Another network. `odd` is the share of devices with a peculiarity (no configuration, no address, a MAC or name twice, ...)."""

    count: int = Field(ge=1, le=100_000)
    sites: int = Field(default=10, ge=1, le=10_000)
    seed: int = 1
    odd: float = Field(default=0.02, ge=0, le=1)


class Which(_Body):
    """Devices in exactly one of these ways: by id, by name (all of that name), at a place (id or name), or a share of all by chance."""

    ids: list[str] | None = None
    names: list[str] | None = None
    location: str | None = None
    share: float | None = Field(default=None, ge=0, le=1)
    seed: int = 1

    @model_validator(mode="after")
    def _one_way(self) -> Which:
        if sum(way is not None for way in (self.ids, self.names, self.location, self.share)) != 1:
            raise ValueError("give exactly one of ids, names, location, share")
        return self


class NewStatus(Which):
    """What the monitoring concludes."""

    status: Literal["unknown", "ok", "problem", "critical"]


class Activation(Which):
    """Whether the devices are in service."""

    active: bool = False


class Moving(Which):
    """To another place (id or name), or to none."""

    to: str | None


class NewDevices(_Body):
    """Devices to add; one MAC may be given to many. `organization` is a slug."""

    count: int = Field(default=1, ge=1, le=1000)
    name: str | None = None
    location: str | None = None
    organization: str = "inet-gambia"
    mac_address: str | None = None


class NewName(_Body):
    """A device's new name."""

    id: str
    name: str = Field(min_length=1, max_length=64)


class Rights(_Body):
    """Whether the token still sees an organisation."""

    slug: str
    gone: bool = True


class TokenOrder(_Body):
    """`revoke`: refused from now on. `rotate`: refused, and there is another. `restore`: the configured one is good again."""

    action: Literal["revoke", "rotate", "restore"]


class ModeOrder(_Body):
    """Switches (see `switches.Mode`); what is left out stays as it is."""

    answer: Answer = "ok"
    monitoring: bool = True
    gateway: bool = False
    forbidden: bool = False
    next_host: str | None = None
    clear_management_ip: bool = True


class BetweenPages(_Body):
    """What happens once, after so many further pages of a device list were served: what a client meets that reads them one by one."""

    after_pages: int = Field(default=1, ge=1)
    add: int = Field(default=0, ge=0, le=1000)
    remove: int = Field(default=0, ge=0, le=1000)
    revoke_token: bool = False
    seed: int = 1


def control_router(network: Network, access: Access, switches: Switches) -> APIRouter:
    """The addresses under `/_control/openwisp`."""
    router = APIRouter(prefix="/_control/openwisp", tags=["openwisp"])
    _add_device_orders(router, network)

    @router.post("/fleet")
    async def fleet(body: NewFleet) -> Response:
        network.remake(**body.model_dump())
        return json_response({"devices": len(network.by_id()), "locations": len(network.locations())})

    @router.post("/organization")
    async def organization(body: Rights) -> Response:
        organization_id = _organization_of(network, body.slug)
        (network.gone.add if body.gone else network.gone.discard)(organization_id)
        network.seen_anew()
        return json_response({"devices": len(network.by_id())})

    @router.post("/token")
    async def token(body: TokenOrder) -> Response:
        if body.action == "revoke":
            access.revoke()
            return json_response({"token": None})
        return json_response({"token": access.rotate() if body.action == "rotate" else access.restore()})

    @router.post("/mode")
    async def mode(body: ModeOrder) -> Response:
        for name in body.model_fields_set:
            setattr(switches.mode, name, getattr(body, name))
        return json_response(vars(switches.mode))

    @router.post("/between-pages")
    async def between_pages(body: BetweenPages) -> Response:
        switches.after_pages(body.after_pages, lambda: _happen(network, access, body))
        return json_response(body.model_dump())

    return router


def _add_device_orders(router: APIRouter, network: Network) -> None:
    @router.post("/devices")
    async def set_status(body: NewStatus) -> Response:
        return _changed(network.set_status(_devices(network, body), body.status))

    @router.post("/devices/activation")
    async def activation(body: Activation) -> Response:
        return _changed(network.set_active(_devices(network, body), body.active))

    @router.post("/devices/remove")
    async def remove(body: Which) -> Response:
        return _changed(network.remove(_devices(network, body)))

    @router.post("/devices/move")
    async def move(body: Moving) -> Response:
        return _changed(network.move(_devices(network, body), _location(network, body.to) if body.to else None))

    @router.post("/devices/rename")
    async def rename(body: NewName) -> Response:
        device = network.device(body.id)
        if device is None:
            raise HTTPException(404, "No such device")
        network.rename(device, body.name)
        return _changed(1)

    @router.post("/devices/add", status_code=201)
    async def add(body: NewDevices) -> Response:
        location = _location(network, body.location) if body.location else None
        organization = network.organizations[_organization_of(network, body.organization)]
        added = [
            network.add(name=body.name, location=location, organization=organization, mac_address=body.mac_address)
            for _ in range(body.count)
        ]
        return json_response({"ids": [device.id for device in added]}, 201)


def shown(network: Network) -> dict[str, Any]:
    """The network as the token sees it, for `GET /_control/state`: no key, no token."""
    slugs = {organization.id: organization.slug for organization in network.organizations.values()}
    return {
        "organizations": [{"slug": slug, "gone": organization_id in network.gone} for organization_id, slug in slugs.items()],
        "locations": [_shown_location(network, location) for location in network.locations()],
        "devices": [_shown_device(device, slugs[device.organization]) for device in network.by_name()],
    }


def _shown_location(network: Network, location: Location) -> dict[str, Any]:
    names = ("id", "name", "latitude", "longitude")
    return {name: getattr(location, name) for name in names} | {"devices": len(network.devices_at(location))}


def _shown_device(device: Device, organization: str) -> dict[str, Any]:
    names = ("id", "name", "mac_address", "location", "status", "config_status", "last_ip", "management_ip")
    return {name: getattr(device, name) for name in names} | {"organization": organization}


def _changed(count: int) -> Response:
    return json_response({"changed": count})


def _happen(network: Network, access: Access, what: BetweenPages) -> None:
    network.remove(network.some(what.remove, seed=what.seed))
    organization = next(iter(network.organizations.values()))
    for _ in range(what.add):
        network.add(name=None, location=None, organization=organization, mac_address=None)
    if what.revoke_token:
        access.revoke()


def _devices(network: Network, which: Which) -> list[Device]:
    if which.share is not None:
        return network.some(round(which.share * len(network.by_id())), seed=which.seed)
    if which.location is not None:
        return list(network.devices_at(_location(network, which.location)))
    if which.ids is not None:
        found = [device for device_id in which.ids if (device := network.device(device_id))]
    else:
        wanted = set(which.names or ())
        found = [device for device in network.by_id() if device.name in wanted]
    if not found:
        raise HTTPException(404, "No such device")
    return found


def _location(network: Network, id_or_name: str) -> Location:
    found = network.location(id_or_name) or next((place for place in network.locations() if place.name == id_or_name), None)
    if found is None:
        raise HTTPException(404, "No such location")
    return found


def _organization_of(network: Network, slug: str) -> str:
    found = next((organization.id for organization in network.organizations.values() if organization.slug == slug), None)
    if found is None:
        raise HTTPException(404, "No such organisation")
    return found
