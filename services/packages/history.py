"""What became of the price list: the versions of a package, what changed from one to the next, and how many were bought of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.accounts.permissions import Permission, Principal
from services.packages.models import Package, PackageVersion
from services.packages.service import PackageNotFound, PackageTerms
from services.payments.models import Payment


@dataclass(frozen=True)
class VersionView:
    """`changed` names the terms that differ from the version before, with what they were; `bought` counts what was paid for."""

    version: int
    terms: PackageTerms
    created_at: datetime
    bought: int
    changed: Mapping[str, object]


def versions(session: Session, *, actor: Principal, public_id: str) -> list[VersionView]:
    """All of them, the newest first. Raises Forbidden or PackageNotFound."""
    actor.require(Permission.PACKAGES_READ)
    query = select(PackageVersion).join(Package, col(Package.id) == col(PackageVersion.package_id))
    rows = session.exec(query.where(Package.public_id == public_id).order_by(col(PackageVersion.version))).all()
    if not rows:
        raise PackageNotFound("There is no package under that id.")
    of_these = col(Payment.package_version_id).in_([row.id for row in rows])
    counted = sa.select(col(Payment.package_version_id), sa.func.count()).where(of_these, col(Payment.paid_at).is_not(None))
    bought = {row[0]: row[1] for row in session.execute(counted.group_by(col(Payment.package_version_id))).all()}
    told: list[VersionView] = []
    before: dict[str, object] | None = None
    for row in rows:
        terms = row.model_dump(include=set(PackageTerms.model_fields))
        changed = {name: before[name] for name in terms if before[name] != terms[name]} if before is not None else {}
        told.append(VersionView(row.version, PackageTerms.model_validate(terms), row.created_at, bought.get(row.id or 0, 0), changed))
        before = terms
    return told[::-1]


def sold_since(session: Session, *, actor: Principal, since: datetime) -> dict[str, int]:
    """How many of each package were paid for since then, by the package's id in addresses. Raises Forbidden."""
    actor.require(Permission.PACKAGES_READ)
    counted = (
        sa.select(col(Package.public_id), sa.func.count())
        .join(PackageVersion, col(PackageVersion.package_id) == col(Package.id))
        .join(Payment, col(Payment.package_version_id) == col(PackageVersion.id))
        .where(col(Payment.paid_at) >= since)
        .group_by(col(Package.public_id))
    )
    return {row[0]: row[1] for row in session.execute(counted).all()}
