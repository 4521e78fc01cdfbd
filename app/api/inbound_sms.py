"""Where the SMS gateway posts what customers text us. It signs nothing, so the address itself cannot be guessed (push-and-sms.md §B)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Response

from app.access import public
from app.clock import utc_now
from app.db import transaction
from app.errors import NotFound
from services.tickets import sms_intake

router = APIRouter(
    prefix=sms_intake.PATH,
    include_in_schema=False,
    dependencies=[public("the gateway has no credential but the address; a text is kept, and acted on as the words of its sender")],
)
_Field = Annotated[str, Form()]


@router.post("/{secret}")
def inbound(
    secret: str,
    sender: Annotated[str, Form(alias="from")] = "",
    to: _Field = "",
    text: _Field = "",
    id: _Field = "",
    date: _Field = "",
) -> Response:
    """Kept as it came and answered at once; what is incomplete is answered too, because the gateway would only send it again."""
    if not sms_intake.is_our_path(secret):
        raise NotFound
    if sender or text:
        with transaction() as session:
            sms_intake.receive(session, sender=sender, to=to, text=text, provider_id=id, sent_at=date, now=utc_now())
    return Response(status_code=200)
