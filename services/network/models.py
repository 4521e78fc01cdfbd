"""Where the network is and how it fares: sites, access points, and their health over time."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type
from services.revision import revision_of


class Site(SQLModel, table=True):
    """A place with gateways and access points, such as a market or a lodge. `external_id` is OpenWISP's place, where it is one of those."""

    __table_args__ = (
        sa.CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="whole_position"),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180", name="position_on_earth"),
        sa.Index("ix_site_name_part", "name", postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    name: str = Field(max_length=120, unique=True)
    external_id: str | None = Field(default=None, max_length=64, unique=True)
    address: str | None = Field(default=None, max_length=200)
    latitude: float | None = None
    longitude: float | None = None

    @property
    def revision(self) -> str:
        return revision_of(self.id, self.name, self.address, self.latitude, self.longitude)


class Health(StrEnum):
    """How an access point fares (protocols/openwisp.md §1: ok, problem, critical, unknown, deactivated)."""

    ONLINE = "online"
    DEGRADED = "degraded"
    OFFLINE = "offline"
    UNKNOWN = "unknown"
    RETIRED = "retired"


class SetBy(StrEnum):
    """Who said where an access point belongs: what staff set, discovery leaves alone."""

    DISCOVERY = "discovery"
    STAFF = "staff"


class AccessPoint(SQLModel, table=True):
    """A radio that OpenWISP knows. Never deleted by what OpenWISP answers: one that is no longer listed is kept and marked."""

    __tablename__ = "access_point"
    __table_args__ = (
        sa.Index("ix_access_point_name", "name", "id"),
        sa.Index("ix_access_point_name_part", "name", postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}),
        sa.Index("ix_access_point_mac", "mac"),
        sa.Index("ix_access_point_vanished_at", "vanished_at", postgresql_where=sa.text("vanished_at IS NOT NULL")),
        # What a health poll has to look at follows what is wrong, not what exists.
        sa.Index("ix_access_point_not_online", "id", postgresql_where=sa.text("reported <> 'online' AND vanished_at IS NULL")),
        sa.Index("ix_access_point_candidate", "id", postgresql_where=sa.text("candidate IS NOT NULL")),
        sa.Index("ix_access_point_health", "health", "name", "id"),
        sa.CheckConstraint("(candidate IS NULL) = (candidate_since IS NULL)", name="candidate_since"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    external_id: str = Field(max_length=64, unique=True)
    name: str = Field(max_length=120)
    organization: str = Field(default="", max_length=64)
    mac: str | None = Field(default=None, max_length=17)
    # The last one known: OpenWISP clears the address of a dead device (openwisp.md §5).
    address: str | None = Field(default=None, max_length=45)
    model: str = Field(default="", max_length=120)
    firmware: str = Field(default="", max_length=120)
    site_id: int | None = Field(default=None, foreign_key="site.id", index=True, sa_type=sa.BigInteger)
    site_set_by: SetBy = Field(default=SetBy.DISCOVERY, sa_type=enum_type(SetBy, name="site_set_by"))
    gateway_id: int | None = Field(default=None, foreign_key="gateway.id", index=True, sa_type=sa.BigInteger)
    gateway_set_by: SetBy = Field(default=SetBy.DISCOVERY, sa_type=enum_type(SetBy, name="gateway_set_by"))
    discovered_at: datetime = Field(sa_type=UtcDateTime)
    vanished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # What the last poll said, and since when it says so.
    reported: Health = Field(default=Health.UNKNOWN, sa_type=enum_type(Health, name="reported"))
    reported_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # When it was last seen online, written as it leaves that state: while it is online, the last good poll tells.
    last_online_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # What counts: a state that two polls agree on, from the moment that the first of them saw it.
    health: Health = Field(default=Health.UNKNOWN, sa_type=enum_type(Health, name="health"))
    health_since: datetime = Field(sa_type=UtcDateTime)
    # A state seen once, which the next poll confirms or drops.
    candidate: Health | None = Field(default=None, sa_type=enum_type(Health, name="candidate"))
    candidate_since: datetime | None = Field(default=None, sa_type=UtcDateTime)

    @property
    def revision(self) -> str:
        """Of what staff may change; polls do not count."""
        return revision_of(self.id, self.site_id, self.site_set_by, self.gateway_id, self.gateway_set_by)


class HealthChange(SQLModel, table=True):
    """One raw change of what OpenWISP reports, before anything is debounced. Rolled up after its retention."""

    __tablename__ = "health_change"
    __table_args__ = (
        sa.Index("ix_health_change_access_point_id_at", "access_point_id", "at"),
        sa.Index("ix_health_change_at", "at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    access_point_id: int = Field(foreign_key="access_point.id", sa_type=sa.BigInteger)
    at: datetime = Field(sa_type=UtcDateTime)
    before: Health = Field(sa_type=enum_type(Health, name="before"))
    after: Health = Field(sa_type=enum_type(Health, name="after"))


class HealthPeriod(SQLModel, table=True):
    """How long an access point was in one debounced state: half-open [started_at, ended_at), without gap or overlap."""

    __tablename__ = "health_period"
    __table_args__ = (
        sa.Index("uq_health_period_open", "access_point_id", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("uq_health_period_started_at", "access_point_id", "started_at", unique=True),
        sa.Index("ix_health_period_ended_at", "ended_at"),
        sa.CheckConstraint("ended_at IS NULL OR ended_at > started_at", name="ends_after_start"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    access_point_id: int = Field(foreign_key="access_point.id", sa_type=sa.BigInteger)
    state: Health = Field(sa_type=enum_type(Health, name="state"))
    started_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class HealthMonth(SQLModel, table=True):
    """Seconds in each state in one month (of Africa/Banjul, which is UTC all year), kept when the periods themselves are rolled up."""

    __tablename__ = "health_month"
    __table_args__ = (sa.CheckConstraint("EXTRACT(day FROM month) = 1", name="first_of_month"),)

    access_point_id: int = Field(primary_key=True, foreign_key="access_point.id", sa_type=sa.BigInteger)
    month: date = Field(primary_key=True, sa_type=sa.Date)
    online_seconds: int = 0
    degraded_seconds: int = 0
    offline_seconds: int = 0
    unknown_seconds: int = 0
    retired_seconds: int = 0
