"""Long reads of payments for the console: the list, one payment with everything that happened to it, and today's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import Entitlement, Gateway
from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.models import Site
from services.packages.models import Package, PackageVersion
from services.packages.promo_models import PromoCode
from services.payments.errors import PaymentNotFound
from services.payments.models import (
    TO_BE_SERVED,
    Checkout,
    OutboundCallRecord,
    Payment,
    PaymentEvent,
    PaymentStatus,
    Refund,
    RefundState,
    SaleChannel,
)
from services.vouchers.models import Voucher

_LATE_AFTER = timedelta(minutes=5)
_OF_TODAY = 5


@dataclass(frozen=True)
class PaymentFilter:
    """`search` is a receipt code, a phone number in either form, or an id of Wave's; `until` and `paid_until` are exclusive.

    `site_id` 0 means bought at no site. `needs_person_at` is the moment for which it is asked what stands still. `refund` is the state of
    any of its refunds.
    """

    status: PaymentStatus | None = None
    package_id: str | None = None
    search: str = ""
    since: datetime | None = None
    until: datetime | None = None
    customer_id: int | None = None
    site_id: int | None = None
    gateway_id: int | None = None
    channel: SaleChannel | None = None
    is_gift: bool | None = None
    promo_code: str | None = None
    least_bututs: int | None = None
    most_bututs: int | None = None
    needs_person_at: datetime | None = None
    refund: RefundState | None = None
    paid_since: datetime | None = None
    paid_until: datetime | None = None

    @property
    def is_empty(self) -> bool:
        return self == PaymentFilter()


@dataclass(frozen=True)
class PaymentRow:
    id: int
    reference: str
    status: PaymentStatus
    status_since: datetime
    reason: str | None
    amount_bututs: int
    masked_phone: str
    package_name: str
    gateway_name: str | None
    created_at: datetime
    channel: SaleChannel
    is_gift: bool
    discount_bututs: int
    paid_at: datetime | None
    served_at: datetime | None
    customer_id: int
    wave_transaction_id: str | None
    promo_code: str | None
    site_name: str | None


_COLUMNS = (
    Payment.id,
    Payment.reference,
    Payment.status,
    Payment.status_since,
    Payment.reason,
    Payment.amount_bututs,
    Customer,
    PackageVersion.name,
    Gateway.name,
    Payment.created_at,
    Payment.channel,
    Payment.is_gift,
    Payment.discount_bututs,
    Payment.paid_at,
    Payment.served_at,
    Payment.customer_id,
    Payment.wave_transaction_id,
    PromoCode.code,
    Site.name,
)
_SORTS: dict[str, Sequence[Any]] = {
    "created": (col(Payment.created_at), col(Payment.id)),
    "since": (col(Payment.status_since), col(Payment.id)),
}


def _rows_query() -> sa.Select[Any]:
    return (
        pick(*_COLUMNS)
        .select_from(Payment)
        .join(Customer, col(Customer.id) == Payment.customer_id)
        .join(PackageVersion, col(PackageVersion.id) == Payment.package_version_id)
        .outerjoin(PromoCode, col(PromoCode.id) == Payment.promo_code_id)
        .outerjoin(Gateway, col(Gateway.id) == Payment.gateway_id)
        .outerjoin(Site, col(Site.id) == Gateway.site_id)
    )


def _row(found: Any) -> PaymentRow:
    identity, reference, status, since, reason, amount, customer, package, gateway, created_at, *sale = found
    return PaymentRow(identity, reference, status, since, reason, amount, customer.masked_phone, package, gateway, created_at, *sale)


def list_payments(session: Session, *, actor: Principal, wanted: PaymentFilter, part: Slice) -> Listing[PaymentRow]:
    """One page of payments. Raises Forbidden."""
    actor.require(Permission.PAYMENTS_READ)
    conditions = conditions_of(session, wanted)
    # By status the index on (status, since) is the one that finds few rows among millions, so that order is offered with it only.
    sorts = _SORTS if wanted.status else {"created": _SORTS["created"]}
    found = fetch(session, _rows_query().where(*conditions), part, sorts=sorts, default_sort="created")
    total, is_estimate = count(session, pick(Payment.id).where(*conditions), whole_table="payment" if wanted.is_empty else None, part=part)
    return Listing(tuple(_row(row) for row in found), total, is_estimate)


def conditions_of(session: Session, wanted: PaymentFilter) -> list[sa.ColumnElement[bool]]:
    """What a filter means, for a query of payments."""
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.status:
        conditions.append(col(Payment.status) == wanted.status)
    if wanted.customer_id is not None:
        conditions.append(col(Payment.customer_id) == wanted.customer_id)
    if wanted.package_id:
        versions = select(PackageVersion.id).join(Package).where(Package.public_id == wanted.package_id)
        conditions.append(col(Payment.package_version_id).in_(versions))
    conditions += _in_ranges(wanted)
    conditions += _of_the_sale(wanted)
    if wanted.needs_person_at:
        conditions.append(_needs_a_person(wanted.needs_person_at))
    if wanted.refund:
        asked = select(Refund.id).where(Refund.payment_id == Payment.id, Refund.state == wanted.refund)
        conditions.append(asked.exists())
    if wanted.search.strip():
        conditions.append(_found_by(session, wanted.search.strip()))
    return conditions


def _in_ranges(wanted: PaymentFilter) -> list[sa.ColumnElement[bool]]:
    lowest = ((Payment.created_at, wanted.since), (Payment.paid_at, wanted.paid_since))
    below = ((Payment.created_at, wanted.until), (Payment.paid_at, wanted.paid_until))
    # A sum that is asked for may be more than any payment's column can hold.
    least, most = (None if bututs is None else sa.literal(bututs, sa.BigInteger) for bututs in (wanted.least_bututs, wanted.most_bututs))
    return [
        *(col(column) >= value for column, value in lowest if value is not None),
        *(col(column) < value for column, value in below if value is not None),
        *([col(Payment.amount_bututs) >= least] if least is not None else []),
        *([col(Payment.amount_bututs) <= most] if most is not None else []),
    ]


def _of_the_sale(wanted: PaymentFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.site_id is not None:
        there = select(Gateway.id).where(Gateway.site_id == wanted.site_id)
        placed = select(Gateway.id).where(col(Gateway.site_id).is_not(None))
        nowhere = sa.or_(col(Payment.gateway_id).is_(None), col(Payment.gateway_id).not_in(placed))
        conditions.append(col(Payment.gateway_id).in_(there) if wanted.site_id else nowhere)
    if wanted.gateway_id is not None:
        conditions.append(col(Payment.gateway_id) == wanted.gateway_id)
    if wanted.channel:
        conditions.append(col(Payment.channel) == wanted.channel)
    if wanted.is_gift is not None:
        conditions.append(col(Payment.is_gift).is_(wanted.is_gift))
    if wanted.promo_code:
        conditions.append(col(Payment.promo_code_id).in_(select(PromoCode.id).where(PromoCode.code == wanted.promo_code.strip().upper())))
    return conditions


def _found_by(session: Session, text: str) -> sa.ColumnElement[bool]:
    # Asked first: as a part of the list's own question it would keep PostgreSQL from its indexes.
    at_wave = sa.or_(col(Checkout.wave_session_id) == text, col(Checkout.transaction_id) == text)
    known = session.exec(select(Checkout.payment_id).where(at_wave)).all()
    found = [col(Payment.reference) == text.upper(), col(Payment.wave_transaction_id) == text]
    if known:
        found.append(col(Payment.id).in_(known))
    try:
        customer = find_customer(session, phone=text)
    except BadPhone:
        return sa.or_(*found)
    return sa.or_(*found, col(Payment.customer_id) == (customer.id if customer else None))


@dataclass(frozen=True)
class TimelineEntry:
    """A ledger event (`event` set) or an outside call (`call` set), in the order in which they happened."""

    at: datetime
    event: PaymentEvent | None = None
    call: OutboundCallRecord | None = None


@dataclass(frozen=True)
class PaymentPage:
    """Everything about one payment. `balance_bututs` is the ledger's sum: the money we hold for it."""

    payment: Payment
    customer: Customer
    package: PackageVersion
    gateway: Gateway | None
    voucher: Voucher | None
    entitlement: Entitlement | None
    checkouts: tuple[Checkout, ...]
    refunds: tuple[Refund, ...]
    timeline: tuple[TimelineEntry, ...]
    balance_bututs: int


def payment_page(session: Session, *, actor: Principal, reference: str) -> PaymentPage:
    """Raises Forbidden or PaymentNotFound."""
    actor.require(Permission.PAYMENTS_READ)
    payment = session.exec(select(Payment).where(Payment.reference == reference.upper())).one_or_none()
    if payment is None:
        raise PaymentNotFound("There is no payment with that receipt code.")
    own = payment.id
    events = session.exec(select(PaymentEvent).where(PaymentEvent.payment_id == own).order_by(col(PaymentEvent.sequence))).all()
    return PaymentPage(
        payment=payment,
        customer=session.get_one(Customer, payment.customer_id),
        package=session.get_one(PackageVersion, payment.package_version_id),
        gateway=session.get(Gateway, payment.gateway_id) if payment.gateway_id else None,
        voucher=session.exec(select(Voucher).where(Voucher.payment_id == own)).one_or_none(),
        entitlement=session.exec(select(Entitlement).where(Entitlement.payment_id == own)).one_or_none(),
        checkouts=tuple(session.exec(select(Checkout).where(Checkout.payment_id == own).order_by(col(Checkout.id))).all()),
        refunds=tuple(session.exec(select(Refund).where(Refund.payment_id == own).order_by(col(Refund.id))).all()),
        timeline=_timeline(session, own, events),
        balance_bututs=sum(event.amount_bututs for event in events),
    )


def _timeline(session: Session, payment_id: int | None, events: Sequence[PaymentEvent]) -> tuple[TimelineEntry, ...]:
    calls = session.exec(
        select(OutboundCallRecord).where(OutboundCallRecord.payment_id == payment_id).order_by(col(OutboundCallRecord.id))
    ).all()
    # A call is placed at its start: what it brought about is recorded after its answer.
    merged = [TimelineEntry(event.at, event=event) for event in events] + [TimelineEntry(call.started_at, call=call) for call in calls]
    return tuple(sorted(merged, key=lambda entry: (entry.at, entry.event.sequence if entry.event else 0)))


@dataclass(frozen=True)
class Today:
    """What became of the purchases begun today, and what stands still, whenever it was begun; the oldest of `attention` first.

    `attention_is_least`: there are more than were counted.
    """

    by_status: dict[PaymentStatus, int]
    last: tuple[PaymentRow, ...]
    attention: tuple[PaymentRow, ...]
    attention_count: int
    attention_is_least: bool


@dataclass(frozen=True)
class Takings:
    """The day's money in UTC, which is local time in The Gambia. Hours have one sum for each of the 24; `before` is yesterday.

    `taken_before_bututs` is yesterday's sum up to the same time of day.
    """

    taken_bututs: int
    paid_count: int
    taken_before_bututs: int
    per_hour_bututs: tuple[int, ...]
    per_hour_before_bututs: tuple[int, ...]


def today(session: Session, *, actor: Principal, now: datetime) -> Today:
    """Raises Forbidden."""
    actor.require(Permission.PAYMENTS_READ)
    by_status = session.execute(
        pick(Payment.status, sa.func.count()).where(col(Payment.created_at) >= _midnight(now)).group_by(col(Payment.status))
    ).all()
    last = session.execute(_rows_query().order_by(*(column.desc() for column in _SORTS["created"])).limit(_OF_TODAY)).all()
    needs_a_person = _needs_a_person(now)
    attention = session.execute(_rows_query().where(needs_a_person).order_by(col(Payment.status_since)).limit(_OF_TODAY)).all()
    waiting, is_least = count(session, pick(Payment.id).where(needs_a_person))
    return Today({row[0]: row[1] for row in by_status}, tuple(map(_row, last)), tuple(map(_row, attention)), waiting, is_least)


def takings(session: Session, *, actor: Principal, now: datetime) -> Takings:
    """Raises Forbidden."""
    actor.require(Permission.MONEY_READ)
    start, day = _midnight(now), timedelta(days=1)
    per_hour, before = _taken_per_hour(session, start, start + day), _taken_per_hour(session, start - day, start)
    return Takings(
        taken_bututs=sum(taken for taken, _ in per_hour.values()),
        paid_count=sum(times for _, times in per_hour.values()),
        taken_before_bututs=_taken_between(session, start - day, now - day),
        per_hour_bututs=tuple(per_hour.get(hour, (0, 0))[0] for hour in range(24)),
        per_hour_before_bututs=tuple(before.get(hour, (0, 0))[0] for hour in range(24)),
    )


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _needs_a_person(now: datetime) -> sa.ColumnElement[bool]:
    late = sa.and_(col(Payment.status).in_(TO_BE_SERVED), col(Payment.status_since) < now - _LATE_AFTER)
    return sa.or_(col(Payment.status) == PaymentStatus.ATTENTION, late)


def _paid_between(start: datetime, end: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(col(Payment.paid_at) >= start, col(Payment.paid_at) < end)


def _taken_per_hour(session: Session, start: datetime, end: datetime) -> dict[int, tuple[int, int]]:
    hour = sa.cast(sa.extract("hour", col(Payment.paid_at).op("AT TIME ZONE")("UTC")), sa.Integer)
    found = session.execute(
        pick(hour, sa.func.sum(Payment.amount_bututs), sa.func.count()).where(_paid_between(start, end)).group_by(sa.text("1"))
    ).all()
    return {int(at): (int(taken), int(times)) for at, taken, times in found}


def _taken_between(session: Session, start: datetime, end: datetime) -> int:
    taken = session.execute(pick(sa.func.sum(Payment.amount_bututs)).where(_paid_between(start, end))).scalar_one()
    return int(taken or 0)
