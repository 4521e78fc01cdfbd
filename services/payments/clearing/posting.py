"""What each event of a payment moves between the accounts: written with the event, in its transaction (design.md, invariant 10)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session

from services.payments.clearing.models import LedgerAccount as A
from services.payments.clearing.models import LedgerTransfer, TransferReason
from services.payments.models import EventKind, Payment

R = TransferReason
Moves = tuple[tuple[TransferReason, A, A], ...]
# Debit, then credit. A refund's two steps, and what reconciliation finds, are posted by those who do them (`post`).
_MOVES: dict[EventKind, Moves] = {
    EventKind.PAID: (
        (R.PAID, A.WAVE_RECEIVABLE, A.UNEARNED_ACCESS),
        (R.CHARGE_DUE, A.PORTABILLING_CHARGE, A.PORTABILLING_CONTRA),
    ),
    EventKind.CHARGED: ((R.CHARGED, A.PORTABILLING_CONTRA, A.PORTABILLING_CHARGE),),
    EventKind.SERVED: ((R.EARNED, A.UNEARNED_ACCESS, A.SALES),),
    EventKind.SECOND_SUCCESS: ((R.SECOND_SUCCESS, A.WAVE_RECEIVABLE, A.REFUNDS),),
    EventKind.REFUNDED: ((R.REFUNDED, A.REFUNDS, A.WAVE_RECEIVABLE),),
    EventKind.PAID_OUT: ((R.PAID_OUT, A.REFUNDS, A.CASH),),
}
# What can happen to one payment more than once is told apart by this.
_TOLD_APART_BY = {EventKind.SECOND_SUCCESS: "transaction_id", EventKind.REFUNDED: "refund_id", EventKind.PAID_OUT: "refund_id"}


def post_event(session: Session, payment: Payment, kind: EventKind, detail: dict[str, Any], *, actor: str, now: datetime) -> None:
    """The transfers of one event; most move nothing."""
    apart = f":{detail[_TOLD_APART_BY[kind]]}" if kind in _TOLD_APART_BY else ""
    for reason, debit, credit in _MOVES.get(kind, ()):
        once = f"{reason}:{payment.id}{apart}"
        post(session, reason, debit, credit, payment.amount_bututs, subject=of_payment(payment), once=once, actor=actor, now=now)


def of_payment(payment: Payment) -> str:
    """What the items of a payment are told apart by."""
    assert payment.id is not None
    return f"payment:{payment.id}"


def drop_charge(session: Session, payment: Payment, *, now: datetime) -> None:
    """The money goes back before PortaBilling was charged: it never will be. The charge must stand open."""
    post(
        session,
        R.CHARGE_DROPPED,
        A.PORTABILLING_CONTRA,
        A.PORTABILLING_CHARGE,
        payment.amount_bututs,
        subject=of_payment(payment),
        once=f"charge_dropped:{payment.id}",
        now=now,
    )


def post(
    session: Session,
    reason: TransferReason,
    debit: A,
    credit: A,
    amount_bututs: int,
    *,
    subject: str,
    once: str,
    now: datetime,
    actor: str = "system",
    note: str | None = None,
) -> None:
    """Move a sum. The database refuses a second transfer of the same `once`, and one that would make an account owe what it must not."""
    session.add(
        LedgerTransfer(
            at=now,
            reason=reason,
            debit=debit,
            credit=credit,
            amount_bututs=amount_bututs,
            subject=subject,
            once=once,
            actor=actor,
            note=note,
        )
    )
