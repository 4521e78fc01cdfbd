"""PortaBilling's names and values, and what they mean to us: the only place that knows either (portabilling.md §4, §5)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

_BUTUTS = 100
_AMOUNT = re.compile(r"-?[0-9]{1,13}(?:\.[0-9]{1,10})?")
_TRUE = frozenset({"y", "yes", "1", "true"})


@dataclass(frozen=True)
class Operation:
    """A remote method and the field of its answer that we need, if any (SOAP strips that field when it is alone).

    With `whole` the rest of the answer is needed as well.
    """

    service: str
    method: str
    result: str = ""
    whole: bool = False


@dataclass(frozen=True)
class Vocabulary:
    """The names on the wire. The operator's release may differ (§5, §9): then hand in another one, nothing else changes."""

    login: Operation = Operation("Session", "login")
    ping: Operation = Operation("Session", "ping", "user_id")
    get_account: Operation = Operation("Account", "get_account_info", "account_info")
    list_accounts: Operation = Operation("Account", "get_account_list", "account_list", whole=True)
    add_account: Operation = Operation("Account", "add_account", "i_account")
    update_account: Operation = Operation("Account", "update_account")
    charge: Operation = Operation("Account", "make_transaction")
    list_xdrs: Operation = Operation("Account", "get_xdr_list", "xdr_list")
    charge_action: str = "Manual charge"
    moment_format: str = "%Y-%m-%d %H:%M:%S"
    soap_namespace: str = "http://schemas.portaone.com/soap"


@dataclass(frozen=True)
class PortaAccount:
    """An account. The balance of a debit account is the money that is left; `id` is a voucher code and never belongs in a log."""

    i_account: int
    id: str = field(repr=False)
    balance_bututs: int
    opening_balance_bututs: int | None
    blocked: bool
    bill_status: str | None
    batch: str | None
    i_customer: int | None


@dataclass(frozen=True)
class PortaPage:
    """Some of the accounts, and how many there are in all where PortaBilling says so."""

    accounts: list[PortaAccount]
    total: int | None


@dataclass(frozen=True)
class PortaXdr:
    """One row of an account's transactions. `amount_bututs` is positive for a charge."""

    i_xdr: str | None
    amount_bututs: int
    comment: str | None
    at: datetime | None


def to_porta_amount(amount_bututs: int) -> str:
    """Bututs as the five-decimal text that PortaBilling writes itself. Raises ValueError below zero."""
    if amount_bututs < 0:
        raise ValueError("a PortaBilling amount must not be negative")
    dalasi, rest = divmod(amount_bututs, _BUTUTS)
    return f"{dalasi}.{rest:02d}000"


def from_porta_amount(value: Any) -> int:
    """A decimal, as text or number, in bututs. Rating leaves fractions below a butut: rounded half up. Raises ValueError."""
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    if not _AMOUNT.fullmatch(text):
        raise ValueError("not an amount")
    return int((Decimal(text) * _BUTUTS).to_integral_value(ROUND_HALF_UP))


def to_porta_moment(moment: datetime, names: Vocabulary) -> str:
    """An aware instant in PortaBilling's UTC notation. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs its time zone")
    return moment.astimezone(UTC).strftime(names.moment_format)


def unwrap(answer: Any, operation: Operation) -> Any:
    """The result proper. zeep hands out the only child of an answer instead of the answer, JSON never does (§6)."""
    if isinstance(answer, Mapping) and operation.result in answer and not operation.whole:
        return answer[operation.result]
    return answer or None


def as_list(value: Any) -> list[Mapping[str, Any]]:
    """Rows, whether they came as a list, as the only row itself, or inside one more element."""
    if isinstance(value, Mapping):
        inner = next(iter(value.values())) if len(value) == 1 else None
        return as_list(inner) if isinstance(inner, list | Mapping) else [value]
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def account_from(data: Any) -> PortaAccount:
    """Raises ValueError when the answer is no account. Fields that we do not know are ignored."""
    if not isinstance(data, Mapping):
        raise ValueError("not an account")  # noqa: TRY004 - wrong data from outside, not a wrong argument
    opening = data.get("opening_balance")
    return PortaAccount(
        i_account=positive_number(data.get("i_account")),
        id=_text(data.get("id")) or _missing("id"),
        balance_bututs=from_porta_amount(data.get("balance") or "0"),
        opening_balance_bututs=None if opening in (None, "") else from_porta_amount(opening),
        blocked=is_yes(data.get("blocked")),
        bill_status=_text(data.get("bill_status")),
        batch=_text(data.get("batch_name")),
        i_customer=positive_number(data["i_customer"]) if data.get("i_customer") else None,
    )


def page_from(data: Any) -> PortaPage:
    """Raises ValueError when a row is no account: one left out in silence would pass for one that does not exist."""
    total = data.get("total") if isinstance(data, Mapping) else None
    if isinstance(data, Mapping) and "i_account" not in data:
        data = data.get("account_list")
    rows: list[Any] = data if isinstance(data, list) else as_list(data)
    return PortaPage([account_from(row) for row in rows], None if total in (None, "") else _count(total))


def xdr_from(row: Mapping[str, Any]) -> PortaXdr:
    """Raises ValueError for a row without a readable amount."""
    amount = row.get("charged_amount") if row.get("charged_amount") is not None else row.get("amount")
    return PortaXdr(
        i_xdr=_text(row.get("i_xdr")),
        amount_bututs=from_porta_amount(amount),
        comment=_text(row.get("visible_comment")) or _text(row.get("CLD")),
        at=_moment(row.get("bill_time") or row.get("connect_time")),
    )


def positive_number(value: Any) -> int:
    """An id, which may come as text. Raises ValueError."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) > 0):
        raise ValueError("not an id")
    return int(text)


def _count(value: Any) -> int:
    return 0 if str(value) == "0" else positive_number(value)


def is_yes(value: Any) -> bool:
    """`Y`, `1` and `true` in any case are yes; an absent flag is no."""
    return str(value).strip().lower() in _TRUE


def _missing(name: str) -> str:
    raise ValueError(f"{name} is missing")


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
