"""When and where a package is sold: its window and its sites (product.md, "Packages")."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput
from services.access.models import Gateway
from services.accounts.permissions import Permission, Principal
from services.network.models import Site
from services.packages.models import Package
from services.packages.promo_models import PackageSite

_LOCAL_TIME = ZoneInfo("Africa/Banjul")


class PackageNotOnSale(Conflict):
    code, title = "package_not_on_sale", "Not on sale now"
    message = "That package is not on sale now. Reload the list and pick another one."


class SaleState(StrEnum):
    """What a window says at one moment; `retired` is taken off the list by staff."""

    ON_SALE = "on_sale"
    COMING = "coming"
    OVER = "over"
    RETIRED = "retired"


@dataclass(frozen=True)
class Counter:
    """Where and when somebody reads the price list: before a gateway, on the page of a site, or anywhere else."""

    now: datetime
    gateway_id: int | None = None
    site_id: int | None = None


class Sale(BaseModel):
    """When and where a package is sold (from the first moment up to, and without, the last), and how many are kept in stock.

    Without sites it is sold everywhere, also to who is at no hotspot.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    on_sale_from: AwareDatetime | None = None
    on_sale_until: AwareDatetime | None = None
    site_ids: tuple[int, ...] = Field(default=(), max_length=500)
    stock_mark: int = Field(default=20, ge=0, le=10_000)

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.on_sale_from is not None and self.on_sale_until is not None and self.on_sale_from >= self.on_sale_until:
            raise ValueError("The sale must end after it begins.")
        return self

    def state(self, now: datetime) -> SaleState:
        if self.on_sale_from is not None and now < self.on_sale_from:
            return SaleState.COMING
        return SaleState.OVER if self.on_sale_until is not None and now >= self.on_sale_until else SaleState.ON_SALE

    def is_open(self, now: datetime, site_id: int | None) -> bool:
        return self.state(now) is SaleState.ON_SALE and (not self.site_ids or site_id in self.site_ids)

    def require_open(self, name: str, now: datetime, site_id: int | None) -> None:
        """Raises PackageNotOnSale that says when or where it would be."""
        if self.is_open(now, site_id):
            return
        state = self.state(now)
        if state is SaleState.COMING and self.on_sale_from is not None:
            raise PackageNotOnSale(f"“{name}” is on sale from {moment_in_words(self.on_sale_from)}.", field="package_id")
        if state is SaleState.OVER and self.on_sale_until is not None:
            ended = moment_in_words(self.on_sale_until)
            raise PackageNotOnSale(f"The sale of “{name}” ended on {ended}. Pick another package.", field="package_id")
        if site_id is None:
            words = f"“{name}” is sold only at some of our hotspots. Join one of them and open its log-in page to buy it."
            raise PackageNotOnSale(words, field="package_id")
        raise PackageNotOnSale(f"“{name}” is not sold at this hotspot. Pick another package.", field="package_id")


def moment_in_words(at: datetime) -> str:
    """In The Gambia's time, as customers and staff read it."""
    return f"{at.astimezone(_LOCAL_TIME):%d.%m.%Y %H:%M}"


def read_sale(values: dict[str, object]) -> Sale:
    """Check what a form sent. Raises InvalidInput that names the field that is wrong."""
    try:
        return Sale.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise InvalidInput("The sale must end after it begins.", field="on_sale_until") from None
        field = str(first["loc"][0])
        raise InvalidInput(f"{field.replace('_', ' ').capitalize()}: {first['msg']}.", field=field) from None


def site_at(session: Session, counter: Counter) -> int | None:
    """The site at which a price list is read; None for nowhere in particular."""
    if counter.site_id is not None or counter.gateway_id is None:
        return counter.site_id
    return session.exec(select(Gateway.site_id).where(Gateway.id == counter.gateway_id)).one_or_none()


def require_sites(session: Session, site_ids: tuple[int, ...]) -> None:
    """Raises InvalidInput unless there are all of these sites."""
    if not site_ids:
        return
    known = set(session.exec(select(Site.id).where(col(Site.id).in_(site_ids))).all())
    if known != set(site_ids):
        raise InvalidInput("One of these sites does not exist. Reload the page and choose again.", field="site_ids")


def move_site(session: Session, source_id: int, target_id: int) -> None:
    """What is sold at the source is sold at the target: the two are becoming one, and the source will be gone."""
    of_source = select(PackageSite.package_id).where(PackageSite.site_id == source_id)
    package_ids = session.exec(of_source).all()
    for package_id in package_ids:
        session.execute(insert(PackageSite).values(package_id=package_id, site_id=target_id).on_conflict_do_nothing())
    session.execute(sa.delete(PackageSite).where(col(PackageSite.site_id) == source_id))
    # The phones' price list names the sites, and a phone is told of a package when its own row was written.
    touch = sa.update(Package).where(col(Package.id).in_(package_ids)).values(position=Package.position)
    session.execute(touch.execution_options(synchronize_session=False))


def site_names(session: Session, *, actor: Principal) -> dict[int, str]:
    """Where a package could be sold, for choosing, by name. Raises Forbidden."""
    actor.require(Permission.PACKAGES_READ)
    return {site.id: site.name for site in session.exec(select(Site).order_by(col(Site.name))).all() if site.id is not None}
