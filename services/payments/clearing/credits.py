"""The money behind a credit: it is unearned once more, under the new voucher's name, until somebody is let in with it."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from services.payments.clearing.models import LedgerAccount, LedgerOpen, LedgerTransfer, TransferReason
from services.payments.clearing.posting import of_payment, post
from services.payments.models import Payment


def earn(session: Session, voucher_id: int, *, now: datetime, actor: str = "system") -> None:
    """A credit is earned by its first use; harmless when it was before, and for vouchers that are none."""
    subject = of_credit(voucher_id)
    _to_sales(session, TransferReason.EARNED, subject, once=f"{TransferReason.EARNED}:{subject}", now=now, actor=actor)


def release(session: Session, payment: Payment, *, now: datetime, actor: str) -> None:
    """What was never started becomes a credit: the sale's own item goes, the credit's comes (`credit`). Nothing when it was earned.

    It is not called earned: that is what the first access of a payment's customer is, and there will be none.
    """
    subject = of_payment(payment)
    _to_sales(session, TransferReason.CREDITED, subject, once=f"{TransferReason.CREDITED}:{subject}", now=now, actor=actor)


def credit(session: Session, voucher_id: int, amount_bututs: int, *, now: datetime, actor: str) -> None:
    """Take the value of unused time out of what was earned. A credit that is worth less than a butut moves nothing."""
    if amount_bututs == 0:
        return
    post(
        session,
        TransferReason.CREDITED,
        LedgerAccount.SALES,
        LedgerAccount.UNEARNED_ACCESS,
        amount_bututs,
        subject=of_credit(voucher_id),
        once=_once(voucher_id),
        now=now,
        actor=actor,
    )
    session.flush()


def worth(session: Session, voucher_id: int) -> int:
    """What a credit was worth when it was made, in bututs."""
    made = select(LedgerTransfer.amount_bututs).where(LedgerTransfer.once == _once(voucher_id))
    return session.exec(made).one_or_none() or 0


def of_credit(voucher_id: int) -> str:
    """What the items of a credit are told apart by."""
    return f"voucher:{voucher_id}"


def _once(voucher_id: int) -> str:
    return f"{TransferReason.CREDITED}:{of_credit(voucher_id)}"


def _to_sales(session: Session, reason: TransferReason, subject: str, *, once: str, now: datetime, actor: str) -> None:
    # Locked, because the sweep of what lapsed takes from the same item.
    standing = session.exec(
        select(LedgerOpen.balance_bututs)
        .where(col(LedgerOpen.account) == LedgerAccount.UNEARNED_ACCESS, col(LedgerOpen.subject) == subject)
        .with_for_update()
    ).one_or_none()
    if standing is not None:
        post(
            session, reason, LedgerAccount.UNEARNED_ACCESS, LedgerAccount.SALES, -standing, subject=subject, once=once, now=now, actor=actor
        )
        session.flush()
