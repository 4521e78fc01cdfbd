"""The words of tus 1.0.0 (resumable uploads): its headers, read strictly, and what every answer carries.

Spoken: core, creation, creation-with-upload, expiration, termination. Not spoken: checksum, because pieces that arrive in part are kept,
and the hash of the whole is compared at the end; concatenation and deferred length, which photos do not need.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Coroutine
from datetime import datetime
from email.utils import format_datetime
from functools import partial
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app import problems, refusals
from app.documented import refusals as documented
from app.errors import DomainError, InvalidInput
from services.photos.errors import BeyondTheEnd, OffsetDiffers, PhotoTooLarge
from services.photos.uploads import MAX_BYTES

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,termination"
PIECE_TYPE = "application/offset+octet-stream"
_NUMBER = re.compile(r"\d{1,18}")
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,40}")
_MAX_METADATA = 4096
# Both are about a length, not about a state.
_TOO_LARGE = (PhotoTooLarge, BeyondTheEnd)
_SPOKEN = {"Tus-Resumable": VERSION}
_ABOUT = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(MAX_BYTES)}


class TusRoute(APIRoute):
    """Refuses other versions of the protocol, and lets every answer, refusals too, say which one it speaks."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                refuse_other_version(request)
                response = await answer(request)
            except DomainError as refusal:
                response = await _refused(request, refusal)
            except RequestValidationError as refusal:
                response = await problems.render_validation_error(request, refusal)
            except HTTPException as refusal:
                response = await problems.render_http_error(request, refusal)
            response.headers.update(_SPOKEN)
            return response

        return handle


def refuse_other_version(request: Request) -> None:
    """The version must be named, but by OPTIONS and by GET, which is ours. Raises HTTPException (412)."""
    if request.method not in ("OPTIONS", "GET") and request.headers.get("tus-resumable") != VERSION:
        raise HTTPException(412, f"This server speaks tus {VERSION}: send Tus-Resumable: {VERSION}.", headers={"Tus-Version": VERSION})


async def _refused(request: Request, refusal: DomainError) -> Response:
    if not isinstance(refusal, _TOO_LARGE):
        response = await problems.render_domain_error(request, refusal)
        if isinstance(refusal, OffsetDiffers):
            response.headers["Upload-Offset"] = str(refusal.offset)
        return response
    refusals.name(request.scope, refusal.code)
    told = partial(problems.problem, request, status=413, headers={"Tus-Max-Size": str(MAX_BYTES)})
    return told(code=refusal.code, title=refusal.title, detail=refusal.text)


def about() -> dict[str, str]:
    """What OPTIONS answers."""
    return dict(_ABOUT)


def expires(at: datetime) -> str:
    """As `Upload-Expires` says it (RFC 9110 §5.6.7)."""
    return format_datetime(at, usegmt=True)


def number(request: Request, header: str) -> int:
    """A header that must be a number of bytes. Raises InvalidInput."""
    text = request.headers.get(header, "")
    if not (_NUMBER.fullmatch(text) and text.isascii()):
        raise InvalidInput(f"{header} must be a number of bytes.", field=header)
    return int(text)


def is_piece(request: Request) -> bool:
    """Whether the body is a piece of an upload."""
    return request.headers.get("content-type") == PIECE_TYPE


def require_piece(request: Request) -> None:
    """Raises HTTPException (415) for a body of another type."""
    if not is_piece(request):
        raise HTTPException(415, f"Send the piece as {PIECE_TYPE}.")


def metadata(request: Request) -> dict[str, str]:
    """What `Upload-Metadata` says: names, and values in Base64. Raises InvalidInput."""
    text = request.headers.get("upload-metadata", "")
    if len(text) > _MAX_METADATA:
        raise _bad_metadata(f"may have at most {_MAX_METADATA} characters")
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip(" ") for part in text.split(","))):
        key, _, value = pair.partition(" ")
        if not _KEY.fullmatch(key) or key in found:
            raise _bad_metadata("must be names, each once, with a value in Base64 after a space, separated by commas")
        found[key] = _decoded(key, value)
    return found


def _decoded(key: str, value: str) -> str:
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        raise _bad_metadata(f"has no Base64 of UTF-8 under {key}") from None
    if "\x00" in text:
        raise _bad_metadata(f"has a character under {key} that is not text")
    return text


def _bad_metadata(what: str) -> InvalidInput:
    return InvalidInput(f"Upload-Metadata {what}.", field="Upload-Metadata")


def told(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that refuses in the words of tus."""
    words = {
        409: "The offset is another one (`Upload-Offset` says which), or another request has the photo in hand",
        412: "The request names no version of tus, or one that is not spoken here",
        413: "The photo is larger than is taken, or longer than was announced",
        415: f"The body is not {PIECE_TYPE}",
    }
    made: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        (response,) = documented(409).values()
        ((kind, content),) = response["content"].items()
        example = content["example"] | {"status": status, "title": words[status].split(",")[0], "detail": f"{words[status]}."}
        made[status] = {"description": words[status], "content": {kind: {"schema": content["schema"], "example": example}}}
    return made


_ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "Tus-Resumable": ("The version of tus that the client speaks", {"type": "string", "enum": [VERSION]}),
    "Upload-Offset": ("Where the piece begins", {"type": "integer", "minimum": 0}),
    "Upload-Length": ("The length of the whole photo, in bytes", {"type": "integer", "minimum": 1, "maximum": MAX_BYTES}),
    "Upload-Metadata": (
        "Names, each with its value in Base64, separated by commas: `ticket` and `sha256`; `name`, `taken_at`, `latitude`, `longitude`",
        {"type": "string", "maxLength": _MAX_METADATA, "examples": ["ticket MTc=,name SU1HXzEuanBn"]},
    ),
}


def asked(*headers: str, takes_piece: bool = False) -> dict[str, Any]:
    """The `openapi_extra=` of a route that reads these headers of tus itself."""
    named = ("Tus-Resumable", *headers)
    told = [{"name": one, "in": "header", "required": True, "description": _ASKED[one][0], "schema": _ASKED[one][1]} for one in named]
    body = {"required": True, "content": {PIECE_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
    return {"parameters": told} | ({"requestBody": body} if takes_piece else {})
