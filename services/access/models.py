"""Gateways, entitlements (what was paid), grants (one attempt to open one router for one client), access sessions (airtime running)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type
from services.revision import revision_of


class Gateway(SQLModel, table=True):
    """A registered openNDS router. `slug` selects it before anything is decrypted (protocols/opennds.md §8)."""

    __table_args__ = (
        sa.CheckConstraint("level IN (3, 4)", name="level_is_3_or_4"),
        sa.Index("ix_gateway_name_part", "name", postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    slug: str = Field(max_length=64, unique=True)
    gateway_name: str = Field(max_length=80, unique=True)
    gateway_hash: str = Field(max_length=64, unique=True)
    faskey_sealed: str = Field(max_length=255)
    level: int
    site_id: int | None = Field(default=None, foreign_key="site.id", index=True, sa_type=sa.BigInteger)
    name: str = Field(max_length=120)
    created_at: datetime = Field(sa_type=UtcDateTime)
    # Written in batches from Redis, never once a poll.
    last_poll_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_clear_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    version: str | None = Field(default=None, max_length=32)
    # As the router itself says at level 3, in a redirect that only it can have encrypted; access points are linked by it.
    mac: str | None = Field(default=None, max_length=17, index=True)
    poll_seconds: int = Field(default=10, sa_column_kwargs={"server_default": "10"})
    # A key that staff has made and the router may not have yet: both open until the router is seen to use the new one.
    faskey_next_sealed: str | None = Field(default=None, max_length=255)
    faskey_next_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    faskey_rotated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # The optional script on the router: its key, when it last spoke, how many clients it counted, and the last number it used.
    agent_key_sealed: str | None = Field(default=None, max_length=255)
    agent_seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    agent_clients: int | None = None
    agent_counter: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"})

    @property
    def revision(self) -> str:
        """Of what staff may change; polls do not count."""
        return revision_of(self.id, self.name, self.site_id)


class EntitlementState(StrEnum):
    READY = "ready"
    RUNNING = "running"
    ENDED = "ended"
    VOID = "void"


class Entitlement(SQLModel, table=True):
    """Paid time and data: durable, and worth money. The clock starts with the first confirmed access."""

    __table_args__ = (
        sa.CheckConstraint("(started_at IS NULL) = (ends_at IS NULL)", name="started_means_ends"),
        sa.CheckConstraint("seconds_total > 0", name="seconds_positive"),
        sa.CheckConstraint("bytes_used >= 0", name="bytes_not_negative"),
        sa.Index("ix_entitlement_ends_at", "ends_at", postgresql_where=sa.text("state = 'running'")),
        sa.Index("ix_entitlement_use_before", "use_before", postgresql_where=sa.text("state = 'ready'")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    voucher_id: int = Field(foreign_key="voucher.id", unique=True, sa_type=sa.BigInteger)
    payment_id: int | None = Field(default=None, foreign_key="payment.id", unique=True, sa_type=sa.BigInteger)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    package_version_id: int = Field(foreign_key="package_version.id", sa_type=sa.BigInteger)
    seconds_total: int
    quota_bytes: int | None = Field(default=None, sa_type=sa.BigInteger)
    bytes_used: int = Field(default=0, sa_type=sa.BigInteger)
    down_kbps: int = 0
    up_kbps: int = 0
    device_limit: int = 1
    state: EntitlementState = Field(default=EntitlementState.READY, sa_type=enum_type(EntitlementState))
    created_at: datetime = Field(sa_type=UtcDateTime)
    use_before: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ends_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # Since when the clock stands, because the access point is down (services/access/outages.py).
    paused_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    def start(self, *, at: datetime) -> None:
        """Let the clock run from `at`; a clock that runs already is left alone."""
        if self.started_at is None:
            self.started_at, self.ends_at = at, at + timedelta(seconds=self.seconds_total)
            self.state = EntitlementState.RUNNING

    def seconds_left(self, *, now: datetime) -> int:
        """Whole seconds of airtime left, 0 when there are none or the time to start them has passed."""
        if self.state in (EntitlementState.ENDED, EntitlementState.VOID):
            return 0
        if self.ends_at is None:
            return self.seconds_total if now < self.use_before else 0
        return max(0, int((self.ends_at - (self.paused_at or now)).total_seconds()))

    @property
    def bytes_left(self) -> int | None:
        """None without a data allowance."""
        return None if self.quota_bytes is None else max(0, self.quota_bytes - self.bytes_used)

    def is_usable(self, *, now: datetime) -> bool:
        return self.seconds_left(now=now) > 0 and self.bytes_left != 0


class DeviceSlot(SQLModel, table=True):
    """One of the places for devices on an entitlement. `mac_hint` recognises a returning device where the router vouches for the MAC."""

    __tablename__ = "device_slot"
    __table_args__ = (
        sa.Index("uq_device_slot_held", "entitlement_id", "number", unique=True, postgresql_where=sa.text("released_at IS NULL")),
        sa.Index("ix_device_slot_device_id", "device_id", postgresql_where=sa.text("released_at IS NULL")),
        sa.Index("ix_device_slot_mac_hint", "mac_hint", postgresql_where=sa.text("released_at IS NULL AND mac_hint IS NOT NULL")),
        sa.Index("ix_device_slot_device_known", "taken_at", postgresql_where=sa.text("mac_hint IS NOT NULL")),
        sa.CheckConstraint("number >= 1", name="number_from_one"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    entitlement_id: int = Field(foreign_key="entitlement.id", sa_type=sa.BigInteger)
    number: int
    device_id: int = Field(foreign_key="device.id", sa_type=sa.BigInteger)
    mac_hint: str | None = Field(default=None, max_length=17)
    taken_at: datetime = Field(sa_type=UtcDateTime)
    released_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class GrantState(StrEnum):
    QUEUED = "queued"
    OFFERED = "offered"
    ACKED = "acked"
    UNCONFIRMED = "unconfirmed"
    ENDED = "ended"
    VOID = "void"


ON_OFFER = (GrantState.QUEUED, GrantState.OFFERED)
LIVE = (GrantState.QUEUED, GrantState.OFFERED, GrantState.ACKED, GrantState.UNCONFIRMED)
_LIVE_SQL = "state IN ('queued', 'offered', 'acked', 'unconfirmed')"


class Grant(SQLModel, table=True):
    """One attempt to open one router for one client: disposable, repeated freely (protocols/opennds.md §5)."""

    __tablename__ = "access_grant"
    __table_args__ = (
        sa.Index(
            "uq_access_grant_live_hid",
            "gateway_id",
            "hid",
            unique=True,
            postgresql_where=sa.text(f"{_LIVE_SQL} AND hid IS NOT NULL"),
        ),
        sa.Index(
            "uq_access_grant_live_mac",
            "gateway_id",
            "mac",
            unique=True,
            postgresql_where=sa.text(f"{_LIVE_SQL} AND hid IS NULL AND mac IS NOT NULL"),
        ),
        sa.Index("ix_access_grant_on_offer", "gateway_id", "id", postgresql_where=sa.text("state IN ('queued', 'offered')")),
        sa.Index("ix_access_grant_give_up", "give_up_at", postgresql_where=sa.text("state IN ('queued', 'offered')")),
        sa.Index("ix_access_grant_ends_at", "ends_at", postgresql_where=sa.text("state IN ('acked', 'unconfirmed')")),
        sa.Index("ix_access_grant_device_known", "created_at", postgresql_where=sa.text("mac IS NOT NULL OR hid <> '-'")),
        sa.CheckConstraint("hid IS NOT NULL OR mac IS NOT NULL", name="names_a_client"),
        sa.CheckConstraint("seconds > 0", name="seconds_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    gateway_id: int = Field(foreign_key="gateway.id", sa_type=sa.BigInteger)
    hid: str | None = Field(default=None, max_length=64)
    mac: str | None = Field(default=None, max_length=17)
    entitlement_id: int | None = Field(default=None, foreign_key="entitlement.id", index=True, sa_type=sa.BigInteger)
    device_id: int | None = Field(default=None, foreign_key="device.id", sa_type=sa.BigInteger)
    # The most this grant may open for; with an entitlement the time left at the moment of the offer counts, if it is less.
    seconds: int
    up_kbps: int = 0
    down_kbps: int = 0
    up_quota_kb: int = 0
    down_quota_kb: int = 0
    state: GrantState = Field(default=GrantState.QUEUED, sa_type=enum_type(GrantState))
    actor: str = Field(default="system", max_length=120)
    created_at: datetime = Field(sa_type=UtcDateTime)
    first_offered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    offer_count: int = 0
    give_up_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    acked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ends_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    end_reason: str | None = Field(default=None, max_length=40)


class SessionState(StrEnum):
    ACTIVE = "active"
    UNCONFIRMED = "unconfirmed"
    ENDED = "ended"


class AccessSession(SQLModel, table=True):
    """Airtime running on one router for one client, from its confirmation (or presumed start) to its end."""

    __tablename__ = "access_session"
    __table_args__ = (
        sa.Index("ix_access_session_started_at", "started_at", "id"),
        # Who is online, in both orders of the list.
        sa.Index("ix_access_session_running", "started_at", "id", postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("ix_access_session_running_ends", "ends_at", "id", postgresql_where=sa.text("ended_at IS NULL")),
        # Whose is over: those who are online, however many, need not be read past.
        sa.Index("ix_access_session_ended", "started_at", "id", postgresql_where=sa.text("ended_at IS NOT NULL")),
        sa.Index("ix_access_session_mac", "mac", "id", postgresql_where=sa.text("mac IS NOT NULL")),
        sa.Index("ix_access_session_device_known", "started_at", postgresql_where=sa.text("mac IS NOT NULL")),
        # Who is, or was a moment ago, behind a gateway, whatever its history.
        sa.Index("ix_access_session_gateway_id_ended_at", "gateway_id", "ended_at"),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended_means_ended_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    grant_id: int = Field(foreign_key="access_grant.id", unique=True, sa_type=sa.BigInteger)
    gateway_id: int = Field(foreign_key="gateway.id", sa_type=sa.BigInteger)
    entitlement_id: int | None = Field(default=None, foreign_key="entitlement.id", index=True, sa_type=sa.BigInteger)
    device_id: int | None = Field(default=None, foreign_key="device.id", sa_type=sa.BigInteger)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    mac: str | None = Field(default=None, max_length=17)
    state: SessionState = Field(sa_type=enum_type(SessionState))
    started_at: datetime = Field(sa_type=UtcDateTime)
    ends_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    end_reason: str | None = Field(default=None, max_length=40)
    # None while nothing was reported; upload is a lower bound (protocols/opennds.md §4.5).
    bytes_down: int | None = Field(default=None, sa_type=sa.BigInteger)
    bytes_up: int | None = Field(default=None, sa_type=sa.BigInteger)
    # What the router's script counted while the session runs; the end report replaces it.
    live_bytes_down: int | None = Field(default=None, sa_type=sa.BigInteger)
    live_bytes_up: int | None = Field(default=None, sa_type=sa.BigInteger)
    live_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DeauthOrder(SQLModel, table=True):
    """A client that the router's script is to put out: offered with each of its reports until the client is gone there."""

    __tablename__ = "deauth_order"
    __table_args__ = (
        sa.Index("uq_deauth_order_open", "gateway_id", "mac", unique=True, postgresql_where=sa.text("done_at IS NULL")),
        sa.Index("ix_deauth_order_gateway_id", "gateway_id", "id"),
        sa.Index("ix_deauth_order_give_up_at", "give_up_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    gateway_id: int = Field(foreign_key="gateway.id", sa_type=sa.BigInteger)
    mac: str = Field(max_length=17)
    grant_id: int | None = Field(default=None, foreign_key="access_grant.id", sa_type=sa.BigInteger)
    created_at: datetime = Field(sa_type=UtcDateTime)
    give_up_at: datetime = Field(sa_type=UtcDateTime)
    done_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outcome: str | None = Field(default=None, max_length=40)
