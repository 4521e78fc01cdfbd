"""`GET sync`: what changed for this phone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.clock import isoformat, utc_now
from app.db import transaction
from app.documented import refusals
from mobile.security import AnyPhone
from services.apps import sync as syncing

router = APIRouter(tags=["mobile"])
_MAX_CURSOR = 6000
_MAX_KINDS = 300
_EXAMPLE: dict[str, Any] = {
    "changes": [
        {
            "kind": "access",
            "id": "4",
            "version": "520852e231abfd707b5c",
            "removed": False,
            "data": {"state": "running", "ends_at": "2026-11-22T13:00:00Z"},
        },
        {"kind": "ticket", "id": "17", "removed": True},
    ],
    "cursor": "q83v…",
    "more": False,
    "start_over": False,
    "server_time": "2026-11-22T12:00:00Z",
}


class Changed(BaseModel):
    """One thing as it stands now. `kind:id` is its name; `version` goes into mutations as `base_version`."""

    kind: str
    id: str
    version: str
    removed: Literal[False]
    data: dict[str, Any] = Field(description="What the kind is made of (docs/apps.md). It depends on no clock: moments are given instead")


class Removed(BaseModel):
    """Gone, or no more for this person."""

    kind: str
    id: str
    removed: Literal[True]


class SyncAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    changes: list[Changed | Removed]
    cursor: str = Field(description="To be kept once the changes are, and sent the next time")
    more: bool = Field(description="There is more to be told: ask again at once")
    start_over: bool = Field(
        description="Everything is told anew: doubt all that is held, confirm what comes, and when `more` is false drop what is doubted"
    )
    server_time: datetime


@router.get(
    "/sync",
    summary="What changed since the cursor",
    response_model=SyncAnswer,
    responses={
        200: {"headers": {"ETag": {"description": "Of the cursor handed out", "schema": {"type": "string"}}}},
        304: {"description": "Nothing changed since the cursor of this ETag; it stays good"},
        **refusals(409),
    },
)
def sync(
    caller: AnyPhone,
    cursor: Annotated[str | None, Query(max_length=_MAX_CURSOR, description="Of the last answer; none: everything is told")] = None,
    kinds: Annotated[
        str | None,
        Query(max_length=_MAX_KINDS, description="With commas between; none: those of the cursor, or all", examples=["ticket,profile"]),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=syncing.MAX_LIMIT, description="The most changes in one answer")] = syncing.DEFAULT_LIMIT,
    if_none_match: Annotated[str | None, Header(max_length=200, description="The ETag of the last answer")] = None,
) -> Response:
    """Each thing that changed once, as it stands now, in the order in which changes were committed; a removal for what is gone.

    Sent again with the same cursor after a lost answer, it goes on from there. With nothing changed the answer holds the same cursor, and
    with `If-None-Match` it is 304.
    """
    asked = syncing.Asked(cursor, tuple(kinds.split(",")) if kinds is not None else None, limit)
    now = utc_now()
    answer = syncing.sync(transaction, caller=caller, asked=asked, now=now)
    headers = {"ETag": answer.tag, "Cache-Control": "private, no-cache"}
    if answer.is_same and if_none_match == answer.tag:
        return Response(status_code=304, headers=headers)
    return Response(_body(answer, now=now), media_type="application/json", headers=headers)


def _body(answer: syncing.Answer, *, now: datetime) -> bytes:
    """The changes are JSON already: put together, not read and written once more."""
    ends = (
        f'"cursor":"{answer.cursor}","more":{_said(answer.more)},"start_over":{_said(answer.start_over)},"server_time":"{isoformat(now)}"'
    )
    return b'{"changes":[' + b",".join(answer.changes) + b"]," + ends.encode() + b"}"


def _said(truth: bool) -> str:
    return "true" if truth else "false"
