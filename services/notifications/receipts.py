"""Texts to customers about what they bought."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, select

from services.notifications.service import Recipient, tell
from services.packages import service as packages
from services.payments.models import Payment
from services.vouchers import codes
from services.vouchers.models import Voucher


def queue_receipt(session: Session, *, payment: Payment, now: datetime) -> None:
    """Tell whose it is the code by which the purchase is found again; of a gift, that it is one, and the voucher's code."""
    if payment.is_gift:
        _tell_of_gift(session, payment, dedupe_key=f"receipt:{payment.id}", now=now)
        return
    tell(
        session,
        event="purchase_receipt",
        to=Recipient(customer_id=payment.customer_id),
        values={"dalasi": payment.amount_bututs // 100, "reference": payment.reference},
        dedupe_key=f"receipt:{payment.id}",
        now=now,
    )


def queue_gift_reminder(session: Session, *, payment: Payment, now: datetime) -> bool:
    """Send the code of a gift once more to whose it is, at most once in a quarter of an hour. Answers whether it is sent now."""
    quarter = int(now.timestamp()) // 900
    return _tell_of_gift(session, payment, dedupe_key=f"gift-reminder:{payment.id}:{quarter}", now=now)


def _tell_of_gift(session: Session, payment: Payment, *, dedupe_key: str, now: datetime) -> bool:
    # The receipt code of a gift is known to who bought it, so it opens nothing: what opens is the voucher.
    voucher = session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one_or_none()
    if voucher is None or voucher.customer_id != payment.customer_id:
        return False
    name = packages.terms_of(session, voucher.package_version_id).name
    code = codes.show_code(codes.unseal_code(voucher.code_sealed))
    told = tell(
        session,
        event="voucher_given",
        to=Recipient(customer_id=payment.customer_id),
        values={"package": name, "code": code, "until": f"{voucher.use_before:%d.%m.%Y}"},
        dedupe_key=dedupe_key,
        now=now,
    )
    return bool(told)


def queue_reminder(session: Session, *, customer_id: int, references: list[str], now: datetime) -> bool:
    """Send a customer their own receipt codes, at most once in a quarter of an hour. Answers whether they are sent now."""
    quarter = int(now.timestamp()) // 900
    told = tell(
        session,
        event="receipt_reminder",
        to=Recipient(customer_id=customer_id),
        values={"references": ", ".join(references[:3])},
        dedupe_key=f"reminder:{customer_id}:{quarter}",
        now=now,
    )
    return bool(told)
