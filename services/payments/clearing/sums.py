"""What moved on each account in a range of days, and by day, week or month: found by the ledger's index on `at`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, get_args

import sqlalchemy as sa
from sqlmodel import Session

from app.errors import InvalidInput
from services.accounts.permissions import Permission, Principal
from services.payments.clearing.models import LedgerAccount, TransferReason

Step = Literal["day", "week", "month"]
LONGEST = timedelta(days=800)


class BadRange(InvalidInput):
    code, title, message = "bad_range", "These days cannot be summed", f"Choose days in order, at most {LONGEST.days} of them."


@dataclass(frozen=True)
class Turnover:
    """What came to an account (`debit_bututs`) and what left it; both are positive."""

    debit_bututs: int = 0
    credit_bututs: int = 0

    @property
    def change_bututs(self) -> int:
        return self.debit_bututs - self.credit_bututs


@dataclass(frozen=True)
class Period:
    """A day, a week from its Monday, or a month, cut to the range."""

    first: date
    accounts: Mapping[LedgerAccount, Turnover]


# Grouped by both sides, so that one pass gives every account and every reason.
SIDES = """
    SELECT date_trunc(:step, at AT TIME ZONE 'UTC')::date AS first, reason, debit, credit, sum(amount_bututs)::bigint
    FROM ledger_transfer WHERE at >= :start AND at < :until
    GROUP BY 1, 2, 3, 4 ORDER BY 1
"""


@dataclass(frozen=True)
class Moved:
    """The whole range: each account, and each reason with its sum. Of all accounts together the change is zero."""

    start: datetime
    until: datetime
    accounts: Mapping[LedgerAccount, Turnover]
    reasons: Mapping[TransferReason, int]
    periods: tuple[Period, ...]

    def of(self, account: LedgerAccount) -> Turnover:
        return self.accounts.get(account, Turnover())


def moved(session: Session, *, actor: Principal, start: datetime, until: datetime, step: Step = "day") -> Moved:
    """From `start` until `until` (exclusive). Raises Forbidden or BadRange."""
    actor.require(Permission.MONEY_READ)
    check_range(start, until)
    assert step in get_args(Step)
    reasons: dict[TransferReason, int] = {}
    whole: dict[LedgerAccount, Turnover] = {}
    periods: dict[date, dict[LedgerAccount, Turnover]] = {}
    for first, reason, debit, credit, amount in session.execute(sa.text(SIDES), {"step": step, "start": start, "until": until}):
        reasons[TransferReason(reason)] = reasons.get(TransferReason(reason), 0) + amount
        for into in (whole, periods.setdefault(first, {})):
            _add(into, LedgerAccount(debit), Turnover(debit_bututs=amount))
            _add(into, LedgerAccount(credit), Turnover(credit_bututs=amount))
    return Moved(start, until, whole, reasons, tuple(Period(first, accounts) for first, accounts in periods.items()))


def check_range(start: datetime, until: datetime) -> None:
    """Raises BadRange."""
    if not timedelta(0) < until - start <= LONGEST:
        raise BadRange(field="to")


def _add(into: dict[LedgerAccount, Turnover], account: LedgerAccount, more: Turnover) -> None:
    was = into.get(account, Turnover())
    into[account] = Turnover(was.debit_bututs + more.debit_bututs, was.credit_bututs + more.credit_bututs)
