"""Where the SMS gateway posts its delivery reports. They are not signed, so the address itself cannot be guessed (push-and-sms.md §B1)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Response

from app.access import public
from app.clock import utc_now
from app.db import transaction
from app.errors import NotFound
from services.notifications import reports

router = APIRouter(
    prefix=reports.PATH,
    include_in_schema=False,
    dependencies=[public("the gateway has no credential but the address, and a report only ever moves a message of that id forwards")],
)
_Short = Annotated[str, Form(max_length=200)]


@router.post("/{secret}")
def report(
    secret: str,
    id: _Short = "",
    status: _Short = "",
    phoneNumber: _Short = "",
    failureReason: _Short = "",
) -> Response:
    """Kept and answered at once; what is incomplete is answered too, because the gateway would only send it again."""
    if not reports.is_our_path(secret):
        raise NotFound
    fields = [value.replace("\x00", "").strip() for value in (id, status, phoneNumber, failureReason)]
    if fields[0] and fields[1]:
        with transaction() as session:
            reports.take(session, provider_id=fields[0], status=fields[1], number=fields[2][:32], reason=fields[3] or None, now=utc_now())
    return Response(status_code=200)
