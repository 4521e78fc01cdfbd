"""What stands open on the clearing accounts, with its reason and age; every transfer behind it. Costs what is open, not what exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.payments.clearing.explain import Explanation, explain
from services.payments.clearing.models import CLEARING, LedgerAccount, LedgerOpen, LedgerTransfer, TransferReason

A = LedgerAccount
_MOST_EXPLAINED = 2_000
_SORTS: dict[str, Sequence[Any]] = {"since": (col(LedgerOpen.since), col(LedgerOpen.account), col(LedgerOpen.subject))}
_BY_TIME: dict[str, Sequence[Any]] = {"at": (col(LedgerTransfer.at), col(LedgerTransfer.id))}


class Age(StrEnum):
    """How long something stands open."""

    TODAY = "today"
    DAYS_1_2 = "days_1_2"
    DAYS_3_7 = "days_3_7"
    OLDER = "older"


_LIMITS = {Age.TODAY: timedelta(days=1), Age.DAYS_1_2: timedelta(days=3), Age.DAYS_3_7: timedelta(days=8)}


def age_of(since: datetime, now: datetime) -> Age:
    """Under a day, under three, under eight, or more."""
    return next((age for age, limit in _LIMITS.items() if now - since < limit), Age.OLDER)


@dataclass(frozen=True)
class OpenItem:
    """What one subject has open on one account, and why."""

    account: LedgerAccount
    subject: str
    balance_bututs: int
    since: datetime
    age: Age
    explanation: Explanation


@dataclass(frozen=True)
class OpenAccount:
    """A clearing account: its balance is the sum of its open items. `ages` has a number and a sum for each age."""

    account: LedgerAccount
    balance_bututs: int
    items: int
    oldest_at: datetime | None
    ages: Mapping[Age, tuple[int, int]]


@dataclass(frozen=True)
class Unexplained:
    """The items without a good reason, oldest first. `is_cut`: more stood in doubt than were looked at."""

    items: tuple[OpenItem, ...]
    is_cut: bool


def open_accounts(session: Session, *, actor: Principal, now: datetime) -> tuple[OpenAccount, ...]:
    """Raises Forbidden."""
    actor.require(Permission.MONEY_READ)
    bucket = sa.case(*((col(LedgerOpen.since) > now - limit, age.value) for age, limit in _LIMITS.items()), else_=Age.OLDER.value)
    grouped = session.execute(
        pick(LedgerOpen.account, bucket, sa.func.count(), sa.func.sum(LedgerOpen.balance_bututs), sa.func.min(LedgerOpen.since)).group_by(
            col(LedgerOpen.account), sa.text("2")
        )
    ).all()
    return tuple(_account(account, [row for row in grouped if row[0] is account]) for account in CLEARING)


def _account(account: LedgerAccount, rows: Sequence[Any]) -> OpenAccount:
    ages = {Age(age): (int(number), int(total)) for _, age, number, total, _ in rows}
    return OpenAccount(
        account=account,
        balance_bututs=sum(total for _, total in ages.values()),
        items=sum(number for number, _ in ages.values()),
        oldest_at=min((row[4] for row in rows), default=None),
        ages={age: ages.get(age, (0, 0)) for age in Age},
    )


@dataclass(frozen=True)
class OpenFilter:
    """Which open items: of an account, of an age, of a subject."""

    account: LedgerAccount | None = None
    age: Age | None = None
    subject: str = ""


def open_items(session: Session, *, actor: Principal, wanted: OpenFilter, part: Slice, now: datetime) -> Listing[OpenItem]:
    """One page of what stands open, each with its reason. Raises Forbidden."""
    actor.require(Permission.MONEY_READ)
    conditions = _open_conditions(wanted, now)
    found = fetch(
        session, pick(LedgerOpen).where(*conditions).execution_options(populate_existing=True), part, sorts=_SORTS, default_sort="since"
    )
    total, is_estimate = count(session, pick(LedgerOpen.subject).where(*conditions), part=part)
    return Listing(_explained(session, [row[0] for row in found], now=now), total, is_estimate)


def _open_conditions(wanted: OpenFilter, now: datetime) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.account:
        conditions.append(col(LedgerOpen.account) == wanted.account)
    if wanted.age:
        ages = list(Age)
        if wanted.age in _LIMITS:
            conditions.append(col(LedgerOpen.since) > now - _LIMITS[wanted.age])
        if wanted.age is not Age.TODAY:
            conditions.append(col(LedgerOpen.since) <= now - _LIMITS[ages[ages.index(wanted.age) - 1]])
    if wanted.subject:
        conditions.append(col(LedgerOpen.subject) == wanted.subject)
    return conditions


def _explained(session: Session, rows: Sequence[LedgerOpen], *, now: datetime) -> tuple[OpenItem, ...]:
    reasons = explain(session, rows, now=now)
    return tuple(
        OpenItem(row.account, row.subject, row.balance_bututs, row.since, age_of(row.since, now), reason)
        for row, reason in zip(rows, reasons, strict=True)
    )


# Most of what is open is money that Wave's list will show tomorrow and time that was bought and not used yet: the database tells
# those apart, so that only what stands in doubt is looked at one by one.
_IN_DOUBT = sa.text(
    """
    NOT (ledger_open.account = 'wave_receivable' AND ledger_open.since > :young AND ledger_open.subject LIKE 'payment:%')
    AND NOT (ledger_open.account = 'unearned_access' AND EXISTS (
        SELECT FROM payment p JOIN entitlement e ON e.payment_id = p.id
        WHERE p.id = CASE WHEN ledger_open.subject LIKE 'payment:%' THEN CAST(substr(ledger_open.subject, 9) AS bigint) END
            AND p.status = 'access_granted' AND e.state = 'ready' AND e.use_before > :now
    ))
    """
)


def unexplained(session: Session, *, now: datetime, most: int = _MOST_EXPLAINED) -> Unexplained:
    """What nobody can account for: there should be nothing. For the drill, the metrics and the pages."""
    doubtful = session.exec(
        select(LedgerOpen)
        .where(_IN_DOUBT.bindparams(young=now - timedelta(days=2), now=now))
        .order_by(col(LedgerOpen.since), col(LedgerOpen.account), col(LedgerOpen.subject))
        .limit(most + 1)
        .execution_options(populate_existing=True)
    ).all()
    items = _explained(session, doubtful[:most], now=now)
    return Unexplained(tuple(item for item in items if not item.explanation.is_explained), len(doubtful) > most)


@dataclass(frozen=True)
class TransferFilter:
    """Which transfers; `until` is exclusive."""

    subject: str = ""
    account: LedgerAccount | None = None
    reason: TransferReason | None = None
    since: datetime | None = None
    until: datetime | None = None


def transfers(session: Session, *, actor: Principal, wanted: TransferFilter, part: Slice) -> Listing[LedgerTransfer]:
    """One page of the ledger, newest first unless asked otherwise. Raises Forbidden."""
    actor.require(Permission.MONEY_READ)
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.subject:
        conditions.append(col(LedgerTransfer.subject) == wanted.subject)
    if wanted.account:
        conditions.append(sa.or_(col(LedgerTransfer.debit) == wanted.account, col(LedgerTransfer.credit) == wanted.account))
    if wanted.reason:
        conditions.append(col(LedgerTransfer.reason) == wanted.reason)
    if wanted.since:
        conditions.append(col(LedgerTransfer.at) >= wanted.since)
    if wanted.until:
        conditions.append(col(LedgerTransfer.at) < wanted.until)
    found = fetch(session, pick(LedgerTransfer).where(*conditions), part, sorts=_BY_TIME, default_sort="at")
    whole = None if conditions else "ledger_transfer"
    total, is_estimate = count(session, pick(LedgerTransfer.id).where(*conditions), whole_table=whole, part=part)
    return Listing(tuple(row[0] for row in found), total, is_estimate)
