"""PortaBilling as one of the sandbox's services: WSDLs, SOAP, JSON, control."""

from __future__ import annotations

import re
from typing import Any

import orjson
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Scope

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.portabilling.methods import Porta
from app.sandbox.portabilling.models import Fault
from app.sandbox.portabilling.soap import answer_envelope, fault_envelope, read_envelope
from app.sandbox.portabilling.wsdl import SERVICES, wsdl
from app.sandbox.problems import json_response
from app.sandbox.store import Store

_REST_PATH = re.compile(r"/rest/\w+/(\w+)")


class PortaBillingService:
    """Operations for faults: `wsdl` and the methods by name, on either wire (a SOAP call is known by its SOAPAction)."""

    name = "portabilling"

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock) -> None:
        self._porta = Porta(config, store, clock)

    def routers(self) -> list[APIRouter]:
        return [_soap_router(self._porta), _rest_router(self._porta), _control_router(self._porta)]

    def operation(self, scope: Scope) -> str | None:
        path: str = scope["path"]
        if path.startswith("/wsdl/"):
            return "wsdl"
        if path.rstrip("/") == "/soap":
            action = dict(scope["headers"]).get(b"soapaction", b"").decode("latin-1").strip('" ')
            return action.rpartition("/")[2].rpartition("#")[2] or "unnamed"
        found = _REST_PATH.fullmatch(path)
        return found[1] if found else None

    def state(self) -> dict[str, Any]:
        state = self._porta.accounts.state()
        return {"portabilling": state, "vouchers": state["accounts"], "charges": state["charges"]}

    def reset(self) -> None:
        self._porta.accounts.reset()
        self._porta.logins.reset()

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing runs in the background."""


def _soap_router(porta: Porta) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/wsdl/{service}AdminService.wsdl")
    async def get_wsdl(service: str, request: Request) -> Response:
        if service not in SERVICES:
            raise HTTPException(404, f"There are WSDLs for {', '.join(SERVICES)}")
        return Response(wsdl(service, f"{request.base_url}soap/"), media_type="text/xml")

    @router.post("/soap/")
    @router.post("/soap")
    async def call(request: Request) -> Response:
        try:
            asked = read_envelope(await request.body())
            result = porta.call(porta.service_of(asked.method), asked.method, asked.params, asked.auth_info)
        except Fault as fault:
            return Response(fault_envelope(fault), status_code=500, media_type="text/xml")
        return Response(answer_envelope(asked.method, result), media_type="text/xml")

    return router


def _rest_router(porta: Porta) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.post("/rest/{service}/{method}")
    async def call(service: str, method: str, request: Request) -> Response:
        try:
            params, auth_info = await _read_rest(request)
            return json_response(_without_gaps(porta.call(service, method, params, auth_info)))
        except Fault as fault:
            return json_response({"faultcode": fault.code, "faultstring": fault.text}, 500)

    return router


async def _read_rest(request: Request) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The parameters and the log-in: a JSON body with a bearer token, or form fields `params` and `auth_info` (each JSON)."""
    kind = request.headers.get("Content-Type", "")
    if kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        form = await request.form()
        return _object(str(form.get("params") or "{}")), _object(str(form.get("auth_info") or "{}"))
    body = _object(await request.body() or b"{}")
    params, auth_info = body.get("params", {}), body.get("auth_info")
    if not isinstance(params, dict):
        raise Fault("Client", "params is not an object")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        auth_info = {"access_token": token.strip()}
    return params, auth_info if isinstance(auth_info, dict) else None


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise Fault("Client", "The request is not a JSON object")
    return value


def _without_gaps(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_gaps(item) for name, item in value.items() if item is not None}
    return [_without_gaps(item) for item in value] if isinstance(value, list) else value


class _Mode(BaseModel):
    model_config = ConfigDict(extra="forbid")

    session_life_seconds: float = Field(default=3600, gt=0)
    max_failures: int = Field(default=5, ge=1)
    lock_seconds: float = Field(default=60, ge=0)


def _control_router(porta: Porta) -> APIRouter:
    router = APIRouter(prefix="/_control/portabilling", tags=["portabilling"])

    @router.post("/expire-sessions")
    async def expire_sessions() -> Response:
        porta.logins.expire_all()
        return json_response({"sessions": 0})

    @router.post("/mode")
    async def mode(body: _Mode) -> Response:
        for name in body.model_fields_set:
            setattr(porta.logins.mode, name, getattr(body, name))
        return json_response(vars(porta.logins.mode))

    return router
