"""Wave as one of the sandbox's services."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter
from starlette.types import Scope

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.faults import Faults
from app.sandbox.store import Store
from app.sandbox.wave.api import api_router
from app.sandbox.wave.control import control_router
from app.sandbox.wave.pay_page import pay_page_router
from app.sandbox.wave.world import WaveWorld

_OPERATIONS = [
    ("POST", re.compile(r"/v1/checkout/sessions"), "create"),
    ("GET", re.compile(r"/v1/checkout/sessions/search"), "search"),
    ("GET", re.compile(r"/v1/checkout/sessions(/[^/]+)?"), "get"),
    ("POST", re.compile(r"/v1/checkout/sessions/[^/]+/expire"), "expire"),
    ("POST", re.compile(r"/v1/(checkout/sessions|transactions)/[^/]+/refund"), "refund"),
    ("GET", re.compile(r"/v1/transactions"), "transactions"),
    ("GET", re.compile(r"/v1/balance"), "balance"),
]


class WaveService:
    """Operations for faults: create, search, get, expire, refund, transactions, balance. The pay page never misbehaves."""

    name = "wave"

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock, faults: Faults) -> None:
        self._world = WaveWorld(config, store, clock, faults)

    def routers(self) -> list[APIRouter]:
        return [api_router(self._world), pay_page_router(self._world), control_router(self._world)]

    def operation(self, scope: Scope) -> str | None:
        method, path = scope["method"], scope["path"]
        return next((name for verb, pattern, name in _OPERATIONS if verb == method and pattern.fullmatch(path)), None)

    def state(self) -> dict[str, Any]:
        wave = self._world.state()
        return {"wave": wave, "sessions": wave["sessions"], "payments": self._world.payments()}

    def reset(self) -> None:
        self._world.reset()

    async def start(self) -> None:
        await self._world.webhooks.start()

    async def stop(self) -> None:
        await self._world.webhooks.stop()
