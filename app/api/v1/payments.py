"""`/api/v1/payments`: purchases by Wave, named by their receipt code. The id that customers hold opens a purchase, so it is never shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
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
from services.payments.models import EventKind, PaymentStatus, RefundState, SaleChannel
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
    channel: SaleChannel
    is_gift: bool = Field(description="Bought for another phone")
    discount: Bututs = Field(description="What a promo code took off the price")
    created_at: datetime
    paid_at: datetime | None


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
        channel=row.channel,
        is_gift=row.is_gift,
        discount=row.discount_bututs,
        created_at=row.created_at,
        paid_at=row.paid_at,
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


def _of_the_sale(
    site_id: Annotated[int | None, Query(ge=0, le=2**63 - 1, description="0 for those bought at no site")] = None,
    gateway_id: IdFilter = None,
    channel: SaleChannel | None = None,
    is_gift: bool | None = None,
    promo_code: Annotated[str | None, Query(max_length=24, pattern=r"^[A-Za-z0-9-]*$")] = None,
    least_amount: Annotated[int | None, Query(ge=0, le=10**12, description="In bututs")] = None,
    most_amount: Annotated[int | None, Query(ge=0, le=10**12, description="In bututs")] = None,
    needs_person: Annotated[bool, Query(description="Only those that cannot go on by themselves, or stand still")] = False,
    refund: Annotated[RefundState | None, Query(description="That have a refund in this state")] = None,
    paid_since: Moment | None = None,
    paid_until: Annotated[Moment | None, Query(description="Exclusive")] = None,
) -> PaymentFilter:
    return PaymentFilter(
        site_id=site_id,
        gateway_id=gateway_id,
        channel=channel,
        is_gift=is_gift,
        promo_code=promo_code,
        least_bututs=least_amount,
        most_bututs=most_amount,
        needs_person_at=utc_now() if needs_person else None,
        refund=refund,
        paid_since=paid_since,
        paid_until=paid_until,
    )


@router.get("", summary="List payments")
def list_all(
    actor: Reader,
    paging: Wanted,
    sale: Annotated[PaymentFilter, Depends(_of_the_sale)],
    status: PaymentStatus | None = None,
    package_id: Annotated[str | None, Query(max_length=32, pattern=r"^[A-Za-z0-9-]*$")] = None,
    customer_id: IdFilter = None,
    search: Annotated[Search, Query(description="A receipt code, a phone number in either form, or an id of Wave's")] = "",
    since: Moment | None = None,
    until: Annotated[Moment | None, Query(description="Exclusive")] = None,
) -> Page[PaymentItem]:
    """Newest first."""
    wanted = replace(sale, status=status, package_id=package_id, customer_id=customer_id, search=search, since=since, until=until)
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
