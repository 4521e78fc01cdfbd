"""Devices and places as OpenWISP's JSON (protocols/openwisp.md §4 to §6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from app.sandbox.openwisp.models import BACKENDS, STATUSES, Device, Location, instant
from app.sandbox.openwisp.network import Network


def device_item(network: Network, device: Device) -> dict[str, Any]:
    """An item of the controller's list."""
    return {
        "id": device.id,
        "name": device.name,
        "organization": device.organization,
        "group": network.organizations[device.organization].group,
        "mac_address": device.mac_address,
        "key": device.key,
        "last_ip": device.last_ip,
        "management_ip": device.management_ip,
        "model": device.model,
        "os": device.os,
        "system": device.system,
        "notes": "",
        "config": _config(device),
        "created": instant(device.created_at),
        "modified": instant(device.modified_at),
    }


def device_detail(network: Network, device: Device) -> dict[str, Any]:
    """The controller's whole device; its configuration may hold what nobody should fetch."""
    config = _config(device)
    if config is not None:
        config |= {"templates": [], "context": {}, "config": {"general": {"timezone": "Africa/Banjul"}}}
    return device_item(network, device) | {"is_deactivated": device.deactivated, "config": config}


def monitored_item(network: Network, device: Device) -> dict[str, Any]:
    """An item of the monitoring's list."""
    return device_item(network, device) | {"monitoring": {"status": device.status}}


def device_at_place(network: Network, device: Device, origin: str) -> dict[str, Any]:
    """A device in a place's list: another shape, without key and configuration."""
    return {
        "id": device.id,
        "admin_edit_url": f"{origin}/admin/config/device/{device.id}/change/",
        "created": instant(device.created_at),
        "modified": instant(device.modified_at),
        "name": device.name,
        "mac_address": device.mac_address,
        "model": device.model,
        "os": device.os,
        "system": device.system,
        "notes": "",
        "last_ip": device.last_ip,
        "management_ip": device.management_ip,
        "hardware_id": None,
        "_is_deactivated": device.deactivated,
        "organization": device.organization,
        "group": network.organizations[device.organization].group,
    }


def monitored_device_at_place(network: Network, device: Device, origin: str) -> dict[str, Any]:
    """The same in the monitoring's list of a place, with the label that the operator may have changed."""
    return device_at_place(network, device, origin) | {"monitoring": {"status": device.status, "status_label": device.status}}


def location_item(location: Location) -> dict[str, Any]:
    """An item of the list of places."""
    return {
        "id": location.id,
        "organization": location.organization,
        "name": location.name,
        "type": "outdoor",
        "is_mobile": False,
        "address": location.address,
        "geometry": _point(location),
        "created": instant(location.created_at),
        "modified": instant(location.created_at),
        "floorplan": [],
    }


def location_of_device(location: Location) -> dict[str, Any]:
    """Where one device stands."""
    about = {"type": "outdoor", "is_mobile": False, "name": location.name, "address": location.address}
    return {"location": _feature(location, about), "floorplan": None, "indoor": None}


def feature(location: Location, devices: Sequence[Device], *, monitored: bool) -> dict[str, Any]:
    """A place on the map with the number of its devices, by health too if `monitored`."""
    properties: dict[str, Any] = {"device_count": len(devices)}
    if monitored:
        counted = Counter(device.status for device in devices)
        properties |= {f"{status}_count": counted[status] for status in STATUSES}
    item = location_item(location)
    properties |= {name: item[name] for name in ("created", "modified", "name", "type", "is_mobile", "address", "organization")}
    return _feature(location, properties)


def _config(device: Device) -> dict[str, Any] | None:
    if device.config_status is None:
        return None
    reason = "The configuration could not be applied." if device.config_status == "error" else ""
    return {"status": device.config_status, "error_reason": reason, "backend": BACKENDS[0]}


def _feature(location: Location, properties: dict[str, Any]) -> dict[str, Any]:
    return {"id": location.id, "type": "Feature", "geometry": _point(location), "properties": properties}


def _point(location: Location) -> dict[str, Any]:
    # Longitude comes first.
    return {"type": "Point", "coordinates": [location.longitude, location.latitude]}
