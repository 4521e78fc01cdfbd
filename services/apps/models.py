"""Phones with one of the apps, the keys that open them, what each is still to be told, and what each did while it was offline."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type


class App(StrEnum):
    """INET-Go for customers, INET-Tech for technicians."""

    GO = "go"
    TECH = "tech"


class AppDevice(SQLModel, table=True):
    """One app on one phone, logged in for one person. Its device key is swapped at every refresh; only a keyed hash of it is kept."""

    __tablename__ = "app_device"
    __table_args__ = (
        sa.CheckConstraint("(app = 'go') = (customer_id IS NOT NULL) AND (app = 'tech') = (staff_id IS NOT NULL)", name="of_one_person"),
        sa.CheckConstraint("(staff_id IS NULL) = (staff_epoch IS NULL)", name="staff_has_epoch"),
        # Whose phones: the ones that are still logged in.
        sa.Index("ix_app_device_customer_id", "customer_id", postgresql_where=sa.text("revoked_at IS NULL")),
        sa.Index("ix_app_device_staff_id", "staff_id", postgresql_where=sa.text("revoked_at IS NULL")),
        sa.Index("ix_app_device_located_at", "located_at", postgresql_where=sa.text("located_at IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    # How tokens, cursors and lists name it.
    public_id: str = Field(max_length=32, unique=True)
    app: App = Field(sa_type=enum_type(App))
    customer_id: int | None = Field(default=None, foreign_key="customer.id", sa_type=sa.BigInteger)
    staff_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)
    # The person's `session_epoch` when it was enrolled: a disabled person, another role or password ends it like every other session.
    staff_epoch: int | None = None
    # The same phone as the shop knows it: its purchases and its places on a package.
    device_id: int | None = Field(default=None, foreign_key="device.id", index=True, sa_type=sa.BigInteger)
    name: str = Field(default="", max_length=80)
    platform: str = Field(default="", max_length=20)
    app_version: str = Field(default="", max_length=20)
    key_mac: str = Field(max_length=64, unique=True)
    # The key before: it opens as long as the newer one was never used, because an answer may have been lost on its way.
    previous_key_mac: str | None = Field(default=None, max_length=64, unique=True)
    # Counts the keys; tokens made with a key carry its number.
    key_number: int = 1
    # The newest key of which anything was used.
    key_seen: int = 0
    key_rotated_at: datetime = Field(sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)
    # How far its clock is behind ours, in milliseconds (negative: ahead), as it last said.
    skew_ms: int | None = Field(default=None, sa_type=sa.BigInteger)
    # Where it last was, if the person lets the app say so: for routes and the order of the day.
    latitude: float | None = None
    longitude: float | None = None
    located_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_why: str | None = Field(default=None, max_length=80)


class KeyPurpose(StrEnum):
    LOG_IN = "log_in"
    CHANGE_NUMBER = "change_number"
    DELETE_ACCOUNT = "delete_account"


class PhoneKey(SQLModel, table=True):
    """A key of six digits that was sent to a phone number by SMS: good for one purpose, once, for ten minutes and five tries."""

    __tablename__ = "phone_key"
    __table_args__ = (
        sa.Index("uq_phone_key_standing", "phone_e164", "purpose", unique=True, postgresql_where=sa.text("ended_at IS NULL")),
        sa.Index("ix_phone_key_created_at", "created_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    # The 9-digit form, whichever was typed.
    phone_e164: str = Field(max_length=16)
    purpose: KeyPurpose = Field(sa_type=enum_type(KeyPurpose))
    # Who asked, where somebody is logged in already.
    customer_id: int | None = Field(default=None, foreign_key="customer.id", sa_type=sa.BigInteger)
    key_mac: str = Field(max_length=64)
    tries: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    # Used, replaced by a newer one, or tried too often.
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Enrolment(SQLModel, table=True):
    """A code shown in the console as a QR, by which a technician's phone becomes theirs; once, within ten minutes."""

    __table_args__ = (sa.Index("ix_enrolment_staff_id", "staff_id", "id"), sa.Index("ix_enrolment_expires_at", "expires_at"))

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    code_mac: str = Field(max_length=64, unique=True)
    staff_id: int = Field(foreign_key="staff.id", sa_type=sa.BigInteger)
    made_by: str = Field(max_length=254)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    app_device_id: int | None = Field(default=None, foreign_key="app_device.id", sa_type=sa.BigInteger)


class SyncChange(SQLModel, table=True):
    """Which thing changed last for whom, and in which transaction: one row for each, however often it changes.

    Written by triggers only (migration 0010), so that no writer can forget it. `xid` is the 64-bit transaction id: what a phone has not
    been told is what its last snapshot did not see (services/apps/sync.py).
    """

    __tablename__ = "sync_change"
    __table_args__ = (sa.Index("ix_sync_change_audience_xid", "audience", "xid", "kind", "entity_id"),)

    # `c:<customer>`, `s:<staff>`, or everybody of a kind: `shop`, `places` (customers), `network` (technicians).
    audience: str = Field(primary_key=True, max_length=40)
    kind: str = Field(primary_key=True, max_length=24)
    entity_id: int = Field(primary_key=True, sa_type=sa.BigInteger)
    xid: int = Field(sa_type=sa.BigInteger)
    at: datetime = Field(sa_type=UtcDateTime)


class SyncEpoch(SQLModel, table=True):
    """Which life of the database cursors belong to: another one after a restore, when transaction ids say nothing any more."""

    __tablename__ = "sync_epoch"
    __table_args__ = (sa.CheckConstraint("id = 1", name="only_one"),)

    id: int = Field(default=1, primary_key=True)
    epoch: str = Field(max_length=40)
    # The cluster's own (pg_control_system), as text: another one means that the rows came here by a restore.
    system_identifier: str = Field(default="", max_length=40)
    began_at: datetime = Field(sa_type=UtcDateTime)


class MutationOutcome(StrEnum):
    APPLIED = "applied"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class AppMutation(SQLModel, table=True):
    """One thing that a person did in an app, under the name that the phone gave it, with the answer that it got: written with its effect.

    Sent again, it gets the same answer. `before_version` and `after_version` are the entity's, so that a phone never conflicts with itself.
    """

    __tablename__ = "app_mutation"
    __table_args__ = (
        sa.Index("ix_app_mutation_entity", "app_device_id", "entity", "before_version"),
        sa.Index("ix_app_mutation_received_at", "received_at"),
    )

    app_device_id: int = Field(primary_key=True, foreign_key="app_device.id", sa_type=sa.BigInteger)
    client_id: str = Field(primary_key=True, max_length=64)
    type: str = Field(max_length=40)
    entity: str = Field(max_length=80)
    # Of type, entity, base version and payload: the same name for something else is a mistake of the app.
    digest: str = Field(max_length=64)
    outcome: MutationOutcome = Field(sa_type=enum_type(MutationOutcome))
    # What was answered, but for what the server holds now.
    answer: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    base_version: str | None = Field(default=None, max_length=80)
    before_version: str | None = Field(default=None, max_length=80)
    after_version: str | None = Field(default=None, max_length=80)
    # By the phone's clock, set right by its skew; never later than it was received.
    happened_at: datetime = Field(sa_type=UtcDateTime)
    received_at: datetime = Field(sa_type=UtcDateTime)


class UploadState(StrEnum):
    RECEIVING = "receiving"
    HELD = "held"
    REFUSED = "refused"


class PhotoUpload(SQLModel, table=True):
    """A photo on its way from a phone to a ticket, in pieces; known by the hash of its content, so that none is kept twice."""

    __tablename__ = "photo_upload"
    __table_args__ = (
        sa.UniqueConstraint("app_device_id", "sha256", "ticket_id"),
        sa.Index("ix_photo_upload_stale", "touched_at", postgresql_where=sa.text("state = 'receiving'")),
        sa.CheckConstraint("received_bytes BETWEEN 0 AND size_bytes", name="received_of_size"),
        sa.CheckConstraint("(state = 'held') = (attachment_id IS NOT NULL)", name="held_means_attached"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    public_id: str = Field(max_length=32, unique=True)
    app_device_id: int = Field(foreign_key="app_device.id", sa_type=sa.BigInteger)
    ticket_id: int = Field(foreign_key="ticket.id", index=True, sa_type=sa.BigInteger)
    name: str = Field(default="", max_length=160)
    # Of what the phone sends; what is kept is painted anew and has another one.
    sha256: str = Field(max_length=64)
    size_bytes: int
    received_bytes: int = 0
    state: UploadState = Field(default=UploadState.RECEIVING, sa_type=enum_type(UploadState))
    why: str | None = Field(default=None, max_length=200)
    attachment_id: int | None = Field(default=None, foreign_key="attachment.id", sa_type=sa.BigInteger)
    # When and where it was taken, as the phone says: kept here, and nowhere in the picture.
    taken_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    latitude: float | None = None
    longitude: float | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    touched_at: datetime = Field(sa_type=UtcDateTime)
