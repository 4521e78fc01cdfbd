"""What OpenWISP's JSON means to us: devices, places and how healthy a device is (openwisp.md §1, §4 to §6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

_MAC = re.compile(r"[0-9a-f]{2}([:-]?)[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}", re.IGNORECASE)
_NOBODY = ("000000000000", "ffffffffffff")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
MAX_TEXT = 255


class DeviceStatus(StrEnum):
    """The value of the API; the labels people see may be renamed by the operator, this cannot."""

    OK = "ok"
    PROBLEM = "problem"
    CRITICAL = "critical"
    UNKNOWN = "unknown"
    DEACTIVATED = "deactivated"


@dataclass(frozen=True)
class Place:
    """Where devices stand. `device_ids` is None when it has to be asked with `place_devices`."""

    external_id: str
    name: str
    latitude: float | None
    longitude: float | None
    address: str
    is_indoor: bool
    device_ids: frozenset[str] | None = None


@dataclass(frozen=True)
class Device:
    """One managed device, without its secret key.

    `mac` is lower-case with colons, None when what came is no MAC. `address` None is normal: OpenWISP forgets the management address
    of a device that is critical (§5), so the last known one must be kept. `status` None means that it was not told.
    `place` is only known with the device in the second dialect.
    """

    external_id: str
    name: str
    organization: str | None
    mac: str | None
    address: str | None
    model: str
    firmware: str
    status: DeviceStatus | None
    is_deactivated: bool
    place: Place | None = None


def canonical_mac(text: str) -> str | None:
    """`00-11-22-AA-bb-CC`, `00:11:...` or `001122...` as `00:11:22:aa:bb:cc`; None for anything else and for nobody's addresses."""
    if not _MAC.fullmatch(text.strip()):
        return None
    digits = text.strip().lower().replace(":", "").replace("-", "")
    if digits in _NOBODY:
        return None
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def canonical_address(text: str) -> str | None:
    """An IPv4 or IPv6 address in its usual form, None for anything else."""
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return None


def plain(text: str | None) -> str:
    """One line that PostgreSQL can store and a table can show."""
    return " ".join(_UNPRINTABLE.sub(" ", text or "").split())[:MAX_TEXT]
