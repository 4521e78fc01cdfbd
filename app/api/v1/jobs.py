"""`/api/v1/jobs`: the schedule, how it fares, and what staff does about it; `/api/v1/job-failures`: runs that failed. For staff only."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Id, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import IdempotencyKey, Wish
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.operations import failures as failed_runs
from services.operations import periodic_desk
from services.operations.models import JobFailure, RunOutcome
from services.operations.periodic_desk import PeriodicView

router = APIRouter(prefix="/jobs", tags=["jobs"])
failures = APIRouter(prefix="/job-failures", tags=["jobs"])
Reader = Annotated[Principal, requires(Permission.JOBS_READ)]
Editor = Annotated[Principal, requires(Permission.JOBS_EDIT)]
JobId = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,80}$", description="The job's name in the schedule", examples=["sweep-payments"])]


class PeriodicItem(BaseModel):
    """One line of the schedule. Times that are null have not come yet."""

    id: str = Field(examples=["sweep-payments"])
    what: str = Field(description="What it does", examples=["Payments, refunds and second sessions that are due"])
    job: str = Field(description="The function that runs", examples=["jobs.payments.sweep"])
    queue: str = Field(examples=["urgent"])
    every_seconds: int = Field(examples=[3])
    timeout_seconds: int = Field(description="A run that takes longer is ended", examples=[60])
    is_running: bool
    is_late: bool = Field(description="No run has ended within three periods and a minute, though it is not paused")
    is_paused: bool
    pause_reason: str | None = Field(examples=[None])
    paused_by: str | None = Field(examples=[None])
    paused_at: datetime | None
    last_started_at: datetime | None
    last_ended_at: datetime | None
    last_outcome: RunOutcome | None
    last_ms: int | None = Field(description="How long the last run took", examples=[12])
    last_error: str | None = Field(examples=[None])
    failures_in_a_row: int
    next_at: datetime | None = Field(description="When its next slot begins; null while it is paused")


class Periodics(BaseModel):
    """The whole schedule: it is short, so it comes in one page."""

    items: list[PeriodicItem]
    next_cursor: None = None


class PauseReason(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "PortaBilling is being moved until noon."}]})

    reason: str = Field(min_length=3, max_length=300, pattern=NO_NUL, description="Why; others read it beside the job")


class FailureItem(BaseModel):
    """A run that failed. The work itself is a row elsewhere, which its sweep finds again; this tells people."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    job: str = Field(examples=["jobs.payments.advance_payment"])
    arguments: list[Any] = Field(description="Row numbers and short words", examples=[[4711]])
    queue: str = Field(examples=["urgent"])
    failed_at: datetime
    took_ms: int
    error: str = Field(examples=["OperationalError: connection refused"])
    trace: str = Field(description="Where it failed; numbers, codes and keys are masked")
    correlation_id: str = Field(description="Of what rang for it")
    retried_at: datetime | None
    retried_by: str | None = Field(examples=[None])


def _item(view: PeriodicView) -> PeriodicItem:
    line, row = view.line, view.row
    return PeriodicItem(
        id=line.id,
        what=line.what,
        job=line.job,
        queue=line.queue,
        every_seconds=line.seconds,
        timeout_seconds=line.timeout_seconds,
        is_running=view.is_running,
        is_late=view.is_late,
        is_paused=view.is_paused,
        pause_reason=row.pause_reason or None,
        paused_by=row.paused_by or None,
        paused_at=row.paused_at,
        last_started_at=row.last_started_at,
        last_ended_at=row.last_ended_at,
        last_outcome=row.last_outcome,
        last_ms=row.last_ms if row.last_ended_at else None,
        last_error=row.last_error or None,
        failures_in_a_row=row.failures_in_a_row,
        next_at=view.next_at,
    )


def _failure(row: JobFailure) -> FailureItem:
    return FailureItem.model_validate(row.model_dump() | {"retried_by": row.retried_by or None})


@router.get("", summary="Read the schedule")
def list_all(actor: Reader) -> Periodics:
    """What is late or failed last stands first."""
    with transaction() as session:
        return Periodics(items=[_item(view) for view in periodic_desk.list_periodic(session, actor=actor, now=utc_now(), hours=1)])


@router.get("/{job_id}", summary="One periodic job", responses=refusals(404))
def one(actor: Reader, job_id: JobId) -> PeriodicItem:
    with transaction() as session:
        return _item(periodic_desk.one_periodic(session, actor=actor, job_id=job_id, now=utc_now()))


@router.post("/{job_id}/pause", summary="Pause a periodic job", response_model=PeriodicItem, responses=refusals(404, 409))
def pause(actor: Editor, job_id: JobId, body: PauseReason, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """No further run begins; one under way goes on. What rows ring for by themselves goes on as well."""

    def work(session: Session) -> tuple[PeriodicItem, dict[str, str]]:
        return _item(periodic_desk.pause(session, actor=actor, job_id=job_id, reason=body.reason, now=utc_now())), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body)


@router.post("/{job_id}/resume", summary="Resume a periodic job", response_model=PeriodicItem, responses=refusals(404, 409))
def resume(actor: Editor, job_id: JobId, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """It runs again from its next slot on."""

    def work(session: Session) -> tuple[PeriodicItem, dict[str, str]]:
        return _item(periodic_desk.resume(session, actor=actor, job_id=job_id, now=utc_now())), {}

    return Wish(actor, request, idempotency_key).answer(work)


@router.post("/{job_id}/run", summary="Run a periodic job now", status_code=202, response_model=PeriodicItem, responses=refusals(404, 409))
def run(actor: Editor, job_id: JobId, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """A worker takes it as soon as one is free, also when it is paused. 409 while a run of it is under way."""

    def work(session: Session) -> tuple[PeriodicItem, dict[str, str]]:
        return _item(periodic_desk.run_now(session, actor=actor, job_id=job_id, now=utc_now())), {}

    return Wish(actor, request, idempotency_key).answer(work, status=202)


@failures.get("", summary="List failed runs")
def list_failures(
    actor: Reader,
    paging: WantedPage,
    job: Annotated[
        str | None, Query(max_length=120, pattern=NO_NUL, description="Of this function", examples=["jobs.payments.sweep"])
    ] = None,
) -> Page[FailureItem]:
    """Newest first."""
    with transaction() as session:
        found = failed_runs.list_failures(session, actor=actor, wanted=failed_runs.FailureFilter(job), part=paging.part())
    return paging.page(found.rows, _failure, lambda row: (row.failed_at, row.id or 0))


@failures.get("/{failure_id}", summary="One failed run", responses=refusals(404))
def one_failure(actor: Reader, failure_id: Id) -> FailureItem:
    with transaction() as session:
        return _failure(failed_runs.one_failure(session, actor=actor, failure_id=failure_id))


@failures.post(
    "/{failure_id}/retry", summary="Run a failed job again", status_code=202, response_model=FailureItem, responses=refusals(404, 409)
)
def retry(actor: Editor, failure_id: Id, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """With the same arguments. Should it fail once more, that is a failure of its own."""

    def work(session: Session) -> tuple[FailureItem, dict[str, str]]:
        return _failure(failed_runs.retry(session, actor=actor, failure_id=failure_id, now=utc_now())), {}

    return Wish(actor, request, idempotency_key).answer(work, status=202)
