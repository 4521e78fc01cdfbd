"""The money dashboard's numbers: what was taken in a range, of what, where and how; what failed, went back or was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.access.models import Gateway
from services.accounts.permissions import Permission, Principal
from services.listing import pick
from services.network.models import Site
from services.packages.models import Package, PackageVersion
from services.packages.promo_models import PromoCode
from services.payments.clearing.models import LedgerAccount, TransferReason
from services.payments.clearing.sums import check_range, moved
from services.payments.models import Payment, PaymentStatus, Refund, RefundState

_WEEK = timedelta(days=7)
_LONGEST_BY_HOUR = timedelta(days=1)
_MOST_REASONS = 12


@dataclass(frozen=True)
class Taken:
    """Purchases that were paid. `discount_bututs` is what promo codes took off their prices."""

    bututs: int = 0
    number: int = 0
    discount_bututs: int = 0
    gifts: int = 0


@dataclass(frozen=True)
class Part:
    """A package, site, channel or promo code with what was taken by it; `key` is what lists are narrowed by."""

    key: str | None
    name: str
    taken: Taken


@dataclass(frozen=True)
class Failure:
    """Purchases begun in the range that brought no money, or wait for a person, and why."""

    status: PaymentStatus
    reason: str
    number: int
    bututs: int


@dataclass(frozen=True)
class GivenBack:
    """Refunds begun in the range, by their state."""

    state: RefundState
    number: int
    bututs: int


@dataclass(frozen=True)
class Summary:
    """`before` is the same part of the week before, or of the range before where it is longer. `until` is exclusive."""

    start: datetime
    until: datetime
    taken: Taken
    before: Taken
    before_start: datetime
    before_until: datetime
    packages: tuple[Part, ...]
    sites: tuple[Part, ...]
    channels: tuple[Part, ...]
    promos: tuple[Part, ...]
    # By hour of the day where the range is one day, else by day.
    hours: tuple[int, ...]
    days: tuple[tuple[date, int], ...]
    failures: tuple[Failure, ...]
    given_back: tuple[GivenBack, ...]
    accounts: Mapping[LedgerAccount, int]
    reasons: Mapping[TransferReason, int]

    @property
    def fee_bututs(self) -> int:
        """Wave's fees, as its list showed them in these days."""
        return self.accounts.get(LedgerAccount.WAVE_FEES, 0)

    @property
    def earned_bututs(self) -> int:
        return -self.accounts.get(LedgerAccount.SALES, 0)

    @property
    def begun(self) -> int:
        return self.taken.number + sum(one.number for one in self.failures)


def summary(session: Session, *, actor: Principal, start: datetime, until: datetime, now: datetime) -> Summary:
    """From `start` until `until` (exclusive). Raises Forbidden or BadRange."""
    actor.require(Permission.MONEY_READ)
    check_range(start, until)
    paid = _between(col(Payment.paid_at), start, until)
    # What is not over yet is compared with as much of the one before.
    shift = max(until - start, _WEEK)
    before = (start - shift, min(until, max(now, start)) - shift)
    movement = moved(session, actor=actor, start=start, until=until)
    by_hour = until - start <= _LONGEST_BY_HOUR
    return Summary(
        start=start,
        until=until,
        taken=_whole(session, paid),
        before=_whole(session, _between(col(Payment.paid_at), *before)),
        before_start=before[0],
        before_until=before[1],
        packages=_parts(session, _by_package(paid)),
        sites=_parts(session, _by_site(paid)),
        channels=_parts(session, _by_channel(paid)),
        promos=_parts(session, _by_promo(paid)),
        hours=_hours(session, paid) if by_hour else (),
        days=() if by_hour else _days(session, paid, start, until),
        failures=_failures(session, start, until),
        given_back=_given_back(session, start, until),
        accounts={account: turnover.change_bututs for account, turnover in movement.accounts.items()},
        reasons=movement.reasons,
    )


def _between(column: Any, start: datetime, until: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(column >= start, column < until)


_SUMS = (
    sa.func.coalesce(sa.func.sum(Payment.amount_bututs), 0),
    sa.func.count(),
    sa.func.coalesce(sa.func.sum(Payment.discount_bututs), 0),
    sa.func.count().filter(col(Payment.is_gift)),
)


def _taken(sums: Sequence[Any]) -> Taken:
    return Taken(*(int(one) for one in sums))


def _whole(session: Session, paid: sa.ColumnElement[bool]) -> Taken:
    return _taken(session.execute(pick(*_SUMS).select_from(Payment).where(paid)).one())


def _by_package(paid: sa.ColumnElement[bool]) -> sa.Select[Any]:
    # Versions of one package are one line, under the name that it has now.
    newest = sa.and_(col(PackageVersion.package_id) == Package.id, col(PackageVersion.version) == Package.current_version)
    name = sa.select(col(PackageVersion.name)).where(newest).correlate(Package).scalar_subquery()
    sold = sa.orm.aliased(PackageVersion)
    return (
        pick(Package.public_id, name, *_SUMS)
        .select_from(Payment)
        .join(sold, sold.id == Payment.package_version_id)  # type: ignore[arg-type]
        .join(Package, col(Package.id) == sold.package_id)
        .where(paid)
        .group_by(col(Package.id))
    )


def _by_site(paid: sa.ColumnElement[bool]) -> sa.Select[Any]:
    key = sa.cast(col(Site.id), sa.Text)
    return (
        pick(key, sa.func.coalesce(Site.name, sa.case((col(Payment.gateway_id).is_(None), "Not at a hotspot"), else_="No site")), *_SUMS)
        .select_from(Payment)
        .outerjoin(Gateway, col(Gateway.id) == Payment.gateway_id)
        .outerjoin(Site, col(Site.id) == Gateway.site_id)
        .where(paid)
        .group_by(sa.text("1"), sa.text("2"))
    )


def _by_channel(paid: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return pick(Payment.channel, Payment.channel, *_SUMS).where(paid).group_by(col(Payment.channel))


def _by_promo(paid: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        pick(PromoCode.code, PromoCode.code, *_SUMS)
        .select_from(Payment)
        .join(PromoCode, col(PromoCode.id) == Payment.promo_code_id)
        .where(paid)
        .group_by(col(PromoCode.code))
    )


def _parts(session: Session, query: sa.Select[Any]) -> tuple[Part, ...]:
    """The most money first."""
    parts = (Part(str(key) if key is not None else None, str(name), _taken(sums)) for key, name, *sums in session.execute(query).all())
    return tuple(sorted(parts, key=lambda part: (-part.taken.bututs, part.name)))


def _hours(session: Session, paid: sa.ColumnElement[bool]) -> tuple[int, ...]:
    hour = sa.cast(sa.extract("hour", col(Payment.paid_at).op("AT TIME ZONE")("UTC")), sa.Integer)
    found = {
        row[0]: int(row[1]) for row in session.execute(pick(hour, sa.func.sum(Payment.amount_bututs)).where(paid).group_by(sa.text("1")))
    }
    return tuple(found.get(hour, 0) for hour in range(24))


def _days(session: Session, paid: sa.ColumnElement[bool], start: datetime, until: datetime) -> tuple[tuple[date, int], ...]:
    day = sa.cast(col(Payment.paid_at).op("AT TIME ZONE")("UTC"), sa.Date)
    found = {
        row[0]: int(row[1]) for row in session.execute(pick(day, sa.func.sum(Payment.amount_bututs)).where(paid).group_by(sa.text("1")))
    }
    number = -(-(until - start) // timedelta(days=1))
    return tuple((at, found.get(at, 0)) for at in ((start + timedelta(days=add)).date() for add in range(number)))


def _failures(session: Session, start: datetime, until: datetime) -> tuple[Failure, ...]:
    failed = (PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.ATTENTION)
    why = sa.func.coalesce(Payment.reason, "")
    found = session.execute(
        pick(Payment.status, why, sa.func.count(), sa.func.sum(Payment.amount_bututs))
        .where(_between(col(Payment.created_at), start, until), col(Payment.status).in_(failed))
        .group_by(col(Payment.status), why)
        .order_by(sa.func.count().desc(), why)
        .limit(_MOST_REASONS)
    ).all()
    return tuple(Failure(status, reason, int(number), int(total)) for status, reason, number, total in found)


def _given_back(session: Session, start: datetime, until: datetime) -> tuple[GivenBack, ...]:
    found = session.execute(
        pick(Refund.state, sa.func.count(), sa.func.sum(Refund.amount_bututs))
        .where(col(Refund.state).in_(tuple(RefundState)), _between(col(Refund.created_at), start, until))
        .group_by(col(Refund.state))
    ).all()
    numbers = {state: (int(number), int(total)) for state, number, total in found}
    return tuple(GivenBack(state, *numbers[state]) for state in RefundState if state in numbers)
