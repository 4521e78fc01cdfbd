"""Money: a payment with its state machine, its Wave checkouts, its append-only ledger, and every outside call made for it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.db import Json, UtcDateTime, enum_type
from services.accounts.models import Role
from services.packages import promo_models as _promo_models  # noqa: F401 - a table that payments refer to
from services.payments.errors import IllegalMove


class PaymentStatus(StrEnum):
    CREATED = "created"
    CHECKOUT_OPEN = "checkout_open"
    PAID = "paid"
    VOUCHER_ISSUED = "voucher_issued"
    CHARGED = "charged"
    ACCESS_GRANTED = "access_granted"
    SERVED = "served"
    EXPIRED = "expired"
    FAILED = "failed"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    ATTENTION = "attention"


S = PaymentStatus
# Money may still arrive for a checkout that we had given up, so expired and failed lead to paid. Nothing leads back from paid.
MOVES: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    S.CREATED: frozenset({S.CHECKOUT_OPEN, S.PAID, S.EXPIRED, S.FAILED, S.ATTENTION}),
    S.CHECKOUT_OPEN: frozenset({S.PAID, S.EXPIRED, S.FAILED, S.ATTENTION}),
    S.EXPIRED: frozenset({S.PAID, S.ATTENTION}),
    S.FAILED: frozenset({S.CHECKOUT_OPEN, S.PAID, S.ATTENTION}),
    S.PAID: frozenset({S.VOUCHER_ISSUED, S.REFUNDING, S.ATTENTION}),
    # With a voucher of the stock access does not wait for the charge, which is settled later.
    S.VOUCHER_ISSUED: frozenset({S.CHARGED, S.ACCESS_GRANTED, S.REFUNDING, S.ATTENTION}),
    S.CHARGED: frozenset({S.ACCESS_GRANTED, S.REFUNDING, S.ATTENTION}),
    S.ACCESS_GRANTED: frozenset({S.SERVED, S.REFUNDING, S.ATTENTION}),
    S.SERVED: frozenset({S.REFUNDING}),
    S.REFUNDING: frozenset({S.REFUNDED, S.ATTENTION}),
    S.REFUNDED: frozenset(),
    S.ATTENTION: frozenset({S.CREATED, S.CHECKOUT_OPEN, S.PAID, S.VOUCHER_ISSUED, S.CHARGED, S.ACCESS_GRANTED, S.REFUNDING}),
}
ASKING_WAVE = frozenset({S.CREATED, S.CHECKOUT_OPEN})
TO_BE_SERVED = frozenset({S.PAID, S.VOUCHER_ISSUED, S.CHARGED})
MONEY_TAKEN = frozenset({S.PAID, S.VOUCHER_ISSUED, S.CHARGED, S.ACCESS_GRANTED, S.SERVED})


class SaleChannel(StrEnum):
    """Where it was bought."""

    PORTAL = "portal"
    MOBILE = "mobile"
    API = "api"


class Payment(SQLModel, table=True):
    """One purchase by Wave. Ends as exactly one of: served, refunded, or open on a named queue (design.md, invariant 4)."""

    __table_args__ = (
        sa.CheckConstraint("amount_bututs > 0", name="amount_positive"),
        sa.CheckConstraint("discount_bututs >= 0", name="discount_not_negative"),
        sa.CheckConstraint("(wave_transaction_id IS NULL) = (paid_at IS NULL)", name="paid_means_transaction"),
        sa.CheckConstraint(
            "paid_at IS NOT NULL OR status IN ('created', 'checkout_open', 'expired', 'failed', 'attention')", name="served_means_paid"
        ),
        sa.CheckConstraint("(status = 'attention') = (attention_from IS NOT NULL)", name="attention_knows_whence"),
        sa.Index("ix_payment_due", "next_attempt_at", postgresql_where=sa.text("next_attempt_at IS NOT NULL")),
        sa.Index("ix_payment_client", "gateway_id", "client_hid", postgresql_where=sa.text("client_hid IS NOT NULL")),
        sa.Index("ix_payment_created_at", "created_at", "id"),
        sa.Index("ix_payment_device_known", "created_at", postgresql_where=sa.text("client_mac IS NOT NULL OR client_hid IS NOT NULL")),
        sa.Index("ix_payment_status_since", "status", "status_since"),
        sa.Index("ix_payment_paid_at", "paid_at", postgresql_where=sa.text("paid_at IS NOT NULL")),
        sa.Index("ix_payment_promo", "promo_code_id", "customer_id", postgresql_where=sa.text("promo_code_id IS NOT NULL")),
        sa.Index("ix_payment_bought_by", "bought_by_id", postgresql_where=sa.text("bought_by_id IS NOT NULL")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    # 128 random bits: who knows it may read the payment's state without logging in.
    public_id: str = Field(max_length=32, unique=True)
    # Short code for people; also Wave's `client_reference`, by which a lost answer is found again.
    reference: str = Field(max_length=16, unique=True)
    customer_id: int = Field(foreign_key="customer.id", index=True, sa_type=sa.BigInteger)
    package_version_id: int = Field(foreign_key="package_version.id", sa_type=sa.BigInteger)
    # What was asked for at Wave: the package's price less the discount.
    amount_bututs: int
    discount_bututs: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    promo_code_id: int | None = Field(default=None, foreign_key="promo_code.id", sa_type=sa.BigInteger)
    channel: SaleChannel = Field(default=SaleChannel.PORTAL, sa_type=enum_type(SaleChannel), sa_column_kwargs={"server_default": "portal"})
    # Who paid for it as a gift, where that is known; `customer_id` is whose it is.
    bought_by_id: int | None = Field(default=None, foreign_key="customer.id", sa_type=sa.BigInteger)
    is_gift: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    currency: str = Field(max_length=3)
    status: PaymentStatus = Field(default=S.CREATED, sa_type=enum_type(PaymentStatus))
    status_since: datetime = Field(sa_type=UtcDateTime)
    attention_from: PaymentStatus | None = Field(default=None, sa_type=enum_type(PaymentStatus, name="attention_from"))
    # Plain words for the customer and staff: why it failed, waits, or needs a person.
    reason: str | None = Field(default=None, max_length=300)

    # The client in front of the router when it was bought; empty when it was bought elsewhere and waits to be used.
    gateway_id: int | None = Field(default=None, foreign_key="gateway.id", sa_type=sa.BigInteger)
    client_hid: str | None = Field(default=None, max_length=64)
    client_mac: str | None = Field(default=None, max_length=17)
    mac_trusted: bool = False
    device_id: int | None = Field(default=None, foreign_key="device.id", index=True, sa_type=sa.BigInteger)

    # Of the request that began it: its jobs, calls and webhooks are told under the same one.
    correlation_id: str = Field(default="", max_length=64, sa_column_kwargs={"server_default": ""})
    idempotency_mac: str | None = Field(default=None, max_length=64, unique=True)
    request_digest: str | None = Field(default=None, max_length=64)

    # Row-driven work: what is due and who works on it now (design.md, invariant 2).
    next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempts: int = 0
    # Set before the call is made; unknown until an answer or a look-up says otherwise (invariant 3).
    create_called_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    create_calls: int = 0

    wave_transaction_id: str | None = Field(default=None, max_length=64, unique=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    paid_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    served_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    event_count: int = 0

    def move(self, to: PaymentStatus, *, now: datetime, reason: str | None = None) -> None:
        """Change the status along `MOVES`. Raises IllegalMove for any other change."""
        if to not in MOVES[self.status] or (self.status is S.ATTENTION and to is not S.REFUNDING and to is not self.attention_from):
            raise IllegalMove(self.reference, self.status, to)
        self.attention_from = self.status if to is S.ATTENTION else None
        self.status, self.status_since, self.reason = to, now, reason
        self.attempts = 0


class Checkout(SQLModel, table=True):
    """One Wave session. A payment can have two when a create's answer was lost: the first to succeed wins, the second is refunded."""

    __table_args__ = (
        sa.Index("uq_checkout_winner", "payment_id", unique=True, postgresql_where=sa.text("is_winner")),
        sa.CheckConstraint("NOT is_winner OR transaction_id IS NOT NULL", name="winner_was_paid"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    payment_id: int = Field(foreign_key="payment.id", index=True, sa_type=sa.BigInteger)
    wave_session_id: str = Field(max_length=64, unique=True)
    launch_url: str = Field(max_length=500)
    checkout_status: str = Field(max_length=32)
    payment_status: str | None = Field(default=None, max_length=32)
    transaction_id: str | None = Field(default=None, max_length=64, unique=True)
    last_error_code: str | None = Field(default=None, max_length=64)
    is_winner: bool = False
    expires_at: datetime = Field(sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    asked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RefundState(StrEnum):
    """`asked` waits for a second person; `requested` is on its way to Wave; `failed` was refused by Wave.

    `paid_out`: Wave refused, and staff gave the money back another way.
    """

    ASKED = "asked"
    DECLINED = "declined"
    REQUESTED = "requested"
    REFUNDED = "refunded"
    FAILED = "failed"
    PAID_OUT = "paid_out"


class RefundKind(StrEnum):
    """`second_success`: the product's own, for money that came twice. `sale`: asked for by staff, and takes the access back."""

    SECOND_SUCCESS = "second_success"
    SALE = "sale"


class Refund(SQLModel, table=True):
    """Money to be given back for one Wave session. Wave's refund is full and repeating it is harmless (wave.md §4)."""

    __table_args__ = (
        sa.Index("ix_refund_due", "next_attempt_at", postgresql_where=sa.text("next_attempt_at IS NOT NULL")),
        sa.Index("uq_refund_checkout", "checkout_id", unique=True, postgresql_where=sa.text("state <> 'declined'")),
        sa.Index("ix_refund_state_created_at", "state", "created_at", "id"),
        sa.CheckConstraint("decided_by_id <> asked_by_id", name="four_eyes"),
        sa.CheckConstraint("(state = 'declined') <= (decided_by IS NOT NULL)", name="declined_by_somebody"),
        sa.CheckConstraint("(state = 'paid_out') = (paid_out_by IS NOT NULL)", name="paid_out_by_somebody"),
        sa.CheckConstraint("paid_out_by <> asked_by", name="paid_out_by_another"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    payment_id: int = Field(foreign_key="payment.id", index=True, sa_type=sa.BigInteger)
    checkout_id: int = Field(foreign_key="checkout.id", sa_type=sa.BigInteger)
    kind: RefundKind = Field(
        default=RefundKind.SECOND_SUCCESS, sa_type=enum_type(RefundKind), sa_column_kwargs={"server_default": "second_success"}
    )
    amount_bututs: int
    reason: str = Field(max_length=300)
    asked_by: str = Field(default="system", max_length=120, sa_column_kwargs={"server_default": "system"})
    asked_by_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)
    # The second person, where one was needed, or who declined it.
    decided_by: str | None = Field(default=None, max_length=120)
    decided_by_id: int | None = Field(default=None, foreign_key="staff.id", sa_type=sa.BigInteger)
    decided_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # Who gave the money back another way, after Wave had refused; never the one who asked.
    paid_out_by: str | None = Field(default=None, max_length=120)
    # Why it was declined, what Wave said when it refused, or how it was paid out.
    decision_note: str | None = Field(default=None, max_length=300)
    state: RefundState = Field(default=RefundState.REQUESTED, sa_type=enum_type(RefundState))
    attempts: int = 0
    next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class RefundRule(SQLModel, table=True):
    """How much a role may give back: at most at once, at most without a second person, and at most in a day, in bututs."""

    __tablename__ = "refund_rule"
    __table_args__ = (sa.CheckConstraint("0 <= alone_bututs AND alone_bututs <= most_bututs AND day_bututs >= 0", name="sums_in_order"),)

    role: Role = Field(primary_key=True, sa_type=enum_type(Role))
    most_bututs: int
    alone_bututs: int
    day_bututs: int
    changed_by: str = Field(default="system", max_length=120)
    changed_at: datetime = Field(sa_type=UtcDateTime)


class EventKind(StrEnum):
    CREATED = "created"
    CREATE_CALLED = "create_called"
    CHECKOUT_OPENED = "checkout_opened"
    ATTEMPT_FAILED = "attempt_failed"
    PAID = "paid"
    ISSUE_CALLED = "issue_called"
    VOUCHER_ISSUED = "voucher_issued"
    CHARGED = "charged"
    VOUCHER_BLOCKED = "voucher_blocked"
    ACCESS_GRANTED = "access_granted"
    SERVED = "served"
    EXPIRED = "expired"
    FAILED = "failed"
    DELAYED = "delayed"
    SECOND_SUCCESS = "second_success"
    STOCK_BOUND = "stock_bound"
    REFUND_ASKED = "refund_asked"
    REFUND_DECLINED = "refund_declined"
    REFUND_REQUESTED = "refund_requested"
    REFUNDED = "refunded"
    PAID_OUT = "paid_out"
    ATTENTION = "attention"
    RETRIED = "retried"


# What may stand only once in a payment's ledger, whatever the code does: the database refuses the second.
ONCE = (
    EventKind.CREATED,
    EventKind.PAID,
    EventKind.VOUCHER_ISSUED,
    EventKind.CHARGED,
    EventKind.VOUCHER_BLOCKED,
    EventKind.ACCESS_GRANTED,
    EventKind.SERVED,
)


class PaymentEvent(SQLModel, table=True):
    """The ledger: one row for each change of a payment, never altered (a trigger refuses it). `amount_bututs` sums to the money held."""

    __tablename__ = "payment_event"
    __table_args__ = (
        sa.UniqueConstraint("payment_id", "sequence"),
        sa.Index(
            "uq_payment_event_once",
            "payment_id",
            "kind",
            unique=True,
            postgresql_where=sa.text("kind IN (" + ", ".join(f"'{kind.value}'" for kind in ONCE) + ")"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    payment_id: int = Field(foreign_key="payment.id", sa_type=sa.BigInteger)
    sequence: int
    kind: EventKind = Field(sa_type=enum_type(EventKind))
    status: PaymentStatus = Field(sa_type=enum_type(PaymentStatus))
    amount_bututs: int = 0
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
    actor: str = Field(default="system", max_length=120)
    correlation_id: str = Field(default="", max_length=64)
    at: datetime = Field(sa_type=UtcDateTime)


class OutboundCallRecord(SQLModel, table=True):
    """One call to an outside service made for a payment: what a person sees between two ledger events."""

    __tablename__ = "outbound_call"
    # What is older than it is kept is found by it (services/operations/retention), as with the other indexes of that kind.
    __table_args__ = (sa.Index("ix_outbound_call_started_at", "started_at"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    payment_id: int = Field(foreign_key="payment.id", index=True, sa_type=sa.BigInteger)
    service: str = Field(max_length=32)
    operation: str = Field(max_length=64)
    outcome: str = Field(max_length=16)
    detail: str = Field(default="", max_length=300)
    duration_ms: int
    correlation_id: str = Field(default="", max_length=64)
    started_at: datetime = Field(sa_type=UtcDateTime)


class WebhookEvent(SQLModel, table=True):
    """A webhook as it came, kept under the provider's own id: a hint, acted on by asking the provider (design.md, invariant 5)."""

    __tablename__ = "webhook_event"
    __table_args__ = (
        sa.Index("ix_webhook_event_pending", "received_at", postgresql_where=sa.text("processed_at IS NULL")),
        sa.Index("ix_webhook_event_body", "received_at", postgresql_where=sa.text("body <> '{}'::jsonb")),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    provider_event_id: str = Field(max_length=64, unique=True)
    type: str = Field(max_length=64)
    session_id: str | None = Field(default=None, max_length=64)
    client_reference: str | None = Field(default=None, max_length=255)
    body: dict[str, Any] = Field(sa_type=Json)
    received_at: datetime = Field(sa_type=UtcDateTime)
    processed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outcome: str | None = Field(default=None, max_length=120)
    correlation_id: str = Field(default="", max_length=64, sa_column_kwargs={"server_default": ""})
