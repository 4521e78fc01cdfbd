"""What is sold. A package is a name on the price list; a package version is what it meant at one time and never changes."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime

CURRENCY = "GMD"


class Package(SQLModel, table=True):
    """`on_sale_from` and `on_sale_until` narrow `is_on_sale`; where it is sold stands in `package_site`."""

    __table_args__ = (
        sa.CheckConstraint("on_sale_from < on_sale_until", name="window_in_order"),
        sa.CheckConstraint("stock_mark BETWEEN 0 AND 10000", name="stock_mark_sane"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    public_id: str = Field(max_length=32, unique=True)
    position: int = 0
    is_on_sale: bool = True
    current_version: int = 1
    on_sale_from: datetime | None = Field(default=None, sa_type=UtcDateTime)
    on_sale_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # How many vouchers are held ready in PortaBilling, for when it does not answer (services/vouchers/stock.py).
    stock_mark: int = Field(default=20, sa_column_kwargs={"server_default": "20"})
    created_at: datetime = Field(sa_type=UtcDateTime)


class PackageVersion(SQLModel, table=True):
    """The terms of a package: immutable, by a database trigger too, so that what was sold stays as sold."""

    __tablename__ = "package_version"
    __table_args__ = (
        sa.UniqueConstraint("package_id", "version"),
        sa.CheckConstraint("amount_bututs > 0", name="amount_positive"),
        sa.CheckConstraint("mod(amount_bututs, 100) = 0", name="amount_whole_dalasi"),
        sa.CheckConstraint("duration_seconds >= 60", name="duration_at_least_a_minute"),
        sa.CheckConstraint("quota_bytes IS NULL OR quota_bytes > 0", name="quota_positive"),
        sa.CheckConstraint("down_kbps >= 0 AND up_kbps >= 0", name="rates_not_negative"),
        sa.CheckConstraint("device_limit BETWEEN 1 AND 20", name="device_limit_sane"),
        sa.CheckConstraint("validity_days BETWEEN 1 AND 3660", name="validity_sane"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    package_id: int = Field(foreign_key="package.id", sa_type=sa.BigInteger)
    version: int
    name: str = Field(max_length=80)
    amount_bututs: int
    duration_seconds: int
    quota_bytes: int | None = Field(default=None, sa_type=sa.BigInteger)
    # 0 means the router's own limit (protocols/opennds.md §4.3).
    down_kbps: int = 0
    up_kbps: int = 0
    device_limit: int = 1
    # How long after buying the time may be started.
    validity_days: int = 30
    created_at: datetime = Field(sa_type=UtcDateTime)
