"""The routers as one of the sandbox's services."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.types import Scope

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.faults import Faults
from app.sandbox.routers.control import FleetView, control_router
from app.sandbox.routers.fleet import Fleet
from app.sandbox.routers.hotspots import hotspot_router
from app.sandbox.store import Store


class RoutersService:
    """Operations for faults: clear, view, ack, deauthed. They are calls *of* this service, so none arrives here."""

    name = "routers"

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock, faults: Faults) -> None:
        self._config = config
        self._fleet = Fleet(config, store, clock, faults)
        self._view = FleetView(self._fleet, clock, config.portal_url)

    def routers(self) -> list[APIRouter]:
        return [
            control_router(self._view, self._config.poll_interval_seconds),
            hotspot_router(self._view, self._config.portal_url),
        ]

    def operation(self, scope: Scope) -> str | None:
        """Nobody calls the routers over this port."""

    def state(self) -> dict[str, Any]:
        routers = self._view.state()
        return {"routers": routers, "grants": [grant for router in routers for grant in router["grants"]]}

    def reset(self) -> None:
        self._fleet.reset()

    async def start(self) -> None:
        await self._fleet.start()

    async def stop(self) -> None:
        await self._fleet.stop()
