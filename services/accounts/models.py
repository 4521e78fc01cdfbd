"""Who: customers and their devices, staff, and the tokens of outside services."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import UtcDateTime, enum_type


class Role(StrEnum):
    ROOT = "root"
    SYSTEM_ADMIN = "system_admin"
    CUSTOMER_CARE = "customer_care"
    FIELD_TECHNICIAN = "field_technician"
    BILLING_OFFICER = "billing_officer"

    @property
    def label(self) -> str:
        return self.value.replace("_", " ").title()


class Customer(SQLModel, table=True):
    """A person who buys Wi-Fi, known by phone. The 9-digit form is canonical, the 7-digit form an alias (push-and-sms.md, part C)."""

    # By the last digits that somebody remembers, by a name's beginning, and by its words in any order (services/accounts/finding.py).
    __table_args__ = (
        sa.Index("ix_customer_phone_ending", sa.text("reverse(phone_e164)")),
        sa.Index(
            "ix_customer_name",
            sa.func.lower(sa.column("name")).label("begins"),
            # Sorted by bytes, whatever the database's language: only so is a beginning one stretch of it.
            postgresql_ops={"begins": "text_pattern_ops"},
            postgresql_where=sa.text("name IS NOT NULL"),
        ),
        sa.Index(
            "ix_customer_name_words",
            sa.text("to_tsvector('simple', name)"),
            postgresql_using="gin",
            postgresql_where=sa.text("name IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    phone_e164: str = Field(max_length=16, unique=True)
    legacy_e164: str | None = Field(default=None, max_length=16, unique=True)
    name: str | None = Field(default=None, max_length=120)
    language: str = Field(default="en", max_length=8)
    created_at: datetime = Field(sa_type=UtcDateTime)
    # Deleted at the person's own wish: the number is a made-up one from then on, and nothing here leads back to them.
    erased_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    @property
    def masked_phone(self) -> str:
        """How staff sees whom something is of, where the whole number is not needed."""
        if self.erased_at is not None:
            return "Deleted customer"
        return f"{self.phone_e164[:4]} ••• {self.phone_e164[-4:]}"


class NameWord(SQLModel, table=True):
    """A word of some customer's name: what a mistyped one is corrected to. Triggers keep it (migration 0017), also when a name goes."""

    __tablename__ = "name_word"
    __table_args__ = (sa.Index("ix_name_word_word_part", "word", postgresql_using="gin", postgresql_ops={"word": "gin_trgm_ops"}),)

    word: str = Field(primary_key=True, max_length=40)


class Device(SQLModel, table=True):
    """A phone or laptop. Its identity is the signed device token it was given; the MAC is a hint that may change at every join."""

    __table_args__ = (
        sa.Index("ix_device_last_seen_at", "last_seen_at", postgresql_where=sa.text("last_mac IS NOT NULL")),
        sa.Index("ix_device_last_mac", "last_mac", postgresql_where=sa.text("last_mac IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    last_mac: str | None = Field(default=None, max_length=17)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)


class Staff(SQLModel, table=True):
    """A person who works with the console. A disabled one keeps the row, because audit rows name it."""

    __table_args__ = (sa.CheckConstraint("email = lower(email)", name="email_lower"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    email: str = Field(max_length=254, unique=True)
    name: str = Field(max_length=120)
    role: Role = Field(sa_type=enum_type(Role))
    password_hash: str = Field(max_length=255)
    is_active: bool = True
    # Raised when the role or password changes or the person is disabled: every older staff session dies with it.
    session_epoch: int = 0
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_login_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # The second factor: its seed is sealed, and counts only once a code of it was entered.
    totp_sealed: str | None = Field(default=None, max_length=255)
    totp_confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # The newest time step whose code was used: a code opens once (RFC 6238 §5.2).
    totp_last_step: int | None = Field(default=None, sa_type=sa.BigInteger)

    @property
    def has_second_factor(self) -> bool:
        return self.totp_confirmed_at is not None


class RecoveryCode(SQLModel, table=True):
    """Stands in for the second factor once. Only a keyed hash is stored."""

    __tablename__ = "recovery_code"

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    staff_id: int = Field(foreign_key="staff.id", index=True, sa_type=sa.BigInteger)
    code_mac: str = Field(max_length=64, unique=True)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ApiToken(SQLModel, table=True):
    """An outside service's credential. Only a keyed hash is stored; the clear token is shown once."""

    __tablename__ = "api_token"
    __table_args__ = (
        sa.Index("ix_api_token_expires_at", "expires_at", postgresql_where=sa.text("expires_at IS NOT NULL")),
        sa.Index("ix_api_token_revoked_at", "revoked_at", postgresql_where=sa.text("revoked_at IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    name: str = Field(max_length=120)
    token_mac: str = Field(max_length=64, unique=True)
    scopes: list[str] = Field(sa_column=sa.Column(sa.ARRAY(sa.Text()), nullable=False))
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_by: str = Field(default="cli", max_length=254)
    # Addresses or networks it may be used from; none means anywhere.
    allowed_addresses: list[str] = Field(default_factory=list, sa_column=sa.Column(sa.ARRAY(sa.Text()), nullable=False))
    # Kept to the minute, so that using a token does not write a row at every request.
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_used_address: str | None = Field(default=None, max_length=64)


class IdempotentAnswer(SQLModel, table=True):
    """A write that was answered under an `Idempotency-Key`: the same key and body get the same answer again."""

    __tablename__ = "idempotent_answer"
    __table_args__ = (sa.UniqueConstraint("principal", "key_mac"), sa.Index("ix_idempotent_answer_created_at", "created_at"))

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    principal: str = Field(max_length=254)
    key_mac: str = Field(max_length=64)
    request_digest: str = Field(max_length=64)
    # Always set: the row is written with the answer, in the transaction of the work (services/accounts/idempotency.py).
    status: int | None = None
    # Sealed: an answer may hold what is shown only once.
    body_sealed: str | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
