"""The price list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput, NotFound, Stale
from app.events import publish
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.packages import answers, selling
from services.packages.models import CURRENCY, Package, PackageVersion
from services.packages.promo_models import PackageSite
from services.packages.selling import Counter, Sale, SaleState
from services.revision import require, revision_of


class PackageNotFound(NotFound):
    code, title = "package_not_found", "No such package"
    message = "That package is not on sale. Reload the list and pick one."


class PackageExists(Conflict):
    code, title = "package_exists", "There is such a package already"
    message = "A package with that id is on the list already. Choose another id, or change that package."


class PackageTerms(BaseModel):
    """What a package promises. Sums are whole dalasi in bututs (Wave's minor units for GMD are unknown: wave.md §1)."""

    model_config = ConfigDict(strict=True)

    name: str = Field(min_length=1, max_length=80)
    amount_bututs: int = Field(ge=100, le=100_000_000, multiple_of=100)
    duration_seconds: int = Field(ge=60, le=366 * 86400)
    quota_bytes: int | None = Field(default=None, ge=1_048_576, le=1 << 50)
    down_kbps: int = Field(default=0, ge=0, le=10_000_000)
    up_kbps: int = Field(default=0, ge=0, le=10_000_000)
    device_limit: int = Field(default=1, ge=1, le=20)
    validity_days: int = Field(default=30, ge=1, le=3660)


@dataclass(frozen=True)
class Offer:
    """One line of the price list, with the version that a purchase made now would be bound to."""

    id: int
    public_id: str
    version_id: int
    version: int
    position: int
    is_on_sale: bool
    currency: str
    terms: PackageTerms
    sale: Sale = field(default_factory=Sale)

    @property
    def revision(self) -> str:
        return revision_of(self.version, self.is_on_sale, self.position, self.sale.model_dump_json())

    def state(self, now: datetime) -> SaleState:
        return self.sale.state(now) if self.is_on_sale else SaleState.RETIRED


def offers(session: Session, *, on_sale_only: bool = True, counter: Counter | None = None) -> list[Offer]:
    """The price list in its order. With a `counter`, only what is sold there and then; without one, windows and sites are not asked."""
    query = _listed().order_by(col(Package.position), col(Package.id))
    if on_sale_only:
        query = query.where(col(Package.is_on_sale))
    found = [_offer(package, version, site_ids) for package, version, site_ids in session.execute(query)]
    if counter is None:
        return found
    site_id = selling.site_at(session, counter) if any(offer.sale.site_ids for offer in found) else None
    return [offer for offer in found if offer.sale.is_open(counter.now, site_id)]


def turns_at(session: Session, *, now: datetime) -> datetime | None:
    """When the next window opens or closes; None when none will."""
    ends = (Package.on_sale_from, Package.on_sale_until)
    nexts = sa.select(*(sa.func.min(col(end)).filter(col(end) > now) for end in ends)).where(col(Package.is_on_sale))
    return min((end for end in session.execute(nexts).one() if end is not None), default=None)


def offer_to_buy(session: Session, public_id: str, counter: Counter | None = None) -> Offer:
    """Raises PackageNotFound for an unknown package or one off the list, and PackageNotOnSale for one not sold at `counter`.

    Without a `counter` it is staff who hand it out: windows and sites bind customers only.
    """
    row = session.execute(_listed().where(col(Package.public_id) == public_id, col(Package.is_on_sale))).one_or_none()
    if row is None:
        raise PackageNotFound(field="package_id")
    offer = _offer(*row)
    if counter is not None:
        site_id = selling.site_at(session, counter) if offer.sale.site_ids else None
        offer.sale.require_open(offer.terms.name, counter.now, site_id)
    return offer


def offer_as_it_stands(session: Session, *, actor: Principal, public_id: str, lock: bool = False) -> Offer:
    """One package of the list, on sale or not; `lock` keeps it so until the transaction ends. Raises Forbidden or PackageNotFound."""
    actor.require(Permission.PACKAGES_READ)
    if lock:
        _locked(session, public_id)
    row = session.execute(_listed().where(col(Package.public_id) == public_id)).one_or_none()
    if row is None:
        raise PackageNotFound("There is no package under that id.")
    return _offer(*row)


def _listed() -> sa.Select[tuple[Package, PackageVersion, list[int]]]:
    """Each package with its terms of this moment and the sites where it is sold."""
    at = sa.select(sa.func.array_agg(PackageSite.site_id)).where(col(PackageSite.package_id) == col(Package.id)).scalar_subquery()
    current = (col(PackageVersion.package_id) == col(Package.id)) & (col(PackageVersion.version) == col(Package.current_version))
    return sa.select(Package, PackageVersion, at).join(PackageVersion, current)


def _locked(session: Session, public_id: str) -> Package:
    query = select(Package).where(Package.public_id == public_id).with_for_update()
    package = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if package is None:
        raise PackageNotFound("There is no package under that id.")
    return package


def terms_of(session: Session, version_id: int) -> PackageTerms:
    """What was promised when this version was sold."""
    return _terms(session.get_one(PackageVersion, version_id))


def _offer(package: Package, version: PackageVersion, site_ids: Sequence[int] | None) -> Offer:
    assert package.id is not None
    assert version.id is not None
    return Offer(
        id=package.id,
        public_id=package.public_id,
        version_id=version.id,
        version=version.version,
        position=package.position,
        is_on_sale=package.is_on_sale,
        currency=CURRENCY,
        terms=_terms(version),
        sale=Sale(
            on_sale_from=package.on_sale_from,
            on_sale_until=package.on_sale_until,
            site_ids=tuple(sorted(site_ids or ())),
            stock_mark=package.stock_mark,
        ),
    )


def _terms(version: PackageVersion) -> PackageTerms:
    return PackageTerms.model_validate(version.model_dump(include=set(PackageTerms.model_fields)))


_BOUNDS = {
    "name": "Give it a name of at most 80 letters.",
    "amount_bututs": "The price is a whole number of dalasis, from D 1 to D 1,000,000.",
    "duration_seconds": "The time is from one minute to 366 days.",
    "quota_bytes": "The data allowance is at least 1 MB; leave it empty for no limit.",
    "down_kbps": "The speed is from 0 (as the router allows) to 10,000,000 kbit/s.",
    "up_kbps": "The speed is from 0 (as the router allows) to 10,000,000 kbit/s.",
    "device_limit": "From 1 to 20 devices can share it.",
    "validity_days": "From 1 to 3,660 days.",
}


def read_terms(values: dict[str, object]) -> PackageTerms:
    """Check what a form sent. Raises InvalidInput that names the first field that is wrong."""
    try:
        return PackageTerms.model_validate(values)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise InvalidInput(_BOUNDS.get(name, "This is no term of a package."), field=name) from None


def add_package(
    session: Session,
    *,
    actor: Principal | None,
    public_id: str,
    terms: PackageTerms,
    position: int,
    now: datetime,
    sale: Sale | None = None,
) -> Offer:
    """Put a new package on the price list. `actor` is None for the demo's own seed.

    Raises Forbidden, PackageExists, or InvalidInput for a site that is none.
    """
    if actor is not None:
        actor.require(Permission.PACKAGES_EDIT)
    sale = sale or Sale()
    selling.require_sites(session, sale.site_ids)
    package = Package(public_id=public_id, position=position, created_at=now, **sale.model_dump(exclude={"site_ids"}))
    try:
        with session.begin_nested():
            session.add(package)
    except IntegrityError:
        raise PackageExists(field="id") from None
    version = _new_version(session, package, terms, 1, now)
    if sale.site_ids:
        _sell_at(session, package, sale.site_ids)
    if actor is not None:
        after = {**terms.model_dump(), **sale.model_dump(mode="json"), "position": position}
        audit.record(session, actor, "package.add", target=("package", public_id), now=now, after=after)
    _tell(session, package.id)
    return _offer(package, version, sale.site_ids)


def change_package(
    session: Session,
    *,
    actor: Principal,
    public_id: str,
    expected_version: int,
    terms: PackageTerms,
    is_on_sale: bool,
    position: int,
    now: datetime,
    sale: Sale | None = None,
    expected_revision: str | None = None,
) -> Offer:
    """Change what is sold from now on; what was bought keeps its version. Without a `sale` windows and sites stay as they are.

    Raises Forbidden, PackageNotFound, InvalidInput (also when somebody else changed its terms first) or Stale.
    """
    actor.require(Permission.PACKAGES_EDIT)
    package = _locked(session, public_id)
    if package.current_version != expected_version:
        raise InvalidInput("Somebody else changed this package meanwhile. Reload the page and make your change again.")
    old = offer_as_it_stands(session, actor=actor, public_id=public_id)
    require(expected_revision, old.revision)
    sale = sale or old.sale
    selling.require_sites(session, sale.site_ids)
    audit.record(
        session,
        actor,
        "package.change",
        target=("package", public_id),
        now=now,
        before={**old.terms.model_dump(), **old.sale.model_dump(mode="json"), "is_on_sale": old.is_on_sale, "position": old.position},
        after={**terms.model_dump(), **sale.model_dump(mode="json"), "is_on_sale": is_on_sale, "position": position},
    )
    _tell(session, package.id)
    package.is_on_sale, package.position = is_on_sale, position
    package.on_sale_from, package.on_sale_until, package.stock_mark = sale.on_sale_from, sale.on_sale_until, sale.stock_mark
    if sale.site_ids != old.sale.site_ids:
        _sell_at(session, package, sale.site_ids)
    if old.terms != terms:
        package.current_version += 1
        _new_version(session, package, terms, package.current_version, now)
    session.flush()
    return offer_as_it_stands(session, actor=actor, public_id=public_id)


def reorder(session: Session, *, actor: Principal, public_ids: Sequence[str], now: datetime) -> None:
    """Put the whole price list in this order. Raises Forbidden, or Stale when the list has other packages by now."""
    actor.require(Permission.PACKAGES_EDIT)
    packages = session.exec(select(Package).order_by(col(Package.position), col(Package.id)).with_for_update()).all()
    by_name = {package.public_id: package for package in packages}
    if len(public_ids) != len(by_name) or set(public_ids) != set(by_name):
        raise Stale("The list has other packages by now. Reload the page and move it again.")
    for position, public_id in enumerate(public_ids, start=1):
        by_name[public_id].position = position
    session.flush()
    before = {"order": [package.public_id for package in packages]}
    audit.record(session, actor, "package.reorder", target=("package", "list"), now=now, before=before, after={"order": [*public_ids]})
    _tell(session, None)


def _tell(session: Session, package_id: int | None) -> None:
    answers.forget(session)
    publish(session, "packages", package_id)


def _sell_at(session: Session, package: Package, site_ids: tuple[int, ...]) -> None:
    session.execute(sa.delete(PackageSite).where(col(PackageSite.package_id) == package.id))
    assert package.id is not None
    for site_id in site_ids:
        session.add(PackageSite(package_id=package.id, site_id=site_id))
    session.flush()
    # The phones' price list names the sites, and a phone is told of a package when its own row was written.
    touch = sa.update(Package).where(col(Package.id) == package.id).values(position=Package.position)
    session.execute(touch.execution_options(synchronize_session=False))


def _new_version(session: Session, package: Package, terms: PackageTerms, number: int, now: datetime) -> PackageVersion:
    assert package.id is not None
    version = PackageVersion(package_id=package.id, version=number, created_at=now, **terms.model_dump())
    session.add(version)
    session.flush()
    return version
