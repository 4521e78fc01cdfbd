"""Everything that came in, kept raw before anything else is done with it, and the files that came along."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type


class InboundSource(StrEnum):
    """Where messages come from that nobody waits for an answer to. Other ways in are whole once their request is answered."""

    IMAP = "imap"
    SMS = "sms"


class InboundState(StrEnum):
    """`stored` waits to be read; `taken` is in a ticket; `ignored` needs no answer (a bounce, an automatic reply): `why` says it.

    `held` is what a person must look at: likely spam, a loop, or something that could not be read; `discarded` is what they threw away.
    """

    STORED = "stored"
    TAKEN = "taken"
    IGNORED = "ignored"
    HELD = "held"
    DISCARDED = "discarded"


class InboundMessage(SQLModel, table=True):
    """One message as it came, stored before it is read. `source_key` is the source's own name for it, so it is held once."""

    __tablename__ = "inbound_message"
    __table_args__ = (
        sa.UniqueConstraint("source", "source_key"),
        sa.Index("ix_inbound_message_waiting", "id", postgresql_where=sa.text("state = 'stored'")),
        sa.Index("ix_inbound_message_held", "received_at", "id", postgresql_where=sa.text("state = 'held'")),
        sa.Index("ix_inbound_message_received_at", "source", "received_at"),
        sa.Index("ix_inbound_message_sender_mac", "sender_mac", "received_at", postgresql_where=sa.text("sender_mac IS NOT NULL")),
        sa.Index("ix_inbound_message_mail_id", "mail_id", postgresql_where=sa.text("mail_id IS NOT NULL")),
        # What is still held as it came (services/operations/retention).
        sa.Index("ix_inbound_message_raw_file", "raw_file", postgresql_where=sa.text("raw_file IS NOT NULL")),
        sa.Index("ix_inbound_message_raw", "received_at", postgresql_where=sa.text("raw_sealed IS NOT NULL OR raw_file IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    source: InboundSource = Field(sa_type=enum_type(InboundSource))
    # IMAP: mailbox, UIDVALIDITY and UID; SMS: the gateway's id.
    source_key: str = Field(max_length=200)
    # Who says they sent it, for the desk of held ones: an address or number, sealed, and its hash to count by.
    sender_sealed: str | None = Field(default=None, max_length=600)
    sender_mac: str | None = Field(default=None, max_length=64)
    # Of a mail, its Message-ID: the same mail may lie in the mailbox twice.
    mail_id: str | None = Field(default=None, max_length=250)
    subject: str = Field(default="", max_length=200)
    # People's own words and numbers, sealed (app/keys.py). What is too large for a row lies sealed in a file under the data folder.
    raw_sealed: str | None = Field(default=None, sa_type=sa.Text)
    raw_file: str | None = Field(default=None, max_length=200)
    raw_bytes: int = 0
    state: InboundState = Field(default=InboundState.STORED, sa_type=enum_type(InboundState))
    why: str | None = Field(default=None, max_length=200)
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id", index=True, sa_type=sa.BigInteger)
    attempts: int = 0
    # Who released or discarded it.
    handled_by: str | None = Field(default=None, max_length=254)
    received_at: datetime = Field(sa_type=UtcDateTime)
    taken_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class InboundCount(SQLModel, table=True):
    """How many messages a source said it had, and how many of those we hold: shown side by side."""

    __tablename__ = "inbound_count"

    source: InboundSource = Field(primary_key=True, sa_type=enum_type(InboundSource))
    place: str = Field(primary_key=True, max_length=120)
    counted_at: datetime = Field(sa_type=UtcDateTime)
    theirs: int
    ours: int
    last_key: str = Field(default="", max_length=200)
    error: str | None = Field(default=None, max_length=300)


class Correspondent(SQLModel, table=True):
    """A mail address that wrote to us. Whose it is is known once that customer said so, never guessed from a name."""

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    address_mac: str = Field(max_length=64, unique=True)
    # Kept so that it can be answered, and the hash made anew after a change of keys.
    address_sealed: str = Field(max_length=600)
    name: str = Field(default="", max_length=120)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_wrote_at: datetime = Field(sa_type=UtcDateTime)


class Attachment(SQLModel, table=True):
    """A file that somebody sent, known by its content's hash; held only once its bytes are on the disk (fsync)."""

    __tablename__ = "attachment"
    __table_args__ = (sa.Index("ix_attachment_message_id", "message_id", "id"), sa.Index("ix_attachment_sha256", "sha256"))

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    ticket_id: int = Field(foreign_key="ticket.id", index=True, sa_type=sa.BigInteger)
    message_id: int = Field(foreign_key="ticket_message.id", sa_type=sa.BigInteger)
    name: str = Field(max_length=160)
    # By its content, never by its name or what the sender claims.
    media_type: str = Field(max_length=80)
    size_bytes: int
    sha256: str = Field(max_length=64)
    # None for one that was refused: then `why` says it, and nothing is kept of it but its name.
    file: str | None = Field(default=None, max_length=200)
    why: str | None = Field(default=None, max_length=200)
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    created_at: datetime = Field(sa_type=UtcDateTime)
