"""What customers ask for help with."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type


class TicketState(StrEnum):
    NEW = "new"
    CLOSED = "closed"


class Ticket(SQLModel, table=True):
    """A report from the portal, kept with what was known about the place and the purchase when it was written."""

    __table_args__ = (sa.Index("ix_ticket_created_at", "created_at", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    reference: str = Field(max_length=16, unique=True)
    channel: str = Field(max_length=16)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    payment_id: int | None = Field(default=None, foreign_key="payment.id", sa_type=sa.BigInteger)
    gateway_id: int | None = Field(default=None, foreign_key="gateway.id", sa_type=sa.BigInteger)
    client_mac: str | None = Field(default=None, max_length=17)
    body: str = Field(max_length=4000)
    state: TicketState = Field(default=TicketState.NEW, sa_type=enum_type(TicketState))
    created_at: datetime = Field(sa_type=UtcDateTime)
