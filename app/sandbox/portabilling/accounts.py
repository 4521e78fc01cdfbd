"""Accounts and money on them (protocols/portabilling.md §4, §5, §8)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from app.sandbox.clock import SandboxClock
from app.sandbox.portabilling.fields import Fields
from app.sandbox.portabilling.models import (
    CREDIT_MODEL,
    CURRENCY,
    DEMO_CUSTOMER,
    DEMO_PRODUCT,
    Account,
    Fault,
    Movement,
    five_decimals,
    porta_time,
)
from app.sandbox.store import Store, Table

FIRST_I_ACCOUNT = 1001
MAX_PAGE = 1000
ACTIONS = {"Manual charge": "manual_charge", "Manual payment": "manual_payment"}
CHARGE_KINDS = ("opening_balance", "manual_charge")


class Accounts:
    """The methods of the Account service. Nothing here is idempotent except by the uniqueness of an account's id."""

    def __init__(self, store: Store, clock: SandboxClock) -> None:
        self._clock = clock
        self._rows = Table(store, "porta_account", Account, key=lambda row: str(row.i_account), reference=lambda row: row.id)
        self._movements = Table(store, "porta_movement", Movement, key=lambda row: str(row.i_xdr), reference=lambda row: str(row.i_account))

    def get_account_info(self, fields: Fields) -> dict[str, Any]:
        """Found by i_account, id or login; nothing found is an empty answer, not a fault."""
        account = self._find(fields)
        return {"account_info": account.wire()} if account else {}

    def get_account_list(self, fields: Fields) -> dict[str, Any]:
        """A page of accounts; `%` in `id` stands for any text."""
        customer = fields.number("i_customer", 0)
        pattern = fields.text("id") or "%"
        found = [
            account
            for account in self._rows.all()
            if customer in (0, account.i_customer) and _matches(account.id, pattern) and not account.terminated
        ]
        answer: dict[str, Any] = {"account_list": [account.wire() for account in _page(found, fields)]}
        if fields.text("get_total") == "1":
            answer["total"] = len(found)
        return answer

    def add_account(self, fields: Fields) -> dict[str, Any]:
        """Make an account; its id is unique among all that ever were."""
        info = fields.part("account_info")
        account_id = info.text("id", longest=64)
        if account_id is None:
            raise info.invalid("id")
        if info.number("i_customer") != DEMO_CUSTOMER.i_customer:
            raise info.invalid("i_customer")
        if info.number("i_product") != DEMO_PRODUCT:
            raise info.invalid("i_product")
        if (info.text("iso_4217") or CURRENCY) != CURRENCY:
            raise info.invalid("iso_4217")
        opening = info.amount("opening_balance", "0")
        now = self._clock.now()
        account = Account(
            i_account=FIRST_I_ACCOUNT - 1 + self._rows.next_number(),
            id=account_id,
            i_customer=DEMO_CUSTOMER.i_customer,
            i_product=DEMO_PRODUCT,
            billing_model=info.number("billing_model"),
            balance=opening,
            opening_balance=opening,
            created_at=now,
            activation_date=info.time("activation_date") or porta_time(now),
            expiration_date=info.time("expiration_date"),
            batch_name=info.text("batch_name"),
            login=info.text("login"),
            blocked=info.flag("blocked", "N"),
        )
        if self._rows.grouped(account_id):
            raise Fault("Server.Account.duplicate_id", "An account with this ID already exists")
        self._rows.save(account)
        if Decimal(opening) > 0:
            self._move(account, "opening_balance", opening, account_id)
        return {"i_account": account.i_account}

    def update_account(self, fields: Fields) -> dict[str, Any]:
        """Change an account's block, dates or batch."""
        info = fields.part("account_info")
        account = self._changeable(info)
        account.blocked = info.flag("blocked", account.blocked)
        account.activation_date = info.time("activation_date") or account.activation_date
        account.expiration_date = info.time("expiration_date") or account.expiration_date
        account.batch_name = info.text("batch_name") or account.batch_name
        self._rows.save(account)
        return {"i_account": account.i_account}

    def terminate_account(self, fields: Fields) -> dict[str, Any]:
        """End an account for ever; it stays readable."""
        account = self._changeable(fields)
        account.terminated, account.blocked = True, "Y"
        self._rows.save(account)
        return {"success": 1}

    def make_transaction(self, fields: Fields) -> dict[str, Any]:
        """Charge or pay by hand. Asked twice, it moves money twice."""
        account = self._changeable(fields)
        kind = ACTIONS.get(fields.text("action") or "")
        if kind is None:
            raise fields.invalid("action")
        amount = fields.amount("amount")
        # A debit account holds money, a credit account owes it (§4, balance signs).
        sign = 1 if (kind == "manual_payment") != (account.billing_model == CREDIT_MODEL) else -1
        account.balance = five_decimals(Decimal(account.balance) + sign * Decimal(amount))
        self._rows.save(account)
        movement = self._move(account, kind, amount, fields.text("visible_comment") or "")
        return {"balance": account.balance, "transaction_id": str(movement.i_xdr)}

    def get_xdr_list(self, fields: Fields) -> dict[str, Any]:
        """A page of an account's transactions, oldest first. An opening balance is not one."""
        reference = str(fields.number("i_account"))
        start, end = fields.time("from_date") or "", fields.time("to_date") or "9999"
        found = [row for row in self._movements.grouped(reference) if row.kind != "opening_balance" and start <= porta_time(row.at) <= end]
        answer: dict[str, Any] = {"xdr_list": [row.wire() for row in _page(found, fields)]}
        if fields.text("get_total") == "1":
            answer["total"] = len(found)
        return answer

    def state(self) -> dict[str, Any]:
        """All accounts and all charges."""
        return {
            "accounts": [account.state() for account in self._rows.all()],
            "charges": [row.state() for row in self._movements.all() if row.kind in CHARGE_KINDS],
        }

    def reset(self) -> None:
        """Forget all accounts and movements."""
        self._rows.clear()
        self._movements.clear()

    def _find(self, fields: Fields) -> Account | None:
        if fields.has("i_account"):
            return self._rows.get(str(fields.number("i_account")))
        account_id, login = fields.text("id"), fields.text("login")
        if account_id:
            return next(iter(self._rows.grouped(account_id)), None)
        return next((account for account in self._rows.all() if login and account.login == login), None)

    def _changeable(self, fields: Fields) -> Account:
        account = self._rows.get(str(fields.number("i_account")))
        if account is None:
            raise fields.invalid("i_account")
        if account.terminated:
            raise Fault("Server.Account.terminated", "The account is terminated")
        return account

    def _move(self, account: Account, kind: str, amount: str, comment: str) -> Movement:
        number = self._movements.next_number()
        return self._movements.save(Movement(number, account.i_account, account.id, kind, amount, comment, self._clock.now()))


def _page(rows: list[Any], fields: Fields) -> list[Any]:
    offset, limit = fields.number("offset", 0), fields.number("limit", 100)
    if offset < 0 or not 0 < limit <= MAX_PAGE:
        raise fields.invalid("limit")
    return rows[offset : offset + limit]


def _matches(text: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(re.escape(piece) for piece in pattern.split("%")), text) is not None
