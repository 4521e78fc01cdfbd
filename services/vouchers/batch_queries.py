"""Long reads of batches for the console: how far each is, and what became of its vouchers. No code is in any of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.access.models import AccessSession, Entitlement, Gateway
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.models import Site
from services.packages.models import Package, PackageVersion
from services.packages.service import PackageTerms, terms_of
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.errors import BatchNotFound
from services.vouchers.models import Voucher, VoucherState

_DAYS = 30
_PLACES = 8
_CHOICES = 200
_SORTS: dict[str, Sequence[Any]] = {"created": (col(VoucherBatch.created_at), col(VoucherBatch.id))}


@dataclass(frozen=True)
class BatchFilter:
    """`search` is looked for in the batch's name, seller and note."""

    state: BatchState | None = None
    package_id: str | None = None
    site_id: int | None = None
    search: str = ""


@dataclass(frozen=True)
class BatchRow:
    batch: VoucherBatch
    package_name: str
    amount_bututs: int
    site_name: str | None
    used: int


@dataclass(frozen=True)
class BatchFigures:
    """What became of a batch's vouchers. `by_day` are the last days with the running one, `by_place` where the most of them came online."""

    by_state: Mapping[VoucherState, int] = field(default_factory=dict)
    by_day: tuple[tuple[date, int], ...] = ()
    by_place: tuple[tuple[str, int], ...] = ()

    @property
    def used(self) -> int:
        return self.by_state.get(VoucherState.USED, 0)

    @property
    def left(self) -> int:
        """Those that can still be entered."""
        return self.by_state.get(VoucherState.ACTIVE, 0) + self.by_state.get(VoucherState.PENDING, 0)


@dataclass(frozen=True)
class BatchPage:
    batch: VoucherBatch
    terms: PackageTerms
    site_name: str | None
    figures: BatchFigures


def list_batches(session: Session, *, actor: Principal, wanted: BatchFilter, part: Slice) -> Listing[BatchRow]:
    """One page of batches, with how many vouchers of each were used. Raises Forbidden."""
    actor.require(Permission.VOUCHERS_READ)
    conditions = _conditions(wanted)
    query = (
        pick(VoucherBatch, PackageVersion.name, PackageVersion.amount_bututs, Site.name)
        .join(PackageVersion, col(PackageVersion.id) == VoucherBatch.package_version_id)
        .outerjoin(Site, col(Site.id) == VoucherBatch.site_id)
        .where(*conditions)
    )
    found = fetch(session, query, part, sorts=_SORTS, default_sort="created")
    total, is_estimate = count(session, pick(VoucherBatch.id).where(*conditions), part=part)
    used = _used(session, [row[0].id for row in found])
    rows = tuple(BatchRow(batch, name, amount, site, used.get(batch.id, 0)) for batch, name, amount, site in found)
    return Listing(rows, total, is_estimate)


def batch_page(session: Session, *, actor: Principal, batch_id: int, now: datetime) -> BatchPage:
    """Raises Forbidden or BatchNotFound."""
    actor.require(Permission.VOUCHERS_READ)
    batch = session.get(VoucherBatch, batch_id)
    if batch is None:
        raise BatchNotFound
    site = session.get(Site, batch.site_id) if batch.site_id is not None else None
    figures = _figures(session, batch_id, now=now) if batch.state is BatchState.READY else BatchFigures()
    return BatchPage(batch, terms_of(session, batch.package_version_id), site.name if site else None, figures)


def batch_choices(session: Session, *, actor: Principal) -> dict[int, str]:
    """The newest batches that are ready, by id, to choose from. Raises Forbidden."""
    actor.require(Permission.VOUCHERS_READ)
    ready = pick(VoucherBatch.id, VoucherBatch.name).where(col(VoucherBatch.state) == BatchState.READY)
    return {number: f"{number}: {name}" for number, name in session.execute(ready.order_by(col(VoucherBatch.id).desc()).limit(_CHOICES))}


def _conditions(wanted: BatchFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.state is not None:
        conditions.append(col(VoucherBatch.state) == wanted.state)
    if wanted.site_id is not None:
        conditions.append(col(VoucherBatch.site_id) == wanted.site_id)
    if wanted.package_id is not None:
        versions = pick(PackageVersion.id).join(Package, col(Package.id) == PackageVersion.package_id)
        conditions.append(col(VoucherBatch.package_version_id).in_(versions.where(col(Package.public_id) == wanted.package_id)))
    text = wanted.search.strip()
    if text:
        fields = (VoucherBatch.name, VoucherBatch.seller, VoucherBatch.note)
        conditions.append(sa.or_(*(col(one).icontains(text, autoescape=True) for one in fields)))
    return conditions


def _used(session: Session, batch_ids: Collection[int]) -> dict[int, int]:
    used = pick(Voucher.batch_id, sa.func.count()).where(col(Voucher.batch_id).in_(batch_ids), col(Voucher.state) == VoucherState.USED)
    return dict(session.execute(used.group_by(col(Voucher.batch_id))).all()) if batch_ids else {}


def _figures(session: Session, batch_id: int, *, now: datetime) -> BatchFigures:
    of_batch = col(Voucher.batch_id) == batch_id
    by_state = session.execute(pick(Voucher.state, sa.func.count()).where(of_batch).group_by(col(Voucher.state)))
    return BatchFigures(dict(by_state.all()), _by_day(session, of_batch, now=now), _by_place(session, of_batch))


def _by_day(session: Session, of_batch: sa.ColumnElement[bool], *, now: datetime) -> tuple[tuple[date, int], ...]:
    """Banjul's days, which are UTC's."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=_DAYS - 1)
    day = sa.cast(sa.func.timezone("UTC", col(Voucher.used_at)), sa.Date)
    # `used_at` stays on what was blocked after its use; it was sold all the same.
    found = session.execute(pick(day, sa.func.count()).where(of_batch, col(Voucher.used_at) >= first).group_by(day))
    counted = dict(found.all())
    days = [(first + timedelta(days=number)).date() for number in range(_DAYS)]
    return tuple((one, counted.get(one, 0)) for one in days) if counted else ()


def _by_place(session: Session, of_batch: sa.ColumnElement[bool]) -> tuple[tuple[str, int], ...]:
    """By the site of the router that let them in, or the router's own name; a voucher used at two places counts at both."""
    place = sa.func.coalesce(col(Site.name), col(Gateway.name))
    number = sa.func.count(sa.distinct(col(Voucher.id)))
    query = (
        pick(place, number)
        .select_from(Voucher)
        .join(Entitlement, col(Entitlement.voucher_id) == Voucher.id)
        .join(AccessSession, col(AccessSession.entitlement_id) == Entitlement.id)
        .join(Gateway, col(Gateway.id) == AccessSession.gateway_id)
        .outerjoin(Site, col(Site.id) == Gateway.site_id)
        .where(of_batch)
    )
    found = session.execute(query.group_by(place).order_by(number.desc(), place).limit(_PLACES))
    return tuple((name, many) for name, many in found)
