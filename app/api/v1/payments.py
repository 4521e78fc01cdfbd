"""`/api/v1/payments`: purchases by Wave, named by their receipt code. The id that customers hold opens a purchase, so it is never shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import Bututs, Currency, IdFilter, Moment, Person, Reference, Search, person
from app.api.v1.paging import Page, Wanted
from app.api.v1.writes import IdempotencyKey, Wish
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.payments.desk import retry_by_reference
from services.payments.models import EventKind, PaymentStatus, RefundState
from services.payments.queries import PaymentFilter, PaymentPage, PaymentRow, list_payments, payment_page
from services.vouchers.models import VoucherState

router = APIRouter(prefix="/payments", tags=["payments"])
Reader = Annotated[Principal, requires(Permission.PAYMENTS_READ)]
Retrier = Annotated[Principal, requires(Permission.PAYMENTS_RETRY)]


class PaymentItem(BaseModel):
    reference: str = Field(description="The receipt code", examples=["7KMNPRST"])
    status: PaymentStatus
    status_since: datetime
    reason: str | None = Field(description="Why it failed, waits, or needs a person")
    amount: Bututs
    currency: Currency = "GMD"
    phone_masked: str = Field(examples=["+220 ••• 0001"])
    package: str
    gateway: str | None = Field(description="Where it was bought; null when not at a hotspot")
    created_at: datetime


class PaymentVoucher(BaseModel):
    id: int
    state: VoucherState


class PaymentRefund(BaseModel):
    amount: Bututs
    reason: str
    state: RefundState
    created_at: datetime


class PaymentDetail(BaseModel):
    reference: str = Field(examples=["7KMNPRST"])
    status: PaymentStatus
    status_since: datetime
    reason: str | None
    amount: Bututs
    currency: Currency = "GMD"
    held: Bututs = Field(description="The ledger's sum: what we hold for this payment, in bututs")
    customer: Person
    package: str
    gateway: str | None
    voucher: PaymentVoucher | None
    refunds: list[PaymentRefund]
    wave_transaction_id: str | None
    created_at: datetime
    paid_at: datetime | None
    served_at: datetime | None


class PaymentEventItem(BaseModel):
    """One line of the payment's ledger, which is only ever appended to."""

    sequence: int
    kind: EventKind
    status: PaymentStatus = Field(description="The payment's status after it")
    amount: Bututs = Field(description="In bututs: in is positive, out negative, 0 when no money moved")
    detail: dict[str, Any]
    actor: str
    correlation_id: str
    at: datetime


class RetryAnswer(BaseModel):
    reference: str
    status: PaymentStatus


def _item(row: PaymentRow) -> PaymentItem:
    return PaymentItem(
        reference=row.reference,
        status=row.status,
        status_since=row.status_since,
        reason=row.reason,
        amount=row.amount_bututs,
        phone_masked=row.masked_phone,
        package=row.package_name,
        gateway=row.gateway_name,
        created_at=row.created_at,
    )


def _detail(page: PaymentPage, actor: Principal) -> PaymentDetail:
    payment = page.payment
    return PaymentDetail(
        reference=payment.reference,
        status=payment.status,
        status_since=payment.status_since,
        reason=payment.reason,
        amount=payment.amount_bututs,
        held=page.balance_bututs,
        customer=person(page.customer, actor),
        package=page.package.name,
        gateway=page.gateway.name if page.gateway else None,
        voucher=PaymentVoucher.model_validate(page.voucher, from_attributes=True) if page.voucher else None,
        refunds=[
            PaymentRefund(amount=refund.amount_bututs, reason=refund.reason, state=refund.state, created_at=refund.created_at)
            for refund in page.refunds
        ],
        wave_transaction_id=payment.wave_transaction_id,
        created_at=payment.created_at,
        paid_at=payment.paid_at,
        served_at=payment.served_at,
    )


@router.get("", summary="List payments")
def list_all(
    actor: Reader,
    paging: Wanted,
    status: PaymentStatus | None = None,
    package_id: Annotated[str | None, Query(max_length=32, pattern=r"^[A-Za-z0-9-]*$")] = None,
    customer_id: IdFilter = None,
    search: Annotated[Search, Query(description="A receipt code, or a phone number in either form")] = "",
    since: Moment | None = None,
    until: Annotated[Moment | None, Query(description="Exclusive")] = None,
) -> Page[PaymentItem]:
    """Newest first."""
    wanted = PaymentFilter(status, package_id, search, since, until, customer_id)
    with transaction() as session:
        found = list_payments(session, actor=actor, wanted=wanted, part=paging.part())
    return paging.page(found.rows, _item, lambda row: (row.created_at, row.id))


@router.get("/{reference}", summary="One payment", responses=refusals(404))
def one(actor: Reader, reference: Reference) -> PaymentDetail:
    """With its voucher and refunds."""
    with transaction() as session:
        return _detail(payment_page(session, actor=actor, reference=reference), actor)


@router.get("/{reference}/events", summary="A payment's ledger", responses=refusals(404))
def events(actor: Reader, paging: Wanted, reference: Reference) -> Page[PaymentEventItem]:
    """Everything that happened to it, in its order."""
    with transaction() as session:
        timeline = payment_page(session, actor=actor, reference=reference).timeline
    seen = int(str(paging.key[0])) if paging.key else 0
    ledger = sorted((entry.event for entry in timeline if entry.event is not None), key=lambda event: event.sequence)
    return paging.page(
        [event for event in ledger if event.sequence > seen],
        lambda event: PaymentEventItem(
            sequence=event.sequence,
            kind=event.kind,
            status=event.status,
            amount=event.amount_bututs,
            detail=event.detail,
            actor=event.actor,
            correlation_id=event.correlation_id,
            at=event.at,
        ),
        lambda event: (event.sequence,),
    )


@router.post(
    "/{reference}/retry", summary="Try the waiting step now", status_code=202, response_model=RetryAnswer, responses=refusals(404, 409)
)
def retry(actor: Retrier, reference: Reference, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Asks Wave about a payment that is not paid, or takes the next step of one that is."""

    def work(session: Session) -> tuple[RetryAnswer, dict[str, str]]:
        payment = retry_by_reference(session, actor=actor, reference=reference, now=utc_now())
        return RetryAnswer(reference=payment.reference, status=payment.status), {}

    return Wish(actor, request, idempotency_key).answer(work, status=202)
