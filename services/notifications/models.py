"""Messages to people: what is said (templates in versions), to whom (preferences), and what became of each (outbox, reports)."""

from __future__ import annotations

from datetime import datetime, time
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type


class Medium(StrEnum):
    SMS = "sms"
    EMAIL = "email"
    PUSH = "push"
    BELL = "bell"


class Urgency(StrEnum):
    """What may hold a message up: nothing holds a one-time code, which is void after minutes; news wait for the morning."""

    ONE_TIME = "one_time"
    URGENT = "urgent"
    NORMAL = "normal"
    NEWS = "news"


class NotificationState(StrEnum):
    """`unknown`: handed over, and the answer was lost; never sent again by itself. `suppressed`: the person does not want it."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNKNOWN = "unknown"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


class NotificationTemplate(SQLModel, table=True):
    """The words for one event, on one medium, in one language, as staff wrote them; the one that is active is used."""

    __tablename__ = "notification_template"
    __table_args__ = (
        sa.UniqueConstraint("event", "medium", "language", "version"),
        sa.Index("uq_notification_template_active", "event", "medium", "language", unique=True, postgresql_where=sa.text("is_active")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    event: str = Field(max_length=60)
    medium: Medium = Field(sa_type=enum_type(Medium))
    language: str = Field(default="en", max_length=8)
    version: int = 1
    subject: str = Field(default="", max_length=200)
    body: str = Field(max_length=4000)
    # None of a language is active after a return to the words that come with the product.
    is_active: bool = True
    made_by: str = Field(max_length=254)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Notification(SQLModel, table=True):
    """One message to one person on one medium: written with the change it tells of, sent after the commit, its end always named."""

    __table_args__ = (
        sa.Index("ix_notification_due", "next_attempt_at", postgresql_where=sa.text("next_attempt_at IS NOT NULL")),
        sa.Index("ix_notification_created_at", "created_at", "id"),
        # Whose words are still there (services/operations/retention).
        sa.Index("ix_notification_words", "created_at", postgresql_where=sa.text("body_sealed <> ''")),
        sa.Index("ix_notification_state", "state", "created_at", "id"),
        sa.Index("ix_notification_ticket_id", "ticket_id", "id", postgresql_where=sa.text("ticket_id IS NOT NULL")),
        # Not unique: a small gateway may count anew after a restart.
        sa.Index("ix_notification_provider_id", "provider", "provider_id", postgresql_where=sa.text("provider_id IS NOT NULL")),
        # What the app shows a customer of what we told them.
        sa.Index(
            "ix_notification_customer_bell", "customer_id", "id", postgresql_where=sa.text("medium = 'bell' AND customer_id IS NOT NULL")
        ),
        sa.Index("ix_notification_bell", "staff_id", "id", postgresql_where=sa.text("medium = 'bell'")),
        sa.Index("ix_notification_unread", "staff_id", "id", postgresql_where=sa.text("medium = 'bell' AND read_at IS NULL")),
        # What a person has to look at: it neither arrived nor will be tried again.
        sa.Index(
            "ix_notification_given_up",
            "created_at",
            "id",
            postgresql_where=sa.text("state IN ('failed', 'unknown') AND dismissed_at IS NULL"),
        ),
        # How many texts this hour has had (services/notifications/budget.py).
        sa.Index("ix_notification_handed_at", "handed_at", postgresql_where=sa.text("medium = 'sms' AND handed_at IS NOT NULL")),
        sa.CheckConstraint("customer_id IS NOT NULL OR staff_id IS NOT NULL OR address_sealed IS NOT NULL", name="has_a_recipient"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    # What it tells of and to whom, so that the same news is never told twice.
    dedupe_key: str = Field(max_length=120, unique=True)
    event: str = Field(max_length=60)
    medium: Medium = Field(sa_type=enum_type(Medium))
    urgency: Urgency = Field(sa_type=enum_type(Urgency))
    language: str = Field(default="en", max_length=8)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    staff_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)
    # An e-mail address. Of customers only the phone number is on their own row.
    address_sealed: str | None = Field(default=None, max_length=600)
    push_token_id: int | None = Field(default=None, foreign_key="push_token.id", sa_type=sa.BigInteger)
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id", sa_type=sa.BigInteger)
    # Which message of the ticket it carries.
    ticket_message_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    # None: the words that come with the product.
    template_id: int | None = Field(default=None, foreign_key="notification_template.id", sa_type=sa.BigInteger)
    subject_sealed: str | None = Field(default=None, max_length=1200)
    body_sealed: str = Field(sa_type=sa.Text)
    # Of a mail: further header fields, such as those by which an answer finds its ticket.
    headers_sealed: str | None = Field(default=None, sa_type=sa.Text)
    # Where a bell leads.
    link: str | None = Field(default=None, max_length=200)
    # What a text costs: how many SMS it is cut into.
    segments: int = 0
    state: NotificationState = Field(default=NotificationState.QUEUED, sa_type=enum_type(NotificationState))
    attempts: int = 0
    # When to send or, of a push that was sent, when to ask for its receipt.
    next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    provider: str | None = Field(default=None, max_length=40)
    provider_id: str | None = Field(default=None, max_length=120)
    # Why it is not sent, or not yet.
    error: str | None = Field(default=None, max_length=300)
    created_at: datetime = Field(sa_type=UtcDateTime)
    # When a person had it sent once more: its time to be given up counts from then.
    retried_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    handed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    delivered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    read_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    dismissed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class DeliveryReport(SQLModel, table=True):
    """What a provider said of a message: kept as it came, also before our own call returned, twice, or of one we do not know."""

    __tablename__ = "delivery_report"
    __table_args__ = (
        sa.UniqueConstraint("provider", "provider_id", "status"),
        sa.Index("ix_delivery_report_at", "at"),
        sa.Index("ix_delivery_report_waiting", "at", postgresql_where=sa.text("outcome = 'waiting'")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    provider: str = Field(max_length=40)
    provider_id: str = Field(max_length=120)
    status: str = Field(max_length=40)
    reason: str | None = Field(default=None, max_length=120)
    # The customer whose number it names, whichever form the number came in.
    customer_id: int | None = Field(default=None, sa_type=sa.BigInteger)
    # `waiting` for our own call to return, `applied`, `late` (after the end or behind what is known) or `unknown` (nobody's).
    outcome: str = Field(max_length=16)
    times: int = 1
    at: datetime = Field(sa_type=UtcDateTime)


class ContactPreference(SQLModel, table=True):
    """What a person wants and does not, by medium: a customer, a member of staff, or a mail address that belongs to none."""

    __tablename__ = "contact_preference"
    __table_args__ = (
        sa.Index(
            "uq_contact_preference_customer", "customer_id", "medium", unique=True, postgresql_where=sa.text("customer_id IS NOT NULL")
        ),
        sa.Index(
            "uq_contact_preference_address", "address_mac", "medium", unique=True, postgresql_where=sa.text("address_mac IS NOT NULL")
        ),
        sa.Index("uq_contact_preference_staff", "staff_id", "medium", unique=True, postgresql_where=sa.text("staff_id IS NOT NULL")),
        sa.CheckConstraint("num_nonnulls(customer_id, staff_id, address_mac) = 1", name="of_one_person"),
        sa.CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="quiet_hours_are_whole"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", sa_type=sa.BigInteger)
    staff_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)
    address_mac: str | None = Field(default=None, max_length=64)
    # Kept so that the hash can be made anew after a change of keys.
    address_sealed: str | None = Field(default=None, max_length=600)
    medium: Medium = Field(sa_type=enum_type(Medium))
    opted_out_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # By whom or what: "STOP", "link", "gateway" or a member of staff.
    opted_out_by: str | None = Field(default=None, max_length=120)
    # In Banjul's time, which is UTC all year.
    quiet_from: time | None = Field(default=None, sa_type=sa.Time)
    quiet_until: time | None = Field(default=None, sa_type=sa.Time)


class PushToken(SQLModel, table=True):
    """An Expo token of one app on one phone; dropped when Expo says that it is dead or the person logs out."""

    __tablename__ = "push_token"
    __table_args__ = (
        sa.CheckConstraint("(customer_id IS NULL) <> (staff_id IS NULL)", name="of_one_person"),
        sa.Index("ix_push_token_dropped_at", "dropped_at", postgresql_where=sa.text("dropped_at IS NOT NULL AND token_sealed <> ''")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    token_mac: str = Field(max_length=64, unique=True)
    token_sealed: str = Field(max_length=400)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    staff_id: int | None = Field(default=None, foreign_key="staff.id", index=True, sa_type=sa.BigInteger)
    # The app that registered it: nothing goes there once that one is logged out.
    app_device_id: int | None = Field(default=None, foreign_key="app_device.id", index=True, sa_type=sa.BigInteger)
    created_at: datetime = Field(sa_type=UtcDateTime)
    dropped_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    why: str | None = Field(default=None, max_length=80)
