"""The price list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput, NotFound
from app.events import publish
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.packages.models import CURRENCY, Package, PackageVersion
from services.revision import revision_of


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

    public_id: str
    version_id: int
    version: int
    position: int
    is_on_sale: bool
    currency: str
    terms: PackageTerms

    @property
    def revision(self) -> str:
        return revision_of(self.version, self.is_on_sale, self.position)


def offers(session: Session, *, on_sale_only: bool = True) -> list[Offer]:
    """The price list in its order."""
    query = (
        select(Package, PackageVersion)
        .join(PackageVersion, (col(PackageVersion.package_id) == Package.id) & (col(PackageVersion.version) == Package.current_version))
        .order_by(col(Package.position), col(Package.id))
    )
    if on_sale_only:
        query = query.where(col(Package.is_on_sale))
    return [_offer(package, version) for package, version in session.exec(query)]


def offer_to_buy(session: Session, public_id: str) -> Offer:
    """Raises PackageNotFound for an unknown package or one not on sale."""
    offer = next((offer for offer in offers(session) if offer.public_id == public_id), None)
    if offer is None:
        raise PackageNotFound(field="package_id")
    return offer


def offer_as_it_stands(session: Session, *, actor: Principal, public_id: str, lock: bool = False) -> Offer:
    """One package of the list, on sale or not; `lock` keeps it so until the transaction ends. Raises Forbidden or PackageNotFound."""
    actor.require(Permission.PACKAGES_READ)
    query = select(Package).where(Package.public_id == public_id)
    package = session.exec(query.with_for_update() if lock else query).one_or_none()
    if package is None:
        raise PackageNotFound("There is no package under that id.")
    version = session.exec(
        select(PackageVersion).where(PackageVersion.package_id == package.id, PackageVersion.version == package.current_version)
    ).one()
    return _offer(package, version)


def terms_of(session: Session, version_id: int) -> PackageTerms:
    """What was promised when this version was sold."""
    version = session.get_one(PackageVersion, version_id)
    return PackageTerms.model_validate(version.model_dump(include=set(PackageTerms.model_fields)))


def _offer(package: Package, version: PackageVersion) -> Offer:
    assert version.id is not None
    return Offer(
        public_id=package.public_id,
        version_id=version.id,
        version=version.version,
        position=package.position,
        is_on_sale=package.is_on_sale,
        currency=CURRENCY,
        terms=PackageTerms.model_validate(version.model_dump(include=set(PackageTerms.model_fields))),
    )


def read_terms(values: dict[str, object]) -> PackageTerms:
    """Check what a form sent. Raises InvalidInput that names the first field that is wrong."""
    try:
        return PackageTerms.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else None
        raise InvalidInput(f"{(field or 'package').replace('_', ' ').capitalize()}: {first['msg']}.", field=field) from None


def add_package(session: Session, *, actor: Principal | None, public_id: str, terms: PackageTerms, position: int, now: datetime) -> Offer:
    """Put a new package on the price list. `actor` is None for the demo's own seed. Raises Forbidden or PackageExists."""
    if actor is not None:
        actor.require(Permission.PACKAGES_EDIT)
    package = Package(public_id=public_id, position=position, created_at=now)
    try:
        with session.begin_nested():
            session.add(package)
    except IntegrityError:
        raise PackageExists(field="id") from None
    version = _new_version(session, package, terms, 1, now)
    if actor is not None:
        audit.record(
            session, actor, "package.add", target=("package", public_id), now=now, after={**terms.model_dump(), "position": position}
        )
    publish(session, "packages", package.id)
    return _offer(package, version)


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
) -> Offer:
    """Change what is sold from now on; what was bought keeps its version. Raises InvalidInput when somebody else changed it first."""
    actor.require(Permission.PACKAGES_EDIT)
    package = session.exec(select(Package).where(Package.public_id == public_id).with_for_update()).one_or_none()
    if package is None:
        raise PackageNotFound
    if package.current_version != expected_version:
        raise InvalidInput("Somebody else changed this package meanwhile. Reload the page and make your change again.")
    current = session.exec(
        select(PackageVersion).where(PackageVersion.package_id == package.id, PackageVersion.version == package.current_version)
    ).one()
    old_terms = PackageTerms.model_validate(current.model_dump(include=set(PackageTerms.model_fields)))
    audit.record(
        session,
        actor,
        "package.change",
        target=("package", public_id),
        now=now,
        before={**old_terms.model_dump(), "is_on_sale": package.is_on_sale, "position": package.position},
        after={**terms.model_dump(), "is_on_sale": is_on_sale, "position": position},
    )
    publish(session, "packages", package.id)
    package.is_on_sale, package.position = is_on_sale, position
    if old_terms == terms:
        session.flush()
        return _offer(package, current)
    package.current_version += 1
    return _offer(package, _new_version(session, package, terms, package.current_version, now))


def _new_version(session: Session, package: Package, terms: PackageTerms, number: int, now: datetime) -> PackageVersion:
    assert package.id is not None
    version = PackageVersion(package_id=package.id, version=number, created_at=now, **terms.model_dump())
    session.add(version)
    session.flush()
    return version
