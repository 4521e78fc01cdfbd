"""`/api/v1/sessions`: airtime running on a router, and the purchased time behind it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Id, IdFilter, Search, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import IdempotencyKey, Wish
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.access.errors import NotExtendable, SlotNotFound
from services.access.models import EntitlementState, SessionState
from services.access.session_queries import SessionFilter, Which, entitlement_of_session, list_sessions, session_row
from services.access.sessions_desk import LEAST_SECONDS, MOST_SECONDS, end_session_now, extend_entitlement
from services.access.slots import devices_of, free_slot
from services.accounts.permissions import Permission, Principal
from services.vouchers.credits import NotCreditable, credit_rest
from services.vouchers.models import VoucherState

router = APIRouter(prefix="/sessions", tags=["sessions"])
Reader = Annotated[Principal, requires(Permission.SESSIONS_READ)]
Ender = Annotated[Principal, requires(Permission.SESSIONS_END)]
Issuer = Annotated[Principal, requires(Permission.VOUCHERS_ISSUE)]
Extender = Annotated[Principal, requires(Permission.SESSIONS_EXTEND)]
Number = Annotated[int, Path(ge=1, le=1000, description="The device's place on the purchase")]
Reason = Annotated[str, Field(min_length=3, max_length=200, pattern=NO_NUL, description="Kept in the audit")]


class SessionItem(BaseModel):
    """`payment_reference` is null for vouchers and direct grants. `ends_at` is what the router was told, `time_ends_at` the end of the
    purchased time. `bytes_` are null until the router reports the end; `live_bytes_` are its script's counts, null without the script.
    """

    model_config = ConfigDict(from_attributes=True)

    id: int
    state: SessionState
    customer_id: int | None
    phone_masked: str | None = Field(validation_alias="masked_phone")
    mac: str | None
    gateway: str = Field(validation_alias="gateway_slug")
    gateway_name: str
    site_id: int | None
    site: str | None = Field(validation_alias="site_name")
    started_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    bytes_down: int | None
    bytes_up: int | None
    live_bytes_down: int | None
    live_bytes_up: int | None
    live_at: datetime | None
    quota_bytes: int | None
    entitlement_id: int | None
    time_ends_at: datetime | None
    paused_at: datetime | None = Field(description="Since when the clock stands because of an outage")
    payment_reference: str | None = Field(validation_alias="reference")


class Ending(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The customer lost the phone"}]})

    reason: Reason


class SessionEnded(BaseModel):
    id: int
    state: SessionState
    ended_at: datetime | None
    is_put_out: bool = Field(description="The router's script will put the client out; else it stays online until its router's own end")


class Extending(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"seconds": 3600, "reason": "The hotspot was slow all morning"}]})

    seconds: int = Field(ge=LEAST_SECONDS, le=MOST_SECONDS)
    reason: Reason


class TimeExtended(BaseModel):
    """The purchased time after the extension. A session that runs keeps its router's end; then the client is let in for the rest."""

    entitlement_id: int
    state: EntitlementState
    seconds_left: int
    ends_at: datetime | None = Field(description="Null for time that has not begun")


class Crediting(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The customer travels, and goes on next week"}]})

    reason: Reason


class TimeCredited(BaseModel):
    """The voucher that the rest became. `code` is seen this one time."""

    voucher_id: int
    code: str = Field(examples=["ABCD-EFGHJ-KMNPR"])
    state: VoucherState = Field(description="Pending until PortaBilling holds it; it can be used after that")
    seconds: int
    bytes: int | None = Field(description="Null where there is no data allowance")
    use_before: datetime
    ended_sessions: int


class DeviceItem(BaseModel):
    """`is_online`: a router let it in and has not reported its end. `mac` is known only where the router vouches for it."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    device_id: int
    taken_at: datetime
    mac: str | None
    is_online: bool = Field(validation_alias="is_in")


class Devices(BaseModel):
    items: list[DeviceItem]


class Freed(BaseModel):
    number: int


@router.get("", summary="List sessions")
def list_all(
    actor: Reader,
    paging: WantedPage,
    which: Which = "live",
    state: Annotated[SessionState | None, Query(description="Of those, only these")] = None,
    site: IdFilter = None,
    gateway: Annotated[str | None, Query(max_length=64, pattern=NO_NUL, description="A gateway's slug")] = None,
    customer: IdFilter = None,
    phone: Annotated[Search, Query(description="The customer's whole number in either form")] = "",
) -> Page[SessionItem]:
    """Those that run now, unless others are asked for; newest first."""
    wanted = SessionFilter(which, gateway, phone, site, customer, state)
    with transaction() as session:
        found = list_sessions(session, actor=actor, wanted=wanted, part=paging.part("started"))
    return paging.page(found.rows, SessionItem.model_validate, lambda row: (row.started_at, row.id))


@router.get("/{session_id}", summary="One session", responses=refusals(404))
def one(actor: Reader, session_id: Id) -> SessionItem:
    """Running or ended."""
    with transaction() as session:
        return SessionItem.model_validate(session_row(session, actor=actor, session_id=session_id))


@router.post("/{session_id}/end", summary="End a session", response_model=SessionEnded, responses=refusals(404, 409))
def end(actor: Ender, session_id: Id, body: Ending, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Ends the time it was using up; the client is not let in again. Its router may keep it online until the time it was let in for."""

    def work(session: Session) -> tuple[SessionEnded, dict[str, str]]:
        ended = end_session_now(session, actor=actor, session_id=session_id, reason=body.reason, now=utc_now())
        return SessionEnded(id=session_id, state=ended.row.state, ended_at=ended.row.ended_at, is_put_out=ended.is_put_out), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body)


@router.post("/{session_id}/extend", summary="Give more time", response_model=TimeExtended, responses=refusals(404, 409))
def extend(actor: Extender, session_id: Id, body: Extending, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Extends the purchased time of this session; time that ran out less than seven days ago runs again."""

    def work(session: Session) -> tuple[TimeExtended, dict[str, str]]:
        now, entitlement_id = utc_now(), entitlement_of_session(session, session_id)
        if entitlement_id is None:
            raise NotExtendable("This client was let in without a purchase. Let it in again for longer instead.")
        time = extend_entitlement(session, actor=actor, entitlement_id=entitlement_id, seconds=body.seconds, reason=body.reason, now=now)
        left = time.seconds_left(now=now)
        return TimeExtended(entitlement_id=entitlement_id, state=time.state, seconds_left=left, ends_at=time.ends_at), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body)


@router.post("/{session_id}/credit", summary="Credit what is left", response_model=TimeCredited, responses=refusals(404, 409))
def credit(actor: Issuer, session_id: Id, body: Crediting, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Ends the time that this session uses, and makes a voucher of what is left of it; its customer is texted the code.

    Needs the scope `sessions:end` as well.
    """

    def work(session: Session) -> tuple[TimeCredited, dict[str, str]]:
        actor.require(Permission.SESSIONS_END)
        entitlement_id = entitlement_of_session(session, session_id)
        if entitlement_id is None:
            raise NotCreditable("This client was let in without a purchase: there is nothing to credit.")
        made = credit_rest(session, actor=actor, entitlement_id=entitlement_id, reason=body.reason, now=utc_now())
        assert made.voucher.id is not None
        return TimeCredited(
            voucher_id=made.voucher.id,
            code=made.code,
            state=made.voucher.state,
            seconds=made.seconds,
            bytes=made.bytes,
            use_before=made.voucher.use_before,
            ended_sessions=made.ended_sessions,
        ), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body)


@router.get("/{session_id}/devices", summary="Devices on the purchase", responses=refusals(404))
def devices(actor: Reader, session_id: Id) -> Devices:
    """Who holds the places of the time that this session uses; none for a client that was let in without a purchase."""
    with transaction() as session:
        entitlement_id = session_row(session, actor=actor, session_id=session_id).entitlement_id
        found = devices_of(session, actor=actor, entitlement_id=entitlement_id) if entitlement_id is not None else ()
        return Devices(items=[DeviceItem.model_validate(view) for view in found])


@router.post("/{session_id}/devices/{number}/free", summary="Take a device off", response_model=Freed, responses=refusals(404, 409))
def free(actor: Ender, session_id: Id, number: Number, body: Ending, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Frees the place for another device. The device is not let in again; its router may keep it online until its own end."""

    def work(session: Session) -> tuple[Freed, dict[str, str]]:
        entitlement_id = entitlement_of_session(session, session_id)
        if entitlement_id is None:
            raise SlotNotFound
        free_slot(session, actor=actor, entitlement_id=entitlement_id, number=number, reason=body.reason, now=utc_now())
        return Freed(number=number), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body)
