"""How things stand with a customer right now: online or not and until when, what waits for somebody, what they bought in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.entitlements import data_left
from services.access.models import AccessSession, Entitlement, EntitlementState, Gateway, SessionState
from services.access.sessions_desk import REOPEN_WITHIN
from services.accounts.errors import CustomerNotFound
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.apps import phones
from services.listing import pick
from services.packages.models import PackageVersion
from services.payments.models import MONEY_TAKEN, TO_BE_SERVED, Payment, PaymentStatus, Refund, RefundKind, RefundState
from services.tickets.models import IS_UNDONE, Ticket
from services.tickets.sight import in_sight
from services.vouchers.models import Voucher, VoucherState

_SHOWN = 5
# A payment that is this young is being served; it is nobody's trouble yet.
PATIENCE = timedelta(minutes=2)
_KEPT = (*MONEY_TAKEN, PaymentStatus.ATTENTION)


@dataclass(frozen=True)
class OnlineNow:
    """A session that runs. `until` is the end of the purchased time; without a purchase, of what the router was told."""

    session_id: int
    state: SessionState
    gateway: str
    gateway_slug: str
    since: datetime
    until: datetime
    entitlement_id: int | None


@dataclass(frozen=True)
class TimeNow:
    """Purchased time that can be used, or that ran out so lately that more of it can be given."""

    entitlement_id: int
    package: str
    state: EntitlementState
    seconds_left: int
    bytes_left: int | None
    ends_at: datetime | None
    use_before: datetime
    paused_at: datetime | None
    is_usable: bool
    is_online: bool


@dataclass(frozen=True)
class PaymentNow:
    payment: Payment
    package: str
    may_be_refunded: bool


@dataclass(frozen=True)
class Standing:
    """A piece is None where the reader may not know of it.

    `spent_bututs` and `purchases` count what was paid and kept. `payments` are the newest that were paid, and the last that was tried.
    """

    customer: Customer
    online: tuple[OnlineNow, ...] | None = None
    times: tuple[TimeNow, ...] | None = None
    tickets: tuple[Ticket, ...] | None = None
    unserved: Payment | None = None
    payments: tuple[PaymentNow, ...] | None = None
    last_tried: Payment | None = None
    spent_bututs: int | None = None
    purchases: int | None = None
    blocked_vouchers: int | None = None
    ready_vouchers: int | None = None
    phones: int = 0

    @property
    def is_gone(self) -> bool:
        return self.customer.erased_at is not None

    @property
    def not_online(self) -> TimeNow | None:
        """Time that could be used this moment, while no device is online with it: what "paid, and not online" looks like from here."""
        return next((time for time in self.times or () if time.is_usable and not time.is_online and time.paused_at is None), None)


def standing(session: Session, *, actor: Principal, customer_id: int, now: datetime) -> Standing:
    """Raises Forbidden or CustomerNotFound."""
    actor.require(Permission.CUSTOMERS_READ)
    customer = session.get(Customer, customer_id)
    if customer is None:
        raise CustomerNotFound("There is no customer under that number.")
    is_gone, found = customer.erased_at is not None, dict[str, Any]()
    if actor.may(Permission.PAYMENTS_READ):
        found |= _money(session, customer_id, now=now)
    if is_gone:
        return Standing(customer, **found)
    if actor.may(Permission.SESSIONS_READ):
        online = _online(session, customer_id)
        found |= {"online": online, "times": _times(session, customer_id, online, now=now)}
    if actor.may(Permission.TICKETS_READ):
        open_ones = _newest(
            session, col(Ticket.created_at), col(Ticket.id), col(Ticket.customer_id) == customer_id, IS_UNDONE, *in_sight(actor)
        )
        found["tickets"] = tuple(session.exec(select(Ticket).where(col(Ticket.id).in_(open_ones)).order_by(col(Ticket.id).desc())).all())
    if actor.may(Permission.VOUCHERS_READ):
        found |= _vouchers(session, customer_id)
    found["phones"] = len(phones.phones_of_customer(session, actor=actor, customer_id=customer_id))
    return Standing(customer, **found)


def _newest(session: Session, at: Any, row_id: Any, *own: Any, limit: int = _SHOWN) -> Sequence[int]:
    """Numbers of the customer's newest rows: theirs first, then the newest of them (services/console/customer_story.py says why)."""
    theirs = pick(at.label("at"), row_id.label("id")).where(*own).offset(0).subquery()
    return session.execute(sa.select(theirs.c.id).order_by(theirs.c.at.desc(), theirs.c.id.desc()).limit(limit)).scalars().all()


def _online(session: Session, customer_id: int) -> tuple[OnlineNow, ...]:
    at, row_id = col(AccessSession.started_at), col(AccessSession.id)
    running = _newest(session, at, row_id, col(AccessSession.customer_id) == customer_id, col(AccessSession.state) != SessionState.ENDED)
    query = (
        pick(AccessSession, Gateway.name, Gateway.slug, Entitlement.ends_at)
        .join(Gateway, col(Gateway.id) == AccessSession.gateway_id)
        .outerjoin(Entitlement, col(Entitlement.id) == AccessSession.entitlement_id)
        .where(row_id.in_(running))
        .order_by(at.desc(), row_id.desc())
    )
    return tuple(
        OnlineNow(row.id, row.state, gateway, slug, row.started_at, time_ends_at or row.ends_at, row.entitlement_id)
        for row, gateway, slug, time_ends_at in session.execute(query)
    )


def _times(session: Session, customer_id: int, online: tuple[OnlineNow, ...], *, now: datetime) -> tuple[TimeNow, ...]:
    """What can be used, the newest first; where there is none, the last that more can be given of."""
    inside = {one.entitlement_id for one in online}
    usable = tuple(time for time in _times_of(session, _SHOWN, inside, _STANDS, customer_id, now=now) if time.is_usable)
    if usable:
        return usable
    lately = (col(Entitlement.ends_at) > now - REOPEN_WITHIN) & (col(Entitlement.state) != EntitlementState.VOID)
    return _times_of(session, 1, inside, lately, customer_id, now=now)


_STANDS = col(Entitlement.state).in_((EntitlementState.READY, EntitlementState.RUNNING))


def _times_of(session: Session, limit: int, inside: set[int | None], which: Any, customer_id: int, *, now: datetime) -> tuple[TimeNow, ...]:
    row_id = col(Entitlement.id)
    ids = _newest(session, col(Entitlement.created_at), row_id, col(Entitlement.customer_id) == customer_id, which, limit=limit)
    query = (
        pick(Entitlement, PackageVersion.name)
        .join(PackageVersion, col(PackageVersion.id) == Entitlement.package_version_id)
        .where(row_id.in_(ids))
        .order_by(row_id.desc())
    )
    return tuple(_time(session, row, inside, now=now) for row in session.execute(query).all())


def _time(session: Session, row: Any, inside: set[int | None], *, now: datetime) -> TimeNow:
    time, package = row
    bytes_left = data_left(session, time)
    return TimeNow(
        entitlement_id=time.id,
        package=package,
        state=time.state,
        seconds_left=time.seconds_left(now=now),
        bytes_left=bytes_left,
        ends_at=time.ends_at,
        use_before=time.use_before,
        paused_at=time.paused_at,
        is_usable=time.seconds_left(now=now) > 0 and bytes_left != 0,
        is_online=time.id in inside,
    )


def _money(session: Session, customer_id: int, *, now: datetime) -> dict[str, Any]:
    own = col(Payment.customer_id) == customer_id
    kept = own & col(Payment.paid_at).is_not(None) & col(Payment.status).in_(_KEPT)
    total, count = session.execute(
        pick(sa.func.coalesce(sa.func.sum(Payment.amount_bututs), 0), sa.func.count()).select_from(Payment).where(kept)
    ).one()
    paid, stuck = own & col(Payment.paid_at).is_not(None), col(Payment.status).in_((*TO_BE_SERVED, PaymentStatus.ATTENTION))
    rows = _payments(session, paid, limit=_SHOWN)
    asked = _asked_back(session, [row[0].id for row in rows])
    unserved = next((row[0] for row in _payments(session, paid & stuck, limit=1)), None)
    return {
        "spent_bututs": int(total),
        "purchases": count,
        "payments": tuple(PaymentNow(row[0], row[1], row[0].status in _KEPT and row[0].id not in asked) for row in rows),
        "last_tried": next((row[0] for row in _payments(session, own, limit=1)), None),
        "unserved": unserved if unserved is not None and _is_late(unserved, now) else None,
    }


def _payments(session: Session, which: Any, *, limit: int) -> Sequence[Any]:
    """The newest of these, with the package's name."""
    at, row_id = col(Payment.created_at), col(Payment.id)
    ids = _newest(session, at, row_id, which, limit=limit)
    query = pick(Payment, PackageVersion.name).join(PackageVersion, col(PackageVersion.id) == Payment.package_version_id)
    return session.execute(query.where(row_id.in_(ids)).order_by(at.desc(), row_id.desc())).all()


def _is_late(payment: Payment, now: datetime) -> bool:
    return payment.status is PaymentStatus.ATTENTION or (payment.paid_at is not None and now - payment.paid_at > PATIENCE)


def _asked_back(session: Session, payment_ids: list[int]) -> frozenset[int]:
    """Those whose money somebody has asked to give back already."""
    asked = select(Refund.payment_id).where(
        col(Refund.payment_id).in_(payment_ids), Refund.kind == RefundKind.SALE, col(Refund.state) != RefundState.DECLINED
    )
    return frozenset(session.exec(asked).all())


def _vouchers(session: Session, customer_id: int) -> dict[str, Any]:
    states = (VoucherState.BLOCKED, VoucherState.ACTIVE)
    query = (
        pick(Voucher.state, sa.func.count())
        .where(col(Voucher.customer_id) == customer_id, col(Voucher.state).in_(states))
        .group_by(col(Voucher.state))
    )
    counted = {VoucherState(state): count for state, count in session.execute(query)}
    return {"blocked_vouchers": counted.get(VoucherState.BLOCKED, 0), "ready_vouchers": counted.get(VoucherState.ACTIVE, 0)}
