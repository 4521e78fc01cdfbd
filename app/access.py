"""How a route names who may use it. Every route carries one of these; a test walks all routes and fails on one that has none."""

from __future__ import annotations

from typing import Any

from fastapi import Depends


class Gate:
    """Who may pass: a permission by name, or the reason why everybody may."""

    def __init__(self, *, permission: str | None = None, reason: str | None = None) -> None:
        self.permission, self.reason = permission, reason


class PublicGate(Gate):
    async def __call__(self) -> None:
        """Lets everybody pass."""


def public(reason: str) -> Any:
    """A dependency that lets everybody pass, and says why that is right."""
    return Depends(PublicGate(reason=reason))
