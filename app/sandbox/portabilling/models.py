"""What PortaBilling remembers. Amounts are texts with five decimals, as on its wire; instants are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.sandbox.clock import iso

CURRENCY = "GMD"
RELEASE = "MR117"
CREDIT_MODEL = 1


class Fault(Exception):
    """A refusal; HTTP 500 with these two on both wires (protocols/portabilling.md §3)."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code, self.text = code, text


def five_decimals(amount: Decimal) -> str:
    """`3` as `3.00000`."""
    return str(amount.quantize(Decimal("0.00001")))


def porta_time(at: float) -> str:
    """Unix seconds as `YYYY-MM-DD HH:MM:SS`, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


@dataclass
class Account:
    """One account; a voucher is one too (§5)."""

    i_account: int
    id: str
    i_customer: int
    i_product: int
    billing_model: int
    balance: str
    opening_balance: str
    created_at: float
    activation_date: str
    expiration_date: str | None = None
    batch_name: str | None = None
    login: str | None = None
    blocked: str = "N"
    terminated: bool = False

    def wire(self) -> dict[str, Any]:
        """`account_info`, with an element that no WSDL of ours declares: releases add fields."""
        return {
            "i_account": self.i_account,
            "i_customer": self.i_customer,
            "i_product": self.i_product,
            "id": self.id,
            "billing_model": self.billing_model,
            "batch_name": self.batch_name,
            "balance": self.balance,
            "opening_balance": self.opening_balance,
            "iso_4217": CURRENCY,
            "activation_date": self.activation_date,
            "expiration_date": self.expiration_date,
            "login": self.login,
            "blocked": self.blocked,
            "bill_status": "C" if self.terminated else "O",
            "x_release": RELEASE,
        }

    def state(self) -> dict[str, Any]:
        """The account for `GET /_control/state`."""
        return {**self.wire(), "terminated": self.terminated, "created_at": iso(self.created_at)}


@dataclass
class Movement:
    """Money put on or taken off an account. `kind`: opening_balance, manual_charge or manual_payment."""

    i_xdr: int
    i_account: int
    account_id: str
    kind: str
    amount: str
    visible_comment: str
    at: float

    def wire(self) -> dict[str, Any]:
        """The movement as an xDR; charges are positive, payments negative."""
        return {
            "i_xdr": self.i_xdr,
            "i_account": self.i_account,
            "account_id": self.account_id,
            "CLD": self.visible_comment,
            "visible_comment": self.visible_comment,
            "charged_amount": five_decimals(-Decimal(self.amount)) if self.kind == "manual_payment" else self.amount,
            "iso_4217": CURRENCY,
            "bill_time": porta_time(self.at),
            "x_release": RELEASE,
        }

    def state(self) -> dict[str, Any]:
        """The movement for `GET /_control/state`."""
        return {**vars(self), "at": iso(self.at)}


@dataclass
class ApiSession:
    """A log-in of the API user. It dies of inactivity."""

    session_id: str
    access_token: str
    refresh_token: str
    used_at: float


@dataclass(frozen=True)
class Customer:
    """The one demo customer under whom all accounts are made."""

    i_customer: int = 1
    name: str = "INET Wi-Fi"
    login: str = "inet-wifi"

    def wire(self) -> dict[str, Any]:
        """`customer_info`."""
        names = {"i_customer": self.i_customer, "name": self.name, "login": self.login}
        return {**names, "iso_4217": CURRENCY, "balance": "0.00000", "bill_status": "O", "x_release": RELEASE}


DEMO_CUSTOMER = Customer()
DEMO_PRODUCT = 1
