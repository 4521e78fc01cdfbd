"""The filters of OpenWISP's lists. What they do not know they ignore, so a typing error finds everything (protocols/openwisp.md §3, §4)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from starlette.datastructures import QueryParams

from app.sandbox.openwisp.errors import OpenWispError, bad_choice, bad_uuid
from app.sandbox.openwisp.models import BACKENDS, CONFIG_STATUSES, STATUSES, Device, Location
from app.sandbox.openwisp.network import Network

Test = Callable[[Device], bool]
Reader = Callable[[Network, str, str], Test]


def controller_devices(network: Network, query: QueryParams) -> list[Device]:
    """The controller's list, newest first. Raises OpenWispError (400) for a value that a filter does not take."""
    return _sift(network, network.newest_first(), query, _CONTROLLER)


def monitoring_devices(network: Network, query: QueryParams) -> list[Device]:
    """The monitoring's list, by name; it knows fewer filters. Raises OpenWispError (400)."""
    return _sift(network, network.by_name(), query, _MONITORING)


def locations(network: Network, query: QueryParams) -> list[Location]:
    """The places, newest first. Raises OpenWispError (400)."""
    found = network.locations()
    if organization := query.get("organization"):
        wanted = _read_uuid("organization", organization)
        found = [location for location in found if location.organization == wanted]
    if slug := query.get("organization_slug"):
        found = [location for location in found if network.organizations[location.organization].slug == slug]
    return found


def _sift(network: Network, devices: list[Device], query: QueryParams, readers: dict[str, Reader]) -> list[Device]:
    tests = [reader(network, name, query[name]) for name, reader in readers.items() if query.get(name)]
    return [device for device in devices if all(test(device) for test in tests)] if tests else devices


def _read_uuid(name: str, value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise bad_uuid(name, value) from None


def _organization(_: Network, name: str, value: str) -> Test:
    wanted = _read_uuid(name, value)
    return lambda device: device.organization == wanted


def _organization_slug(network: Network, _: str, value: str) -> Test:
    return lambda device: network.organizations[device.organization].slug == value


def _group(network: Network, name: str, value: str) -> Test:
    wanted = _read_uuid(name, value)
    return lambda device: network.organizations[device.organization].group == wanted


def _name(_: Network, __: str, value: str) -> Test:
    return lambda device: value.lower() in device.name.lower()


def _mac_address(_: Network, __: str, value: str) -> Test:
    return lambda device: value.lower() in device.mac_address.lower()


def _config_status(_: Network, name: str, value: str) -> Test:
    if value not in CONFIG_STATUSES:
        raise bad_choice(name, value)
    return lambda device: device.config_status == value


def _config_backend(_: Network, name: str, value: str) -> Test:
    if value not in BACKENDS:
        raise bad_choice(name, value)
    return lambda device: device.config_status is not None and value == BACKENDS[0]


def _nothing_has_it(_: Network, name: str, value: str) -> Test:
    # Templates and floor plans: there are none.
    _read_uuid(name, value)
    return lambda _device: False


def _with_geo(_: Network, __: str, value: str) -> Test:
    wanted = {"true": True, "false": False}.get(value.lower())
    return lambda device: wanted is None or (device.location is not None) is wanted


def _location(_: Network, name: str, value: str) -> Test:
    wanted = _read_uuid(name, value)
    return lambda device: device.location == wanted


def _location_name(network: Network, _: str, value: str) -> Test:
    return lambda device: (place := network.location_of(device)) is not None and place.name == value


def _created(_: Network, name: str, value: str) -> Test:
    at = _read_instant(name, value)
    return lambda device: device.created_at == at


def _created_gte(_: Network, name: str, value: str) -> Test:
    at = _read_instant(name, value)
    return lambda device: device.created_at >= at


def _created_lt(_: Network, name: str, value: str) -> Test:
    at = _read_instant(name, value)
    return lambda device: device.created_at < at


def _read_instant(name: str, value: str) -> float:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise OpenWispError(400, {name: ["Enter a valid date/time."]}) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _monitoring_status(_: Network, name: str, value: str) -> Test:
    if value not in STATUSES:
        raise bad_choice(name, value)
    return lambda device: device.status == value


_BOTH: dict[str, Reader] = {"organization": _organization, "organization_slug": _organization_slug}
_MONITORING: dict[str, Reader] = _BOTH | {"monitoring__status": _monitoring_status}
_CONTROLLER: dict[str, Reader] = _BOTH | {
    "name": _name,
    "mac_address": _mac_address,
    "group": _group,
    "config__status": _config_status,
    "config__backend": _config_backend,
    "config__templates": _nothing_has_it,
    "created": _created,
    "created__gte": _created_gte,
    "created__lt": _created_lt,
    "with_geo": _with_geo,
    "location": _location,
    "location__name": _location_name,
    "floorplan": _nothing_has_it,
}
