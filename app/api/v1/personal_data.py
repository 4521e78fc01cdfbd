"""`/api/v1/customers/{id}/personal-data`: what is kept of a customer, and their wish to be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session
from starlette.background import BackgroundTask

from app.api.security import requires
from app.api.v1.fields import Id
from app.api.v1.writes import NO_STORE, Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.operations.models import ErasureChannel, ErasureProof, ErasureRequest, ErasureState
from services.operations.personal_data import erasing
from services.operations.personal_data.export import ExportForm, export, file_name
from services.revision import require

router = APIRouter(prefix="/customers/{customer_id}/personal-data", tags=["customers"])
Reader = Annotated[Principal, requires(Permission.PERSONAL_DATA_READ)]
Eraser = Annotated[Principal, requires(Permission.PERSONAL_DATA_ERASE)]
_IN_MEMORY, _PIECE = 1 << 20, 1 << 16
_MEDIA = {ExportForm.JSON: "application/json", ExportForm.HTML: "text/html; charset=utf-8"}
_CHANNEL = "How the wish reached us"
_PROOF = "How it was made sure that it is the customer"


class PersonalData(BaseModel):
    """Beside these, a list for each kind of thing that is kept, and what is left out with its reason."""

    model_config = ConfigDict(extra="allow")

    made_at: datetime
    profile: dict[str, Any] = Field(examples=[{"phone": "+220833000001", "name": "Awa Ceesay", "language": "en"}])
    left_out: list[str] = Field(examples=[["ticket_tag: Staff's own notes."]])


class ErasureWish(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"channel": "desk", "proof": "identity_card", "gives_up_time": False}]}
    )

    channel: ErasureChannel = Field(description=_CHANNEL)
    proof: ErasureProof = Field(description=_PROOF)
    gives_up_time: bool = Field(
        default=False, strict=True, description="The customer was told what is left of what they paid, and does not want it"
    )


class ErasureItem(BaseModel):
    id: int
    customer_id: int
    state: ErasureState = Field(description="`asked` waits for a second person")
    channel: ErasureChannel
    proof: ErasureProof
    gives_up_time: bool
    asked_by: str = Field(examples=["staff:awa@inet.gm"])
    asked_at: datetime
    may_be_carried_out_at: datetime = Field(description="The customer was told by text, and may object until then")
    decided_by: str | None
    decided_at: datetime | None


class ErasurePreview(BaseModel):
    """What would be lost, and what stands in its way."""

    waits_for: str | None = Field(description="Why it cannot be done now", examples=[None])
    unused_vouchers: int
    unused: int = Field(description="What these are worth, in bututs")
    seconds_left: int
    online_now: int
    open_tickets: int = Field(description="They are closed with it")
    tickets: int
    payments: int
    phones: int = Field(description="Logged in with the app")


def _item(row: ErasureRequest) -> tuple[ErasureItem, dict[str, str]]:
    item = ErasureItem(
        id=row.id or 0,
        customer_id=row.customer_id,
        state=row.state,
        channel=row.channel,
        proof=row.proof,
        gives_up_time=row.gives_up_time,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        may_be_carried_out_at=row.asked_at + erasing.THINK_IT_OVER,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )
    return item, tag_header(row.revision)


@router.get(
    "",
    summary="What is kept of a customer",
    response_class=StreamingResponse,
    responses={200: {"model": PersonalData}, **refusals(404, 409)},
)
def hand_out(
    actor: Reader,
    customer_id: Id,
    channel: Annotated[ErasureChannel, Query(description=_CHANNEL)],
    proof: Annotated[ErasureProof, Query(description=_PROOF)],
    form: Annotated[ExportForm, Query(description="For a program, or to read and to print")] = ExportForm.JSON,
) -> StreamingResponse:
    """One file, the same that the app gives; for staff, after a fresh proof (`POST /api/auth/prove`). That it was handed out is audited."""
    # Written whole before the first byte goes out: no transaction waits for a slow reader, and no memory grows with what is kept.
    document: IO[bytes] = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed when it is sent
    try:
        with transaction() as session:
            export(session, document, actor=actor, customer_id=customer_id, form=form, channel=channel, proof=proof, now=utc_now())
    except BaseException:
        document.close()
        raise
    size = document.tell()
    document.seek(0)
    headers = {
        **NO_STORE,
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{file_name(customer_id, form)}"',
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(_pieces(document), media_type=_MEDIA[form], headers=headers, background=BackgroundTask(document.close))


def _pieces(document: IO[bytes]) -> Iterator[bytes]:
    while piece := document.read(_PIECE):
        yield piece


@router.get("/erasure/preview", summary="What an erasure would take away", responses=refusals(404, 409))
def preview_erasure(actor: Eraser, customer_id: Id) -> ErasurePreview:
    """What the customer is told before they decide."""
    with transaction() as session:
        seen = erasing.preview(session, actor=actor, customer_id=customer_id, now=utc_now())
    return ErasurePreview(
        waits_for=seen.waits_for,
        unused_vouchers=seen.unused_vouchers,
        unused=seen.unused_bututs,
        seconds_left=seen.seconds_left,
        online_now=seen.online_now,
        open_tickets=seen.open_tickets,
        tickets=seen.tickets,
        payments=seen.payments,
        phones=seen.phones,
    )


@router.get("/erasure", summary="The newest request to erase a customer", responses=tagged(404))
def newest_request(actor: Reader, customer_id: Id, response: Response) -> ErasureItem:
    """Its ETag is what a decision sends back as If-Match."""
    with transaction() as session:
        item, headers = _item(erasing.newest_request(session, actor=actor, customer_id=customer_id))
    response.headers.update(headers)
    return item


@router.post(
    "/erasure",
    summary="Ask for a customer to be erased",
    status_code=201,
    response_model=ErasureItem,
    responses=tagged(404, 409, status=201),
)
def ask_erasure(actor: Eraser, customer_id: Id, body: ErasureWish, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """For staff, after a fresh proof. The customer is told by text and has a day to object; then somebody else carries it out."""

    def work(session: Session) -> tuple[ErasureItem, dict[str, str]]:
        return _item(
            erasing.ask(
                session,
                actor=actor,
                customer_id=customer_id,
                channel=body.channel,
                proof=body.proof,
                gives_up_time=body.gives_up_time,
                now=utc_now(),
            )
        )

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


_DECIDED = tagged(404, 409, 412, 428)


@router.post("/erasure/carry-out", summary="Erase a customer", response_model=ErasureItem, responses=_DECIDED)
def carry_out(actor: Eraser, customer_id: Id, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """For staff other than who asked for it, a day later, after a fresh proof. Cannot be undone; the books stay."""

    def work(session: Session) -> tuple[ErasureItem, dict[str, str]]:
        asked = erasing.newest_request(session, actor=actor, customer_id=customer_id)
        require(expected, asked.revision)
        erasing.carry_out(session, actor=actor, request_id=asked.id or 0, now=utc_now())
        return _item(erasing.newest_request(session, actor=actor, customer_id=customer_id))

    return Wish(actor, request, idempotency_key).answer(work)


@router.post("/erasure/call-off", summary="Call an erasure off", response_model=ErasureItem, responses=_DECIDED)
def call_off(actor: Eraser, customer_id: Id, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Also by who asked for it, after a fresh proof. Nothing happens to the customer."""

    def work(session: Session) -> tuple[ErasureItem, dict[str, str]]:
        asked = erasing.newest_request(session, actor=actor, customer_id=customer_id)
        require(expected, asked.revision)
        erasing.call_off(session, actor=actor, request_id=asked.id or 0, now=utc_now())
        return _item(erasing.newest_request(session, actor=actor, customer_id=customer_id))

    return Wish(actor, request, idempotency_key).answer(work)
