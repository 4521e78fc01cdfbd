"""Registering a batch's vouchers in PortaBilling, behind everything else: they can be used before (settlement issues a used one by itself).

One run takes a few dozen, so that the queue stays open to others, and rings for the next. Each voucher's account id is fixed and the call
is noted before it is made: what a lost answer leaves behind is looked for and adopted.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.events import publish
from app.failpoints import boundary
from app.outbound import OutboundError, Refused, Unavailable
from app.queue import ring
from app.settings import get_settings
from services.integrations.clients import Outside
from services.integrations.portabilling import PortaAccount
from services.listing import pick
from services.packages import service as packages
from services.packages.models import CURRENCY
from services.payments.steps import adopt_account, issue_account
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.batches.changing import is_one_of
from services.vouchers.batches.making import WORK_JOB
from services.vouchers.models import Voucher, VoucherState

PER_RUN = 50
AT_ONCE = 4
# The longest wait between two tries.
_PAUSE = timedelta(minutes=5)
# A worker that died is followed after this: longer than a run takes whose every call runs into its time-out.
_LEASE = timedelta(minutes=2)


@dataclass(frozen=True)
class _Order:
    """One account to be made."""

    voucher_id: int
    account_id: str
    activation: datetime
    use_before: datetime
    look_first: bool


@dataclass(frozen=True)
class _Run:
    """What one run has taken upon itself."""

    batch_id: int
    amount_bututs: int
    lease_until: datetime
    orders: tuple[_Order, ...]


Made = dict[int, PortaAccount | OutboundError]


def register(begin: Begin, batch_id: int, outside: Outside, *, clock: Clock, after: int = 0) -> None:
    """Register the next vouchers with a number over `after`. Safe to run twice, at once, or to die in between."""
    with begin() as session:
        run = _take(session, batch_id, after=after, now=clock())
    if run is None:
        return
    boundary("register_batch.before_calls")
    made = _issue(outside, run)
    boundary("register_batch.after_calls")
    with begin() as session:
        _keep(session, run, made, now=clock())


def _take(session: Session, batch_id: int, *, after: int, now: datetime) -> _Run | None:
    batch = session.get(VoucherBatch, batch_id, with_for_update=True)
    if batch is None or batch.state is not BatchState.READY:
        return None
    # Each run rings for the next one. Who comes without being rung for begins anew only when that has come to an end.
    if not after and batch.lease_until is not None and batch.lease_until > now:
        return None
    waiting = session.exec(
        select(Voucher)
        .where(*_unregistered(batch_id), col(Voucher.id) > after)
        .where(sa.or_(col(Voucher.porta_lease_until).is_(None), col(Voucher.porta_lease_until) <= now))
        .order_by(col(Voucher.id))
        .limit(PER_RUN)
        .with_for_update(skip_locked=True)
    ).all()
    if not waiting:
        _at_the_end(session, batch, now=now)
        return None
    batch.lease_until = batch.next_attempt_at = now + _LEASE
    orders = []
    for voucher in waiting:
        assert voucher.id is not None
        was_called = voucher.porta_issue_called_at is not None
        orders.append(_Order(voucher.id, voucher.porta_account_id, voucher.use_from or now, voucher.use_before, was_called))
        voucher.porta_issue_called_at = voucher.porta_issue_called_at or now
        # Whoever uses one meanwhile has settlement wait for our answer.
        voucher.porta_lease_until = batch.lease_until
    amount = packages.terms_of(session, batch.package_version_id).amount_bututs
    session.flush()
    return _Run(batch_id, amount, batch.lease_until, tuple(orders))


def _unregistered(batch_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Those that are used, and have a turn of their own in settlement, are left to it; those that nobody can use need no account."""
    return (
        col(Voucher.batch_id) == batch_id,
        col(Voucher.porta_issued_at).is_(None),
        col(Voucher.porta_next_attempt_at).is_(None),
        col(Voucher.state) == VoucherState.ACTIVE,
    )


def _at_the_end(session: Session, batch: VoucherBatch, *, now: datetime) -> None:
    """Count anew, for settlement registers what is used; look again later if some were passed over, or are still with settlement."""
    assert batch.id is not None
    known = pick(sa.func.count()).where(col(Voucher.batch_id) == batch.id, col(Voucher.porta_issued_at).is_not(None))
    batch.registered, batch.lease_until = session.execute(known).scalar_one(), None
    is_under_way = sa.or_(col(Voucher.state).in_((VoucherState.ACTIVE, VoucherState.USED)), col(Voucher.porta_next_attempt_at).is_not(None))
    missing = select(Voucher.id).where(Voucher.batch_id == batch.id, col(Voucher.porta_issued_at).is_(None), is_under_way)
    batch.next_attempt_at = now + _PAUSE if session.exec(missing.limit(1)).first() is not None else None
    publish(session, "batches", batch.id)


def _issue(outside: Outside, run: _Run) -> Made:
    """A few at once; once PortaBilling does not answer, the rest is not asked for."""
    made: Made = {}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for start in range(0, len(run.orders), AT_ONCE):
            turn = run.orders[start : start + AT_ONCE]
            calls = [threads.submit(copy_context().run, partial(_issue_one, outside, run, order)) for order in turn]
            made |= {order.voucher_id: call.result() for order, call in zip(turn, calls, strict=True)}
            if any(_is_away(answer) for answer in made.values()):
                break
    return made


def _is_away(answer: PortaAccount | OutboundError) -> bool:
    return isinstance(answer, OutboundError) and not isinstance(answer, Refused)


def _issue_one(outside: Outside, run: _Run, order: _Order) -> PortaAccount | OutboundError:
    try:
        return issue_account(
            outside,
            account_id=order.account_id,
            amount_bututs=run.amount_bututs,
            currency=CURRENCY,
            at=order.activation,
            use_before=order.use_before,
            look_first=order.look_first,
            batch=f"inet-batch-{run.batch_id}",
        )
    except OutboundError as error:
        return error


def _keep(session: Session, run: _Run, made: Made, *, now: datetime) -> None:
    batch = session.get_one(VoucherBatch, run.batch_id, with_for_update=True, populate_existing=True)
    orders = {order.voucher_id: order for order in run.orders}
    held = session.exec(select(Voucher).where(is_one_of(list(orders))).order_by(col(Voucher.id)).with_for_update()).all()
    for voucher in held:
        assert voucher.id is not None
        batch.registered += _keep_one(voucher, orders[voucher.id], made.get(voucher.id), lease_until=run.lease_until, now=now)
    if batch.lease_until == run.lease_until:
        batch.lease_until = None
        _plan(session, batch, made, last=run.orders[-1].voucher_id, now=now)
    publish(session, "batches", batch.id)


def _keep_one(
    voucher: Voucher, order: _Order, answer: PortaAccount | OutboundError | None, *, lease_until: datetime, now: datetime
) -> bool:
    """What was learnt of one voucher; whether it is registered by this."""
    is_ours, is_new = voucher.porta_lease_until == lease_until, isinstance(answer, PortaAccount) and voucher.porta_issued_at is None
    if isinstance(answer, PortaAccount) and is_new:
        adopt_account(voucher, answer, now=now)
        voucher.porta_attempts, voucher.porta_error = 0, None
    elif isinstance(answer, OutboundError):
        voucher.porta_attempts, voucher.porta_error = voucher.porta_attempts + 1, answer.detail[:300]
    if is_ours:
        voucher.porta_lease_until = None
        if not order.look_first and (answer is None or isinstance(answer, Unavailable)):
            # It was certainly not called: nothing need be looked for.
            voucher.porta_issue_called_at = None
    if voucher.porta_issued_at is not None and (voucher.is_block_owed or voucher.is_unblock_owed):
        # Used or blocked while we asked.
        voucher.porta_next_attempt_at = voucher.porta_next_attempt_at or now
    return is_new


def _plan(session: Session, batch: VoucherBatch, made: Made, *, last: int, now: datetime) -> None:
    assert batch.id is not None
    failures = [answer for answer in made.values() if isinstance(answer, OutboundError)]
    if batch.state is not BatchState.READY:
        # Cancelled meanwhile.
        batch.next_attempt_at = now
        return
    batch.error = failures[0].detail[:300] if failures else None
    if len(failures) < len(made) and not any(_is_away(failure) for failure in failures):
        # One that is refused keeps the others waiting no longer.
        batch.attempts, batch.lease_until = 0, now + timedelta(seconds=get_settings().lease_seconds)
        batch.next_attempt_at = batch.lease_until
        ring(session, WORK_JOB, batch.id, last, queue="bulk")
        return
    batch.attempts += 1
    seconds = min(_PAUSE.total_seconds(), 2.0 ** min(batch.attempts + 1, 9))
    wait = max((failure.retry_after or 0 for failure in failures if isinstance(failure, Unavailable)), default=0)
    batch.next_attempt_at = now + timedelta(seconds=max(seconds, min(wait, 600)))
