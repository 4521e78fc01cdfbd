"""OpenWISP as one of the sandbox's services."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter
from starlette.types import Scope

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.openwisp.access import Access, login_router
from app.sandbox.openwisp.api import controller_router, elsewhere_router, monitoring_router
from app.sandbox.openwisp.control import control_router, shown
from app.sandbox.openwisp.network import Network
from app.sandbox.openwisp.own_dialect import own_dialect_router
from app.sandbox.openwisp.switches import Switches
from app.sandbox.store import Store

_OPERATIONS = [
    (re.compile(r"/api/v1/users/token/"), "token"),
    (re.compile(r"/api/v1/controller/device/"), "controller-devices"),
    (re.compile(r"/api/v1/monitoring/device/"), "monitoring-devices"),
    (re.compile(r"/api/v1/(controller|monitoring)/device/.*"), "device"),
    (re.compile(r"/api/v1/(controller/location|monitoring)/geojson/"), "geojson"),
    (re.compile(r"/api/v1/controller/location/"), "locations"),
    (re.compile(r"/api/v1/(controller|monitoring)/location/.*"), "location"),
    (re.compile(r"/api/v1/network-devices"), "network-devices"),
    (re.compile(r"/api/v1/device-monitoring"), "device-monitoring"),
]


class OpenWispService:
    """Operations for faults: token, controller-devices, monitoring-devices, device, locations, location (its devices), geojson,
    and in gateway mode network-devices, device-monitoring.
    """

    name = "openwisp"

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock) -> None:
        self._clock = clock
        self._switches = Switches(gateway_at_start=config.openwisp_dialect == "inet")
        self._access = Access(config, clock, self._switches)
        self._network = Network(config, store, clock, self._switches)

    def routers(self) -> list[APIRouter]:
        network, access, switches = self._network, self._access, self._switches
        return [
            control_router(network, access, switches),
            login_router(access, switches),
            controller_router(network, access, switches),
            monitoring_router(network, access, switches, self._clock),
            own_dialect_router(network, access, switches),
            elsewhere_router(switches),
        ]

    def operation(self, scope: Scope) -> str | None:
        path: str = scope["path"]
        return next((name for pattern, name in _OPERATIONS if pattern.fullmatch(path)), None)

    def state(self) -> dict[str, Any]:
        return {"openwisp": shown(self._network)}

    def reset(self) -> None:
        self._switches.reset()
        self._access.reset()
        self._network.reset()

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing runs in the background."""
