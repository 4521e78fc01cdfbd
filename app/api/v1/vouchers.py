"""`/api/v1/vouchers`: codes worth a package. A code is answered once, when it is issued, and never again here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.batches import BulkOutcome, BulkWish, show_outcome
from app.api.v1.fields import NO_NUL, Bututs, Currency, Id, IdFilter, Person, Search, Wanted, person
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.vouchers.batches import bulk
from services.vouchers.batches.bulk import MOST_IDS, BulkAction, Chosen
from services.vouchers.models import VoucherState
from services.vouchers.queries import VoucherFilter, VoucherPage, VoucherRow, list_vouchers, voucher_page
from services.vouchers.service import issue_voucher, set_blocked

router = APIRouter(prefix="/vouchers", tags=["vouchers"])
Reader = Annotated[Principal, requires(Permission.VOUCHERS_READ)]
Issuer = Annotated[Principal, requires(Permission.VOUCHERS_ISSUE)]
Blocker = Annotated[Principal, requires(Permission.VOUCHERS_BLOCK)]
Maker = Annotated[Principal, requires(Permission.VOUCHERS_BATCH)]


class VoucherItem(BaseModel):
    id: int
    state: VoucherState
    package: str
    amount: Bututs
    currency: Currency = "GMD"
    phone_masked: str | None
    payment_reference: str | None = Field(description="The receipt code of the payment it was made for")
    issued_by: str
    note: str | None
    created_at: datetime
    use_before: datetime
    used_at: datetime | None


class VoucherDetail(BaseModel):
    id: int
    state: VoucherState
    package: str
    amount: Bututs
    currency: Currency = "GMD"
    customer: Person | None
    payment_reference: str | None
    issued_by: str
    note: str | None
    created_at: datetime
    use_before: datetime
    used_at: datetime | None


class IssuedVoucher(BaseModel):
    """`code` is seen this one time."""

    id: int
    code: str = Field(examples=["ABCD-EFGHJ-KMNPR"])
    state: VoucherState
    use_before: datetime


class VoucherChanged(BaseModel):
    id: int
    state: VoucherState


class NewVoucher(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"package_id": "day-1", "phone": "301 2345", "note": "Router was down"}]})

    package_id: str = Field(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9-]+$")
    phone: str | None = Field(default=None, min_length=1, max_length=32, pattern=NO_NUL)
    note: str | None = Field(default=None, max_length=200, pattern=NO_NUL)


class ManyVouchers(BulkWish):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"action": "block", "ids": [1, 2, 3], "reason": "Stolen from the kiosk", "dry_run": True}]}
    )

    # From text: of a body only JSON's own types are taken as they are.
    action: BulkAction = Field(strict=False)
    ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(min_length=1, max_length=MOST_IDS)


def _item(row: VoucherRow) -> VoucherItem:
    return VoucherItem(
        id=row.id,
        state=row.state,
        package=row.package_name,
        amount=row.amount_bututs,
        phone_masked=row.masked_phone,
        payment_reference=row.reference,
        issued_by=row.issued_by,
        note=row.note,
        created_at=row.created_at,
        use_before=row.use_before,
        used_at=row.used_at,
    )


def _detail(page: VoucherPage, actor: Principal) -> VoucherDetail:
    voucher = page.voucher
    assert voucher.id is not None
    return VoucherDetail(
        id=voucher.id,
        state=voucher.state,
        package=page.package.name,
        amount=page.package.amount_bututs,
        customer=person(page.customer, actor) if page.customer else None,
        payment_reference=page.reference,
        issued_by=voucher.issued_by,
        note=voucher.note,
        created_at=voucher.created_at,
        use_before=voucher.use_before,
        used_at=voucher.used_at,
    )


@router.get("", summary="List vouchers")
def list_all(
    actor: Reader,
    paging: WantedPage,
    state: VoucherState | None = None,
    package_id: Annotated[str | None, Query(max_length=32, pattern=r"^[A-Za-z0-9-]*$")] = None,
    by_hand: Annotated[bool | None, Query(description="Issued by staff or a token, not by a payment")] = None,
    customer_id: IdFilter = None,
    search: Annotated[Search, Query(description="A phone number, a receipt code or PortaBilling's account id, in full")] = "",
) -> Page[VoucherItem]:
    """Newest first."""
    wanted = VoucherFilter(state, package_id, by_hand, search, customer_id)
    with transaction() as session:
        found = list_vouchers(session, actor=actor, wanted=wanted, part=paging.part())
    return paging.page(found.rows, _item, lambda row: (row.created_at, row.id))


@router.get("/{voucher_id}", summary="One voucher", responses=tagged(404))
def one(actor: Reader, voucher_id: Id, response: Response) -> VoucherDetail:
    """Its ETag is what blocking sends back as If-Match."""
    with transaction() as session:
        page = voucher_page(session, actor=actor, voucher_id=voucher_id)
    response.headers.update(tag_header(page.voucher.revision))
    return _detail(page, actor)


@router.post("", summary="Issue a voucher", status_code=201, response_model=IssuedVoucher, responses=tagged(404, 409, status=201))
def issue(actor: Issuer, body: NewVoucher, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """The code can be used once PortaBilling holds it, usually within seconds. Send an Idempotency-Key: a lost answer is a lost code."""

    def work(session: Session) -> tuple[IssuedVoucher, dict[str, str]]:
        voucher, code = issue_voucher(
            session, actor=actor, package_id=body.package_id, phone=body.phone, note=body.note or None, now=utc_now()
        )
        assert voucher.id is not None
        issued = IssuedVoucher(id=voucher.id, code=code, state=voucher.state, use_before=voucher.use_before)
        return issued, {**tag_header(voucher.revision), "Location": f"/api/v1/vouchers/{voucher.id}"}

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


def _set_blocked(actor: Principal, voucher_id: int, expected: str | None, request: Request, key: str | None, *, blocked: bool) -> Response:
    def work(session: Session) -> tuple[VoucherChanged, dict[str, str]]:
        voucher = set_blocked(session, actor=actor, voucher_id=voucher_id, blocked=blocked, expected_revision=expected, now=utc_now())
        return VoucherChanged(id=voucher_id, state=voucher.state), tag_header(voucher.revision)

    return Wish(actor, request, key).answer(work)


_CHANGED = tagged(404, 409, 412, 428)


@router.post("/{voucher_id}/block", summary="Block a voucher", response_model=VoucherChanged, responses=_CHANGED)
def block(actor: Blocker, voucher_id: Id, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """An unused code can no longer be used, in PortaBilling neither."""
    return _set_blocked(actor, voucher_id, expected, request, idempotency_key, blocked=True)


@router.post("/{voucher_id}/unblock", summary="Lift a voucher's block", response_model=VoucherChanged, responses=_CHANGED)
def unblock(actor: Blocker, voucher_id: Id, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """It can be used again until its time is over."""
    return _set_blocked(actor, voucher_id, expected, request, idempotency_key, blocked=False)


@router.post("/bulk", summary="Block, unblock or expire many vouchers", response_model=BulkOutcome, responses=refusals(409))
def in_bulk(actor: Maker, body: ManyVouchers, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Those whose state does not allow it are left alone and counted. What expires is gone for good."""
    chosen = Chosen(ids=tuple(body.ids))

    def work(session: Session) -> tuple[BulkOutcome, dict[str, str]]:
        if body.dry_run:
            return show_outcome(bulk.preview(session, actor=actor, action=body.action, chosen=chosen), dry_run=True), {}
        done = bulk.run(transaction, actor=actor, action=body.action, chosen=chosen, reason=body.reason, clock=utc_now)
        return show_outcome(done, dry_run=False), {}

    return Wish(actor, request, idempotency_key).answer(work, body=body)
