"""Shop-floor makers for tests of the stock: payments that were paid, vouchers that are ready."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, select

from services.packages.models import Package
from services.packages.service import Offer
from services.payments.ledger import record
from services.payments.models import EventKind, Payment, PaymentStatus
from services.vouchers import service, stock
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState
from tests.factories import PHONE, make_package, make_payment


def make_stocked_package(session: Session, *, mark: int, now: datetime, **terms: object) -> Offer:
    """A package whose stock is filled up to its mark and is with PortaBilling."""
    offer = make_package(session, now=now, **terms)
    set_mark(session, offer, mark)
    stock.top_up(session, now=now)
    make_ready(session, now=now)
    return offer


def set_mark(session: Session, offer: Offer, mark: int) -> None:
    session.exec(select(Package).where(Package.public_id == offer.public_id)).one().stock_mark = mark
    session.flush()


def make_ready(session: Session, *, now: datetime) -> None:
    for voucher in session.exec(select(Voucher).where(Voucher.origin == VoucherOrigin.STOCK, Voucher.state == VoucherState.PENDING)):
        assert voucher.id is not None
        voucher.state, voucher.porta_i_account = VoucherState.ACTIVE, 100_000 + voucher.id
        voucher.porta_issue_called_at = voucher.porta_issued_at = now
        voucher.porta_next_attempt_at = None
    session.flush()


def make_paid(session: Session, offer: Offer, *, now: datetime, phone: str = PHONE) -> Payment:
    """A payment whose money has come, as `absorb` leaves it."""
    payment = make_payment(session, package=offer, phone=phone, now=now)
    payment.wave_transaction_id, payment.paid_at = f"T-{payment.reference}", now
    payment.move(PaymentStatus.PAID, now=now)
    payment.next_attempt_at = now
    record(session, payment, EventKind.PAID, now=now, amount_bututs=payment.amount_bututs)
    service.voucher_for_payment(session, payment, now=now)
    session.flush()
    return payment
