"""Vouchers made ahead, so that who has paid is online although PortaBilling does not answer (product.md, "Paid means online").

They belong to nobody until they are bound to a payment. PortaBilling holds each with the package's price as its opening balance,
of which nothing is earned: the sale is a charge of its own, made when PortaBilling is back (services/vouchers/settlement.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.events import publish
from app.queue import ring
from services.packages import service as packages
from services.packages.selling import SaleState
from services.payments.granting import grant_access
from services.payments.ledger import record
from services.payments.models import EventKind, Payment, PaymentStatus
from services.vouchers import codes
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState
from services.vouchers.service import SETTLE_JOB, _new_voucher

# Accounts of the stock live this long in PortaBilling, and are replaced while there is still time to charge them.
_LIFE = timedelta(days=365)
_RETIRED_BEFORE_END, _BOUND_BEFORE_END = timedelta(days=30), timedelta(days=7)
_MOST_PER_RUN = 100
_RETIRED_PER_RUN = 500
# A request that was not answered may still be at work there: looked for when that has passed.
FIRST_LOOK = timedelta(seconds=5)
_ISSUED_BY = "stock"
_LOCK = 0x73746F636B  # "stock": any number that no other advisory lock of ours has


@dataclass(frozen=True)
class StockLevel:
    """What is held of a package on sale. `pending_since` is when the oldest of those not yet in PortaBilling was made."""

    public_id: str
    name: str
    version_id: int
    version: int
    mark: int
    ready: int
    pending: int
    pending_since: datetime | None

    @property
    def is_low(self) -> bool:
        """Less than a quarter of the mark is ready, or nothing."""
        return self.ready == 0 or self.ready < -(-self.mark // 4)


def is_there(payment: Payment, *, now: datetime) -> sa.ColumnElement[bool]:
    """Whether one could be bound to this payment, as a column of a query."""
    held = aliased(Voucher)
    return sa.exists().where(*_bindable(held, payment.package_version_id, now=now))


def bind(session: Session, payment: Payment, *, now: datetime) -> Voucher | None:
    """Give a paid payment (its row is locked) the oldest voucher of the stock instead of its own, and let its client in.

    None when there is none, or when the payment does not wait for a voucher; then nothing has changed.
    """
    if payment.status is not PaymentStatus.PAID:
        return None
    own = session.exec(select(Voucher).where(Voucher.payment_id == payment.id).with_for_update()).one_or_none()
    if own is not None and own.state is not VoucherState.PENDING:
        return None
    voucher = session.exec(
        select(Voucher)
        .where(*_bindable(Voucher, payment.package_version_id, now=now))
        .order_by(col(Voucher.id))
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if voucher is None:
        return None
    if own is not None:
        voucher.use_before = own.use_before
        _replace(session, own, payment, now=now)
    voucher.payment_id, voucher.customer_id = payment.id, payment.customer_id
    # The charge is owed now: settled at once where PortaBilling is merely slow.
    voucher.porta_next_attempt_at = now
    session.flush()
    payment.move(PaymentStatus.VOUCHER_ISSUED, now=now)
    record(session, payment, EventKind.STOCK_BOUND, now=now, voucher_id=voucher.id, replaced_voucher_id=own.id if own else None)
    record(session, payment, EventKind.VOUCHER_ISSUED, now=now, i_account=voucher.porta_i_account)
    grant_access(session, payment, voucher, now=now)
    assert voucher.id is not None
    ring(session, SETTLE_JOB, voucher.id)
    publish(session, "vouchers", voucher.id)
    return voucher


def _bindable(held: type[Voucher], version_id: int, *, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        col(held.origin) == VoucherOrigin.STOCK,
        col(held.payment_id).is_(None),
        col(held.package_version_id) == version_id,
        _is_ready(held, now=now),
    )


def _is_ready(held: type[Voucher], *, now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        col(held.state) == VoucherState.ACTIVE, col(held.use_before) > now + _BOUND_BEFORE_END, col(held.porta_blocked_at).is_(None)
    )


def _replace(session: Session, own: Voucher, payment: Payment, *, now: datetime) -> None:
    """The payment's own voucher opens nothing any more; if its account comes to be in PortaBilling, that is found and blocked."""
    own.payment_id, own.customer_id, own.replaced_payment_id = None, None, payment.id
    own.state = VoucherState.BLOCKED
    own.porta_next_attempt_at = now + FIRST_LOOK if own.porta_issue_called_at is not None else None
    # Written before the other takes its place: two vouchers of one payment are refused.
    session.flush()
    publish(session, "vouchers", own.id)


def top_up(session: Session, *, now: datetime) -> int:
    """Make what is missing to each package's mark, and retire what is not sold any more. Answers how many were made.

    Those that PortaBilling has not taken yet count: while it is away no more are made than the mark says.
    """
    # Two at once would both make what is missing.
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    retire(session, now=now)
    made = 0
    for level in levels(session, now=now):
        missing = min(level.mark - level.ready - level.pending, _MOST_PER_RUN - made)
        for _ in range(missing):
            _make(session, level.version_id, now=now)
        made += max(0, missing)
    session.flush()
    return made


def _make(session: Session, version_id: int, *, now: datetime) -> None:
    voucher, _ = _new_voucher(
        session,
        version_id=version_id,
        porta_account_id=f"inet-s-{codes.new_reference(12).lower()}",
        origin=VoucherOrigin.STOCK,
        payment_id=None,
        customer_id=None,
        issued_by=_ISSUED_BY,
        note=None,
        now=now,
    )
    # Whoever gets it has the package's own time to begin, counted from then.
    voucher.use_before = now + _LIFE
    # Found by the sweep: nobody waits for it.
    voucher.porta_next_attempt_at = now


def retire(session: Session, *, now: datetime) -> int:
    """Block what is held of packages and versions that are not sold any more, and what ends soon. Answers how many."""
    offers = [offer for offer in packages.offers(session) if offer.sale.stock_mark > 0]
    current = [offer.version_id for offer in offers if offer.state(now) is not SaleState.OVER]
    over = session.exec(
        select(Voucher)
        .where(
            Voucher.origin == VoucherOrigin.STOCK,
            col(Voucher.payment_id).is_(None),
            col(Voucher.state).in_((VoucherState.PENDING, VoucherState.ACTIVE)),
            sa.or_(col(Voucher.package_version_id).not_in(current), col(Voucher.use_before) <= now + _RETIRED_BEFORE_END),
        )
        .order_by(col(Voucher.id))
        .limit(_RETIRED_PER_RUN)
        .with_for_update(skip_locked=True)
    ).all()
    for voucher in over:
        voucher.state, voucher.porta_next_attempt_at = VoucherState.BLOCKED, now
        publish(session, "vouchers", voucher.id)
    session.flush()
    return len(over)


def levels(session: Session, *, now: datetime) -> list[StockLevel]:
    """How each package stands that is on sale and to be held in stock, in the order of the price list."""
    sold = [offer for offer in packages.offers(session) if offer.sale.stock_mark > 0 and offer.state(now) is SaleState.ON_SALE]
    is_pending = col(Voucher.state) == VoucherState.PENDING
    rows = session.execute(
        sa.select(
            col(Voucher.package_version_id),
            sa.func.count().filter(_is_ready(Voucher, now=now)),
            sa.func.count().filter(is_pending),
            sa.func.min(Voucher.created_at).filter(is_pending),
        )
        .where(
            col(Voucher.origin) == VoucherOrigin.STOCK,
            col(Voucher.payment_id).is_(None),
            col(Voucher.state).in_((VoucherState.PENDING, VoucherState.ACTIVE)),
            col(Voucher.package_version_id).in_([offer.version_id for offer in sold]),
        )
        .group_by(col(Voucher.package_version_id))
    )
    held = {version_id: (ready, pending, since) for version_id, ready, pending, since in rows}
    return [_level(offer, *held.get(offer.version_id, (0, 0, None))) for offer in sold]


def _level(offer: packages.Offer, ready: int, pending: int, since: datetime | None) -> StockLevel:
    return StockLevel(
        public_id=offer.public_id,
        name=offer.terms.name,
        version_id=offer.version_id,
        version=offer.version,
        mark=offer.sale.stock_mark,
        ready=ready,
        pending=pending,
        pending_since=since,
    )
