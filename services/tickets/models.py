"""A ticket, what was said in it, and everything that happened to it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type
from services.revision import revision_of
from services.tickets.triage.labels import Category as Category
from services.tickets.triage.labels import Priority as Priority


class TicketState(StrEnum):
    """`pending` waits for the customer, `on_hold` for a part or a third party; both say so, and the SLA policy says what then stops."""

    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    ON_HOLD = "on_hold"
    RESOLVED = "resolved"
    CLOSED = "closed"


UNDONE = (TicketState.NEW, TicketState.OPEN, TicketState.PENDING, TicketState.ON_HOLD)
# Spelled out in queries too, and not sent as a parameter: only then does PostgreSQL see that the indexes of undone ones serve them.
_UNDONE_SQL = "state IN ('new', 'open', 'pending', 'on_hold')"
IS_UNDONE: sa.ColumnElement[bool] = sa.literal_column(f"ticket.{_UNDONE_SQL}", sa.Boolean)


class Channel(StrEnum):
    """Where it came from."""

    PORTAL = "portal"
    MOBILE = "mobile"
    EMAIL = "email"
    SMS = "sms"
    PHONE = "phone"
    API = "api"
    INCIDENT = "incident"


class HoldReason(StrEnum):
    PART = "part"
    THIRD_PARTY = "third_party"
    SITE_ACCESS = "site_access"
    OUTAGE = "outage"


class Ticket(SQLModel, table=True):
    """Something that somebody is owed an answer to. Changed only through services/tickets/changes.py, which writes the history."""

    __table_args__ = (
        sa.Index("ix_ticket_created_at", "created_at", "id"),
        sa.Index("ix_ticket_updated_at", "updated_at", "id"),
        sa.Index("ix_ticket_gateway_id", "gateway_id", "created_at"),
        # The desks: what lies with a person, a team or nobody, and is not done; in the order of what is due.
        sa.Index("ix_ticket_assignee_id", "assignee_id", "created_at", "id", postgresql_where=sa.text("assignee_id IS NOT NULL")),
        sa.Index("ix_ticket_undone", "created_at", "id", postgresql_where=sa.text(_UNDONE_SQL)),
        sa.Index("ix_ticket_undone_assignee", "assignee_id", "due_at", "id", postgresql_where=sa.text(_UNDONE_SQL)),
        sa.Index("ix_ticket_undone_team", "team_id", "due_at", "id", postgresql_where=sa.text(_UNDONE_SQL)),
        sa.Index("ix_ticket_undone_due", "due_at", "id", postgresql_where=sa.text(_UNDONE_SQL)),
        # What else the list is narrowed by: the few that match must not be looked for among all that are undone.
        sa.Index("ix_ticket_undone_category", "category", "due_at", "id", postgresql_where=sa.text(_UNDONE_SQL)),
        sa.Index("ix_ticket_undone_priority", "priority", "due_at", "id", postgresql_where=sa.text(_UNDONE_SQL)),
        sa.Index("ix_ticket_undone_channel", "channel", "due_at", "id", postgresql_where=sa.text(_UNDONE_SQL)),
        sa.Index("ix_ticket_undone_language", "language", "due_at", "id", postgresql_where=sa.text(_UNDONE_SQL)),
        sa.Index("ix_ticket_undone_site", "site_id", "due_at", "id", postgresql_where=sa.text(_UNDONE_SQL)),
        sa.Index("ix_ticket_client_mac", "client_mac", "id", postgresql_where=sa.text("client_mac IS NOT NULL")),
        # The board's columns.
        sa.Index("ix_ticket_state_due", "state", "due_at", "id", postgresql_where=sa.text(_UNDONE_SQL)),
        sa.Index("ix_ticket_done", "state", "updated_at", "id", postgresql_where=sa.text("state IN ('resolved', 'closed')")),
        # A tick costs what is due, not what is open.
        sa.Index("ix_ticket_sla_next_at", "sla_next_at", postgresql_where=sa.text("sla_next_at IS NOT NULL")),
        # What silence is about to close, or to warn of.
        sa.Index("ix_ticket_close_at", "close_at", postgresql_where=sa.text("close_at IS NOT NULL")),
        sa.Index("ix_ticket_merged_into_id", "merged_into_id", postgresql_where=sa.text("merged_into_id IS NOT NULL")),
        sa.Index("ix_ticket_correspondent_id", "correspondent_id", "id", postgresql_where=sa.text("correspondent_id IS NOT NULL")),
        sa.CheckConstraint("(hold_reason IS NOT NULL) = (state = 'on_hold')", name="held_for_a_reason"),
        sa.CheckConstraint("merged_into_id IS NULL OR (merged_into_id <> id AND state = 'closed')", name="merged_is_closed"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    reference: str = Field(max_length=16, unique=True)
    channel: Channel = Field(sa_type=enum_type(Channel))
    subject: str = Field(default="", max_length=200, sa_column_kwargs={"server_default": ""})
    # The first words, for lists; the whole is the first message.
    body: str = Field(default="", max_length=4000)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    payment_id: int | None = Field(default=None, foreign_key="payment.id", sa_type=sa.BigInteger)
    gateway_id: int | None = Field(default=None, foreign_key="gateway.id", sa_type=sa.BigInteger)
    site_id: int | None = Field(default=None, foreign_key="site.id", index=True, sa_type=sa.BigInteger)
    access_point_id: int | None = Field(default=None, foreign_key="access_point.id", index=True, sa_type=sa.BigInteger)
    client_mac: str | None = Field(default=None, max_length=17)
    # The mail address that writes here; beside the customer, who may be unknown.
    correspondent_id: int | None = Field(default=None, foreign_key="correspondent.id", sa_type=sa.BigInteger)
    language: str | None = Field(default=None, max_length=8)
    incident_id: int | None = Field(default=None, foreign_key="incident.id", index=True, sa_type=sa.BigInteger)

    state: TicketState = Field(default=TicketState.NEW, sa_type=enum_type(TicketState))
    hold_reason: HoldReason | None = Field(default=None, sa_type=enum_type(HoldReason))
    priority: Priority = Field(default=Priority.NORMAL, sa_type=enum_type(Priority), sa_column_kwargs={"server_default": "normal"})
    category: Category | None = Field(default=None, sa_type=enum_type(Category))
    team_id: int | None = Field(default=None, foreign_key="team.id", sa_type=sa.BigInteger)
    # Who looks after it. A disabled person keeps theirs until somebody hands them over, so that none is lost from sight.
    assignee_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)

    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"server_default": sa.func.now()})
    last_customer_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_reply_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolved_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reopened_count: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    # When silence makes the next step: a notice that it will be closed, or the closing.
    close_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # What is said here is said there now; its own messages have moved (services/tickets/merging.py).
    merged_into_id: int | None = Field(default=None, foreign_key="ticket.id", sa_type=sa.BigInteger)

    # Written by services/tickets/sla from the history; equal to what replaying it gives.
    sla_policy_version_id: int | None = Field(default=None, foreign_key="sla_policy_version.id", sa_type=sa.BigInteger)
    first_response_due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    first_responded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_response_due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    resolution_due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # The earliest of the three that still runs: what lists are sorted by.
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # When the next warning, breach or escalation of any clock is due.
    sla_next_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    breached_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    # Counts changes and messages, so that nobody overwrites or answers what they have not seen.
    change_number: int = Field(default=0, sa_column_kwargs={"server_default": "0"})

    @property
    def is_open(self) -> bool:
        """Whether somebody still owes something."""
        return self.state in UNDONE

    @property
    def revision(self) -> str:
        return revision_of(self.id, self.change_number)


class MessageKind(StrEnum):
    CUSTOMER = "customer"
    REPLY = "reply"
    NOTE = "note"
    SYSTEM = "system"


class TicketMessage(SQLModel, table=True):
    """One thing said: by the customer, to the customer, or among staff. Its words are never changed; a merge or a split moves it."""

    __tablename__ = "ticket_message"
    __table_args__ = (
        sa.Index("ix_ticket_message_ticket_id", "ticket_id", "created_at", "id"),
        sa.Index("ix_ticket_message_mail_id", "mail_id", postgresql_where=sa.text("mail_id IS NOT NULL")),
        sa.Index("ix_ticket_message_said_in_id", "said_in_id", postgresql_where=sa.text("said_in_id IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=sa.BigInteger)
    kind: MessageKind = Field(sa_type=enum_type(MessageKind))
    channel: Channel = Field(sa_type=enum_type(Channel))
    staff_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)
    author: str = Field(default="", max_length=120)
    body: str = Field(sa_type=sa.Text)
    # The ticket in which it was said, when it has moved by a merge or a split.
    said_in_id: int | None = Field(default=None, foreign_key="ticket.id", sa_type=sa.BigInteger)
    inbound_id: int | None = Field(default=None, foreign_key="inbound_message.id", index=True, sa_type=sa.BigInteger)
    # The Message-ID of the mail that it came or went by (RFC 5322 §3.6.4), without the angle brackets.
    mail_id: str | None = Field(default=None, max_length=250)
    created_at: datetime = Field(sa_type=UtcDateTime)


class TicketEvent(SQLModel, table=True):
    """One change of a ticket: what, by whom, from what to what. Append-only; the SLA clocks are computed from these rows alone."""

    __tablename__ = "ticket_event"
    __table_args__ = (sa.Index("ix_ticket_event_ticket_id", "ticket_id", "id"), sa.Index("ix_ticket_event_kind_at", "kind", "at"))

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    ticket_id: int = Field(foreign_key="ticket.id", sa_type=sa.BigInteger)
    at: datetime = Field(sa_type=UtcDateTime)
    actor: str = Field(max_length=254)
    kind: str = Field(max_length=40)
    data: dict[str, Any] = Field(default_factory=dict, sa_type=Json)


class TicketLabel(SQLModel, table=True):
    """What a person decided it is about, beside what was said of it before: what triage learns from."""

    __tablename__ = "ticket_label"
    __table_args__ = (sa.Index("ix_ticket_label_at", "at"),)

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id", sa_type=sa.BigInteger)
    suggested: Category | None = Field(default=None, sa_type=enum_type(Category, name="suggested"))
    category: Category = Field(sa_type=enum_type(Category))
    staff_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)
    at: datetime = Field(sa_type=UtcDateTime)


class TicketSearch(SQLModel, table=True):
    """What a ticket is found by: its words as PostgreSQL's text vector, and its names, numbers and codes for search with typing errors."""

    __tablename__ = "ticket_search"
    __table_args__ = (
        sa.Index("ix_ticket_search_words", "words", postgresql_using="gin"),
        sa.Index("ix_ticket_search_names", "names", postgresql_using="gin", postgresql_ops={"names": "gin_trgm_ops"}),
    )

    ticket_id: int = Field(primary_key=True, foreign_key="ticket.id", sa_type=sa.BigInteger)
    words: Any = Field(sa_type=postgresql.TSVECTOR)
    names: str = Field(default="", sa_type=sa.Text)


class TicketWord(SQLModel, table=True):
    """A word that was said in some ticket: what a mistyped one is corrected to. The empty word's row says up to when they were gathered."""

    __tablename__ = "ticket_word"
    __table_args__ = (sa.Index("ix_ticket_word_word_part", "word", postgresql_using="gin", postgresql_ops={"word": "gin_trgm_ops"}),)

    word: str = Field(primary_key=True, max_length=40)
    seen_at: datetime = Field(sa_type=UtcDateTime)
