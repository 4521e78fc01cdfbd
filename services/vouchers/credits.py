"""What is left of somebody's time becomes a voucher: the old time ends at once, the new code is worth exactly the rest, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput
from app.queue import ring
from services.access import entitlements, outages
from services.access.errors import EntitlementNotFound
from services.access.models import Entitlement, EntitlementState
from services.access.revoke import live_sessions, revoke
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.notifications.service import Recipient, tell
from services.packages import service as packages
from services.payments import answers
from services.payments.clearing import credits as money
from services.payments.models import Payment, PaymentStatus, Refund, RefundKind, RefundState
from services.vouchers import codes
from services.vouchers.models import Voucher, VoucherOrigin
from services.vouchers.service import SETTLE_JOB, _new_voucher

CREDITED = "credited"
LEAST_SECONDS = 60
_SHORTEST_REASON, _LONGEST_REASON = 3, 200
_GOES_BACK = (PaymentStatus.REFUNDING, PaymentStatus.REFUNDED)


class NotCreditable(Conflict):
    code, title = "not_creditable", "The rest of this time cannot be credited"


@dataclass(frozen=True)
class Credited:
    """The new voucher, its code for this one time, and what it is worth. `bytes` is None where there is no data allowance."""

    voucher: Voucher
    code: str
    seconds: int
    bytes: int | None
    ended_sessions: int


@dataclass(frozen=True)
class CreditPreview:
    """What crediting the rest would do now. `why_refused` is set when it cannot be done; `masked_phone` is who is texted the code."""

    package_name: str
    seconds: int
    bytes: int | None
    ends_sessions: int
    masked_phone: str | None
    why_refused: str | None


def credit_preview(session: Session, *, actor: Principal, entitlement_id: int, now: datetime) -> CreditPreview:
    """What is left, before somebody decides. Raises Forbidden or EntitlementNotFound."""
    _require(actor)
    entitlement = session.get(Entitlement, entitlement_id)
    if entitlement is None:
        raise EntitlementNotFound
    refused, seconds, data = None, _seconds_left(session, entitlement, now=now), entitlements.data_left(session, entitlement)
    try:
        _require_creditable(session, entitlement, _bought(session, entitlement)[1])
        _require_rest(seconds, data)
    except NotCreditable as refusal:
        refused = refusal.text
    customer = session.get(Customer, entitlement.customer_id) if entitlement.customer_id else None
    return CreditPreview(
        package_name=packages.terms_of(session, entitlement.package_version_id).name,
        seconds=seconds,
        bytes=data,
        ends_sessions=live_sessions(session, entitlement_id),
        masked_phone=customer.masked_phone if customer is not None else None,
        why_refused=refused,
    )


def credit_rest(session: Session, *, actor: Principal, entitlement_id: int, reason: str, now: datetime) -> Credited:
    """End an entitlement, and make a voucher of what was left of it: time, data, and the money behind them.

    Its customer, where there is one, is texted the code. Raises Forbidden, FreshProofNeeded, EntitlementNotFound, InvalidInput
    without a reason, or NotCreditable.
    """
    _require(actor)
    actor.require_proof(now=now)
    said = _reason(reason)
    entitlement, bought, payment = _locked(session, entitlement_id)
    _require_creditable(session, entitlement, payment)
    outages.resume_entitlement(session, entitlement, at=now, now=now)
    seconds, data = entitlement.seconds_left(now=now), entitlements.data_left(session, entitlement)
    _require_rest(seconds, data)
    value = _value(session, entitlement, bought, payment, seconds)
    ended = revoke(session, entitlement, state=EntitlementState.ENDED, reason=CREDITED, now=now)
    voucher, code = _new_voucher(
        session,
        version_id=entitlement.package_version_id,
        porta_account_id=f"inet-c-{codes.new_reference(12).lower()}",
        origin=VoucherOrigin.CREDIT,
        payment_id=None,
        customer_id=entitlement.customer_id,
        issued_by=actor.label,
        note=said,
        now=now,
        seconds=seconds,
        data_bytes=data,
        credit_of_id=entitlement_id,
    )
    assert voucher.id is not None
    voucher.porta_next_attempt_at = now
    session.flush()
    ring(session, SETTLE_JOB, voucher.id, queue="urgent")
    _move_money(session, entitlement, voucher.id, payment, value, actor=actor.label, now=now)
    after = {"entitlement": entitlement_id, "seconds": seconds, "bytes": data, "value_bututs": value, "reason": said}
    audit.record(session, actor, "voucher.credit", target=("voucher", voucher.id), now=now, after=after)
    _tell(session, voucher, code, now=now)
    return Credited(voucher, codes.show_code(code), seconds, data, ended)


def _require(actor: Principal) -> None:
    actor.require(Permission.VOUCHERS_ISSUE)
    actor.require(Permission.SESSIONS_END)


def _reason(text: str) -> str:
    said = text.replace("\x00", "").strip()
    if len(said) < _SHORTEST_REASON:
        raise InvalidInput("Say in a few words why.", field="reason")
    if len(said) > _LONGEST_REASON:
        raise InvalidInput(f"Keep it under {_LONGEST_REASON} characters.", field="reason")
    return said


def _bought(session: Session, entitlement: Entitlement) -> tuple[Entitlement, Payment | None]:
    """The purchase at the beginning of a chain of credits, and its payment; for what was paid itself, that is itself."""
    while (before := session.exec(select(Voucher.credit_of_id).where(Voucher.id == entitlement.voucher_id)).one()) is not None:
        entitlement = session.get_one(Entitlement, before)
    return entitlement, session.get(Payment, entitlement.payment_id) if entitlement.payment_id is not None else None


def _locked(session: Session, entitlement_id: int) -> tuple[Entitlement, Entitlement, Payment | None]:
    """The entitlement, the purchase that it comes from, and its payment, which is locked first, as refunds lock them."""
    found = session.get(Entitlement, entitlement_id)
    if found is None:
        raise EntitlementNotFound
    bought, payment = _bought(session, found)
    if payment is not None:
        session.get_one(Payment, payment.id, with_for_update=True, populate_existing=True)
    return session.get_one(Entitlement, entitlement_id, with_for_update=True, populate_existing=True), bought, payment


def _require_creditable(session: Session, entitlement: Entitlement, payment: Payment | None) -> None:
    """Raises NotCreditable."""
    if session.exec(select(Voucher.id).where(Voucher.credit_of_id == entitlement.id)).one_or_none() is not None:
        raise NotCreditable("What was left of it was credited already.")
    if payment is not None:
        _require_kept(session, payment)
    if entitlement.state is EntitlementState.VOID:
        raise NotCreditable("This time was taken back.")
    if entitlement.state is EntitlementState.ENDED:
        raise NotCreditable("This time has ended: nothing is left of it.")


def _require_kept(session: Session, payment: Payment) -> None:
    """Raises NotCreditable when its money goes back, or may."""
    if payment.status in _GOES_BACK:
        raise NotCreditable("The money of this purchase goes back to the customer, so nothing of it can be credited.")
    if payment.status is PaymentStatus.ATTENTION:
        raise NotCreditable("The payment of this time needs a decision first. Open the payment.")
    asked = select(Refund.id).where(
        Refund.payment_id == payment.id, Refund.kind == RefundKind.SALE, col(Refund.state) != RefundState.DECLINED
    )
    if session.exec(asked.limit(1)).first() is not None:
        raise NotCreditable("A refund of this purchase was asked for. Let it be decided first.")


def _require_rest(seconds: int, data: int | None) -> None:
    """Raises NotCreditable when the rest opens nothing that is worth a code."""
    if seconds < LEAST_SECONDS:
        raise NotCreditable("Less than a minute is left of this time.")
    if data == 0:
        raise NotCreditable("The data of this purchase is used up, and time without data opens nothing.")


def _seconds_left(session: Session, entitlement: Entitlement, *, now: datetime) -> int:
    """What is left when the clock, should it stand because of an outage, runs on now."""
    paused_at, ends_at = entitlement.paused_at, entitlement.ends_at
    if paused_at is None or ends_at is None or entitlement.state is not EntitlementState.RUNNING:
        return entitlement.seconds_left(now=now)
    rule = outages.rule_at(session, paused_at)
    settled = outages.settle(paused_at=paused_at, ends_at=ends_at, back_at=now, rule=rule)
    return max(0, int((settled.ends_at - now).total_seconds()))


def _value(session: Session, entitlement: Entitlement, bought: Entitlement, payment: Payment | None, seconds: int) -> int:
    """The unused share of the price, rounded down to a butut; never more than what the rest came from was worth itself."""
    if payment is None:
        return 0
    worth = payment.amount_bututs if entitlement.id == bought.id else money.worth(session, entitlement.voucher_id)
    return min(worth, payment.amount_bututs * seconds // bought.seconds_total)


def _move_money(
    session: Session, entitlement: Entitlement, voucher_id: int, payment: Payment | None, value: int, *, actor: str, now: datetime
) -> None:
    if payment is None:
        return
    if entitlement.payment_id is None:
        money.earn(session, entitlement.voucher_id, now=now, actor=actor)
    else:
        money.release(session, payment, now=now, actor=actor)
        answers.forget(session, payment)
    money.credit(session, voucher_id, value, now=now, actor=actor)


def _tell(session: Session, voucher: Voucher, code: str, *, now: datetime) -> None:
    if voucher.customer_id is None:
        return
    terms = packages.terms_of(session, voucher.package_version_id)
    tell(
        session,
        event="voucher_given",
        to=Recipient(customer_id=voucher.customer_id),
        values={"package": terms.name, "code": codes.show_code(code), "until": f"{voucher.use_before:%d.%m.%Y}"},
        dedupe_key=f"credit:{voucher.id}",
        now=now,
    )
