"""Live, ready, and the health of each dependency (contract.md, "operations")."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.access import public
from app.clock import isoformat, utc_now
from app.db import transaction
from services import health
from services.integrations.clients import outside

router = APIRouter(tags=["operations"], dependencies=[public("probes of the platform carry no token and learn nothing secret")])


class Live(BaseModel):
    status: Literal["ok"]


class Ready(BaseModel):
    status: Literal["ok", "down"]
    checks: dict[str, str] = Field(description="The state of each dependency", examples=[{"postgresql": "ok", "redis": "ok"}])


class Check(BaseModel):
    name: str = Field(examples=["postgresql"])
    status: str = Field(examples=["ok"])
    latency_ms: int | None
    detail: str


class Health(BaseModel):
    status: Literal["ok", "degraded", "down"]
    at: datetime
    checks: list[Check]


@router.get("/healthz/live", summary="Live", responses={200: {"model": Live}})
async def live() -> dict[str, str]:
    """The process runs and its event loop turns."""
    return {"status": "ok"}


@router.get("/healthz/ready", summary="Ready", responses={200: {"model": Ready}, 503: {"model": Ready, "description": "Not now"}})
def ready(response: Response) -> dict[str, Any]:
    """Requests can be served: PostgreSQL answers. Redis may be away (slower, and staff cannot log in)."""
    probes = health.dependencies(transaction)
    is_ready = all(probe.state != "down" for probe in probes)
    response.status_code = 200 if is_ready else 503
    return {"status": "ok" if is_ready else "down", "checks": {probe.name: probe.state for probe in probes}}


@router.get("/health", summary="Health", responses={200: {"model": Health}, 503: {"model": Health, "description": "Something is down"}})
def all_of_it(response: Response) -> dict[str, Any]:
    """Each dependency and integration with its state and latency."""
    probes = [*health.dependencies(transaction), *health.integrations(outside())]
    states = {probe.state for probe in probes}
    status = "down" if "down" in states else "degraded" if "degraded" in states else "ok"
    response.status_code = 503 if status == "down" else 200
    return {
        "status": status,
        "at": isoformat(utc_now()),
        "checks": [{"name": probe.name, "status": probe.state, "latency_ms": probe.latency_ms, "detail": probe.detail} for probe in probes],
    }
