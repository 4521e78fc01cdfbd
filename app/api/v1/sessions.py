"""`/api/v1/sessions`: airtime running on a router."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Id, Search, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import IdempotencyKey, Wish
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.access.desk import end_session_now
from services.access.models import SessionState
from services.access.queries import SessionFilter, Which, list_sessions, session_page
from services.accounts.permissions import Permission, Principal

router = APIRouter(prefix="/sessions", tags=["sessions"])
Reader = Annotated[Principal, requires(Permission.SESSIONS_READ)]
Ender = Annotated[Principal, requires(Permission.SESSIONS_END)]


class SessionItem(BaseModel):
    """`payment_reference` is null for vouchers and direct grants; bytes are null until a router reports them."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    state: SessionState
    customer_id: int | None
    phone_masked: str | None = Field(validation_alias="masked_phone")
    mac: str | None
    gateway: str = Field(validation_alias="gateway_slug")
    gateway_name: str
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    bytes_down: int | None
    bytes_up: int | None
    quota_bytes: int | None
    payment_reference: str | None = Field(validation_alias="reference")


class Ending(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The customer lost the phone"}]})

    reason: str = Field(min_length=3, max_length=200, pattern=NO_NUL, description="Kept in the audit")


class SessionEnded(BaseModel):
    id: int
    state: SessionState
    ended_at: datetime | None


@router.get("", summary="List sessions")
def list_all(
    actor: Reader,
    paging: WantedPage,
    which: Which = "live",
    gateway: Annotated[str | None, Query(max_length=64, pattern=NO_NUL, description="A gateway's slug")] = None,
    phone: Annotated[Search, Query(description="The customer's whole number in either form")] = "",
) -> Page[SessionItem]:
    """Those that run now, unless others are asked for; newest first."""
    with transaction() as session:
        found = list_sessions(session, actor=actor, wanted=SessionFilter(which, gateway, phone), part=paging.part("started"))
    return paging.page(found.rows, SessionItem.model_validate, lambda row: (row.started_at, row.id))


@router.get("/{session_id}", summary="One session", responses=refusals(404))
def one(actor: Reader, session_id: Id) -> SessionItem:
    """Running or ended."""
    with transaction() as session:
        return SessionItem.model_validate(session_page(session, actor=actor, session_id=session_id))


@router.post("/{session_id}/end", summary="End a session", response_model=SessionEnded, responses=refusals(404, 409))
def end(actor: Ender, session_id: Id, body: Ending, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Ends the time it was using up; the client is not let in again. Its router may keep it online until the time it was let in for."""

    def work(session: Session) -> tuple[SessionEnded, dict[str, str]]:
        row = end_session_now(session, actor=actor, session_id=session_id, reason=body.reason, now=utc_now())
        return SessionEnded(id=session_id, state=row.state, ended_at=row.ended_at), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body)
