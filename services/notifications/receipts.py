"""Texts to customers about what they bought. Kept to the GSM-7 alphabet, so that one costs one segment."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from services.notifications.outbox import queue_sms
from services.payments.models import Payment

_RECEIPT = "INET: paid D{dalasi}. Receipt code {reference}. With this phone number it finds your Wi-Fi again on any device."
_REMINDER = "INET: your receipt code is {references}. Enter it with your phone number to find your Wi-Fi."


def queue_receipt(session: Session, *, payment: Payment, now: datetime) -> None:
    """Tell the buyer the code by which the purchase is found again."""
    text = _RECEIPT.format(dalasi=payment.amount_bututs // 100, reference=payment.reference)
    queue_sms(session, dedupe_key=f"receipt:{payment.id}", customer_id=payment.customer_id, text=text, now=now)


def queue_reminder(session: Session, *, customer_id: int, references: list[str], now: datetime) -> None:
    """Send a customer their own receipt codes, at most once in a quarter of an hour."""
    quarter = int(now.timestamp()) // 900
    text = _REMINDER.format(references=", ".join(references[:3]))
    queue_sms(session, dedupe_key=f"reminder:{customer_id}:{quarter}", customer_id=customer_id, text=text, now=now)
