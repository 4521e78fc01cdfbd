"""Staff give a customer's money back: asked for with a reason, over a set sum decided by a second person, then sent to Wave.

With the decision the access is taken back at once, in the same transaction; the money follows by `refunds`, whose call to Wave is
harmless to repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from app.errors import InvalidInput
from app.events import publish
from app.queue import ring
from services.access.entitlements import entitlement_of_voucher
from services.access.models import Entitlement, EntitlementState
from services.access.revoke import live_sessions, revoke
from services.accounts.models import Customer, Role, Staff
from services.accounts.permissions import ROLE_PERMISSIONS, Permission, Principal
from services.accounts.traces import traces_of
from services.audit import service as audit
from services.notifications.service import Recipient, tell
from services.payments.checkout import payment_by_public_id
from services.payments.clearing.models import LedgerAccount, LedgerOpen, TransferReason
from services.payments.clearing.posting import drop_charge, of_payment, post
from services.payments.ledger import record
from services.payments.models import MONEY_TAKEN, Checkout, EventKind, Payment, PaymentStatus, Refund, RefundKind, RefundState
from services.payments.refund_errors import (
    AlreadyRefunded,
    CreditedAlready,
    NothingPaid,
    NotWaiting,
    OverLimit,
    OwnRefund,
    RefundNotFound,
    RefundWaits,
    WholeSumOnly,
)
from services.payments.refund_rules import needs_second
from services.payments.refunds import REFUND_JOB
from services.revision import require, revision_of
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState
from services.vouchers.service import SETTLE_JOB

REFUNDED = "refunded"
_SHORTEST_REASON, _LONGEST_REASON = 3, 300
_PATH = "/console/refunds"


@dataclass(frozen=True)
class RefundPreview:
    """What giving the money back would do. `why_refused` is set when it cannot be done by this person, or not at all."""

    amount_bututs: int
    needs_second: bool
    why_refused: str | None
    ends_sessions: int
    voucher_state: str | None
    minutes_used: int


def revision_of_refund(refund: Refund) -> str:
    return revision_of(refund.id, refund.state)


def refund_preview(session: Session, *, actor: Principal, public_id: str, now: datetime) -> RefundPreview:
    """What is shown before somebody asks. Raises Forbidden or PaymentNotFound."""
    actor.require(Permission.PAYMENTS_REFUND)
    payment = payment_by_public_id(session, public_id)
    voucher = session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one_or_none()
    entitlement = entitlement_of_voucher(session, voucher.id) if voucher is not None and voucher.id is not None else None
    second, refused = False, None
    try:
        _require_refundable(session, payment)
        second = needs_second(session, actor, payment.amount_bututs, now=now)
    except (NothingPaid, AlreadyRefunded, RefundWaits, CreditedAlready, OverLimit) as refusal:
        refused = refusal.text
    used = 0
    if entitlement is not None and entitlement.started_at is not None:
        used = max(0, entitlement.seconds_total - entitlement.seconds_left(now=now)) // 60
    return RefundPreview(
        amount_bututs=payment.amount_bututs,
        needs_second=second,
        why_refused=refused,
        ends_sessions=live_sessions(session, entitlement.id) if entitlement is not None and entitlement.id is not None else 0,
        voucher_state=voucher.state.value if voucher is not None else None,
        minutes_used=used,
    )


def ask_refund(
    session: Session, *, actor: Principal, public_id: str, reason: str, amount_bututs: int | None = None, now: datetime
) -> Refund:
    """Ask for a payment's money to be given back; within the person's own limit that is also the decision.

    Raises Forbidden, FreshProofNeeded, PaymentNotFound, NothingPaid, AlreadyRefunded, RefundWaits, CreditedAlready, WholeSumOnly,
    OverLimit, or InvalidInput without a reason.
    """
    actor.require(Permission.PAYMENTS_REFUND)
    actor.require_proof(now=now)
    said = in_words(reason, "reason", "Say in a few words why the money goes back.")
    payment = _locked_payment(session, payment_by_public_id(session, public_id).id)
    checkout = _require_refundable(session, payment)
    said = without_the_customer(session, payment, said)
    if amount_bututs is not None and amount_bututs != payment.amount_bututs:
        raise WholeSumOnly(field="amount")
    waits = needs_second(session, actor, payment.amount_bututs, now=now)
    assert payment.id is not None
    assert checkout.id is not None
    refund = Refund(
        payment_id=payment.id,
        checkout_id=checkout.id,
        kind=RefundKind.SALE,
        amount_bututs=payment.amount_bututs,
        reason=said,
        state=RefundState.ASKED,
        asked_by=actor.label,
        asked_by_id=actor.id if actor.kind == "staff" else None,
        created_at=now,
    )
    session.add(refund)
    session.flush()
    record(session, payment, EventKind.REFUND_ASKED, now=now, actor=actor.label, refund_id=refund.id, why=said)
    after = {"payment": payment.reference, "amount_bututs": refund.amount_bututs, "reason": said, "waits": waits}
    audit.record(session, actor, "refund.ask", target=("refund", refund.id or 0), now=now, after=after)
    if waits:
        _tell_deciders(session, refund, payment, actor, now=now)
    else:
        _decided(session, payment, refund, actor, now=now)
    session.flush()
    publish(session, "refunds", refund.id)
    return refund


def approve_refund(session: Session, *, actor: Principal, refund_id: int, expected_revision: str | None = None, now: datetime) -> Refund:
    """The second person agrees: the access is taken back and the money sent.

    Raises Forbidden, FreshProofNeeded, RefundNotFound, Stale, NotWaiting, OwnRefund, or what makes a payment not refundable any more.
    """
    payment, refund = _to_decide(session, actor, refund_id, expected_revision, now=now)
    _require_refundable(session, payment, besides=refund)
    refund.decided_by, refund.decided_by_id, refund.decided_at = actor.label, actor.id, now
    audit.record(session, actor, "refund.approve", target=("refund", refund_id), now=now, after={"payment": payment.reference})
    _decided(session, payment, refund, actor, now=now)
    session.flush()
    publish(session, "refunds", refund.id)
    return refund


def decline_refund(
    session: Session, *, actor: Principal, refund_id: int, note: str, expected_revision: str | None = None, now: datetime
) -> Refund:
    """The second person does not agree; nothing changes for the customer. Raises as `approve_refund`, or InvalidInput without a note."""
    said = in_words(note, "note", "Say in a few words why not.")
    payment, refund = _to_decide(session, actor, refund_id, expected_revision, now=now)
    said = without_the_customer(session, payment, said)
    refund.state, refund.settled_at = RefundState.DECLINED, now
    refund.decided_by, refund.decided_by_id, refund.decided_at, refund.decision_note = actor.label, actor.id, now, said
    session.flush()
    record(session, payment, EventKind.REFUND_DECLINED, now=now, actor=actor.label, refund_id=refund.id, why=said)
    after = {"payment": payment.reference, "note": said}
    audit.record(session, actor, "refund.decline", target=("refund", refund_id), now=now, after=after)
    publish(session, "refunds", refund.id)
    return refund


def in_words(text: str, field: str, ask: str) -> str:
    """What somebody said, without the space around it. Raises InvalidInput, with `ask` where it is too short."""
    said = text.replace("\x00", "").strip()
    if not _SHORTEST_REASON <= len(said) <= _LONGEST_REASON:
        raise InvalidInput(ask if len(said) < _SHORTEST_REASON else f"Keep it under {_LONGEST_REASON} characters.", field=field)
    return said


def without_the_customer(session: Session, payment: Payment, text: str) -> str:
    """The ledger and the audit keep it for ever: it stands with the payment, so number and name need not be in it."""
    return traces_of(session.get_one(Customer, payment.customer_id)).out_of(text)


def _locked_payment(session: Session, payment_id: int | None) -> Payment:
    return session.get_one(Payment, payment_id, with_for_update=True, populate_existing=True)


def locked_refund(session: Session, refund_id: int) -> tuple[Payment, Refund]:
    """A refund and its payment, the payment locked first, as everybody locks them. Raises RefundNotFound."""
    payment_id = session.exec(select(Refund.payment_id).where(Refund.id == refund_id)).one_or_none()
    if payment_id is None:
        raise RefundNotFound
    payment = _locked_payment(session, payment_id)
    return payment, session.get_one(Refund, refund_id, with_for_update=True, populate_existing=True)


def _to_decide(
    session: Session, actor: Principal, refund_id: int, expected_revision: str | None, *, now: datetime
) -> tuple[Payment, Refund]:
    actor.require(Permission.REFUNDS_APPROVE)
    actor.require_proof(now=now)
    payment, refund = locked_refund(session, refund_id)
    require(expected_revision, revision_of_refund(refund))
    if refund.state is not RefundState.ASKED:
        raise NotWaiting
    if refund.asked_by_id is not None and refund.asked_by_id == actor.id:
        raise OwnRefund
    return payment, refund


def _require_refundable(session: Session, payment: Payment, *, besides: Refund | None = None) -> Checkout:
    """The Wave session that was paid. Raises NothingPaid, AlreadyRefunded, RefundWaits or CreditedAlready."""
    if payment.paid_at is None:
        raise NothingPaid
    winner = select(Checkout).where(Checkout.payment_id == payment.id, col(Checkout.is_winner))
    checkout = session.exec(winner).one_or_none()
    if checkout is None:
        raise NothingPaid
    standing = select(Refund).where(Refund.checkout_id == checkout.id, Refund.state != RefundState.DECLINED)
    refund = session.exec(standing).one_or_none()
    if refund is not None and (besides is None or refund.id != besides.id):
        raise RefundWaits if refund.state is RefundState.ASKED else AlreadyRefunded
    is_taken = payment.status in MONEY_TAKEN or payment.status is PaymentStatus.ATTENTION
    if not is_taken or payment.attention_from is PaymentStatus.REFUNDING:
        raise AlreadyRefunded
    credited = select(Voucher.id).join(Entitlement, col(Entitlement.id) == col(Voucher.credit_of_id))
    if session.exec(credited.where(Entitlement.payment_id == payment.id)).first() is not None:
        raise CreditedAlready
    return checkout


def _decided(session: Session, payment: Payment, refund: Refund, actor: Principal, *, now: datetime) -> None:
    """The money is owed to the customer from now on, and what it had bought is theirs no more."""
    payment.move(PaymentStatus.REFUNDING, now=now)
    payment.next_attempt_at = None
    refund.state, refund.next_attempt_at = RefundState.REQUESTED, now
    session.flush()
    record(session, payment, EventKind.REFUND_REQUESTED, now=now, actor=actor.label, refund_id=refund.id)
    _post_what_is_owed(session, payment, refund, actor, now=now)
    _take_access_back(session, payment, now=now)
    tell(
        session,
        event="refund_on_its_way",
        to=Recipient(customer_id=payment.bought_by_id if payment.is_gift and payment.bought_by_id else payment.customer_id),
        values={"dalasi": refund.amount_bututs // 100, "reference": payment.reference},
        dedupe_key=f"refund:{refund.id}",
        now=now,
    )
    assert refund.id is not None
    ring(session, REFUND_JOB, refund.id)


def _post_what_is_owed(session: Session, payment: Payment, refund: Refund, actor: Principal, *, now: datetime) -> None:
    is_unearned = _stands_open(session, LedgerAccount.UNEARNED_ACCESS, payment)
    post(
        session,
        TransferReason.REFUND_DUE,
        LedgerAccount.UNEARNED_ACCESS if is_unearned else LedgerAccount.SALES,
        LedgerAccount.REFUNDS,
        refund.amount_bututs,
        subject=of_payment(payment),
        once=f"refund_due:{refund.id}",
        actor=actor.label,
        now=now,
    )
    session.flush()


def _stands_open(session: Session, account: LedgerAccount, payment: Payment) -> bool:
    item = select(LedgerOpen.balance_bututs).where(col(LedgerOpen.account) == account, col(LedgerOpen.subject) == of_payment(payment))
    return session.exec(item).one_or_none() is not None


def _take_access_back(session: Session, payment: Payment, *, now: datetime) -> None:
    voucher = session.exec(
        select(Voucher).where(Voucher.payment_id == payment.id).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if voucher is not None and voucher.state in (VoucherState.PENDING, VoucherState.ACTIVE):
        voucher.state = VoucherState.BLOCKED
    is_due = _stands_open(session, LedgerAccount.PORTABILLING_CHARGE, payment)
    if is_due and (voucher is None or not _was_called(voucher)):
        drop_charge(session, payment, now=now)
        session.flush()
    if voucher is None:
        return
    assert voucher.id is not None
    if voucher.porta_issue_called_at is not None:
        # What PortaBilling knows of it is found out, and blocked.
        voucher.porta_next_attempt_at = now
        ring(session, SETTLE_JOB, voucher.id)
    session.flush()
    publish(session, "vouchers", voucher.id)
    entitlement = session.exec(
        select(Entitlement).where(Entitlement.voucher_id == voucher.id).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if entitlement is not None:
        revoke(session, entitlement, state=EntitlementState.VOID, reason=REFUNDED, now=now)


def _was_called(voucher: Voucher) -> bool:
    """Whether PortaBilling was asked to charge it, whatever came of that."""
    called = voucher.porta_charge_called_at if voucher.origin is VoucherOrigin.STOCK else voucher.porta_issue_called_at
    return called is not None or voucher.porta_charged_at is not None


def _tell_deciders(session: Session, refund: Refund, payment: Payment, actor: Principal, *, now: datetime) -> None:
    roles = [role for role in Role if Permission.REFUNDS_APPROVE in ROLE_PERMISSIONS[role]]
    people = session.exec(select(Staff.id).where(col(Staff.role).in_(roles), col(Staff.is_active))).all()
    for staff_id in people:
        if staff_id is not None and staff_id != refund.asked_by_id:
            tell(
                session,
                event="refund_waits",
                to=Recipient(staff_id=staff_id),
                values={"reference": payment.reference, "dalasi": refund.amount_bututs // 100, "by": actor.name},
                dedupe_key=f"refund-waits:{refund.id}:{staff_id}",
                link=_PATH,
                now=now,
            )
