"""The control addresses of the whole sandbox: state, faults, reset, clock (shared/contract.md, "Sandbox control")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.sandbox.clock import SandboxClock, iso
from app.sandbox.faults import SERVICES, Faults, ServiceFaults
from app.sandbox.html import page
from app.sandbox.problems import json_response
from app.sandbox.service import Service


class FaultOrder(BaseModel):
    """The fields that are not a service's faults: the rest of the body is `ServiceFaults`, and replaces what was in force."""

    model_config = ConfigDict(extra="allow")

    service: Literal["wave", "portabilling", "sms", "push", "routers", "openwisp"] | None = None
    clear: bool = False
    seed: int | None = None


class ClockOrder(BaseModel):
    """A jump of the sandbox's time."""

    model_config = ConfigDict(extra="forbid")

    advance_seconds: float = Field(ge=0)


def state_of(services: Sequence[Service], faults: Faults, clock: SandboxClock) -> dict[str, Any]:
    """Everything the outside world knows."""
    state: dict[str, Any] = {"now": iso(clock.now()), "faults": faults.in_force()}
    for service in services:
        state |= service.state()
    return state


def control_router(services: Sequence[Service], faults: Faults, clock: SandboxClock) -> APIRouter:
    """The addresses directly under `/_control`, and the index page."""
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        return page("index.html", base=base, state=state_of(services, faults, clock), services=SERVICES)

    @router.get("/_control/state", tags=["sandbox"])
    async def state() -> Response:
        return json_response(state_of(services, faults, clock))

    @router.get("/_control/faults", tags=["sandbox"])
    async def faults_in_force() -> Response:
        return json_response(faults.in_force())

    @router.post("/_control/faults", tags=["sandbox"])
    async def set_faults(body: FaultOrder) -> Response:
        wanted = _read_faults(body)
        if body.seed is not None:
            faults.reseed(body.seed)
        if body.clear:
            faults.clear(body.service)
        elif body.service and wanted:
            faults.put(body.service, wanted)
        return json_response(faults.in_force())

    @router.post("/_control/reset", tags=["sandbox"])
    async def reset() -> Response:
        faults.clear()
        clock.offset_seconds = 0
        for service in services:
            service.reset()
        return json_response({"reset": [service.name for service in services]})

    @router.post("/_control/clock", tags=["sandbox"])
    async def advance(body: ClockOrder) -> Response:
        clock.advance(body.advance_seconds)
        return json_response({"now": iso(clock.now()), "offset_seconds": clock.offset_seconds})

    return router


def _read_faults(body: FaultOrder) -> ServiceFaults | None:
    fields = body.model_extra or {}
    if not fields and (body.clear or body.service is None):
        if body.clear or body.seed is not None:
            return None
        raise _refused("service", f"one of {', '.join(SERVICES)}, or a seed, or clear")
    if body.service is None:
        raise _refused("service", f"one of {', '.join(SERVICES)}")
    try:
        return ServiceFaults(**fields)
    except ValidationError as error:
        raise RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in error.errors()]) from None


def _refused(field: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body", field), "msg": message, "type": "value_error"}])
