"""`/api/v1/errors`: errors of the product itself in groups, and what staff does about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.security import requires
from app.api.v1.fields import Id, IdFilter, Search, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.operations import errors
from services.operations.error_models import ErrorState
from services.operations.error_queries import ErrorFilter, ErrorPage, ErrorRow, error_page, error_row, list_errors, revision

router = APIRouter(prefix="/errors", tags=["errors"])
Reader = Annotated[Principal, requires(Permission.ERRORS_READ)]
Editor = Annotated[Principal, requires(Permission.ERRORS_EDIT)]


class ErrorSummary(BaseModel):
    """All errors of one kind that passed the same functions of ours. The ETag of one stands for its state and its assignee."""

    id: int
    state: ErrorState
    kind: str = Field(description="The type of the exception", examples=["KeyError"])
    place: str = Field(description="The innermost function of ours", examples=["services.payments.absorb:absorb"])
    message: str = Field(description="Of the newest one; numbers, codes and keys are masked", examples=["'currency'"])
    process: str = Field(description="The kind of process that had it last", examples=["worker"])
    count: int
    last_day: int = Field(description="How often within the last 24 hours")
    first_at: datetime
    last_at: datetime
    first_release: str = Field(examples=["1.4.0"])
    last_release: str = Field(examples=["1.4.1"])
    assignee_id: int | None
    assignee: str | None = Field(description="The log-in name of whoever looks into it", examples=["admin@inet.demo"])
    resolved_at: datetime | None
    reopened: int = Field(description="How often it came back after it was resolved")


class ErrorFrame(BaseModel):
    module: str
    function: str
    line: int
    ours: bool = Field(description="Whether it is the product's own code, and not a library's")


class ErrorCause(BaseModel):
    kind: str
    message: str
    frames: list[ErrorFrame] = Field(description="From the outermost in; no values of variables")


class ErrorHours(BaseModel):
    hour: datetime = Field(description="When the hour began")
    count: int


class ErrorDetail(ErrorSummary):
    """With the newest example, masked, and how often it happened in each of the last 48 hours."""

    trace: list[ErrorCause] = Field(description="The exception, then what caused it")
    where: str = Field(description="The job or the template of the route", examples=["/api/wave/checkout"])
    correlation_id: str = Field(description="Of the newest example: `inet logs --correlation` tells its story")
    hours: list[ErrorHours] = Field(description="Hours without one are left out")


class ErrorChange(Wanted):
    """What is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "resolved"}, {"assignee_id": 2}]})

    # JSON has no enums: the text is taken, and nothing else is.
    state: ErrorState | None = Field(default=None, strict=False, description="Not said: as it is")
    assignee_id: int | None = Field(default=None, ge=0, le=2**63 - 1, description="A member of staff who may see errors; 0: nobody")


def _summary(row: ErrorRow) -> dict[str, object]:
    names = ("id", "state", "kind", "place", "message", "process", "count", "first_at", "last_at")
    more = ("first_release", "last_release", "assignee_id", "resolved_at", "reopened")
    return {name: getattr(row.group, name) for name in names + more} | {"assignee": row.assignee, "last_day": row.last_day}


def _shown(row: ErrorRow) -> ErrorSummary:
    return ErrorSummary.model_validate(_summary(row))


def _detail(page: ErrorPage) -> ErrorDetail:
    example = page.group.example
    return ErrorDetail.model_validate(
        _summary(page.row)
        | {
            "trace": example.get("trace", []),
            "where": example.get("name", ""),
            "correlation_id": example.get("correlation_id", ""),
            "hours": [{"hour": hour, "count": number} for hour, number in page.hours.items()],
        }
    )


@router.get("", summary="List errors of the product")
def list_all(
    actor: Reader,
    paging: WantedPage,
    state: ErrorState | None = None,
    process: Annotated[str | None, Query(max_length=20, pattern="^[a-z]+$", description="The kind of process", examples=["worker"])] = None,
    assignee_id: IdFilter = None,
    search: Annotated[Search, Query(description="A part of the kind, the place or the message, or a correlation ID")] = "",
) -> Page[ErrorSummary]:
    """Those that happened last first."""
    wanted = ErrorFilter(state, process, assignee_id, search)
    with transaction() as session:
        found = list_errors(session, actor=actor, wanted=wanted, part=paging.part(), now=utc_now())
    return paging.page(found.rows, _shown, lambda row: (row.group.last_at, row.group.id or 0))


@router.get("/{error_id}", summary="One error of the product", responses=tagged(404))
def one(actor: Reader, error_id: Id, response: Response) -> ErrorDetail:
    """With its trace and its hours. Its ETag is what a change sends back as If-Match."""
    with transaction() as session:
        page = error_page(session, actor=actor, error_id=error_id, now=utc_now())
    response.headers.update(tag_header(revision(page.group)))
    return _detail(page)


@router.patch("/{error_id}", summary="Resolve, reopen, ignore or assign an error", responses=tagged(404, 412, 428))
def change(actor: Editor, error_id: Id, expected: Expected, body: ErrorChange, response: Response) -> ErrorSummary:
    """A resolved one that happens again is open again. An ignored one is counted, and nobody is told of it."""
    wanted = errors.Change(state=body.state, assignee_id=body.assignee_id)
    with transaction() as session:
        group = errors.change(session, actor=actor, error_id=error_id, wanted=wanted, expected_revision=expected, now=utc_now())
        response.headers.update(tag_header(revision(group)))
        return _shown(error_row(session, actor=actor, error_id=error_id, now=utc_now()))
