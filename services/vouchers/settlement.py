"""Make PortaBilling agree with our vouchers: issue what was made here, charge what was sold from the stock, block what is used or blocked.

What is owed is decided in `owed`; here it is taken under a lease, asked, and recorded. Harmless to repeat, late, or twice at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app import correlation
from app.clock import Clock
from app.db import Begin
from app.failpoints import boundary
from app.outbound import OutboundError, OutcomeUnknown, recording
from app.queue import ring
from app.settings import get_settings
from services.integrations.clients import Outside
from services.integrations.portabilling import PortaAccount, PortaXdr
from services.payments.calls import keep_calls
from services.payments.clearing.posting import drop_charge
from services.payments.ledger import record
from services.payments.models import EventKind, Payment, PaymentEvent
from services.payments.steps import adopt_account
from services.vouchers.models import Voucher, VoucherOrigin
from services.vouchers.owed import Act, Owed, decide, is_charge_due, is_given_back
from services.vouchers.service import SETTLE_JOB

_SWEEP_BATCH = 200
_BACKOFF_CAP_SECONDS = 300
# Issue or look, find a charge, make it, block.
_MOST_CALLS = 5

Answer = PortaAccount | PortaXdr | OutboundError | None


def surely_over() -> timedelta:
    """How long after a call that was not answered "not there" means "never done": by then it was worked off or forgotten."""
    return timedelta(seconds=get_settings().portabilling_forgets_seconds)


def settle_voucher(begin: Begin, voucher_id: int, outside: Outside, *, clock: Clock) -> None:
    """Take the steps that PortaBilling is owed for one voucher. After a lost answer it asks before it acts."""
    for _ in range(_MOST_CALLS):
        with begin() as session:
            owed = _take(session, voucher_id, now=clock())
            told_under = _told_under(session, voucher_id) if owed is not None else ""
        if owed is None:
            return
        with correlation.continuing(told_under):
            if not _go_on(begin, voucher_id, owed, outside, clock=clock):
                return


def _told_under(session: Session, voucher_id: int) -> str:
    """The ID under which the purchase that it belongs to is told; empty for one that nobody bought."""
    voucher = session.get_one(Voucher, voucher_id)
    paid_for = voucher.payment_id or voucher.replaced_payment_id
    return session.get_one(Payment, paid_for).correlation_id if paid_for is not None else ""


def _go_on(begin: Begin, voucher_id: int, owed: Owed, outside: Outside, *, clock: Clock) -> bool:
    """Take one step. Answers whether there may be more to do now."""
    boundary("settle_voucher.before_call")
    answer: Answer
    with recording() as calls:
        try:
            answer = owed.perform(outside)
        except OutboundError as error:
            answer = error
    boundary("settle_voucher.after_call")
    with begin() as session:
        voucher, payment = _locked(session, voucher_id)
        paid_for = voucher.payment_id or voucher.replaced_payment_id
        if paid_for is not None:
            keep_calls(session, paid_for, calls)
        return _record(session, voucher, payment, owed, answer, now=clock())


def _locked(session: Session, voucher_id: int) -> tuple[Voucher, Payment | None]:
    """The voucher and its payment, locked in the order in which payments lock them."""
    payment_id = session.exec(select(Voucher.payment_id).where(Voucher.id == voucher_id)).one()
    payment = session.get_one(Payment, payment_id, with_for_update=True, populate_existing=True) if payment_id is not None else None
    voucher = session.get_one(Voucher, voucher_id, with_for_update=True, populate_existing=True)
    if voucher.payment_id != payment_id:
        # Bound or replaced in between: rare enough to risk the other order, which the database resolves.
        payment = session.get_one(Payment, voucher.payment_id, with_for_update=True) if voucher.payment_id is not None else None
    return voucher, payment


def _take(session: Session, voucher_id: int, *, now: datetime) -> Owed | None:
    if session.exec(select(Voucher.id).where(Voucher.id == voucher_id)).one_or_none() is None:
        return None
    voucher, payment = _locked(session, voucher_id)
    if voucher.porta_lease_until is not None and voucher.porta_lease_until > now:
        return None
    if payment is not None and is_given_back(payment) and _stands_charged(voucher) and is_charge_due(session, payment):
        # Its account came to be, so the charge was made, whatever kept the payment from hearing of it.
        record(session, payment, EventKind.CHARGED, now=now, settled_later=True)
    owed = decide(session, voucher, payment, now=now)
    if owed is None:
        voucher.porta_next_attempt_at = None
        return None
    if owed.act is Act.ISSUE:
        voucher.porta_issue_called_at = voucher.porta_issue_called_at or now
    elif owed.act is Act.CHARGE:
        voucher.porta_charge_called_at = now
    voucher.porta_lease_until = voucher.porta_next_attempt_at = now + timedelta(seconds=get_settings().lease_seconds)
    session.flush()
    return owed


def _stands_charged(voucher: Voucher) -> bool:
    return voucher.porta_issued_at is not None and voucher.origin is not VoucherOrigin.STOCK


def _record(session: Session, voucher: Voucher, payment: Payment | None, owed: Owed, answer: Answer, *, now: datetime) -> bool:
    """Keep what was learnt. Answers whether there may be more to do now."""
    is_ours = voucher.porta_lease_until == owed.at + timedelta(seconds=get_settings().lease_seconds)
    if is_ours:
        voucher.porta_lease_until = None
    if isinstance(answer, OutboundError):
        if is_ours:
            _failed(voucher, owed, answer, now=now)
        return False
    voucher.porta_attempts, voucher.porta_error = 0, None
    if isinstance(answer, PortaAccount):
        _adopt(session, voucher, payment, answer, now=now)
    elif owed.act is Act.BLOCK:
        _blocked(session, voucher, payment, owed.block, now=now)
    elif owed.act is Act.CHARGE or isinstance(answer, PortaXdr):
        _charged(session, voucher, payment, answer, now=now)
    elif is_ours and not _not_there(session, voucher, payment, owed, now=now):
        return False
    if is_ours:
        # A death before the next look at it must not leave it forgotten.
        voucher.porta_next_attempt_at = now
    return is_ours


def _adopt(session: Session, voucher: Voucher, payment: Payment | None, account: PortaAccount, *, now: datetime) -> None:
    if voucher.porta_issued_at is None:
        adopt_account(voucher, account, now=now)
    if payment is not None and is_given_back(payment) and is_charge_due(session, payment):
        record(session, payment, EventKind.CHARGED, now=now, settled_later=True, i_account=account.i_account)


def _charged(session: Session, voucher: Voucher, payment: Payment | None, found: PortaXdr | None, *, now: datetime) -> None:
    voucher.porta_charged_at = voucher.porta_charged_at or now
    if payment is not None and is_charge_due(session, payment):
        sum_bututs = found.amount_bututs if found is not None else payment.amount_bututs
        record(
            session,
            payment,
            EventKind.CHARGED,
            now=now,
            settled_later=True,
            charged_bututs=sum_bututs,
            i_xdr=found.i_xdr if found is not None else None,
        )


def _blocked(session: Session, voucher: Voucher, payment: Payment | None, blocked: bool, *, now: datetime) -> None:
    voucher.porta_blocked_at = now if blocked else None
    if not blocked or payment is None:
        return
    told = select(PaymentEvent.id).where(PaymentEvent.payment_id == payment.id, PaymentEvent.kind == EventKind.VOUCHER_BLOCKED)
    if session.exec(told).one_or_none() is None:
        record(session, payment, EventKind.VOUCHER_BLOCKED, now=now, settled_later=True)


def _not_there(session: Session, voucher: Voucher, payment: Payment | None, owed: Owed, *, now: datetime) -> bool:
    """A look-up found nothing. Answers whether that is the last word; before, it may still come to be and is looked for once more."""
    assert owed.called_at is not None
    if owed.at < owed.called_at + surely_over():
        voucher.porta_next_attempt_at = owed.called_at + surely_over()
        return False
    if owed.act is Act.LOOK:
        voucher.porta_issue_called_at = None
    else:
        voucher.porta_charge_called_at = None
    if payment is not None and is_given_back(payment) and is_charge_due(session, payment):
        drop_charge(session, payment, now=now)
    return True


def _failed(voucher: Voucher, owed: Owed, failure: OutboundError, *, now: datetime) -> None:
    if owed.act is Act.CHARGE and not isinstance(failure, OutcomeUnknown):
        # Certainly not made: there is nothing to look for.
        voucher.porta_charge_called_at = None
    voucher.porta_attempts += 1
    voucher.porta_error = failure.detail[:300]
    voucher.porta_next_attempt_at = now + timedelta(seconds=min(_BACKOFF_CAP_SECONDS, 2 ** min(voucher.porta_attempts + 1, 9)))


def ring_due(session: Session, *, now: datetime) -> int:
    """The sweep of vouchers whose PortaBilling side is owed something."""
    due = session.exec(
        select(Voucher).where(col(Voucher.porta_next_attempt_at) <= now).limit(_SWEEP_BATCH).with_for_update(skip_locked=True)
    ).all()
    for voucher in due:
        assert voucher.id is not None
        voucher.porta_next_attempt_at = now + timedelta(seconds=20)
        ring(session, SETTLE_JOB, voucher.id)
    session.flush()
    return len(due)
