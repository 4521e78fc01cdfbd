"""What OpenWISP knows: organisations, places, devices (protocols/openwisp.md §4 to §6)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

Status = Literal["unknown", "ok", "problem", "critical", "deactivated"]
STATUSES: tuple[str, ...] = get_args(Status)
CONFIG_STATUSES = ("modified", "applied", "error", "deactivating", "deactivated")
BACKENDS = ("netjsonconfig.OpenWrt", "netjsonconfig.OpenWisp")


@dataclass(frozen=True)
class Organization:
    """A tenant. Rights are given by organisation."""

    id: str
    name: str
    slug: str
    group: str | None = None


@dataclass(frozen=True)
class Location:
    """A place on the map. `created_at` is in Unix seconds."""

    id: str
    organization: str
    name: str
    address: str
    latitude: float
    longitude: float
    created_at: float


@dataclass(slots=True)
class Device:
    """One access point. `number` is unique and gives the device its addresses and its key; instants are Unix seconds.

    A None in `config_status` is a device without configuration (`config: null`).
    """

    id: str
    number: int
    name: str
    organization: str
    location: str | None
    mac_address: str
    last_ip: str | None
    management_ip: str | None
    model: str
    os: str
    system: str
    config_status: str | None
    status: str
    created_at: float
    modified_at: float

    @property
    def deactivated(self) -> bool:
        return self.status == "deactivated"

    @property
    def key(self) -> str:
        """The device's secret. Nobody may want it; a client that stores it has a fault."""
        return hashlib.sha256(f"{self.id}/key".encode()).hexdigest()[:32]

    @property
    def usual_management_ip(self) -> str:
        """Its address on the management VPN."""
        return f"10.{8 + self.number // 62500}.{self.number // 250 % 250}.{self.number % 250 + 2}"


@dataclass
class Removed:
    """A device of the made network that is gone."""

    id: str


def instant(at: float) -> str:
    """Unix seconds as OpenWISP writes them, to the microsecond."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
