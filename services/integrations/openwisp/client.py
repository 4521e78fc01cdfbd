"""The client of OpenWISP: which devices there are, where they stand, and how they are (openwisp.md)."""

from __future__ import annotations

from typing import Literal, Protocol

from app.outbound import CircuitBreaker
from services.integrations.openwisp.controller import ControllerDialect
from services.integrations.openwisp.errors import SERVICE
from services.integrations.openwisp.exchange import OpenWispHttp
from services.integrations.openwisp.own import OwnDialect, OwnPaths
from services.integrations.openwisp.values import Device, DeviceStatus, Place
from services.integrations.openwisp.walk import Walk

DialectName = Literal["openwisp", "inet"]


class _Dialect(Protocol):
    def devices(self, status: DeviceStatus | None) -> Walk[Device]: ...
    def count(self, status: DeviceStatus | None) -> int: ...
    def device(self, external_id: str) -> Device | None: ...
    def places(self) -> tuple[Place, ...]: ...
    def place_devices(self, place_id: str) -> frozenset[str]: ...


class OpenWispClient:
    """Synchronous and thread-safe; reads only, each tried up to `read_attempts` times.

    Every method, and every page of `devices`, raises Unavailable (nobody answered, 5xx), Throttled, NotAuthorised, Forbidden,
    MalformedAnswer or another Refused; none of them says anything about the network, so what is stored must stay as it is.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        dialect: DialectName = "openwisp",
        timeout_seconds: float = 30.0,
        breaker: CircuitBreaker | None = None,
        read_attempts: int = 3,
        own_paths: OwnPaths | None = None,
    ) -> None:
        self.breaker = breaker or CircuitBreaker(SERVICE)
        self._http = OpenWispHttp(base_url, token, timeout_seconds=timeout_seconds, breaker=self.breaker, read_attempts=read_attempts)
        self._dialect: _Dialect = OwnDialect(self._http, own_paths or OwnPaths()) if dialect == "inet" else ControllerDialect(self._http)

    def devices(self, status: DeviceStatus | None = None) -> Walk[Device]:
        """Devices in pages, those of one status or all. Ask `completeness` at the end before taking absence for anything.

        Without OpenWISP's monitoring every `Device.status` is None, and asking by status raises MonitoringAbsent. An empty list may
        mean that the token lost its rights (§2), so it is for the caller to doubt.
        """
        return self._dialect.devices(status)

    def count(self, status: DeviceStatus | None = None) -> int:
        """How many devices the list says there are. One small request (in the second dialect the whole health list)."""
        return self._dialect.count(status)

    def device(self, external_id: str) -> Device | None:
        """One device as it is now, or None when it is not there."""
        return self._dialect.device(external_id)

    def places(self) -> tuple[Place, ...]:
        """All places. Raises Unavailable rather than give a part of them."""
        return self._dialect.places()

    def place_devices(self, place: Place | str) -> frozenset[str]:
        """The ids of the devices at a place (or its id): none for one that is empty. Raises Unavailable rather than give a part."""
        if isinstance(place, Place) and place.device_ids is not None:
            return place.device_ids
        return self._dialect.place_devices(place.external_id if isinstance(place, Place) else place)

    def close(self) -> None:
        self._http.close()
