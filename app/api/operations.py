"""Live, ready, and the health of each dependency (contract.md, "operations"; docs/health.md says who sees what)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, FastAPI, Response
from pydantic import BaseModel, Field

from app import draining
from app.access import public
from app.clock import isoformat
from services.operations.health.lookout import View, lookout
from services.operations.health.standing import PUBLIC, Look, worst
from services.operations.models import HealthState

State = Literal["ok", "degraded", "down", "off", "unknown"]
# What strangers are told of a state: fixed words, so that no address, version or error text of ours gets out.
_WORDS = {"ok": "", "off": "not set up", "unknown": "not looked at yet", "degraded": "not as it should be", "down": "does not answer"}
_NEVER_KEPT = {"Cache-Control": "no-store"}


@asynccontextmanager
async def _life(_: FastAPI) -> AsyncIterator[None]:
    with draining.watching():
        yield


router = APIRouter(
    tags=["operations"], dependencies=[public("probes of the platform carry no token and learn nothing secret")], lifespan=_life
)


class Live(BaseModel):
    status: Literal["ok"]


class Ready(BaseModel):
    status: Literal["ok", "down"]
    checks: dict[str, str] = Field(
        description="The state of each dependency", examples=[{"postgresql": "ok", "tables": "ok", "redis": "ok", "draining": "ok"}]
    )


class Check(BaseModel):
    name: str = Field(examples=["postgresql"])
    status: State = Field(examples=["ok"])
    latency_ms: int | None = Field(description="Of the newest probe; null where nothing is asked that answers", examples=[3])
    detail: str = Field(examples=["does not answer"])
    since: datetime | None = Field(description="Since when it is not well", examples=[None])


class Health(BaseModel):
    status: Literal["ok", "degraded", "down"]
    at: datetime
    degraded: list[str] = Field(description="The names of what is not well", examples=[["wave"]])
    checks: list[Check]


@router.get("/healthz/live", summary="Live", responses={200: {"model": Live}})
async def live() -> dict[str, str]:
    """The process runs and its event loop turns. Nothing is asked, so an outage elsewhere restarts nobody."""
    return {"status": "ok"}


@router.get("/healthz/ready", summary="Ready", responses={200: {"model": Ready}, 503: {"model": Ready, "description": "Not now"}})
async def ready(response: Response) -> dict[str, Any]:
    """This process can serve: PostgreSQL answers, its tables are not older than the release, and nobody told the process to stop.

    Redis may be away (slower, and staff cannot log in). Answered within about a second whatever happens.
    """
    can_serve, states = await lookout().can_serve()
    can_serve = can_serve and not draining.is_on()
    response.status_code = 200 if can_serve else 503
    response.headers.update(_NEVER_KEPT)
    checks = {name: state.value for name, state in states.items()} | {"draining": "down" if draining.is_on() else "ok"}
    return {"status": "ok" if can_serve else "down", "checks": checks}


@router.get("/health", summary="Health", responses={200: {"model": Health}, 503: {"model": Health, "description": "Something is down"}})
async def all_of_it(response: Response) -> dict[str, Any]:
    """Each dependency and integration with its state and latency, from the newest probes and a look at PostgreSQL and Redis just now.

    Answered within about a second whatever happens. Staff who may read health see more at `/api/v1/health`.
    """
    view = await lookout().look()
    response.status_code = 503 if view.state is HealthState.DOWN else 200
    response.headers.update(_NEVER_KEPT)
    checks = [*(_check(look) for look in view.looks if look.name in PUBLIC), _rest(view)]
    return {
        "status": view.state.value,
        "at": isoformat(view.at),
        "degraded": [check["name"] for check in checks if check["status"] in ("degraded", "down")],
        "checks": checks,
    }


def _check(look: Look) -> dict[str, Any]:
    status = look.state.value if look.state is not None else "unknown"
    return {
        "name": look.name,
        "status": status,
        "latency_ms": look.latency_ms,
        "detail": _WORDS[status],
        "since": isoformat(look.since) if look.is_bad else None,
    }


def _rest(view: View) -> dict[str, Any]:
    """What is of our own house (disks, clocks, queues, back-ups, tables) in one line: which of them it is, strangers need not know."""
    own = [look for look in view.looks if look.name not in PUBLIC]
    state = worst(look.state for look in own)
    since = min((look.since for look in own if look.is_bad and look.since is not None), default=None)
    return {"name": "inet", "status": state.value, "latency_ms": None, "detail": _WORDS[state.value], "since": isoformat(since)}
