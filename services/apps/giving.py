"""Vouchers of one's own in INET-Go: shown while they can be used, and given to another person.

What is given gets a new code, so that the old one, which the giver may have written down, opens nothing any more. The time that a purchase
has made of it goes along as long as it has not begun. The audit keeps who gave it to whom; by it a repeated wish is known again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput
from app.events import publish
from app.settings import get_settings
from services.access import slots
from services.access.entitlements import entitlement_of_voucher
from services.access.models import Entitlement, EntitlementState
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Customer
from services.apps.callers import Caller
from services.audit import service as audit
from services.audit.models import AuditEntry
from services.notifications import Recipient, tell
from services.packages import service as packages
from services.payments import answers
from services.payments.models import Payment, PaymentStatus
from services.vouchers import codes
from services.vouchers.errors import VoucherAlreadyUsed, VoucherBlocked, VoucherExpired, VoucherNotFound, VoucherNotReady
from services.vouchers.models import Voucher, VoucherState

GIVEN = "voucher.give"
_TAKEN_BACK = (PaymentStatus.REFUNDING, PaymentStatus.REFUNDED, PaymentStatus.ATTENTION)
_NO_SUCH = "There is no voucher of yours under that number."


class TimeHasBegun(Conflict):
    code, title = "time_has_begun", "Its time has begun"
    message = "This voucher is in use, or a device is being let in with it right now. Only one that was never used can be given away."


class PaymentNotKept(Conflict):
    code, title = "payment_not_kept", "Its payment is not settled"
    message = "The payment of this voucher was given back, or our staff looks at it. It cannot be used or given away now."


@dataclass(frozen=True)
class ShownCode:
    """`link` is what its QR says: the portal's page with the code filled in."""

    voucher_id: int
    code: str
    link: str
    use_before: datetime


@dataclass(frozen=True)
class Given:
    """`to` is the new owner's number, masked."""

    voucher_id: int
    to: str


def code_of(session: Session, caller: Caller, voucher_id: int, *, now: datetime) -> ShownCode:
    """The code of an own voucher that can still be used for the first time.

    Raises VoucherNotFound (also for another person's), VoucherNotReady, VoucherBlocked, VoucherExpired, VoucherAlreadyUsed, TimeHasBegun
    or PaymentNotKept.
    """
    voucher = _own(session, caller, voucher_id)
    if voucher is None:
        raise VoucherNotFound(_NO_SUCH)
    entitlement = _unused(session, voucher, now=now)
    code = codes.show_code(codes.unseal_code(voucher.code_sealed))
    use_before = entitlement.use_before if entitlement is not None else voucher.use_before
    return ShownCode(voucher_id, code, f"{get_settings().public_url}/portal/v/{code}", use_before)


def give(session: Session, caller: Caller, voucher_id: int, *, phone: str, now: datetime) -> Given:
    """Make an unused voucher another person's, who is told by SMS with its new code. Given to the same person again, nothing changes.

    Raises BadPhone, InvalidInput for the own number, and what `code_of` raises.
    """
    giver = caller.customer()
    target = find_or_create_customer(session, phone=phone, now=now)
    assert target.id is not None
    if target.id == giver:
        raise InvalidInput("This is your own number. Enter the number of the person who is to have it.", field="phone")
    # Two taps at once: the second waits, and then finds it given.
    voucher = _own(session, caller, voucher_id, lock=True)
    if voucher is None:
        if _gave(session, caller, voucher_id, target.id):
            return Given(voucher_id, target.masked_phone)
        raise VoucherNotFound(_NO_SUCH)
    entitlement = _unused(session, voucher, now=now)
    if entitlement is not None and not slots.clear(session, entitlement, now=now):
        raise TimeHasBegun
    code = _hand_over(session, caller, voucher, entitlement, target, now=now)
    _tell(session, voucher, entitlement, target, code, now=now)
    return Given(voucher_id, target.masked_phone)


def _own(session: Session, caller: Caller, voucher_id: int, *, lock: bool = False) -> Voucher | None:
    wanted = select(Voucher).where(Voucher.id == voucher_id, Voucher.customer_id == caller.customer())
    return session.exec(wanted.with_for_update().execution_options(populate_existing=True) if lock else wanted).one_or_none()


def _unused(session: Session, voucher: Voucher, *, now: datetime) -> Entitlement | None:
    """What a purchase has made of it already, though nobody used it yet; None for a code that waits to be entered."""
    payment = session.get(Payment, voucher.payment_id, populate_existing=True) if voucher.payment_id is not None else None
    if payment is not None and payment.status in _TAKEN_BACK:
        raise PaymentNotKept
    if voucher.state is VoucherState.BLOCKED:
        raise VoucherBlocked
    if voucher.state is VoucherState.USED:
        return _waiting(session, voucher, now=now)
    if voucher.state is VoucherState.EXPIRED or now >= voucher.use_before:
        raise VoucherExpired
    if voucher.state is VoucherState.PENDING:
        raise VoucherNotReady
    return None


def _waiting(session: Session, voucher: Voucher, *, now: datetime) -> Entitlement:
    assert voucher.id is not None
    entitlement = entitlement_of_voucher(session, voucher.id)
    if entitlement is None or entitlement.state is EntitlementState.VOID:
        raise VoucherAlreadyUsed
    session.refresh(entitlement, with_for_update=True)
    if entitlement.started_at is not None or entitlement.state is not EntitlementState.READY:
        raise TimeHasBegun
    if now >= entitlement.use_before:
        raise VoucherExpired
    return entitlement


def _gave(session: Session, caller: Caller, voucher_id: int, target_id: int) -> bool:
    """Whether the caller's last gift of it went to this person."""
    wanted = select(AuditEntry).where(
        AuditEntry.target_type == "voucher",
        AuditEntry.target_id == str(voucher_id),
        AuditEntry.action == GIVEN,
        AuditEntry.actor == caller.label,
    )
    last = session.exec(wanted.order_by(col(AuditEntry.id).desc()).limit(1)).first()
    return last is not None and (last.after or {}).get("customer_id") == target_id


def _hand_over(
    session: Session, caller: Caller, voucher: Voucher, entitlement: Entitlement | None, target: Customer, *, now: datetime
) -> str:
    """Answers the new code."""
    before, code = voucher.customer_id, codes.new_code()
    voucher.customer_id, voucher.code_mac, voucher.code_sealed = target.id, codes.code_mac(code), codes.seal_code(code)
    if entitlement is not None:
        entitlement.customer_id = target.id
    session.flush()
    target_row = ("voucher", voucher.id)
    audit.record(session, caller, GIVEN, target=target_row, now=now, before={"customer_id": before}, after={"customer_id": target.id})
    if voucher.payment_id is not None:
        answers.forget(session, session.get_one(Payment, voucher.payment_id))
    publish(session, "vouchers", voucher.id)
    return code


def _tell(session: Session, voucher: Voucher, entitlement: Entitlement | None, target: Customer, code: str, *, now: datetime) -> None:
    until = entitlement.use_before if entitlement is not None else voucher.use_before
    terms = packages.terms_of(session, voucher.package_version_id)
    tell(
        session,
        event="voucher_given",
        to=Recipient(customer_id=target.id),
        values={"package": terms.name, "code": codes.show_code(code), "until": f"{until:%d.%m.%Y}"},
        # Given on and back it is news again, and has another code.
        dedupe_key=f"voucher-given:{voucher.id}:{voucher.code_mac[:24]}",
        now=now,
    )
