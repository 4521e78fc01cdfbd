"""What customers ask for help with."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type
from services.revision import revision_of
from services.tickets.errors import TicketAlreadyClosed, TicketNotClosed


class TicketState(StrEnum):
    NEW = "new"
    CLOSED = "closed"


# Spelled out in queries too, and not sent as a parameter: only then does PostgreSQL see that the index of open ones serves them.
IS_OPEN = sa.text("ticket.state <> 'closed'")


class Ticket(SQLModel, table=True):
    """A report from the portal, kept with what was known about the place and the purchase when it was written."""

    __table_args__ = (
        sa.Index("ix_ticket_created_at", "created_at", "id"),
        sa.Index("ix_ticket_gateway_id", "gateway_id", "created_at"),
        # What one person sees of theirs, and the desks: what lies with whom, or with nobody, and is not done.
        sa.Index("ix_ticket_assignee_id", "assignee_id", "created_at", "id", postgresql_where=sa.text("assignee_id IS NOT NULL")),
        sa.Index("ix_ticket_open", "assignee_id", "created_at", "id", postgresql_where=sa.text("state <> 'closed'")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    reference: str = Field(max_length=16, unique=True)
    channel: str = Field(max_length=16)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    payment_id: int | None = Field(default=None, foreign_key="payment.id", sa_type=sa.BigInteger)
    gateway_id: int | None = Field(default=None, foreign_key="gateway.id", sa_type=sa.BigInteger)
    client_mac: str | None = Field(default=None, max_length=17)
    body: str = Field(max_length=4000)
    state: TicketState = Field(default=TicketState.NEW, sa_type=enum_type(TicketState))
    # Who looks after it. A disabled person keeps theirs until somebody hands them over, so that none is lost from sight.
    assignee_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)
    # The outage that it is about: one of these is the incident's own ticket (channel `incident`), the others are customers'.
    incident_id: int | None = Field(default=None, foreign_key="incident.id", index=True, sa_type=sa.BigInteger)
    created_at: datetime = Field(sa_type=UtcDateTime)

    @property
    def is_open(self) -> bool:
        return self.state is not TicketState.CLOSED

    @property
    def revision(self) -> str:
        """Of what staff may change."""
        return revision_of(self.id, self.state, self.assignee_id)

    def assign(self, staff_id: int | None) -> None:
        """Raises TicketAlreadyClosed: nobody would look at it there."""
        if not self.is_open:
            raise TicketAlreadyClosed
        self.assignee_id = staff_id

    def close(self) -> None:
        """Raises TicketAlreadyClosed."""
        if not self.is_open:
            raise TicketAlreadyClosed
        self.state = TicketState.CLOSED

    def reopen(self) -> None:
        """Raises TicketNotClosed."""
        if self.is_open:
            raise TicketNotClosed
        self.state = TicketState.NEW
