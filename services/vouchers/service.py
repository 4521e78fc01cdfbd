"""Vouchers: made for a payment or by staff, entered by customers, blocked and unblocked."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app.errors import NotFound
from app.events import publish
from app.queue import ring
from services.access import entitlements, entry, slots
from services.access.context import HotspotContext
from services.access.models import Entitlement
from services.accounts import customers
from services.accounts.models import Device
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.packages import service as packages
from services.payments.models import Payment, PaymentStatus
from services.revision import require
from services.vouchers import codes
from services.vouchers.batch_models import VoucherBatch
from services.vouchers.batches.gate import is_open, locked_batch, require_shown
from services.vouchers.errors import VoucherAlreadyUsed, VoucherGone, VoucherNotFound
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState

SETTLE_JOB = "jobs.vouchers.settle_voucher"


def voucher_for_payment(session: Session, payment: Payment, *, now: datetime) -> Voucher:
    """The one voucher of a paid payment, with PortaBilling's account id fixed before the first call."""
    found = session.exec(select(Voucher).where(Voucher.payment_id == payment.id).with_for_update()).one_or_none()
    if found is not None:
        return found
    return _new_voucher(
        session,
        version_id=payment.package_version_id,
        porta_account_id=f"inet-{payment.reference.lower()}",
        origin=VoucherOrigin.PAYMENT,
        payment_id=payment.id,
        customer_id=payment.customer_id,
        issued_by="payment",
        note=None,
        now=now,
    )[0]


def issue_voucher(
    session: Session, *, actor: Principal, package_id: str, phone: str | None, note: str | None, now: datetime
) -> tuple[Voucher, str]:
    """Make one voucher by hand; the clear code is answered this one time. It can be used once PortaBilling holds it.

    Raises Forbidden, PackageNotFound or BadPhone.
    """
    actor.require(Permission.VOUCHERS_ISSUE)
    offer = packages.offer_to_buy(session, package_id)
    customer = customers.find_or_create_customer(session, phone=phone, now=now) if phone else None
    voucher, code = _new_voucher(
        session,
        version_id=offer.version_id,
        porta_account_id=f"inet-v-{codes.new_reference(12).lower()}",
        origin=VoucherOrigin.HAND,
        payment_id=None,
        customer_id=customer.id if customer else None,
        issued_by=actor.label,
        note=note,
        now=now,
    )
    voucher.porta_next_attempt_at = now
    session.flush()
    assert voucher.id is not None
    audit.record(session, actor, "voucher.issue", target=("voucher", voucher.id), now=now, after={"package": package_id, "note": note})
    ring(session, SETTLE_JOB, voucher.id, queue="urgent")
    return voucher, codes.show_code(code)


def _new_voucher(
    session: Session,
    *,
    version_id: int,
    porta_account_id: str,
    origin: VoucherOrigin,
    payment_id: int | None,
    customer_id: int | None,
    issued_by: str,
    note: str | None,
    now: datetime,
    seconds: int | None = None,
    data_bytes: int | None = None,
    credit_of_id: int | None = None,
) -> tuple[Voucher, str]:
    code = codes.new_code()
    terms = packages.terms_of(session, version_id)
    voucher = Voucher(
        code_mac=codes.code_mac(code),
        code_sealed=codes.seal_code(code),
        tail_mac=codes.tail_mac(code),
        package_version_id=version_id,
        origin=origin,
        payment_id=payment_id,
        customer_id=customer_id,
        issued_by=issued_by,
        note=note,
        created_at=now,
        use_before=now + timedelta(days=terms.validity_days),
        porta_account_id=porta_account_id,
        seconds=seconds,
        bytes=data_bytes,
        credit_of_id=credit_of_id,
    )
    session.add(voucher)
    session.flush()
    publish(session, "vouchers", voucher.id)
    return voucher, code


def enter_code(session: Session, *, code: str, context: HotspotContext | None, device: Device | None, now: datetime) -> entry.Entry:
    """Spend a voucher, and let the client in if it stands at a hotspot. Its own client may enter it again to get back in.

    Raises MistypedCode, VoucherNotFound, VoucherAlreadyUsed, VoucherBlocked, VoucherExpired, VoucherTooEarly, VoucherNotReady
    or NoTimeLeft.
    """
    # Two phones entering the same code at once must not both get airtime.
    voucher = _by_code(session, code)
    assert voucher.id is not None
    if voucher.state is not VoucherState.USED:
        voucher.use(now=now)
        # PortaBilling must not sell the same time again by telephone: it is told in the background.
        voucher.porta_next_attempt_at = now
        entitlement = entitlements.create_entitlement(session, voucher, now=now)
        ring(session, SETTLE_JOB, voucher.id)
        publish(session, "vouchers", voucher.id)
    else:
        entitlement = _used_by_this_client(session, voucher.id, context, device, now=now)
    return entry.let_in(session, entitlement, context, device, swap=False, now=now)


def _by_code(session: Session, text: str) -> Voucher:
    macs = codes.code_macs(codes.read_code(text))
    found = session.exec(
        select(Voucher, VoucherBatch.state)
        .outerjoin(VoucherBatch, col(VoucherBatch.id) == Voucher.batch_id)
        .where(col(Voucher.code_mac).in_(macs))
        .with_for_update(of=Voucher)
    ).one_or_none()
    # All of a batch or nothing: until it is whole, its codes are not there.
    if found is None or not is_open(found[1]):
        raise VoucherNotFound(field="code")
    return found[0]


def _used_by_this_client(
    session: Session, voucher_id: int, context: HotspotContext | None, device: Device | None, *, now: datetime
) -> Entitlement:
    entitlement = entitlements.entitlement_of_voucher(session, voucher_id)
    if entitlement is None or context is None:
        raise VoucherAlreadyUsed(field="code")
    own = entitlements.usable_for_client(session, context, device, now=now)
    if own is not None and own.id == entitlement.id:
        return entitlement
    assert entitlement.id is not None
    if slots.count_held(session, entitlement.id) >= entitlement.device_limit:
        raise VoucherAlreadyUsed(field="code")
    return entitlement


def find_by_code(session: Session, *, code: str, context: HotspotContext | None, device: Device | None, now: datetime) -> entry.Entry:
    """Bring a purchase to this device by its voucher code, freeing the place of another device if need be.

    Raises MistypedCode, VoucherNotFound (also for one that was never used: enter it instead) or NoTimeLeft.
    """
    voucher = _by_code(session, code)
    assert voucher.id is not None
    entitlement = entitlements.entitlement_of_voucher(session, voucher.id)
    if entitlement is None:
        return enter_code(session, code=code, context=context, device=device, now=now)
    return entry.let_in(session, entitlement, context, device, swap=True, now=now)


def set_blocked(
    session: Session, *, actor: Principal, voucher_id: int, blocked: bool, now: datetime, expected_revision: str | None = None
) -> Voucher:
    """Block an unused voucher, or lift the block; PortaBilling follows.

    Raises Forbidden, NotFound, Stale, VoucherAlreadyUsed, or VoucherGone for a block that must stay.
    """
    actor.require(Permission.VOUCHERS_BLOCK)
    voucher = session.get(Voucher, voucher_id)
    if voucher is None:
        raise NotFound
    batch = locked_batch(session, voucher.batch_id) if voucher.batch_id is not None else None
    session.refresh(voucher, with_for_update=True)
    require_shown(session, voucher)
    require(expected_revision, voucher.revision)
    if voucher.state in (VoucherState.USED, VoucherState.EXPIRED):
        raise VoucherAlreadyUsed
    old_state = voucher.state
    if blocked:
        voucher.state = VoucherState.BLOCKED
    elif voucher.state is VoucherState.BLOCKED:
        if is_gone(session, voucher):
            raise VoucherGone
        voucher.state = voucher.unblocked
    action = "voucher.block" if blocked else "voucher.unblock"
    target = ("voucher", voucher_id)
    audit.record(session, actor, action, target=target, now=now, before={"state": old_state}, after={"state": voucher.state})
    if voucher.may_be_in_porta:
        voucher.porta_next_attempt_at = now
        ring(session, SETTLE_JOB, voucher_id)
    elif batch is not None:
        # One that was passed over while it was blocked is taken up again by the batch's own registering.
        batch.next_attempt_at = batch.next_attempt_at or now
    session.flush()
    publish(session, "vouchers", voucher.id)
    return voucher


def is_gone(session: Session, voucher: Voucher) -> bool:
    """Whether its block stays: another voucher took its place, or the money that bought it goes back."""
    if voucher.replaced_payment_id is not None:
        return True
    payment = session.get(Payment, voucher.payment_id) if voucher.payment_id is not None else None
    if payment is None:
        return False
    return payment.status is PaymentStatus.REFUNDED or PaymentStatus.REFUNDING in (payment.status, payment.attention_from)


def reveal_code(session: Session, *, actor: Principal, voucher_id: int, now: datetime) -> str:
    """The clear code, for staff who may see it; that they saw it is kept. Raises Forbidden, FreshProofNeeded or NotFound."""
    actor.require(Permission.VOUCHERS_REVEAL)
    actor.require_proof(now=now)
    voucher = session.get(Voucher, voucher_id)
    if voucher is None:
        raise NotFound
    require_shown(session, voucher)
    if voucher.origin is VoucherOrigin.STOCK and voucher.payment_id is None:
        # Nobody has paid for it: whoever saw its code could use what belongs to the next customer.
        raise VoucherNotFound("This voucher is held in stock, and nobody's yet. Its code is shown once it was sold.")
    audit.record(session, actor, "voucher.reveal", target=("voucher", voucher_id), now=now)
    return codes.show_code(codes.unseal_code(voucher.code_sealed))


def expire_vouchers(session: Session, *, now: datetime, batch: int = 500) -> int:
    """Close the codes whose time to be used has passed; PortaBilling holds its own expiry date."""
    due = session.exec(
        select(Voucher)
        .where(col(Voucher.state).in_((VoucherState.PENDING, VoucherState.ACTIVE)), col(Voucher.use_before) <= now)
        .limit(batch)
        .with_for_update(skip_locked=True)
    ).all()
    for voucher in due:
        voucher.state = VoucherState.EXPIRED
    session.flush()
    return len(due)
