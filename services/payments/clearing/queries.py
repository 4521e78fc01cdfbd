"""Proof that the books are whole: what the events require is worked out again and compared with what stands there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from services.payments.clearing.models import LedgerAccount, TransferReason


class Lost(StrEnum):
    """What is not there, is another than it must be, or has nothing that it stands for."""

    EVENT = "event"
    VOUCHER = "voucher"
    TRANSFER = "transfer"
    UNFOUNDED = "unfounded"


@dataclass(frozen=True)
class MissingTransfer:
    """A row that must be there and is not. For `Lost.TRANSFER` it says what to post; `found_bututs` is set where another sum stands."""

    lost: Lost
    payment_id: int
    reference: str
    at: datetime
    amount_bututs: int
    subject: str
    found_bututs: int | None = None
    reason: TransferReason | None = None
    debit: LedgerAccount | None = None
    credit: LedgerAccount | None = None
    once: str | None = None

    @property
    def can_be_posted(self) -> bool:
        """Whether `posting.post` of it mends the books: one that stands there with another sum is not posted twice."""
        return self.lost is Lost.TRANSFER and self.found_bututs is None

    @property
    def words(self) -> str:
        if self.lost is Lost.EVENT:
            return f"The history of payment {self.reference} lacks a row."
        if self.lost is Lost.VOUCHER:
            return f"Payment {self.reference} is paid and has no voucher."
        named = f"transfer “{str(self.reason).replace('_', ' ')}” of payment {self.reference}"
        if self.lost is Lost.UNFOUNDED:
            return f"Nothing happened for which the {named} stands."
        return f"The {named} is not there." if self.found_bututs is None else f"The {named} is another than it must be."


@dataclass(frozen=True)
class BrokenItem:
    """An open item whose balance is not the sum of its transfers."""

    account: LedgerAccount
    subject: str
    kept_bututs: int
    summed_bututs: int

    @property
    def words(self) -> str:
        return f"{self.subject} on {self.account.value.replace('_', ' ')} is kept as {self.kept_bututs} and sums to {self.summed_bututs}."


@dataclass(frozen=True)
class Books:
    """Everything that is wrong; nothing at all where the books are whole. `sum_bututs` of all accounts is zero."""

    missing: tuple[MissingTransfer, ...]
    broken: tuple[BrokenItem, ...]
    sum_bututs: int
    transfers: int

    @property
    def are_whole(self) -> bool:
        return not self.missing and not self.broken and self.sum_bututs == 0


# What each event moves, said here a second time on purpose: a proof that reads what it proves would prove nothing.
_REQUIRED = """
    ('paid', 'paid', 'wave_receivable', 'unearned_access', ''),
    ('paid', 'charge_due', 'portabilling_charge', 'portabilling_contra', ''),
    ('charged', 'charged', 'portabilling_contra', 'portabilling_charge', ''),
    ('served', 'earned', 'unearned_access', 'sales', ''),
    ('second_success', 'second_success', 'wave_receivable', 'refunds', 'transaction_id'),
    ('refunded', 'refunded', 'refunds', 'wave_receivable', 'refund_id'),
    ('paid_out', 'paid_out', 'refunds', 'cash', 'refund_id')
"""
_REASONS = "('paid', 'charge_due', 'charged', 'earned', 'second_success', 'refunded', 'paid_out')"
_EXPECTED = f"""
    SELECT p.id, p.reference, e.at, p.amount_bututs, 'payment:' || p.id AS subject, r.reason, r.debit, r.credit,
        r.reason || ':' || p.id || CASE WHEN r.apart = '' THEN '' ELSE ':' || coalesce(e.detail->>r.apart, e.id::text) END AS once
    FROM chosen c
    JOIN payment p ON p.id = c.id AND p.wave_transaction_id IS NOT NULL
    JOIN payment_event e ON e.payment_id = p.id
    JOIN (VALUES {_REQUIRED}) AS r (kind, reason, debit, credit, apart) ON r.kind = e.kind
"""  # noqa: S608 - made of constants
_LOST = f"""
WITH chosen AS MATERIALIZED ({{chosen}}), expected AS MATERIALIZED ({_EXPECTED})
SELECT 'transfer' AS lost, x.id, x.reference, x.at, x.amount_bututs, x.subject, t.amount_bututs AS found,
    x.reason, x.debit, x.credit, x.once
FROM expected x LEFT JOIN ledger_transfer t ON t.once = x.once
WHERE t.id IS NULL
    OR (t.amount_bututs, t.debit, t.credit, t.subject, t.reason) <> (x.amount_bututs, x.debit, x.credit, x.subject, x.reason)
UNION ALL
SELECT 'unfounded', p.id, p.reference, t.at, p.amount_bututs, t.subject, t.amount_bututs, t.reason, t.debit, t.credit, t.once
FROM chosen c JOIN payment p ON p.id = c.id JOIN ledger_transfer t ON t.subject = 'payment:' || p.id
WHERE t.reason IN {_REASONS} AND NOT EXISTS (SELECT FROM expected x WHERE x.once = t.once)
UNION ALL
SELECT 'event', p.id, p.reference, p.paid_at, p.amount_bututs, 'payment:' || p.id, NULL, NULL, NULL, NULL, NULL
FROM chosen c JOIN payment p ON p.id = c.id
LEFT JOIN LATERAL (
    SELECT count(*) AS number, count(*) FILTER (WHERE kind = 'paid') AS paid, count(*) FILTER (WHERE kind = 'served') AS served
    FROM payment_event WHERE payment_id = p.id
) AS e ON true
WHERE p.paid_at IS NOT NULL AND (e.number <> p.event_count OR e.paid <> 1 OR (p.served_at IS NOT NULL AND e.served <> 1))
UNION ALL
SELECT 'voucher', p.id, p.reference, p.paid_at, p.amount_bututs, 'payment:' || p.id, NULL, NULL, NULL, NULL, NULL
FROM chosen c JOIN payment p ON p.id = c.id
WHERE p.paid_at IS NOT NULL AND NOT EXISTS (SELECT FROM voucher v WHERE v.payment_id = p.id)
ORDER BY 2, 4, 1, 11
LIMIT :most
"""  # noqa: S608 - made of constants
# A refund may be decided weeks after it was asked for, and its transfers are of the day on which it was sent.
_OF_DAYS = """
    SELECT id FROM payment WHERE paid_at >= :since AND paid_at < :until
    UNION
    SELECT payment_id FROM refund
    WHERE state IN ('asked', 'requested', 'refunded', 'failed', 'paid_out')
        AND created_at >= CAST(:since AS timestamptz) - interval '31 days' AND created_at < :until
"""
_OF_ALL = "SELECT id FROM payment WHERE paid_at IS NOT NULL"
_BROKEN = """
WITH summed AS (
    SELECT account, subject, sum(balance) AS balance
    FROM (
        SELECT debit AS account, subject, amount_bututs AS balance FROM ledger_transfer
        UNION ALL SELECT credit, subject, -amount_bututs FROM ledger_transfer
    ) AS sides
    WHERE account IN ('wave_receivable', 'unearned_access', 'refunds', 'portabilling_charge', 'suspense')
    GROUP BY account, subject HAVING sum(balance) <> 0
)
SELECT coalesce(o.account, s.account), coalesce(o.subject, s.subject), coalesce(o.balance_bututs, 0), coalesce(s.balance, 0)
FROM summed s FULL JOIN ledger_open o ON o.account = s.account AND o.subject = s.subject
WHERE coalesce(o.balance_bututs, 0) <> coalesce(s.balance, 0)
ORDER BY 1, 2
LIMIT :most
"""
_MOST = 1000


def missing_transfers(session: Session, from_at: datetime, to_at: datetime, *, most: int = _MOST) -> tuple[MissingTransfer, ...]:
    """What is missing of the payments that were paid from `from_at` until `to_at` (exclusive), or given back around then; by indexes."""
    query = sa.text(_LOST.format(chosen=_OF_DAYS))
    return tuple(_missing(row) for row in session.execute(query, {"since": from_at, "until": to_at, "most": most}))


def broken_items(session: Session, *, most: int = _MOST) -> tuple[BrokenItem, ...]:
    """Open items that are not what their transfers sum to. Reads the whole ledger: for the night, and for `inet ledger verify`."""
    found = session.execute(sa.text(_BROKEN), {"most": most})
    return tuple(BrokenItem(LedgerAccount(account), subject, int(kept), int(summed)) for account, subject, kept, summed in found)


def verify_books(session: Session, *, most: int = _MOST) -> Books:
    """The whole ledger against everything that ever happened, at most `most` differences of each kind."""
    session.flush()
    missing = session.execute(sa.text(_LOST.format(chosen=_OF_ALL)), {"most": most})
    summed = sa.text("SELECT coalesce(sum(balance_bututs), 0) FROM (" + _BALANCES + ") AS accounts")  # noqa: S608 - made of constants
    return Books(
        missing=tuple(_missing(row) for row in missing),
        broken=broken_items(session, most=most),
        sum_bututs=int(session.execute(summed).scalar_one()),
        transfers=int(session.execute(sa.text("SELECT count(*) FROM ledger_transfer")).scalar_one()),
    )


_BALANCES = """
    SELECT account, sum(balance)::bigint AS balance_bututs
    FROM (
        SELECT debit AS account, amount_bututs AS balance FROM ledger_transfer
        UNION ALL SELECT credit, -amount_bututs FROM ledger_transfer
    ) AS sides
    GROUP BY account
"""


def _missing(row: Any) -> MissingTransfer:
    return MissingTransfer(
        lost=Lost(row.lost),
        payment_id=row.id,
        reference=row.reference,
        at=row.at,
        amount_bututs=row.amount_bututs,
        subject=row.subject,
        found_bututs=row.found,
        reason=TransferReason(row.reason) if row.reason else None,
        debit=LedgerAccount(row.debit) if row.debit else None,
        credit=LedgerAccount(row.credit) if row.credit else None,
        once=row.once,
    )
