"""Make PortaBilling agree with our vouchers: issue what staff made, block what is used or blocked, unblock what is free again."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.failpoints import boundary
from app.outbound import OutboundError, recording
from app.queue import ring
from app.settings import get_settings
from services.integrations.clients import Outside
from services.packages import service as packages
from services.packages.models import CURRENCY
from services.payments.calls import keep_calls
from services.payments.ledger import record
from services.payments.models import EventKind, Payment
from services.payments.steps import adopt_account, issue_account
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import SETTLE_JOB

_SWEEP_BATCH = 200
_BACKOFF_CAP_SECONDS = 300


def settle_voucher(begin: Begin, voucher_id: int, outside: Outside, *, clock: Clock) -> None:
    """Take the steps that PortaBilling is owed for one voucher. Blocking may be repeated; issuing asks first after a lost answer."""
    for _ in range(3):
        with begin() as session:
            owed = _take(session, voucher_id, now=clock())
        if owed is None:
            return
        boundary("settle_voucher.before_call")
        failure: OutboundError | None = None
        account = None
        with recording() as calls:
            try:
                if owed.porta_issued_at is None:
                    account = issue_account(
                        outside,
                        account_id=owed.porta_account_id,
                        amount_bututs=owed.amount_bututs,
                        currency=CURRENCY,
                        at=owed.at,
                        use_before=owed.use_before,
                        look_first=owed.look_first,
                    )
                else:
                    assert owed.i_account is not None
                    outside.portabilling.set_blocked(owed.i_account, owed.block)
            except OutboundError as error:
                failure = error
        boundary("settle_voucher.after_call")
        with begin() as session:
            voucher = session.get_one(Voucher, voucher_id, with_for_update=True)
            if voucher.payment_id is not None:
                keep_calls(session, voucher.payment_id, calls)
            voucher.porta_lease_until = None
            if failure is not None:
                _back_off(voucher, failure, now=clock())
                return
            voucher.porta_attempts, voucher.porta_error = 0, None
            if account is not None:
                adopt_account(voucher, account, now=clock())
            else:
                _blocked(session, voucher, owed.block, now=clock())
            voucher.porta_next_attempt_at = clock()


class _Owed:
    """What is to be done for a voucher, read under its lock."""

    def __init__(self, voucher: Voucher, amount_bututs: int, *, look_first: bool, now: datetime) -> None:
        self.porta_account_id, self.i_account = voucher.porta_account_id, voucher.porta_i_account
        self.porta_issued_at, self.use_before = voucher.porta_issued_at, voucher.use_before
        self.amount_bututs, self.look_first, self.at = amount_bututs, look_first, now
        self.block = voucher.is_block_owed


def _take(session: Session, voucher_id: int, *, now: datetime) -> _Owed | None:
    voucher = session.get(Voucher, voucher_id, with_for_update=True)
    if voucher is None or (voucher.porta_lease_until is not None and voucher.porta_lease_until > now):
        return None
    is_issue_owed = voucher.porta_issued_at is None and voucher.payment_id is None and voucher.state is not VoucherState.EXPIRED
    if not (is_issue_owed or (voucher.porta_issued_at and (voucher.is_block_owed or voucher.is_unblock_owed))):
        voucher.porta_next_attempt_at = None
        return None
    look_first = voucher.porta_issue_called_at is not None
    if is_issue_owed:
        voucher.porta_issue_called_at = voucher.porta_issue_called_at or now
    voucher.porta_lease_until = voucher.porta_next_attempt_at = now + timedelta(seconds=get_settings().lease_seconds)
    amount = packages.terms_of(session, voucher.package_version_id).amount_bututs
    session.flush()
    return _Owed(voucher, amount, look_first=look_first, now=now)


def _blocked(session: Session, voucher: Voucher, blocked: bool, *, now: datetime) -> None:
    voucher.porta_blocked_at = now if blocked else None
    if blocked and voucher.payment_id is not None:
        payment = session.get_one(Payment, voucher.payment_id, with_for_update=True)
        record(session, payment, EventKind.VOUCHER_BLOCKED, now=now, settled_later=True)


def _back_off(voucher: Voucher, failure: OutboundError, *, now: datetime) -> None:
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
