"""Promo codes: a word that takes something off the price, for some packages and some time."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime
from services.revision import revision_of


class PromoCode(SQLModel, table=True):
    """`code` is upper-case. Without rows in `promo_package` it holds for every package."""

    __tablename__ = "promo_code"
    __table_args__ = (
        sa.CheckConstraint("num_nonnulls(percent_off, bututs_off) = 1", name="one_kind_of_discount"),
        sa.CheckConstraint("percent_off BETWEEN 1 AND 99", name="percent_sane"),
        sa.CheckConstraint("bututs_off > 0 AND mod(bututs_off, 100) = 0", name="whole_dalasi_off"),
        sa.CheckConstraint("valid_from < valid_until", name="window_in_order"),
        sa.CheckConstraint("most_uses > 0", name="uses_positive"),
        sa.CheckConstraint("most_per_customer > 0", name="per_customer_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    code: str = Field(max_length=24, unique=True)
    percent_off: int | None = None
    bututs_off: int | None = None
    valid_from: datetime = Field(sa_type=UtcDateTime)
    valid_until: datetime = Field(sa_type=UtcDateTime)
    # None: as often as anybody likes.
    most_uses: int | None = None
    most_per_customer: int | None = 1
    is_active: bool = True
    note: str | None = Field(default=None, max_length=200)
    made_by: str = Field(max_length=120)
    created_at: datetime = Field(sa_type=UtcDateTime)

    @property
    def revision(self) -> str:
        return revision_of(*self.model_dump(exclude={"id", "created_at", "made_by"}).values())


class PromoPackage(SQLModel, table=True):
    __tablename__ = "promo_package"

    promo_id: int = Field(primary_key=True, foreign_key="promo_code.id", sa_type=sa.BigInteger)
    package_id: int = Field(primary_key=True, foreign_key="package.id", sa_type=sa.BigInteger)


class PackageSite(SQLModel, table=True):
    """Where a package is sold. One without rows is sold everywhere."""

    __tablename__ = "package_site"

    package_id: int = Field(primary_key=True, foreign_key="package.id", sa_type=sa.BigInteger)
    site_id: int = Field(primary_key=True, foreign_key="site.id", sa_type=sa.BigInteger)
