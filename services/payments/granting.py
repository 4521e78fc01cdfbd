"""The last step of a payment on our side: its voucher is used, and who paid is let in."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from services.access.context import HotspotContext
from services.access.entitlements import create_entitlement
from services.access.entry import let_in
from services.accounts.models import Device
from services.notifications import receipts
from services.payments.absorb import to_attention
from services.payments.ledger import record
from services.payments.models import EventKind, Payment, PaymentStatus
from services.vouchers.errors import VoucherBlocked, VoucherExpired
from services.vouchers.models import Voucher


def grant_access(session: Session, payment: Payment, voucher: Voucher, *, now: datetime) -> None:
    """Turn the charged voucher into an entitlement, and let the client in whose router is known. One transaction, once."""
    try:
        voucher.use(now=now)
    except (VoucherBlocked, VoucherExpired) as refusal:
        to_attention(session, payment, f"Paid, but its voucher cannot be used: {refusal.title.lower()}.", now=now)
        return
    payment.move(PaymentStatus.ACCESS_GRANTED, now=now)
    payment.next_attempt_at = None
    with session.no_autoflush:
        entitlement = create_entitlement(session, voucher, now=now)
    record(session, payment, EventKind.ACCESS_GRANTED, now=now, entitlement_id=entitlement.id)
    receipts.queue_receipt(session, payment=payment, now=now)
    if payment.gateway_id is not None and payment.client_hid is not None:
        context = HotspotContext(payment.gateway_id, payment.client_hid, payment.client_mac or "", payment.mac_trusted, payment.created_at)
        device = session.get(Device, payment.device_id) if payment.device_id else None
        let_in(session, entitlement, context, device, swap=False, now=now)
