"""`/api/v1/batches`: many vouchers made at once. Their codes are in no answer: they are printed or exported in the console."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Bututs, Currency, Id, IdFilter, Moment, Name, Search, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.vouchers.batch_models import MOST_IN_A_BATCH, BatchState, VoucherBatch
from services.vouchers.batch_queries import BatchFilter, BatchPage, BatchRow, batch_page, list_batches
from services.vouchers.batches import bulk
from services.vouchers.batches.bulk import BulkAction, Chosen, Outcome
from services.vouchers.batches.desk import cancel_batch, order_batch

router = APIRouter(prefix="/batches", tags=["batches"])
Reader = Annotated[Principal, requires(Permission.VOUCHERS_READ)]
Maker = Annotated[Principal, requires(Permission.VOUCHERS_BATCH)]


class BatchItem(BaseModel):
    id: int
    name: str = Field(examples=["Kiosk Westfield, December"])
    state: BatchState = Field(description="No code of it opens anything before it is `ready`")
    package: str = Field(description="The package's name", examples=["1 day"])
    amount: Bututs
    currency: Currency = "GMD"
    size: int = Field(description="How many were ordered")
    made: int = Field(description="How many of them stand")
    registered: int = Field(description="Of how many PortaBilling holds the account")
    seller: str | None
    site: str | None
    note: str | None
    use_from: datetime
    use_before: datetime
    made_by: str
    created_at: datetime
    ready_at: datetime | None
    ended_at: datetime | None = Field(description="When it was cancelled")


class BatchInList(BatchItem):
    used: int


class VouchersOfBatch(BaseModel):
    """How many of its vouchers are in which state; all 0 before it is ready."""

    pending: int = 0
    active: int = 0
    used: int = 0
    blocked: int = 0
    expired: int = 0


class BatchDetail(BatchItem):
    vouchers: VouchersOfBatch


class BatchChanged(BaseModel):
    id: int
    state: BatchState
    size: int
    made: int


class NewBatch(Wanted):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"package_id": "day-1", "size": 500, "name": "Kiosk Westfield", "seller": "Awa", "site_id": 1}]}
    )

    package_id: str = Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9-]+$")
    size: int = Field(ge=1, le=MOST_IN_A_BATCH)
    name: Name = Field(max_length=80)
    seller: str | None = Field(default=None, max_length=120, pattern=NO_NUL)
    site_id: int | None = Field(default=None, ge=1, le=2**63 - 1)
    note: str | None = Field(default=None, max_length=200, pattern=NO_NUL)
    use_from: Moment | None = Field(default=None, description="From when its codes can be entered; now, if it is left out")
    use_before: Moment | None = Field(default=None, description="Until when; as long as the package says, if it is left out")


class BulkWish(Wanted):
    """Why, and whether it is only to be told what would happen."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "Stolen from the kiosk", "dry_run": True}]})

    reason: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")
    dry_run: bool = Field(default=False, description="Change nothing, and answer what would change")


class BulkOutcome(BaseModel):
    """How many changed, by the state they had, and how many were left alone, by their state, `paid` or `not_found`."""

    dry_run: bool
    changed: dict[str, int] = Field(examples=[{"active": 480}])
    kept: dict[str, int] = Field(examples=[{"used": 20}])


def _fields(batch: VoucherBatch, package: str, amount_bututs: int, site: str | None) -> dict[str, object]:
    kept = batch.model_dump(include=set(BatchItem.model_fields))
    return kept | {"package": package, "amount": amount_bututs, "site": site}


def _item(row: BatchRow) -> BatchInList:
    return BatchInList.model_validate(_fields(row.batch, row.package_name, row.amount_bututs, row.site_name) | {"used": row.used})


def _detail(page: BatchPage) -> BatchDetail:
    vouchers = VouchersOfBatch(**{state.value: number for state, number in page.figures.by_state.items()})
    return BatchDetail.model_validate(
        _fields(page.batch, page.terms.name, page.terms.amount_bututs, page.site_name) | {"vouchers": vouchers}
    )


def _changed(batch: VoucherBatch) -> BatchChanged:
    assert batch.id is not None
    return BatchChanged(id=batch.id, state=batch.state, size=batch.size, made=batch.made)


def show_outcome(outcome: Outcome, *, dry_run: bool) -> BulkOutcome:
    return BulkOutcome(dry_run=dry_run, changed=dict(outcome.changed), kept=dict(outcome.kept))


@router.get("", summary="List batches")
def list_all(
    actor: Reader,
    paging: WantedPage,
    state: BatchState | None = None,
    package_id: Annotated[str | None, Query(max_length=32, pattern=r"^[A-Za-z0-9-]*$")] = None,
    site_id: IdFilter = None,
    search: Annotated[Search, Query(description="A part of the name, the seller or the note")] = "",
) -> Page[BatchInList]:
    """Newest first."""
    wanted = BatchFilter(state, package_id or None, site_id, search)
    with transaction() as session:
        found = list_batches(session, actor=actor, wanted=wanted, part=paging.part())
    return paging.page(found.rows, _item, lambda row: (row.batch.created_at, row.batch.id or 0))


@router.get("/{batch_id}", summary="One batch", responses=tagged(404))
def one(actor: Reader, batch_id: Id, response: Response) -> BatchDetail:
    """How far it is, and what became of its vouchers. Its ETag is what a change sends back as If-Match."""
    with transaction() as session:
        page = batch_page(session, actor=actor, batch_id=batch_id, now=utc_now())
    response.headers.update(tag_header(page.batch.revision))
    return _detail(page)


@router.post("", summary="Order a batch", status_code=201, response_model=BatchChanged, responses=tagged(404, 409, status=201))
def order(actor: Maker, body: NewBatch, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """It is made in the background, whole or not at all, and can be used, printed and searched as soon as it is `ready`."""

    def work(session: Session) -> tuple[BatchChanged, dict[str, str]]:
        wanted = body.model_dump()
        batch = order_batch(session, actor=actor, **wanted, key=idempotency_key, now=utc_now())
        return _changed(batch), {**tag_header(batch.revision), "Location": f"/api/v1/batches/{batch.id}"}

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


_CHANGED = tagged(404, 409, 412, 428)


@router.post("/{batch_id}/cancel", summary="Cancel a batch", response_model=BatchChanged, responses=_CHANGED)
def cancel(actor: Maker, batch_id: Id, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """While it is being made, or as long as no code of it was used, printed or exported. What was made of it is taken away."""

    def work(session: Session) -> tuple[BatchChanged, dict[str, str]]:
        batch = cancel_batch(session, actor=actor, batch_id=batch_id, expected_revision=expected, now=utc_now())
        return _changed(batch), tag_header(batch.revision)

    return Wish(actor, request, idempotency_key).answer(work)


def _in_bulk(
    actor: Principal, action: BulkAction, batch_id: int, body: BulkWish, expected: str | None, request: Request, key: str | None
) -> Response:
    chosen = Chosen(batch_id=batch_id)

    def work(session: Session) -> tuple[BulkOutcome, dict[str, str]]:
        if body.dry_run:
            return show_outcome(bulk.preview(session, actor=actor, action=action, chosen=chosen), dry_run=True), {}
        # In transactions of its own, some thousand vouchers each: repeated after a death it goes on where it was.
        act = partial(bulk.run, transaction, actor=actor, action=action, chosen=chosen, clock=utc_now)
        return show_outcome(act(reason=body.reason, expected_revision=expected), dry_run=False), {}

    return Wish(actor, request, key).answer(work, body=body)


# Whatever is done to its vouchers, the batch itself stays as it is: its ETag before and after is the same.
_DONE = {status: told for status, told in tagged(404, 409, 412, 428).items() if status != 200}


@router.post("/{batch_id}/block", summary="Block a batch's vouchers", response_model=BulkOutcome, responses=_DONE)
def block(
    actor: Maker, batch_id: Id, body: BulkWish, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """None of its unused codes can be used until the block is lifted; PortaBilling is told in the background."""
    return _in_bulk(actor, BulkAction.BLOCK, batch_id, body, expected, request, idempotency_key)


@router.post("/{batch_id}/unblock", summary="Lift the block of a batch's vouchers", response_model=BulkOutcome, responses=_DONE)
def unblock(
    actor: Maker, batch_id: Id, body: BulkWish, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """Those that are blocked can be used again."""
    return _in_bulk(actor, BulkAction.UNBLOCK, batch_id, body, expected, request, idempotency_key)


@router.post("/{batch_id}/expire", summary="Expire a batch's vouchers", response_model=BulkOutcome, responses=_DONE)
def expire(
    actor: Maker, batch_id: Id, body: BulkWish, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """None of its unused codes can ever be used again; their accounts in PortaBilling are blocked. This cannot be taken back."""
    return _in_bulk(actor, BulkAction.EXPIRE, batch_id, body, expected, request, idempotency_key)
