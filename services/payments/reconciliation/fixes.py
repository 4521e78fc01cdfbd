"""What accepting a finding does, by its fix. Each answers in words what was done; what asks outside is done by a job after the commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.events import publish
from app.outbound import OutboundError, recording
from app.queue import ring
from services.accounts.permissions import Principal
from services.integrations.clients import Outside
from services.packages.models import CURRENCY
from services.payments import strays
from services.payments.calls import keep_calls
from services.payments.clearing.models import LedgerAccount, TransferReason
from services.payments.clearing.posting import post
from services.payments.models import ASKING_WAVE, Checkout, Payment, PaymentStatus, Refund
from services.payments.process import ADVANCE_JOB
from services.payments.reconciliation import foreign, refunded
from services.payments.reconciliation.errors import CannotBeMended
from services.payments.reconciliation.models import FindingKind, FindingState, Fix, ReconciliationFinding
from services.payments.steps import issue_account
from services.vouchers import service as vouchers
from services.vouchers.models import Voucher, VoucherState

CARRY_JOB = "jobs.reconciliation.carry_out"
Carrier = Callable[[Session, ReconciliationFinding, Principal, datetime], str]


def carry(session: Session, finding: ReconciliationFinding, *, actor: Principal, now: datetime) -> str:
    """Do it, in this transaction or after it, and say in words what. Raises CannotBeMended, and what the services of the fix raise."""
    return _CARRIERS[finding.fix](session, finding, actor, now)


def _ask_wave(session: Session, finding: ReconciliationFinding, _: Principal, now: datetime) -> str:
    payment = _payment(session, finding)
    if payment.status in ASKING_WAVE:
        payment.next_attempt_at = now
        ring(session, ADVANCE_JOB, payment.id or 0, queue="urgent")
    ring(session, strays.LOOK_JOB, payment.id or 0, queue="urgent")
    return f"Wave is asked for every checkout of {payment.reference}; what was paid is taken in."


def _look(session: Session, finding: ReconciliationFinding, _: Principal, now: datetime) -> str:
    return "Looked into by a person; nothing was changed by it."


def _post_again(session: Session, finding: ReconciliationFinding, actor: Principal, now: datetime) -> str:
    """Post the transfer that is not there, and set what stands open on the subject to what its transfers sum to."""
    ledger = finding.evidence.get("ledger", {})
    subject = ledger.get("subject") or f"payment:{finding.payment_id}"
    once = ledger.get("transfer")
    if finding.payment_id is not None:
        _payment(session, finding)
    posted = False
    if once and not _stands(session, once):
        post(
            session,
            TransferReason(once.partition(":")[0]),
            LedgerAccount(ledger["debit"]),
            LedgerAccount(ledger["credit"]),
            finding.ledger_bututs or 0,
            subject=subject,
            once=once,
            actor=actor.label,
            note=f"Posted again: finding {finding.id}",
            now=now,
        )
        posted = True
        session.flush()
    session.execute(_SET_OPEN_AWAY, {"subject": subject})
    session.execute(_SET_OPEN, {"subject": subject})
    return "The missing transfer was posted." if posted else "What stands open was set to what its transfers sum to."


def _stands(session: Session, once: str) -> bool:
    return session.execute(sa.text("SELECT 1 FROM ledger_transfer WHERE once = :once"), {"once": once}).first() is not None


_SET_OPEN_AWAY = sa.text("DELETE FROM ledger_open WHERE subject = :subject")
_SET_OPEN = sa.text("""
INSERT INTO ledger_open (account, subject, balance_bututs, since)
SELECT account, :subject, sum(balance), min(at) FROM (
    SELECT debit AS account, amount_bututs AS balance, at FROM ledger_transfer WHERE subject = :subject
    UNION ALL SELECT credit, -amount_bututs, at FROM ledger_transfer WHERE subject = :subject
) AS sides
WHERE account IN ('wave_receivable', 'unearned_access', 'refunds', 'portabilling_charge', 'suspense')
GROUP BY account HAVING sum(balance) <> 0
""")


def _issue_again(session: Session, finding: ReconciliationFinding, _: Principal, now: datetime) -> str:
    if finding.kind is FindingKind.LOST_ROW:
        payment = _payment(session, finding)
        if payment.status is not PaymentStatus.PAID:
            raise CannotBeMended
        vouchers.voucher_for_payment(session, payment, now=now)
        payment.next_attempt_at = now
        ring(session, ADVANCE_JOB, payment.id or 0, queue="urgent")
        return f"The voucher of {payment.reference} is made again and issued."
    _voucher(session, finding)
    return _later(session, finding, "PortaBilling is asked to hold the account again.")


def _block_account(session: Session, finding: ReconciliationFinding, _: Principal, now: datetime) -> str:
    voucher = _voucher(session, finding)
    if voucher.state not in (VoucherState.USED, VoucherState.BLOCKED):
        raise CannotBeMended("The voucher is free again, so its account is not blocked.")
    return _later(session, finding, "PortaBilling is asked to block the account.")


def _send_refund(session: Session, finding: ReconciliationFinding, _: Principal, now: datetime) -> str:
    _payment(session, finding)
    return _later(session, finding, "Wave is asked once more to give the money back.")


def _later(session: Session, finding: ReconciliationFinding, words: str) -> str:
    assert finding.id is not None
    ring(session, CARRY_JOB, finding.id)
    return words


_CARRIERS: dict[Fix, Carrier] = {
    Fix.ASK_WAVE: _ask_wave,
    Fix.GIVE_CREDIT: foreign.give_credit,
    Fix.HOLD_IN_SUSPENSE: foreign.hold_in_suspense,
    Fix.RECORD_REFUND: refunded.record_refund,
    Fix.SEND_REFUND: _send_refund,
    Fix.ISSUE_AGAIN: _issue_again,
    Fix.BLOCK_ACCOUNT: _block_account,
    Fix.POST_AGAIN: _post_again,
    Fix.LOOK: _look,
}


def _payment(session: Session, finding: ReconciliationFinding) -> Payment:
    if finding.payment_id is None:
        raise CannotBeMended
    return session.get_one(Payment, finding.payment_id, with_for_update=True, populate_existing=True)


def _voucher(session: Session, finding: ReconciliationFinding) -> Voucher:
    voucher = session.get(Voucher, finding.voucher_id) if finding.voucher_id is not None else None
    if voucher is None:
        raise CannotBeMended
    return voucher


def carry_out(begin: Begin, finding_id: int, outside: Outside, *, clock: Clock) -> None:
    """The calls of an accepted fix; each may be repeated harmlessly. What fails opens the finding again, with the reason."""
    with begin() as session:
        finding = session.get(ReconciliationFinding, finding_id)
        if finding is None or finding.state is not FindingState.ACCEPTED:
            return
        call, payment_id = _CALLS[finding.fix](session, finding, clock()), finding.payment_id
    failure: OutboundError | None = None
    words = ""
    with recording() as calls:
        try:
            words = call(outside)
        except OutboundError as error:
            failure = error
    with begin() as session:
        finding = session.get_one(ReconciliationFinding, finding_id, with_for_update=True, populate_existing=True)
        if payment_id is not None:
            keep_calls(session, payment_id, calls)
        if finding.state is not FindingState.ACCEPTED:
            return
        if failure is not None:
            finding.state, finding.outcome = FindingState.OPEN, f"It was tried and failed: {failure.detail}"[:300]
        else:
            finding.outcome = words
        publish(session, "findings", finding_id)


Call = Callable[[Outside], str]


def _call_to_issue(session: Session, finding: ReconciliationFinding, now: datetime) -> Call:
    voucher, payment = _voucher(session, finding), session.get_one(Payment, finding.payment_id)
    account_id, use_before, amount = voucher.porta_account_id, voucher.use_before, payment.amount_bututs
    is_over = voucher.state in (VoucherState.USED, VoucherState.BLOCKED)

    def call(outside: Outside) -> str:
        account = issue_account(
            outside,
            account_id=account_id,
            amount_bututs=amount,
            currency=CURRENCY,
            at=now,
            # PortaBilling takes no account that is over before it begins.
            use_before=max(use_before, now + timedelta(days=1)),
            look_first=True,
        )
        if is_over and not account.blocked:
            outside.portabilling.set_blocked(account.i_account, True)
        return "PortaBilling holds the account again" + (", and it is blocked." if is_over else ".")

    return call


def _call_to_block(session: Session, finding: ReconciliationFinding, now: datetime) -> Call:
    account_id = _voucher(session, finding).porta_account_id

    def call(outside: Outside) -> str:
        account = outside.portabilling.get_account(account_id)
        if account is None:
            return "PortaBilling has no such account any more."
        outside.portabilling.set_blocked(account.i_account, True)
        return "The account is blocked in PortaBilling."

    return call


def _call_to_refund(session: Session, finding: ReconciliationFinding, now: datetime) -> Call:
    refund_id = int(finding.key.rpartition(":")[2])
    checkout = session.exec(select(Checkout).join(Refund, col(Refund.checkout_id) == col(Checkout.id)).where(Refund.id == refund_id)).one()
    wave_session_id = checkout.wave_session_id

    def call(outside: Outside) -> str:
        outside.wave.refund_session(wave_session_id)
        return "Wave was asked once more and says that the money went back."

    return call


_CALLS: dict[Fix, Callable[[Session, ReconciliationFinding, datetime], Call]] = {
    Fix.ISSUE_AGAIN: _call_to_issue,
    Fix.BLOCK_ACCOUNT: _call_to_block,
    Fix.SEND_REFUND: _call_to_refund,
}
