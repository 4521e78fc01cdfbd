"""INET's own access API for staff tools, apps and older router scripts (contract.md). Not the openNDS dialect: that is `/fas/{slug}`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.writes import IdempotencyKey, Wish
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.access import grants
from services.access.entitlements import view_access
from services.access.gateways import gateway_by_slug
from services.access.models import Entitlement, GrantState
from services.accounts.permissions import Permission, Principal

AccessReader = Annotated[Principal, requires(Permission.ACCESS_READ)]
AccessGranter = Annotated[Principal, requires(Permission.ACCESS_GRANT)]
router = APIRouter(prefix="/authmon", tags=["access"], responses=refusals(401, 403, 404, 409, 422, 429, 503))
_MAX_KBPS, _MAX_KB, _MAX_MINUTES = 10_000_000, 2_000_000_000, 60 * 24 * 366


class Allow(BaseModel):
    """Name the client by `hid` or by `mac`. Rates and quotas of 0 mean the router's own default."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"gateway": "5f0c2a9be1d34770", "mac": "02:00:00:bb:00:50", "minutes": 30}]},
    )

    gateway: str = Field(min_length=1, max_length=64)
    hid: str | None = Field(default=None, max_length=64)
    mac: str | None = Field(default=None, max_length=17)
    minutes: int = Field(ge=1, le=_MAX_MINUTES)
    upload_kbps: int = Field(default=0, ge=0, le=_MAX_KBPS)
    download_kbps: int = Field(default=0, ge=0, le=_MAX_KBPS)
    upload_kb: int = Field(default=0, ge=0, le=_MAX_KB)
    download_kb: int = Field(default=0, ge=0, le=_MAX_KB)


class Queued(BaseModel):
    grant_id: int
    state: GrantState


class ClientAccess(BaseModel):
    """What the client bought; null for a direct grant. `bytes_left` is null without a data allowance."""

    state: str = Field(examples=["online"])
    ends_at: datetime | None
    seconds_left: int
    bytes_left: int | None


class ClientStatus(BaseModel):
    state: GrantState | Literal["none"]
    grant_id: int | None
    access: ClientAccess | None


@router.post("/allow", summary="Let a client in", status_code=202, response_model=Queued)
def allow(actor: AccessGranter, body: Allow, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Queue a grant; the router fetches it with its next poll. A repeated wish for one client is the same grant with the newest terms."""

    def work(session: Session) -> tuple[Queued, dict[str, str]]:
        grant = grants.grant_directly(
            session,
            actor=actor,
            gateway=gateway_by_slug(session, body.gateway),
            hid=body.hid,
            mac=body.mac,
            minutes=body.minutes,
            up_kbps=body.upload_kbps,
            down_kbps=body.download_kbps,
            up_quota_kb=body.upload_kb,
            down_quota_kb=body.download_kb,
            now=utc_now(),
        )
        assert grant.id is not None
        return Queued(grant_id=grant.id, state=grant.state), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=202)


@router.get("/status", summary="What became of a client's grant", responses={200: {"model": ClientStatus}})
def status(
    actor: AccessReader,
    gateway: Annotated[str, Query(min_length=1, max_length=64)],
    hid: Annotated[str | None, Query(max_length=64)] = None,
    mac: Annotated[str | None, Query(max_length=17)] = None,
) -> dict[str, Any]:
    """What became of this client's newest grant; `none` for a client that never had one."""
    with transaction() as session:
        hid, mac = grants.read_client(hid, mac)
        found = gateway_by_slug(session, gateway)
        assert found.id is not None
        grant = grants.latest_grant(session, gateway_id=found.id, hid=hid, mac=mac)
        if grant is None:
            return {"state": "none", "grant_id": None, "access": None}
        entitlement = session.get(Entitlement, grant.entitlement_id) if grant.entitlement_id else None
        access = view_access(session, entitlement, now=utc_now()).as_json() if entitlement else None
        return {"state": grant.state.value, "grant_id": grant.id, "access": access}
