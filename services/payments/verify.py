"""`GET /api/wave/verify`: the truth about a payment, by asking Wave when its webhook has not come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from services.access.entitlements import AccessView, entitlement_of_payment, view_access
from services.integrations.clients import Outside
from services.payments.checkout import opened, payment_by_public_id
from services.payments.models import ASKING_WAVE, Checkout, Payment
from services.payments.process import advance
from services.vouchers import codes
from services.vouchers.models import Voucher, VoucherState

# A page asks every 2 to 3 seconds; Wave is asked no more often than this for one payment.
_ASK_WAVE_EVERY = timedelta(seconds=3)


@dataclass(frozen=True)
class Truth:
    """What the buyer is told. `ask_after` is when the next question should go to Wave, None when Wave has nothing more to say.

    `is_given`: what was bought belongs to another person, from the beginning or by now, and is not shown.
    """

    payment_id: str
    reference: str
    status: str
    reason: str | None
    voucher_code: str | None
    voucher_state: str | None
    access: AccessView | None
    launch_url: str | None
    ask_after: datetime | None
    is_given: bool = False

    def as_json(self) -> dict[str, object]:
        voucher = {"code": self.voucher_code, "state": self.voucher_state} if self.voucher_code else None
        return {
            "payment_id": self.payment_id,
            "reference": self.reference,
            "status": self.status,
            "voucher": voucher,
            "access": self.access.as_json() if self.access else None,
            "reason": self.reason,
            "launch_url": self.launch_url,
        }


def verify(begin: Begin, public_id: str, outside: Outside, *, clock: Clock, is_owner: bool = False) -> Truth:
    """Ask Wave if it is time to, and tell what is known. `is_owner`: whoever asks has proved to be whose it is. Raises PaymentNotFound."""
    with begin() as session:
        payment = payment_by_public_id(session, public_id)
        assert payment.id is not None
        payment_id = payment.id
        ask_after = _ask_after(session, payment)
        if ask_after is None or ask_after > clock():
            return tell(session, payment, now=clock(), is_owner=is_owner)
    advance(begin, payment_id, outside, clock=clock, only_wave=True)
    with begin() as session:
        return tell(session, session.get_one(Payment, payment_id), now=clock(), is_owner=is_owner)


def _ask_after(session: Session, payment: Payment) -> datetime | None:
    if payment.status not in ASKING_WAVE:
        return None
    asked = session.exec(
        select(Checkout.asked_at).where(Checkout.payment_id == payment.id).order_by(col(Checkout.asked_at).desc().nulls_last()).limit(1)
    ).first()
    return (asked or payment.create_called_at or payment.created_at) + _ASK_WAVE_EVERY


def tell(session: Session, payment: Payment, *, now: datetime, is_owner: bool = False) -> Truth:
    """The state of a payment for its buyer; nothing is asked and nothing changes. Of a gift only its owner is told what was bought."""
    assert payment.id is not None
    voucher = session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one_or_none()
    # What was given to another person is theirs alone (services/apps/giving.py).
    is_given = (payment.is_gift and not is_owner) or (voucher is not None and voucher.customer_id != payment.customer_id)
    is_shown = voucher is not None and voucher.state is not VoucherState.PENDING and not is_given
    entitlement = entitlement_of_payment(session, payment.id, customer_id=payment.customer_id)
    return Truth(
        payment_id=payment.public_id,
        reference=payment.reference,
        status=payment.status.value,
        reason=payment.reason,
        voucher_code=codes.show_code(codes.unseal_code(voucher.code_sealed)) if voucher and is_shown else None,
        voucher_state=voucher.state.value if voucher and is_shown else None,
        access=view_access(session, entitlement, now=now) if entitlement and not is_given else None,
        launch_url=opened(session, payment).launch_url,
        ask_after=_ask_after(session, payment),
        is_given=is_given,
    )
