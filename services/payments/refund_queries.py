"""Refunds as the money desk reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Forbidden
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.payments.models import Payment, Refund, RefundKind, RefundState
from services.payments.refund_errors import RefundNotFound
from services.payments.refunding import revision_of_refund


@dataclass(frozen=True)
class RefundFilter:
    """`search` is a receipt code, in full."""

    states: frozenset[RefundState] = frozenset()
    search: str = ""
    asked_by_id: int | None = None


@dataclass(frozen=True)
class RefundRow:
    """`why_failed` is what Wave said when it refused. `reference` is the receipt code of the payment."""

    id: int
    state: RefundState
    kind: RefundKind
    amount_bututs: int
    reason: str
    reference: str
    payment_public_id: str
    masked_phone: str
    asked_by: str
    asked_by_id: int | None
    decided_by: str | None
    decided_at: datetime | None
    paid_out_by: str | None
    decision_note: str | None
    created_at: datetime
    settled_at: datetime | None
    why_failed: str | None
    revision: str


_SORTS: dict[str, Sequence[Any]] = {"created": (col(Refund.created_at), col(Refund.id))}


def _require(actor: Principal) -> None:
    if not actor.may(Permission.MONEY_READ) and not actor.may(Permission.PAYMENTS_REFUND):
        raise Forbidden


def _query() -> sa.Select[Any]:
    return (
        pick(Refund, Payment, Customer)
        .select_from(Refund)
        .join(Payment, col(Payment.id) == Refund.payment_id)
        .join(Customer, col(Customer.id) == Payment.customer_id)
    )


def _row(found: Any) -> RefundRow:
    refund, payment, customer = found
    return RefundRow(
        id=refund.id,
        state=refund.state,
        kind=refund.kind,
        amount_bututs=refund.amount_bututs,
        reason=refund.reason,
        reference=payment.reference,
        payment_public_id=payment.public_id,
        masked_phone=customer.masked_phone,
        asked_by=refund.asked_by,
        asked_by_id=refund.asked_by_id,
        decided_by=refund.decided_by,
        decided_at=refund.decided_at,
        paid_out_by=refund.paid_out_by,
        decision_note=refund.decision_note,
        created_at=refund.created_at,
        settled_at=refund.settled_at,
        why_failed=refund.decision_note if refund.state is RefundState.FAILED else None,
        revision=revision_of_refund(refund),
    )


def list_refunds(session: Session, *, actor: Principal, wanted: RefundFilter, part: Slice) -> Listing[RefundRow]:
    """One page of refunds. Raises Forbidden."""
    _require(actor)
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.states:
        conditions.append(col(Refund.state).in_(wanted.states))
    if wanted.asked_by_id is not None:
        conditions.append(col(Refund.asked_by_id) == wanted.asked_by_id)
    if wanted.search.strip():
        of_payment = pick(Payment.id).where(col(Payment.reference) == wanted.search.strip().upper()).scalar_subquery()
        conditions.append(col(Refund.payment_id) == of_payment)
    found = fetch(session, _query().where(*conditions), part, sorts=_SORTS, default_sort="created")
    total, is_estimate = count(session, pick(Refund.id).where(*conditions), whole_table=None, part=part)
    return Listing(tuple(_row(row) for row in found), total, is_estimate)


def refund_page(session: Session, *, actor: Principal, refund_id: int) -> RefundRow:
    """Raises Forbidden or RefundNotFound."""
    _require(actor)
    found = session.execute(_query().where(col(Refund.id) == refund_id)).one_or_none()
    if found is None:
        raise RefundNotFound
    return _row(found)


def waiting(session: Session, *, actor: Principal) -> int:
    """How many wait for a second person. Raises Forbidden."""
    _require(actor)
    return session.exec(select(sa.func.count()).select_from(Refund).where(Refund.state == RefundState.ASKED)).one()


def refund_of_payment(session: Session, *, actor: Principal, payment_id: int) -> RefundRow | None:
    """The newest refund of a sale, whatever became of it. Raises Forbidden."""
    _require(actor)
    newest = _query().where(col(Refund.payment_id) == payment_id, col(Refund.kind) == RefundKind.SALE).order_by(col(Refund.id).desc())
    found = session.execute(newest.limit(1)).one_or_none()
    return _row(found) if found is not None else None
