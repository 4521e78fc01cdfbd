"""A customer's report of a problem: taken from a form or from JSON, with pictures or without (contract.md, "portal API")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from starlette.datastructures import FormData, UploadFile

from app.clock import utc_now
from app.db import transaction
from portal import limits, schemas
from portal.limits import Asker
from portal.schemas import answers
from portal.visitor import DEVICE_HEADER
from services.access.context import HotspotContext, read_context
from services.accounts.customers import device_from_token
from services.payments.checkout import payment_by_public_id
from services.payments.find import payment_of_client
from services.tickets.attachments import Upload, check_all
from services.tickets.intake import MAX_WORDS, report_problem
from services.tickets.tokens import reply_token
from services.tickets.wishes import Reported

router = APIRouter(tags=["portal"])
"""Included by portal/api.py, which says who may ask."""
# More is refused as a whole; up to this each file that is too many is refused in words.
_MAX_PARTS = 40
# One byte more than is taken tells a file that is too large from one that just is not.
_MOST_READ = 10 * 1024 * 1024 + 1


@dataclass(frozen=True)
class Asked:
    """What a customer sent, by whichever way."""

    body: str
    phone: str
    payment_id: str
    context: HotspotContext | None
    device_token: str | None
    key: str | None
    files: tuple[Upload, ...] = ()


def take(asked: Asked, *, now: datetime) -> Reported:
    """Keep a report; blocking. Raises TooMany, NotFound for a payment that there is not, BadPhone or InvalidInput."""
    with transaction() as session:
        device = device_from_token(session, asked.device_token)
    limits.report(Asker(asked.context, device), asked.key)
    # Pictures take a while: not within a transaction, and not before it is known that the customer may send them.
    files = check_all(asked.files)
    with transaction() as session:
        payment = (
            payment_by_public_id(session, asked.payment_id)
            if asked.payment_id
            else payment_of_client(session, asked.context, device, now=now)
        )
        return report_problem(
            session,
            body=asked.body,
            phone=asked.phone or None,
            context=asked.context,
            payment=payment,
            device=device,
            key=asked.key,
            files=files,
            now=now,
        )


def page_path(reported: Reported) -> str | None:
    """The customer's own page of what they reported; None when they are not known to be who wrote it."""
    if not reported.is_own:
        return None
    return f"/ticket/{reported.ticket.reference}?{urlencode({'t': reply_token(reported.ticket)})}"


def uploads_of(files: Iterable[UploadFile]) -> tuple[Upload, ...]:
    """What was chosen; blocking. A form's field that was left empty comes as a file without a name."""
    chosen = [file for file in files if file.filename or file.size]
    return tuple(Upload(file.filename or "", file.content_type or "", file.file.read(_MOST_READ)) for file in chosen)


class Report(BaseModel):
    """As JSON, or as multipart/form-data together with `photos`."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    body: str = Field(min_length=1, max_length=MAX_WORDS)
    phone: str | None = Field(default=None, max_length=32)
    payment_id: str | None = Field(default=None, max_length=64)
    context: str | None = Field(default=None, max_length=1000)

    @field_validator("body", mode="before")
    @classmethod
    def _lines(cls, value: object) -> object:
        # A form sends two characters for the end of a line.
        return value.replace("\r\n", "\n") if isinstance(value, str) else value

    @field_validator("*")
    @classmethod
    def _is_text(cls, value: object) -> object:
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("contains a character that is not text")
        return value


def _body_schemas() -> dict[str, Any]:
    schema = Report.model_json_schema()
    photos = {"type": "array", "maxItems": _MAX_PARTS, "items": {"type": "string", "format": "binary"}}
    with_photos = {**schema, "title": "ReportWithPhotos", "properties": {**schema["properties"], "photos": photos}}
    return {"required": True, "content": {"application/json": {"schema": schema}, "multipart/form-data": {"schema": with_photos}}}


async def _sent(request: Request) -> tuple[Report, tuple[UploadFile, ...]]:
    try:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return Report.model_validate_json(await request.body()), ()
        form: FormData = await request.form(max_files=_MAX_PARTS, max_fields=20)
        values = {name: value for name, value in form.multi_items() if isinstance(value, str) and value}
        photos = form.getlist("photos")
        files = tuple(value for value in photos if isinstance(value, UploadFile))
        if len(files) < len(photos):
            # Whoever sent it would think that it was kept.
            raise RequestValidationError([{"type": "not_a_file", "loc": ("body", "photos"), "msg": "Send each photo as a file"}])
        return Report.model_validate(values), files
    except ValidationError as refused:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in refused.errors(include_url=False, include_input=False)]
        raise RequestValidationError(errors) from None


@router.post(
    "/portal/tickets",
    summary="Report a problem",
    status_code=201,
    responses=answers(schemas.Reported, 404, 410, status=201),
    openapi_extra={"requestBody": _body_schemas()},
)
def report(
    sent: Annotated[tuple[Report, tuple[UploadFile, ...]], Depends(_sent)],
    idempotency_key: Annotated[str | None, Header(min_length=8, max_length=200)] = None,
    device_token: Annotated[str | None, Header(alias=DEVICE_HEADER, max_length=300)] = None,
) -> dict[str, str | None]:
    """Store a problem report with what is known of the place and the purchase.

    Sent again under its `Idempotency-Key`, or with the same words within ten minutes, it is the same ticket.
    """
    told, files = sent
    now = utc_now()
    context = read_context(told.context, now=now)
    asked = Asked(told.body, told.phone or "", told.payment_id or "", context, device_token, idempotency_key, uploads_of(files))
    reported = take(asked, now=now)
    return {"reference": reported.ticket.reference, "url": page_path(reported)}
