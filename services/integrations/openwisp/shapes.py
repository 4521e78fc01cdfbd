"""OpenWISP's own JSON, checked at the door (openwisp.md §3 to §6) and read into values.

A wrong *type* means that this is not the API we know, and the whole answer is refused. A *value* that cannot be used (a MAC that is none,
a status nobody heard of) is dropped and counted as an oddity. Fields not named here, the device's secret `key` first, end here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from services.integrations.openwisp.values import Device, DeviceStatus, Place, canonical_address, canonical_mac, plain
from services.integrations.openwisp.walk import Numbered, Row

R = TypeVar("R")

# Also goes into paths, so neither slashes nor names made of dots.
ExternalId = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.:-]{0,63}$")]


class Shape(BaseModel):
    """Of what comes from outside: exact types, unknown fields ignored, values kept out of error texts."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class Envelope(Shape, Generic[R]):
    """The links in it are not read: they are built from a Host header and may lead elsewhere (§3)."""

    count: NonNegativeInt
    results: list[R]


class ConfigShape(Shape):
    status: str | None = None


class MonitoringShape(Shape):
    status: str | None = None


class DeviceShape(Shape):
    """Fields without a default must be there, if only as null: other lists have rows with an id, too."""

    id: ExternalId
    name: str | None
    mac_address: str | None
    organization: str | None = None
    management_ip: str | None = None
    last_ip: str | None = None
    model: str | None = None
    os: str | None = None
    is_deactivated: bool | None = None
    config: ConfigShape | None = None
    monitoring: MonitoringShape | None = None


class MemberShape(Shape):
    """A device in the list of a location: another shape, of which only the id is of use."""

    id: ExternalId


class GeometryShape(Shape):
    type: str
    coordinates: list[Any]


class LocationShape(Shape):
    id: ExternalId
    name: str | None
    geometry: GeometryShape | None
    type: str | None = None
    address: str | None = None


def devices_of(data: Any, *, with_status: bool) -> Numbered[Device]:
    """Raises pydantic's ValidationError, as all readers here do. `with_status`: the answer is monitoring's and should tell it."""
    page = Envelope[DeviceShape].model_validate(data)
    return Numbered(page.count, tuple(device_of(shape, with_status=with_status) for shape in page.results))


def device_from(data: Any, *, with_status: bool) -> Row[Device]:
    """The answer to a question about one device."""
    return device_of(DeviceShape.model_validate(data), with_status=with_status)


def count_of(data: Any) -> int:
    """How many entries the list says it has."""
    return Envelope[Any].model_validate(data).count


def members_of(data: Any) -> Numbered[str]:
    """The ids of a location's devices."""
    page = Envelope[MemberShape].model_validate(data)
    return Numbered(page.count, tuple(Row(shape.id, shape.id) for shape in page.results))


def places_of(data: Any) -> Numbered[Place]:
    """Locations; a mobile one has no geometry."""
    page = Envelope[LocationShape].model_validate(data)
    return Numbered(page.count, tuple(_place(shape) for shape in page.results))


def device_of(shape: DeviceShape, *, with_status: bool) -> Row[Device]:
    oddities: list[str] = []
    told = shape.monitoring.status if shape.monitoring else None
    status = status_of(told or "", oddities) if with_status else None
    config_status = shape.config.status if shape.config else None
    is_deactivated = shape.is_deactivated or config_status in ("deactivating", "deactivated") or status is DeviceStatus.DEACTIVATED
    device = Device(
        external_id=shape.id,
        name=plain(shape.name),
        organization=plain(shape.organization) or None,
        mac=mac_of(shape.mac_address, oddities),
        address=address_of((shape.management_ip, shape.last_ip), oddities),
        model=plain(shape.model),
        firmware=plain(shape.os),
        status=status,
        is_deactivated=is_deactivated,
    )
    return Row(shape.id, device, tuple(oddities))


def status_of(word: str, oddities: list[str]) -> DeviceStatus:
    """A status of OpenWISP; a word it does not have means unknown."""
    try:
        return DeviceStatus(word)
    except ValueError:
        oddities.append("status")
        return DeviceStatus.UNKNOWN


def mac_of(text: str | None, oddities: list[str]) -> str | None:
    mac = canonical_mac(text or "")
    if mac is None:
        oddities.append("mac")
    return mac


def address_of(candidates: tuple[str | None, ...], oddities: list[str]) -> str | None:
    """The first usable one. None and empty are normal (§4), anything else that is no address is not."""
    given = [text for text in candidates if text]
    usable = [address for address in map(canonical_address, given) if address]
    if len(usable) < len(given):
        oddities.append("address")
    return usable[0] if usable else None


def coordinates_of(latitude: object, longitude: object, oddities: list[str]) -> tuple[float, float] | tuple[None, None]:
    """Degrees, both or none."""
    north, east = _degrees(latitude, 90), _degrees(longitude, 180)
    if north is not None and east is not None:
        return north, east
    if latitude is not None or longitude is not None:
        oddities.append("coordinates")
    return None, None


def _degrees(value: object, limit: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not -limit <= value <= limit:
        return None
    return float(value)


def _place(shape: LocationShape) -> Row[Place]:
    oddities: list[str] = []
    point: list[Any] = shape.geometry.coordinates if shape.geometry and shape.geometry.type == "Point" else []
    longitude, latitude = point[:2] if len(point) >= 2 else (None, None)  # longitude comes first (§6)
    degrees = coordinates_of(latitude, longitude, oddities)
    place = Place(shape.id, plain(shape.name), degrees[0], degrees[1], plain(shape.address), shape.type == "indoor")
    return Row(shape.id, place, tuple(oddities))
