"""`/api/v1/reconciliation`: runs, findings and reports. Findings are decided by staff: a service's token has no scope for it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Bututs, Currency, Day, Id, IdFilter, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.payments.reconciliation import desk, report_pdf, reports
from services.payments.reconciliation.desk import MAX_NOTE, MIN_NOTE
from services.payments.reconciliation.models import FindingKind, FindingState, Fix, ReconciliationFinding, ReconciliationRun, RunState
from services.payments.reconciliation.queries import (
    FindingFilter,
    FindingRow,
    RunFilter,
    finding_row,
    list_findings,
    list_runs,
    one_run,
)
from services.payments.reconciliation.runs import LONGEST, order_run

router = APIRouter(prefix="/reconciliation", tags=["reconciliation"])
Reader = Annotated[Principal, requires(Permission.MONEY_READ)]
Decider = Annotated[Principal, requires(Permission.RECONCILIATION_EDIT)]
_PDF, _CSV = "application/pdf", "text/csv"


def _as_day(value: object) -> object:
    """In a strict body a day is a text; no number passes for one."""
    return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else value


BodyDay = Annotated[date, BeforeValidator(_as_day)]


class RunOrder(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"from_day": "2026-11-21", "to_day": "2026-11-21"}]})

    from_day: BodyDay = Field(description="The first day (UTC, which is Banjul's time)")
    to_day: BodyDay = Field(description=f"The last day; at most {LONGEST} days at once")


class Rejection(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "A test of the till's own phone"}]})

    note: str = Field(min_length=MIN_NOTE, max_length=MAX_NOTE, pattern=NO_NUL, description="Why it is left as it is")


class Assignment(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"assignee_id": 3}]})

    assignee_id: int | None = Field(ge=1, le=2**63 - 1, description="Staff who may decide findings; null gives it back to nobody")


class Run(BaseModel):
    """A comparison of some days. `partial`: a side did not answer whole, and nothing is called missing on the strength of it."""

    id: int
    from_day: date
    to_day: date
    state: RunState
    is_nightly: bool
    asked_by: str = Field(examples=["system"])
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: str | None = Field(description="Which side was not read whole, and why", examples=[None])
    findings: int = Field(description="How many open findings it left")
    totals: dict[str, Any] = Field(description="What was read of each side so far, and the sums in bututs by side")


class Finding(BaseModel):
    """One mismatch. Found again by another run it is the same row; `gone` when a later run found nothing wrong any more."""

    id: int
    kind: FindingKind
    state: FindingState
    day: date
    payment: str | None = Field(description="The payment's receipt code", examples=["7KMNPRST"])
    wave_bututs: Bututs | None
    ledger_bututs: Bututs | None
    porta_bututs: Bututs | None
    currency: Currency = "GMD"
    evidence: dict[str, Any] = Field(description="What each of the three sides shows: `wave`, `ledger`, `porta`")
    fix: Fix = Field(description="What is proposed")
    assignee: str | None = Field(examples=["Awa Ceesay"])
    decided_by: str | None
    decided_at: datetime | None
    note: str | None
    outcome: str | None = Field(description="What accepting it did, in words")
    run_id: int = Field(description="The run that saw it last")
    created_at: datetime
    seen_at: datetime


def _run(run: ReconciliationRun) -> Run:
    return Run.model_validate(run.model_dump() | {"findings": run.found})


def _finding(row: FindingRow) -> Finding:
    return Finding.model_validate(row.finding.model_dump() | {"payment": row.reference, "assignee": row.assignee})


@router.post("/runs", summary="Have days compared", status_code=201, response_model=Run)
def order(actor: Reader, body: RunOrder, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """It runs in the background: read the run again to see how far it is. The same days under way are not begun a second time."""

    def work(session: Session) -> tuple[Run, dict[str, str]]:
        return _run(order_run(session, actor=actor, from_day=body.from_day, to_day=body.to_day, now=utc_now())), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


@router.get("/runs", summary="List runs")
def all_runs(actor: Reader, paging: WantedPage, state: RunState | None = None) -> Page[Run]:
    """Newest first."""
    with transaction() as session:
        found = list_runs(session, actor=actor, wanted=RunFilter(state), part=paging.part())
    return paging.page(found.rows, _run, lambda run: (run.created_at, run.id or 0))


@router.get("/runs/{run_id}", summary="One run", responses=refusals(404))
def run(actor: Reader, run_id: Id) -> Run:
    """With what was read of each side, and the sums."""
    with transaction() as session:
        found = one_run(session, actor=actor, run_id=run_id)
    return _run(found)


@router.get("/findings", summary="List findings")
def all_findings(
    actor: Reader,
    paging: WantedPage,
    kind: FindingKind | None = None,
    state: FindingState | None = None,
    since: Annotated[Day | None, Query(description="Of this day or later")] = None,
    until: Annotated[Day | None, Query(description="Of this day or before")] = None,
    run_id: IdFilter = None,
) -> Page[Finding]:
    """Newest first."""
    wanted = FindingFilter(kind=kind, state=state, since=since, until=until, run_id=run_id)
    with transaction() as session:
        found = list_findings(session, actor=actor, wanted=wanted, part=paging.part())
    return paging.page(found.rows, _finding, lambda row: (row.finding.id or 0,))


@router.get("/findings/{finding_id}", summary="One finding", responses=tagged(404))
def finding(actor: Reader, finding_id: Id, response: Response) -> Finding:
    """Its ETag is what a decision sends back as If-Match."""
    with transaction() as session:
        found = finding_row(session, actor=actor, finding_id=finding_id)
    response.headers.update(tag_header(found.finding.revision))
    return _finding(found)


_DECIDED = tagged(404, 409, 412, 428)


def _shown(session: Session, actor: Principal, finding: ReconciliationFinding) -> tuple[Finding, dict[str, str]]:
    row = finding_row(session, actor=actor, finding_id=finding.id or 0)
    return _finding(row), tag_header(row.finding.revision)


@router.post("/findings/{finding_id}/accept", summary="Do what is proposed", response_model=Finding, responses=_DECIDED)
def accept(actor: Decider, finding_id: Id, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Once; `outcome` says what was done. Where money moves, after a fresh proof (`POST /api/auth/prove`)."""

    def work(session: Session) -> tuple[Finding, dict[str, str]]:
        done = desk.accept(session, actor=actor, finding_id=finding_id, expected_revision=expected, now=utc_now())
        return _shown(session, actor, done)

    return Wish(actor, request, idempotency_key).answer(work)


@router.post("/findings/{finding_id}/reject", summary="Leave a mismatch as it is", response_model=Finding, responses=_DECIDED)
def reject(
    actor: Decider, finding_id: Id, body: Rejection, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """For a reason that is kept."""

    def work(session: Session) -> tuple[Finding, dict[str, str]]:
        done = desk.reject(session, actor=actor, finding_id=finding_id, note=body.note, expected_revision=expected, now=utc_now())
        return _shown(session, actor, done)

    return Wish(actor, request, idempotency_key).answer(work, body=body)


@router.post("/findings/{finding_id}/assign", summary="Give a finding to somebody", response_model=Finding, responses=_DECIDED)
def assign(
    actor: Decider, finding_id: Id, body: Assignment, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """Whose bell rings."""

    def work(session: Session) -> tuple[Finding, dict[str, str]]:
        done = desk.assign(
            session, actor=actor, finding_id=finding_id, staff_id=body.assignee_id, expected_revision=expected, now=utc_now()
        )
        return _shown(session, actor, done)

    return Wish(actor, request, idempotency_key).answer(work, body=body)


@router.get(
    "/report",
    summary="Report of a day or a month",
    response_class=Response,
    responses={200: {"content": {_CSV: {"schema": {"type": "string"}}, _PDF: {"schema": {"type": "string", "format": "binary"}}}}},
)
def money_report(
    actor: Reader,
    first: Annotated[Day, Query(alias="from", description="The first day", examples=["2026-11-01"])],
    last: Annotated[Day, Query(alias="to", description="The last day; at most 31 days", examples=["2026-11-30"])],
    format: Literal["csv", "pdf"] = "csv",
) -> Response:
    """Gross, fees, net, refunds; by package, site and channel; findings; what stands open on the clearing accounts at the end."""
    with transaction() as session:
        shown = reports.report(session, actor=actor, first=first, last=last, now=utc_now())
    headers = {"Content-Disposition": f'attachment; filename="{shown.file_name}.{format}"', "Cache-Control": "no-store"}
    if format == "pdf":
        return Response(report_pdf.as_pdf(shown), media_type=_PDF, headers=headers)
    return Response("".join(reports.csv_lines(shown)), media_type="text/csv; charset=utf-8", headers=headers)
