"""Photos to tickets: sent in pieces that survive a broken link (tus 1.0.0), counted on both sides, and shown to who may see the ticket."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlmodel import Session

from app import limits
from app.access import public
from app.clock import utc_now
from app.db import in_transaction, transaction
from app.documented import refusals
from app.errors import InvalidInput
from mobile import tus
from mobile.photo_stream import insist, paint, take_in, write
from mobile.security import AnyPhone
from services.apps.callers import Caller
from services.apps.models import PhotoUpload, UploadState
from services.photos import finishing, uploads
from services.photos.errors import BeyondTheEnd, UploadBusy
from services.photos.receiving import Receiving, offset_of
from services.photos.storage import store
from services.photos.uploads import EXPIRES, Announced
from services.tickets import attachments
from services.tickets.intake_models import Attachment

_PATH = "/api/mobile/v1/photos"
# Against runaway apps: each new one is a row and a file.
NEW_OF_DEVICE = limits.Limit("photos-of-device", "1000 per day")
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_Row = Annotated[int, Field(ge=1, le=2**63 - 1)]
PhotoId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", examples=["5f0c2e7ab04d5c6e8f9012345f0c2e7a"])]

router = APIRouter(tags=["mobile"])
_tus = APIRouter(prefix="/photos", route_class=tus.TusRoute)


class PhotoFacts(BaseModel):
    """What `Upload-Metadata` must and may say, decoded. Further names are ignored: each tus client adds its own."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    ticket: _Row
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$")
    name: str = Field(default="", max_length=300)
    taken_at: AwareDatetime | None = None
    latitude: float | None = Field(default=None, ge=-90, le=90, allow_inf_nan=False)
    longitude: float | None = Field(default=None, ge=-180, le=180, allow_inf_nan=False)


class Photo(BaseModel):
    """How a photo stands. It is `held` once its picture is on our disk and with its ticket; the phone may delete its own then."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(validation_alias="public_id", examples=["5f0c2e7ab04d5c6e8f9012345f0c2e7a"])
    state: UploadState = Field(description="`receiving` until all of it arrived and was checked")
    received_bytes: int = Field(examples=[524288])
    size_bytes: int = Field(examples=[3145728])
    sha256: str = Field(description="Of what the phone sends")
    why: str | None = Field(description="Why it was refused, for people")
    attachment_id: int | None = Field(description="Under which it is shown, once it is held")


class SentPhotos(BaseModel):
    """What this phone has sent to a ticket, counted by us; the newest first, at most 1000 of them."""

    held: int = Field(examples=[175])
    receiving: int
    refused: int
    items: list[Photo]


def _headers(upload: PhotoUpload) -> dict[str, str]:
    told = {"Upload-Offset": str(upload.received_bytes), "Cache-Control": "no-store"}
    if upload.state is UploadState.RECEIVING:
        told["Upload-Expires"] = tus.expires(upload.touched_at + EXPIRES)
    return told


def _stands(caller: Caller, public_id: str) -> PhotoUpload:
    with transaction() as session:
        return uploads.find(session, caller=caller, public_id=public_id)


@_tus.options("", summary="What is spoken here", status_code=204, dependencies=[public("says which version of a protocol is spoken")])
@_tus.options("/{photo_id}", include_in_schema=False, dependencies=[public("the same for an upload's own address")])
async def photo_protocol() -> Response:
    """The version and extensions of tus, and how large a photo may be."""
    return Response(status_code=204, headers=tus.about())


@_tus.post(
    "",
    summary="Announce a photo",
    status_code=201,
    response_model=Photo,
    responses={200: {"description": "This phone announced it before", "model": Photo}, **refusals(404), **tus.told(409, 412, 413)},
    openapi_extra=tus.asked("Upload-Length", "Upload-Metadata"),
)
async def announce_photo(request: Request, caller: AnyPhone) -> Response:
    """Tus, creation: `Upload-Length`, and `Upload-Metadata` with `ticket` and `sha256`, and `name`, `taken_at`, `latitude`, `longitude`.

    The same phone, ticket and hash are the same photo: asked again, `Location` and `Upload-Offset` say where it stands. A body of type
    `application/offset+octet-stream` is its first piece.
    """
    announced = _announced(request)
    upload, is_new = await write(_announce, caller, announced)
    if tus.is_piece(request) and is_new:
        upload = await _receive(request, caller, upload.public_id, offset=0)
    body = Photo.model_validate(upload).model_dump_json()
    sent = _headers(upload) | {"Location": f"{_PATH}/{upload.public_id}"}
    return Response(body, 201 if is_new else 200, headers=sent, media_type="application/json")


def _announced(request: Request) -> Announced:
    if "upload-defer-length" in request.headers:
        raise InvalidInput("Say the length of the photo when you announce it.", field="Upload-Defer-Length")
    size, said = tus.number(request, "Upload-Length"), tus.metadata(request)
    try:
        facts = PhotoFacts.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(f"Upload-Metadata, {first['loc'][0]}: {first['msg']}.", field=str(first["loc"][0])) from None
    has_place = facts.latitude is not None and facts.longitude is not None
    return Announced(
        ticket_id=facts.ticket,
        sha256=facts.sha256.lower(),
        size_bytes=size,
        name=facts.name,
        taken_at=_plausible(facts.taken_at),
        latitude=facts.latitude if has_place else None,
        longitude=facts.longitude if has_place else None,
    )


def _plausible(taken_at: datetime | None) -> datetime | None:
    """A phone whose clock is nonsense still has its photo taken."""
    return taken_at if taken_at is not None and _EARLIEST <= taken_at <= utc_now() else None


def _announce(caller: Caller, announced: Announced) -> tuple[PhotoUpload, bool]:
    room = store().room()
    with transaction() as session:
        upload, is_new = uploads.announce(session, caller=caller, announced=announced, room=room, now=utc_now())
        if is_new:
            limits.count(NEW_OF_DEVICE, str(caller.app_device_id))
    return upload, is_new


@_tus.head(
    "/{photo_id}",
    summary="How far a photo has come",
    status_code=204,
    responses={**refusals(404), **tus.told(412)},
    openapi_extra=tus.asked(),
)
async def photo_offset(caller: AnyPhone, photo_id: PhotoId) -> Response:
    """Tus, core: `Upload-Offset` is where to go on. All that it counts is on our disk. At the end `GET` says whether it is held."""
    asking = partial(offset_of, transaction, store(), caller=caller, public_id=photo_id, now=utc_now())
    try:
        upload = await insist(asking, public_id=photo_id)
    except UploadBusy:
        # What was counted last: who goes on from there is told the right place.
        upload = await write(_stands, caller, photo_id)
    upload = await _finished(caller, upload)
    return Response(status_code=204, headers=_headers(upload) | {"Upload-Length": str(upload.size_bytes)})


@_tus.patch(
    "/{photo_id}",
    summary="A further piece",
    status_code=204,
    responses={**refusals(404), **tus.told(409, 412, 413, 415)},
    openapi_extra=tus.asked("Upload-Offset", takes_piece=True),
)
async def add_to_photo(request: Request, caller: AnyPhone, photo_id: PhotoId) -> Response:
    """Tus, core: bytes from `Upload-Offset` on, as many as you like up to 16 MB. What arrives is kept, also when it breaks off."""
    tus.require_piece(request)
    upload = await _receive(request, caller, photo_id, offset=tus.number(request, "Upload-Offset"))
    return Response(status_code=204, headers=_headers(upload))


async def _receive(request: Request, caller: Caller, photo_id: str, *, offset: int) -> PhotoUpload:
    opening = partial(Receiving.open, transaction, store(), caller=caller, public_id=photo_id, offset=offset, now=utc_now())
    receiving = await insist(opening, public_id=photo_id)
    if receiving is not None:
        try:
            length = request.headers.get("content-length", "")
            if length.isascii() and length.isdigit() and int(length) > receiving.left:
                raise BeyondTheEnd
            await take_in(request.receive, receiving)
        finally:
            receiving.close()
    return await _finished(caller, await write(_stands, caller, photo_id))


async def _finished(caller: Caller, upload: PhotoUpload) -> PhotoUpload:
    """A photo that is whole is brought to its end by whoever asks."""
    if upload.state is not UploadState.RECEIVING or upload.received_bytes < upload.size_bytes:
        return upload
    await paint(partial(finishing.finish, transaction, store(), upload.public_id, clock=utc_now))
    return await write(_stands, caller, upload.public_id)


@_tus.delete(
    "/{photo_id}",
    summary="Take a photo back",
    status_code=204,
    responses={**refusals(404), **tus.told(409, 412)},
    openapi_extra=tus.asked(),
)
async def take_photo_back(caller: AnyPhone, photo_id: PhotoId) -> Response:
    """Tus, termination: for one that is not held yet."""
    await insist(partial(uploads.take_back, transaction, store(), caller=caller, public_id=photo_id), public_id=photo_id)
    return Response(status_code=204)


@_tus.post("/{photo_id}", include_in_schema=False)
async def photo_by_header(request: Request, caller: AnyPhone, photo_id: PhotoId) -> Response:
    """Tus, core: for phones on networks that let no PATCH and no DELETE through, which say it in a header."""
    match request.headers.get("x-http-method-override", "").upper():
        case "PATCH":
            return await add_to_photo(request, caller, photo_id)
        case "DELETE":
            return await take_photo_back(caller, photo_id)
    raise HTTPException(405, headers={"Allow": "HEAD, PATCH, DELETE, GET"})


@_tus.get("/{photo_id}", summary="How a photo stands", response_model=Photo, responses=refusals(404))
def one_photo(caller: AnyPhone, photo_id: PhotoId) -> PhotoUpload:
    """Whether it is held, or why it was refused."""
    return _stands(caller, photo_id)


@_tus.get("", summary="The photos of a ticket, counted")
def photos_of_ticket(caller: AnyPhone, ticket: Annotated[int, Query(ge=1, le=2**63 - 1, description="The ticket's number")]) -> SentPhotos:
    """What this phone has sent there: "the phone says 175, we hold 175"."""
    with transaction() as session:
        sent = uploads.sent_to(session, caller=caller, ticket_id=ticket)
    counts = {state.value: sent.counts.get(state, 0) for state in UploadState}
    return SentPhotos(items=[Photo.model_validate(upload) for upload in sent.uploads], **counts)


@router.get(
    "/attachments/{attachment_id}",
    summary="A file of a ticket",
    response_class=Response,
    responses={
        200: {"description": "Its bytes", "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        **refusals(404),
    },
)
async def attachment_file(
    request: Request,
    caller: AnyPhone,
    attachment_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    size: Annotated[Literal["whole", "thumbnail"], Query(description="A thumbnail has at most 320 points")] = "whole",
) -> Response:
    """To be shown by the app to who may see the ticket: to customers what they wrote and were answered, to technicians what they see.

    Its content never changes: `If-None-Match` with its `ETag` is answered 304.
    """
    found, content = await in_transaction(_file, caller, attachment_id, size == "thumbnail")
    tag = f'"{found.sha256[:32]}-{size}"'
    sent = attachments.served_headers(found) | {"ETag": tag}
    if tag in (part.strip() for part in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=sent)
    return Response(content, headers=sent, media_type="image/jpeg" if size == "thumbnail" else found.media_type)


def _file(session: Session, caller: Caller, attachment_id: int, is_thumbnail: bool) -> tuple[Attachment, bytes]:
    asked: dict[str, Any] = {"attachment_id": attachment_id, "is_thumbnail": is_thumbnail}
    if caller.customer_id is not None:
        return attachments.content_for_owner(session, customer_id=caller.customer_id, **asked)
    return attachments.content_of(session, actor=caller.technician(), **asked)


router.include_router(_tus)
