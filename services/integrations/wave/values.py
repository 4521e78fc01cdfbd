"""What Wave's JSON means to us: amounts, sessions and transactions (wave.md §3, §4, §6)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_BUTUTS = 100
_AMOUNT = re.compile(r"-?[0-9]{1,13}(?:\.[0-9]{1,6})?")


def to_wave_amount(amount_bututs: int) -> str:
    """Bututs as Wave wants them. Raises ValueError unless it is a positive sum of whole dalasi: Wave's minor units for GMD are unknown."""
    dalasi, rest = divmod(amount_bututs, _BUTUTS)
    if rest or dalasi <= 0:
        raise ValueError("a Wave amount must be a positive number of whole dalasi")
    return str(dalasi)


def from_wave_amount(value: object) -> int:
    """Wave's decimal text ("25", "25.00", "-0.50") as bututs. Raises ValueError for anything that is not a sum of whole bututs."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or not _AMOUNT.fullmatch(str(value)):
        raise ValueError("not an amount")
    bututs = Decimal(value) * _BUTUTS
    if bututs != int(bututs):
        raise ValueError("not an amount in whole bututs")
    return int(bututs)


@dataclass(frozen=True)
class WaveSession:
    """A checkout session as Wave tells it. `amount_bututs` is gross: what the payer is asked for."""

    id: str
    amount_bututs: int
    currency: str
    client_reference: str | None
    checkout_status: str
    payment_status: str | None
    transaction_id: str | None
    launch_url: str | None
    last_error_code: str | None
    when_created: datetime | None
    when_expires: datetime | None
    when_completed: datetime | None

    @property
    def is_paid(self) -> bool:
        """Wave's side of "paid" (§4.2); amount, currency and reference are for the caller to compare with its own."""
        return self.checkout_status == "complete" and self.payment_status == "succeeded" and bool(self.transaction_id)


@dataclass(frozen=True)
class WaveTransaction:
    """A row of the wallet's daily list. `amount_bututs` is net of the fee, and negative in a refund row (assumed, §6)."""

    id: str
    type: str
    amount_bututs: int
    fee_bututs: int
    currency: str
    at: datetime | None
    is_reversal: bool
    session_id: str | None
    client_reference: str | None
    counterparty_mobile: str | None = field(repr=False)

    @property
    def gross_bututs(self) -> int:
        """What the payer paid; equals the checkout session's amount."""
        return self.amount_bututs + self.fee_bututs


def session_from_json(data: Any) -> WaveSession:
    """Raises ValueError when an indispensable field is missing or unreadable; unknown fields are ignored."""
    row = _object(data)
    return WaveSession(
        id=_required(row, "id"),
        amount_bututs=from_wave_amount(row.get("amount")),
        currency=_required(row, "currency"),
        client_reference=_optional(row, "client_reference"),
        checkout_status=_required(row, "checkout_status"),
        payment_status=_optional(row, "payment_status"),
        transaction_id=_optional(row, "transaction_id"),
        launch_url=_optional(row, "wave_launch_url"),
        last_error_code=_error_code(row.get("last_payment_error")),
        when_created=_moment(row.get("when_created")),
        when_expires=_moment(row.get("when_expires")),
        when_completed=_moment(row.get("when_completed")),
    )


def transaction_from_json(data: Any) -> WaveTransaction:
    """Raises ValueError as `session_from_json` does."""
    row = _object(data)
    return WaveTransaction(
        id=_required(row, "transaction_id"),
        type=_optional(row, "transaction_type") or "",
        amount_bututs=from_wave_amount(row.get("amount")),
        fee_bututs=from_wave_amount(row.get("fee") or "0"),
        currency=_required(row, "currency"),
        at=_moment(row.get("timestamp")),
        is_reversal=row.get("is_reversal") is True,
        session_id=_optional(row, "checkout_api_session_id"),
        client_reference=_optional(row, "client_reference"),
        counterparty_mobile=_optional(row, "counterparty_mobile"),
    )


def _object(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise ValueError("not an object")  # noqa: TRY004 - wrong data from outside, not a wrong argument
    return data


def _required(row: Mapping[str, Any], name: str) -> str:
    value = _optional(row, name)
    if value is None:
        raise ValueError(f"{name} is missing")
    return value


def _optional(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) and value else None


def _error_code(value: Any) -> str | None:
    if isinstance(value, dict):
        return _optional(value, "code") or "payment-failure"
    return value if isinstance(value, str) and value else None


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
