"""What customers hold in tests of INET-Go: vouchers made by staff, and purchases that were paid."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, select

from services.access.models import Entitlement
from services.payments.absorb import absorb
from services.payments.granting import grant_access
from services.payments.models import Payment, PaymentStatus
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import issue_voucher, voucher_for_payment
from tests.conftest import NOON
from tests.factories import make_package, make_payment, staff
from tests.portal.visiting import wave_says


def issued(session: Session, phone: str, *, now: datetime = NOON, **terms: object) -> Voucher:
    """A code that staff made for this number and nobody entered."""
    package = make_package(session, now=now, **terms)
    voucher, _ = issue_voucher(session, actor=staff(), package_id=package.public_id, phone=phone, note=None, now=now)
    voucher.state, voucher.porta_issued_at = VoucherState.ACTIVE, now
    session.flush()
    return voucher


def bought(session: Session, phone: str, *, now: datetime = NOON, **terms: object) -> tuple[Payment, Voucher, Entitlement]:
    """A purchase that was paid away from any hotspot: its time waits."""
    payment = make_payment(session, phone=phone, package=make_package(session, now=now, **terms), now=now)
    return paid(session, payment, now=now)


def paid(session: Session, payment: Payment, *, now: datetime = NOON) -> tuple[Payment, Voucher, Entitlement]:
    """Wave was paid, and the billing system has charged it."""
    absorb(session, payment, wave_says(payment, status="complete", outcome="succeeded"), now=now)
    session.flush()
    voucher = voucher_for_payment(session, payment, now=now)
    voucher.state, voucher.porta_issued_at = VoucherState.ACTIVE, now
    payment.move(PaymentStatus.VOUCHER_ISSUED, now=now)
    payment.move(PaymentStatus.CHARGED, now=now)
    grant_access(session, payment, voucher, now=now)
    session.flush()
    return payment, voucher, session.exec(select(Entitlement).where(Entitlement.voucher_id == voucher.id)).one()
