"""`/api/mobile/v1/account`: what is kept of a customer, as a file for themself; and the end of an account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask

from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from mobile.auth import KeySent
from mobile.security import CustomerPhone
from mobile.shapes import NO_STORE, Body
from services.apps import erasure, own_data

router = APIRouter(prefix="/account", tags=["mobile"])
_IN_MEMORY, _PIECE = 1 << 20, 1 << 16
_HEADERS = {**NO_STORE, "Content-Disposition": 'attachment; filename="inet-my-data.json"'}


class Deletion(Body):
    """`give_up_time`: the customer was told what is left and does not want it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "402718", "give_up_time": False}]})

    key: str = Field(min_length=1, max_length=20, description="The key that came by SMS")
    give_up_time: bool = Field(default=False, strict=True, description="Whether paid time and vouchers that are left may be lost")


class OwnData(BaseModel):
    """Beside these, a list for each kind of thing that is kept, and what is left out with its reason."""

    model_config = ConfigDict(extra="allow")

    made_at: datetime
    profile: dict[str, Any] = Field(examples=[{"phone": "+220833000001", "name": "Awa Ceesay", "language": "en"}])
    payments: list[dict[str, Any]] = Field(examples=[[{"reference": "K7M2PX9Q", "status": "served", "amount_bututs": 2500}]])
    left_out: list[str] = Field(examples=[["ticket_tag: Staff's own notes."]])


@router.get("/export", summary="My data", response_class=StreamingResponse, responses={200: {"model": OwnData}, **refusals(403)})
def export_own_data(caller: CustomerPhone) -> StreamingResponse:
    """Everything that is kept of the customer, as one file; five times a day. No code and no key is in it."""
    own_data.count_wish(caller)
    # Written whole before the first byte goes out: no transaction waits for a slow phone, and no memory grows with what is kept.
    document: IO[bytes] = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed when it is sent
    try:
        with transaction() as session:
            own_data.write(session, caller, document, now=utc_now())
    except BaseException:
        document.close()
        raise
    size = document.tell()
    document.seek(0)
    headers = {**_HEADERS, "Content-Length": str(size)}
    return StreamingResponse(_pieces(document), media_type="application/json", headers=headers, background=BackgroundTask(document.close))


def _pieces(document: IO[bytes]) -> Iterator[bytes]:
    while piece := document.read(_PIECE):
        yield piece


@router.post("/request-key", summary="Have a key sent to delete the account", status_code=202, responses=refusals(403))
def request_deletion_key(caller: CustomerPhone) -> KeySent:
    """To the customer's own number by SMS."""
    with transaction() as session:
        asked = erasure.request_key(session, caller, now=utc_now())
    return KeySent(resend_after=asked.resend_after, expires_in=asked.expires_in)


@router.delete("", summary="Delete the account", status_code=204, responses=refusals(403, 409, 410))
def delete_account(caller: CustomerPhone, body: Deletion) -> None:
    """Refused while a payment is under way, or while there is paid time that is not given up. Cannot be undone.

    Every phone of the account is logged out with it: repeated after a lost answer, this is answered with 401.
    """
    with transaction() as session:
        erasure.erase(session, caller, key=body.key, give_up_time=body.give_up_time, now=utc_now())
