"""The second dialect: the two paths of the project's specification, which OpenWISP does not have (openwisp.md §1).

They would be a gateway of the operator before OpenWISP. Both lists are read by cursor (`limit`, `after`), answer
`{"items": [...], "next": cursor or null, "total": number}`, and are joined by the device's id: the first has the devices with their
sites, the second their health, in the words of the specification.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import NonNegativeInt

from app.outbound import Unavailable
from services.integrations.openwisp.errors import SERVICE
from services.integrations.openwisp.exchange import OpenWispHttp
from services.integrations.openwisp.shapes import ExternalId, Shape, address_of, coordinates_of, mac_of, status_of
from services.integrations.openwisp.values import Device, DeviceStatus, Place, plain
from services.integrations.openwisp.walk import PAGE_SIZE, CursorWalk, Following, Row, Walk

R = TypeVar("R")
T = TypeVar("T")

_WORDS = {
    "online": DeviceStatus.OK,
    "degraded": DeviceStatus.PROBLEM,
    "offline": DeviceStatus.CRITICAL,
    "retired": DeviceStatus.DEACTIVATED,
}


@dataclass(frozen=True)
class OwnPaths:
    """Where the two lists are, below the base address."""

    devices: str = "/api/v1/network-devices"
    monitoring: str = "/api/v1/device-monitoring"


class SiteShape(Shape):
    id: ExternalId
    name: str | None = None
    latitude: Any = None
    longitude: Any = None


class DeviceShape(Shape):
    id: ExternalId
    name: str | None
    mac: str | None
    ip: str | None = None
    model: str | None = None
    firmware: str | None = None
    organization: str | None = None
    status: str | None = None
    site: SiteShape | None = None


class HealthShape(Shape):
    id: ExternalId
    status: str | None


class Items(Shape, Generic[R]):
    items: list[R]
    next: str | None
    total: NonNegativeInt | None = None


class OwnDialect:
    """No filter, no detail and no list of sites: all are made from the two lists."""

    def __init__(self, http: OpenWispHttp, paths: OwnPaths, page_size: int = PAGE_SIZE) -> None:
        self._http, self._paths, self._page_size = http, paths, page_size

    def devices(self, status: DeviceStatus | None) -> Walk[Device]:
        """`count_said` is that of the whole list, also with a `status`: completeness is that of the list it is picked from."""
        health: dict[str, DeviceStatus] = {}

        def fetch(cursor: str | None) -> Following[Device]:
            if cursor is None:
                health.update(self._health())
            return self._page("devices", self._paths.devices, cursor, lambda shape: _device(shape, health), Items[DeviceShape])

        return CursorWalk("devices", fetch, keep=lambda device: status is None or device.status is status)

    def count(self, status: DeviceStatus | None) -> int:
        health = self._health()
        return len(health) if status is None else sum(told is status for told in health.values())

    def device(self, external_id: str) -> Device | None:
        walk = self.devices(None)
        for device in walk.items():
            if device.external_id == external_id:
                return device
        _be_whole(walk, "device")
        return None

    def places(self) -> tuple[Place, ...]:
        """Each with the ids of its devices."""
        walk = CursorWalk("places", self._without_health)
        members: dict[str, set[str]] = {}
        places: dict[str, Place] = {}
        for device in walk.items():
            if device.place:
                places[device.place.external_id] = device.place
                members.setdefault(device.place.external_id, set()).add(device.external_id)
        _be_whole(walk, "places")
        return tuple(replace(place, device_ids=frozenset(members[place.external_id])) for place in places.values())

    def place_devices(self, place_id: str) -> frozenset[str]:
        return next((place.device_ids or frozenset() for place in self.places() if place.external_id == place_id), frozenset())

    def _without_health(self, cursor: str | None) -> Following[Device]:
        return self._page("places", self._paths.devices, cursor, lambda shape: _device(shape, {}), Items[DeviceShape])

    def _health(self) -> dict[str, DeviceStatus]:
        """Half of it would leave devices without a state that have one, hence all or an error."""
        walk = CursorWalk("devices", lambda cursor: self._page("devices", self._paths.monitoring, cursor, _health_row, Items[HealthShape]))
        told = dict(walk.items())
        _be_whole(walk, "devices")
        return told

    def _page(self, operation: str, path: str, cursor: str | None, row: Callable[[R], Row[T]], shape: type[Items[R]]) -> Following[T]:
        params = {"limit": str(self._page_size), **({} if cursor is None else {"after": cursor})}
        page = self._http.get(operation, path, params, shape.model_validate)
        return Following(page.total, tuple(row(item) for item in page.items), page.next)


def _device(shape: DeviceShape, health: dict[str, DeviceStatus]) -> Row[Device]:
    oddities: list[str] = []
    status = health.get(shape.id) or (_status(shape.status, oddities) if shape.status else None)
    device = Device(
        external_id=shape.id,
        name=plain(shape.name),
        organization=plain(shape.organization) or None,
        mac=mac_of(shape.mac, oddities),
        address=address_of((shape.ip,), oddities),
        model=plain(shape.model),
        firmware=plain(shape.firmware),
        status=status,
        is_deactivated=status is DeviceStatus.DEACTIVATED,
        place=_place(shape.site, oddities) if shape.site else None,
    )
    return Row(shape.id, device, tuple(oddities))


def _place(shape: SiteShape, oddities: list[str]) -> Place:
    degrees = coordinates_of(shape.latitude, shape.longitude, oddities)
    return Place(shape.id, plain(shape.name), degrees[0], degrees[1], "", is_indoor=False)


def _health_row(shape: HealthShape) -> Row[tuple[str, DeviceStatus]]:
    oddities: list[str] = []
    status = _status(shape.status or "", oddities)
    return Row(shape.id, (shape.id, status), tuple(oddities))


def _status(word: str, oddities: list[str]) -> DeviceStatus:
    return _WORDS.get(word) or status_of(word, oddities)


def _be_whole(walk: Walk[Any], operation: str) -> None:
    seen = walk.completeness
    if not seen.is_complete:
        raise Unavailable(SERVICE, operation, f"the list is not whole: {seen.count_got} of {seen.count_said}")
