"""The report of a day or a month: what was taken, what it cost, what went back, what did not agree, and what stands open at its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col

from app.errors import InvalidInput
from services import csv_export
from services.accounts.permissions import Permission, Principal
from services.payments import money
from services.payments.clearing.models import CLEARING, LedgerAccount
from services.payments.reconciliation.models import FindingKind, FindingState, ReconciliationFinding

MAX_DAYS = 31
_SUMS = sa.text("""
SELECT count(*) FILTER (WHERE NOT is_reversal AND gross_bututs > 0) AS payments,
    coalesce(sum(gross_bututs) FILTER (WHERE NOT is_reversal AND gross_bututs > 0), 0)::bigint AS gross,
    coalesce(sum(fee_bututs) FILTER (WHERE NOT is_reversal AND gross_bututs > 0), 0)::bigint AS fees,
    coalesce(-sum(gross_bututs) FILTER (WHERE is_reversal AND gross_bututs < 0), 0)::bigint AS refunds,
    coalesce(-sum(fee_bututs) FILTER (WHERE is_reversal AND gross_bututs < 0), 0)::bigint AS fees_back
FROM wave_movement WHERE day BETWEEN :first AND :last
""")
_BALANCES = sa.text("""
SELECT account, sum(balance)::bigint FROM (
    SELECT debit AS account, amount_bututs AS balance FROM ledger_transfer WHERE at < :until
    UNION ALL SELECT credit, -amount_bututs FROM ledger_transfer WHERE at < :until
) AS sides GROUP BY account
""")
_BACK = sa.text("""
SELECT coalesce(sum(amount_bututs), 0) FROM refund WHERE state IN ('refunded', 'paid_out') AND settled_at >= :a AND settled_at < :b
""")


@dataclass(frozen=True)
class Wave:
    """What Wave's list shows. Fees of what went back came back as well."""

    payments: int
    gross: int
    fees: int
    refunds: int
    fees_back: int

    @property
    def net(self) -> int:
        """What stayed in the wallet."""
        return self.gross - self.fees - self.refunds + self.fees_back


@dataclass(frozen=True)
class Found:
    kind: FindingKind
    open: int
    decided: int
    gone: int


@dataclass(frozen=True)
class Report:
    """Sums in bututs; `last` is the last day of it."""

    first: date
    last: date
    made_at: datetime
    wave: Wave
    taken: money.Taken
    given_back_bututs: int
    packages: Sequence[money.Part]
    sites: Sequence[money.Part]
    channels: Sequence[money.Part]
    found: tuple[Found, ...]
    balances: dict[LedgerAccount, int]

    @property
    def title(self) -> str:
        return f"{self.first:%d.%m.%Y}" if self.first == self.last else f"{self.first:%d.%m.%Y} to {self.last:%d.%m.%Y}"

    @property
    def file_name(self) -> str:
        return f"inet-money-{self.first}" + ("" if self.first == self.last else f"-{self.last}")

    @property
    def clearing(self) -> list[tuple[str, int]]:
        """The accounts that come to zero in the end, as they stood when the last day was over."""
        return [(_name(account), self.balances.get(account, 0)) for account in CLEARING]


def _name(account: LedgerAccount) -> str:
    return account.value.replace("_", " ").capitalize().replace("Portabilling", "PortaBilling")


def month_of(day: date) -> tuple[date, date]:
    """The first and the last day of its month."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def report(session: Session, *, actor: Principal, first: date, last: date, now: datetime) -> Report:
    """Of at most a month. Raises Forbidden, or InvalidInput at `to`."""
    actor.require(Permission.MONEY_READ)
    if not 0 <= (last - first).days < MAX_DAYS:
        raise InvalidInput(f"Choose days in order, at most {MAX_DAYS} of them.", field="to")
    start, until = _midnight(first), _midnight(last) + timedelta(days=1)
    summed = money.summary(session, actor=actor, start=start, until=until, now=now)
    wave = session.execute(_SUMS, {"first": first, "last": last}).one()
    return Report(
        first=first,
        last=last,
        made_at=now,
        wave=Wave(wave.payments, wave.gross, wave.fees, wave.refunds, wave.fees_back),
        taken=summed.taken,
        given_back_bututs=int(session.execute(_BACK, {"a": start, "b": until}).scalar_one()),
        packages=summed.packages,
        sites=summed.sites,
        channels=summed.channels,
        found=_found(session, first, last),
        balances={LedgerAccount(account): int(total) for account, total in session.execute(_BALANCES, {"until": until})},
    )


def _found(session: Session, first: date, last: date) -> tuple[Found, ...]:
    finding = ReconciliationFinding
    rows = session.execute(
        sa.select(col(finding.kind), col(finding.state), sa.func.count())
        .where(col(finding.day).between(first, last))
        .group_by(col(finding.kind), col(finding.state))
    ).all()
    counts: dict[FindingKind, dict[FindingState, int]] = {}
    for kind, state, number in rows:
        counts.setdefault(kind, {})[state] = int(number)
    decided = (FindingState.ACCEPTED, FindingState.REJECTED)
    return tuple(
        Found(kind, of.get(FindingState.OPEN, 0), sum(of.get(state, 0) for state in decided), of.get(FindingState.GONE, 0))
        for kind, of in sorted(counts.items())
    )


def csv_lines(shown: Report) -> Iterator[str]:
    """One row a number: part, name, count, sum in bututs. A spreadsheet adds them up."""
    yield csv_export.BOM + csv_export.line(("Part", "Name", "Count", "Bututs", "Dalasi"))
    for part, name, number, bututs in _rows(shown):
        yield csv_export.line((part, name, number, bututs, None if bututs is None else bututs / 100))


def _rows(shown: Report) -> Iterator[tuple[str, str, int | None, int | None]]:
    wave = shown.wave
    yield "Days", shown.title, (shown.last - shown.first).days + 1, None
    yield "Wave", "Gross", wave.payments, wave.gross
    yield "Wave", "Fees", None, wave.fees
    yield "Wave", "Refunds", None, wave.refunds
    yield "Wave", "Fees that came back", None, wave.fees_back
    yield "Wave", "Net", None, wave.net
    yield "Our books", "Paid", shown.taken.number, shown.taken.bututs
    yield "Our books", "Given back", None, shown.given_back_bututs
    for part, rows in (("Package", shown.packages), ("Site", shown.sites), ("Channel", shown.channels)):
        for row in rows:
            yield part, row.name, row.taken.number, row.taken.bututs
    for found in shown.found:
        for state, number in (("open", found.open), ("decided", found.decided), ("gone", found.gone)):
            if number:
                yield "Findings", f"{found.kind.value.replace('_', ' ').capitalize()}, {state}", number, None
    for name, balance in shown.clearing:
        yield "Open at the end", name, None, balance


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
