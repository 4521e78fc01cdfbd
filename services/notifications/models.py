"""Messages to people: an outbox row is written with the change it tells of, and sent after the commit."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type


class MessageState(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"


class SmsMessage(SQLModel, table=True):
    """One SMS. The gateway has no idempotency key, so one whose answer was lost is `unknown` and never sent again by itself."""

    __tablename__ = "sms_message"
    __table_args__ = (sa.Index("ix_sms_message_due", "next_attempt_at", postgresql_where=sa.text("next_attempt_at IS NOT NULL")),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    # What it tells of, so that the same news is never told twice.
    dedupe_key: str = Field(max_length=80, unique=True)
    customer_id: int = Field(foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    body_sealed: str = Field(max_length=2000)
    state: MessageState = Field(default=MessageState.QUEUED, sa_type=enum_type(MessageState))
    attempts: int = 0
    next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    provider_id: str | None = Field(default=None, max_length=80)
    error: str | None = Field(default=None, max_length=200)
    created_at: datetime = Field(sa_type=UtcDateTime)
    sent_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
