"""Texts to customers about what they bought."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from services.notifications.service import Recipient, tell
from services.payments.models import Payment


def queue_receipt(session: Session, *, payment: Payment, now: datetime) -> None:
    """Tell the buyer the code by which the purchase is found again."""
    tell(
        session,
        event="purchase_receipt",
        to=Recipient(customer_id=payment.customer_id),
        values={"dalasi": payment.amount_bututs // 100, "reference": payment.reference},
        dedupe_key=f"receipt:{payment.id}",
        now=now,
    )


def queue_reminder(session: Session, *, customer_id: int, references: list[str], now: datetime) -> None:
    """Send a customer their own receipt codes, at most once in a quarter of an hour."""
    quarter = int(now.timestamp()) // 900
    tell(
        session,
        event="receipt_reminder",
        to=Recipient(customer_id=customer_id),
        values={"references": ", ".join(references[:3])},
        dedupe_key=f"reminder:{customer_id}:{quarter}",
        now=now,
    )
