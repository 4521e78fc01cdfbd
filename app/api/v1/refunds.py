"""`/api/v1/refunds`: money given back. A service may ask for it; each wish of a service is decided by a person, who proves who they are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Bututs, Currency, Id, Reference, Wanted
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import Expected, IdempotencyKey, Wish, tag_header, tagged
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.payments.desk import ask_refund_by_reference
from services.payments.models import Refund, RefundKind, RefundState
from services.payments.refund_queries import RefundFilter, RefundRow, list_refunds, refund_page
from services.payments.refunding import approve_refund, decline_refund
from services.payments.refused import pay_out, retry_refund
from services.revision import require

router = APIRouter(tags=["refunds"])
Reader = Annotated[Principal, requires(Permission.MONEY_READ)]
Asker = Annotated[Principal, requires(Permission.PAYMENTS_REFUND)]
Decider = Annotated[Principal, requires(Permission.REFUNDS_APPROVE)]
_SAID = Field(min_length=3, max_length=300, pattern=NO_NUL)


class RefundItem(BaseModel):
    id: int
    state: RefundState = Field(
        description="`asked` waits for a second person; `requested` is on its way to Wave; `failed`: Wave refused; "
        "`paid_out`: Wave refused and staff gave the money back another way"
    )
    kind: RefundKind = Field(description="`sale`: asked for by somebody; `second_success`: the product's own, for money that came twice")
    amount: Bututs
    currency: Currency = "GMD"
    reason: str
    payment: str = Field(description="The payment's receipt code", examples=["7KMNPRST"])
    phone_masked: str = Field(examples=["+220 ••• 0001"])
    asked_by: str = Field(examples=["staff:awa@inet.gm"])
    decided_by: str | None = Field(description="The second person; null where none was needed")
    decided_at: datetime | None
    paid_out_by: str | None = Field(description="Who gave it back another way than through Wave; never the one who asked")
    decision_note: str | None = Field(description="Why it was declined, what Wave said when it refused, or how it was paid out")
    created_at: datetime
    settled_at: datetime | None


class RefundWish(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The router at his place is down since Friday", "amount": 2500}]})

    reason: str = _SAID
    amount: int | None = Field(
        default=None, ge=1, le=10**12, description="In bututs: what was paid. Wave gives back the whole sum or nothing; it may be left out"
    )


class Decline(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "The week was used up to its last hour"}]})

    note: str = _SAID


class PayOut(Wanted):
    model_config = ConfigDict(json_schema_extra={"examples": [{"how": "Cash at the office, receipt 1041"}]})

    how: str = _SAID


def _item(row: RefundRow) -> RefundItem:
    return RefundItem(
        id=row.id,
        state=row.state,
        kind=row.kind,
        amount=row.amount_bututs,
        reason=row.reason,
        payment=row.reference,
        phone_masked=row.masked_phone,
        asked_by=row.asked_by,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        paid_out_by=row.paid_out_by,
        decision_note=row.decision_note,
        created_at=row.created_at,
        settled_at=row.settled_at,
    )


def _shown(session: Session, actor: Principal, refund: Refund) -> tuple[RefundItem, dict[str, str]]:
    row = refund_page(session, actor=actor, refund_id=refund.id or 0)
    return _item(row), tag_header(row.revision)


@router.get("/refunds", summary="List refunds")
def all_refunds(
    actor: Reader,
    paging: WantedPage,
    state: Annotated[list[RefundState] | None, Query(max_length=len(RefundState), description="Any of these; may be repeated")] = None,
    payment: Annotated[str, Query(pattern=r"^[A-Za-z0-9-]{0,16}$", description="A receipt code, in full")] = "",
    asked_by_id: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="The number of the person who asked")] = None,
) -> Page[RefundItem]:
    """Newest first."""
    wanted = RefundFilter(frozenset(state or ()), payment, asked_by_id)
    with transaction() as session:
        found = list_refunds(session, actor=actor, wanted=wanted, part=paging.part())
    return paging.page(found.rows, _item, lambda row: (row.created_at, row.id))


@router.get("/refunds/{refund_id}", summary="One refund", responses=tagged(404))
def one_refund(actor: Reader, refund_id: Id, response: Response) -> RefundItem:
    """Its ETag is what a decision sends back as If-Match."""
    with transaction() as session:
        row = refund_page(session, actor=actor, refund_id=refund_id)
    response.headers.update(tag_header(row.revision))
    return _item(row)


@router.post(
    "/payments/{reference}/refund",
    summary="Ask for a payment's money to go back",
    status_code=201,
    response_model=RefundItem,
    responses=tagged(404, 409, status=201),
)
def ask_for_refund(
    actor: Asker, reference: Reference, body: RefundWish, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """What a service asks for waits for a person (`asked`), and so does what is above a person's own limit; else it is on its way at once.

    With the decision what was bought is taken back: the voucher is blocked and running sessions end.
    """

    def work(session: Session) -> tuple[RefundItem, dict[str, str]]:
        refund = ask_refund_by_reference(
            session, actor=actor, reference=reference, reason=body.reason, amount_bututs=body.amount, now=utc_now()
        )
        item, headers = _shown(session, actor, refund)
        return item, {**headers, "Location": f"/api/v1/refunds/{item.id}"}

    return Wish(actor, request, idempotency_key).answer(work, body=body, status=201)


_DECIDED = tagged(404, 409, 412, 428)


@router.post("/refunds/{refund_id}/approve", summary="Agree to a refund", response_model=RefundItem, responses=_DECIDED)
def approve(actor: Decider, refund_id: Id, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """For staff other than who asked for it, after a fresh proof (`POST /api/auth/prove`)."""

    def work(session: Session) -> tuple[RefundItem, dict[str, str]]:
        refund = approve_refund(session, actor=actor, refund_id=refund_id, expected_revision=expected, now=utc_now())
        return _shown(session, actor, refund)

    return Wish(actor, request, idempotency_key).answer(work)


@router.post("/refunds/{refund_id}/decline", summary="Decline a refund", response_model=RefundItem, responses=_DECIDED)
def decline(
    actor: Decider, refund_id: Id, body: Decline, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """For staff other than who asked for it, after a fresh proof. The customer keeps what was bought."""

    def work(session: Session) -> tuple[RefundItem, dict[str, str]]:
        refund = decline_refund(session, actor=actor, refund_id=refund_id, note=body.note, expected_revision=expected, now=utc_now())
        return _shown(session, actor, refund)

    return Wish(actor, request, idempotency_key).answer(work, body=body)


@router.post("/refunds/{refund_id}/retry", summary="Send a refund again", response_model=RefundItem, responses=_DECIDED)
def retry_sending(actor: Decider, refund_id: Id, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """One that Wave refused. For staff, after a fresh proof."""

    def work(session: Session) -> tuple[RefundItem, dict[str, str]]:
        require(expected, refund_page(session, actor=actor, refund_id=refund_id).revision)
        return _shown(session, actor, retry_refund(session, actor=actor, refund_id=refund_id, now=utc_now()))

    return Wish(actor, request, idempotency_key).answer(work)


@router.post("/refunds/{refund_id}/pay-out", summary="Say that it was paid out another way", response_model=RefundItem, responses=_DECIDED)
def paid_out(
    actor: Decider, refund_id: Id, body: PayOut, expected: Expected, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """One that Wave refused and that the customer got by other means. For staff other than who asked for it, after a fresh proof."""

    def work(session: Session) -> tuple[RefundItem, dict[str, str]]:
        refund = pay_out(session, actor=actor, refund_id=refund_id, how=body.how, expected_revision=expected, now=utc_now())
        return _shown(session, actor, refund)

    return Wish(actor, request, idempotency_key).answer(work, body=body)
