"""What Wave remembers, and the shapes in which it shows it (protocols/wave.md §4.1, §6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.sandbox.clock import iso, iso_or_none

BUSINESS_NAME = "INET"
CURRENCY = "GMD"


@dataclass
class CheckoutSession:
    """One checkout session. `amount` is what the payer is asked for; instants are Unix seconds."""

    id: str
    amount: str
    success_url: str
    error_url: str
    wave_launch_url: str
    created_at: float
    expires_at: float
    client_reference: str | None = None
    restrict_payer_mobile: str | None = None
    checkout_status: str = "open"
    payment_status: str = "processing"
    transaction_id: str | None = None
    last_payment_error: dict[str, str] | None = None
    completed_at: float | None = None

    def wire(self) -> dict[str, Any]:
        """The session as Wave's JSON."""
        return {
            "id": self.id,
            "amount": self.amount,
            "checkout_status": self.checkout_status,
            "client_reference": self.client_reference,
            "currency": CURRENCY,
            "error_url": self.error_url,
            "last_payment_error": self.last_payment_error,
            "business_name": BUSINESS_NAME,
            "payment_status": self.payment_status,
            "transaction_id": self.transaction_id,
            "aggregated_merchant_id": None,
            "restrict_payer_mobile": self.restrict_payer_mobile,
            "success_url": self.success_url,
            "wave_launch_url": self.wave_launch_url,
            "when_completed": iso_or_none(self.completed_at),
            "when_created": iso(self.created_at),
            "when_expires": iso(self.expires_at),
        }


@dataclass
class Transaction:
    """One movement of the wallet. `amount` is net of `fee`; both are negative in a refund."""

    transaction_id: str
    transaction_type: str
    amount: str
    fee: str
    balance: str
    at: float
    day: str
    counterparty_mobile: str | None = None
    client_reference: str | None = None
    checkout_api_session_id: str | None = None
    is_reversal: bool = False
    # Planted: no list shows it any more.
    vanished: bool = False

    def wire(self) -> dict[str, Any]:
        """The transaction as an item of Wave's list."""
        return {
            "timestamp": iso(self.at),
            "transaction_id": self.transaction_id,
            "transaction_type": self.transaction_type,
            "amount": self.amount,
            "fee": self.fee,
            "balance": self.balance,
            "currency": CURRENCY,
            "is_reversal": self.is_reversal,
            "counterparty_mobile": self.counterparty_mobile,
            "client_reference": self.client_reference,
            "checkout_api_session_id": self.checkout_api_session_id,
            "business_user_name": BUSINESS_NAME,
        }


@dataclass
class Refund:
    """The refund of one transaction; asked again, it only counts the requests."""

    transaction_id: str
    refund_transaction_id: str
    amount: str
    at: float
    session_id: str | None = None
    client_reference: str | None = None
    requests: int = 1

    def state(self) -> dict[str, Any]:
        """The refund for `GET /_control/state`."""
        return {**vars(self), "at": iso(self.at)}


@dataclass
class Webhook:
    """One delivery of an event. A doubled event is two deliveries with one event id and the same bytes."""

    key: str
    event_id: str
    type: str
    body: str
    created_at: float
    session_id: str | None = None
    # pending, delivered, given_up or lost
    state: str = "pending"
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """The delivery for `GET /_control/state`, without its bytes."""
        values = {name: value for name, value in vars(self).items() if name not in ("key", "body")}
        return {**values, "created_at": iso(self.created_at)}
