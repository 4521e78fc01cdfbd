"""What every imitated service offers to the sandbox around it."""

from __future__ import annotations

from typing import Any, Protocol

from fastapi import APIRouter
from starlette.types import Scope


class Service(Protocol):
    """One imitated outside service; `app.sandbox.main` lists them."""

    name: str

    def routers(self) -> list[APIRouter]:
        """The addresses it answers on, control addresses included."""

    def operation(self, scope: Scope) -> str | None:
        """The name that faults know this call by, or None if the call is not for this service."""

    def state(self) -> dict[str, Any]:
        """Its part of `GET /_control/state`, by top-level key."""

    def reset(self) -> None:
        """Forget what happened; keep what was configured."""

    async def start(self) -> None:
        """Begin its background work."""

    async def stop(self) -> None:
        """End its background work at once."""
