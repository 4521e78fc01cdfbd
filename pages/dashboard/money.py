"""The money's part of the first page."""

from __future__ import annotations

from datetime import datetime
from itertools import accumulate

from pages.components import words
from pages.components.figures import Bar
from pages.dashboard.blocks import Block, Drawn, Row, Rows, Shares, SoFar, Sum
from services.access.compensation import CompensationSum
from services.console.dashboards.money import MoneyPart
from services.payments.models import PaymentStatus
from services.payments.queries import PaymentRow, Takings, Today
from services.vouchers.stock import StockLevel

_PAYMENTS = "/console/payments"


def drawn(part: MoneyPart, now: datetime) -> Drawn:
    left: list[Block] = [_so_far(part.takings, now)] if part.takings else []
    right: list[Block] = [_stock(part.low)] if part.low else []
    return Drawn(
        left=(_still(part.today), *left, _last(part.today)),
        right=(*right, _begun(part.today, now)),
        sums=(*_taken(part.takings), *_given_back(part.given_back, now)),
    )


def _still(day: Today) -> Rows:
    rows = tuple(
        _payment(row, at=row.status_since, below=row.reason or "Paid, and waiting for more than five minutes.") for row in day.attention
    )
    return Rows(
        "Payments that stand still",
        rows,
        ("Every payment was served", "None waits for a person.", "task_alt"),
        aside=f"the oldest {len(rows)} of {day.attention_count:,}" if day.attention_count > len(rows) else "",
        marker="unserved",
    )


def _last(day: Today) -> Rows:
    rows = tuple(
        _payment(row, at=row.created_at, beside=f"{row.package_name} · {row.masked_phone}", end=words.money(row.amount_bututs))
        for row in day.last
    )
    return Rows("Last payments", rows, ("No payments yet", "They appear here the moment a customer picks a package.", "payments"))


def _payment(row: PaymentRow, *, at: datetime, beside: str = "", below: str = "", end: str = "") -> Row:
    said = words.words_of(row.status)
    return Row(
        row.reference,
        f"{_PAYMENTS}/{row.reference}",
        chip=(said.text, said.tone),
        is_code=True,
        beside=beside,
        end=end or words.money(row.amount_bututs),
        at=at,
        below=below,
    )


def _begun(day: Today, now: datetime) -> Block:
    title, most = "What became of today's", max(day.by_status.values(), default=0)
    if not most:
        return Rows(title, (), ("None yet", "What becomes of the purchases begun today stands here.", "payments"), marker="begun-today")
    rows = tuple(
        Bar(said.text, number / most, f"{number:,}", tone=said.tone, href=f"{_PAYMENTS}?from={now:%Y-%m-%d}&status={status.value}")
        for status in PaymentStatus
        if (number := day.by_status.get(status, 0)) and (said := words.words_of(status))
    )
    return Shares(title, rows, "begun-today", aside="purchases")


def _stock(low: tuple[StockLevel, ...]) -> Shares:
    rows = tuple(
        Bar(
            level.name,
            min(1.0, level.ready / max(1, level.mark)),
            f"{level.ready:,} of {level.mark:,}",
            f"{level.pending:,} being issued" if level.pending else "",
            "bad",
        )
        for level in low
    )
    return Shares("Low stock", rows, "stock", aside="vouchers held ready")


def _taken(takings: Takings | None) -> tuple[Sum, ...]:
    if takings is None:
        return ()
    return (Sum("Taken today", words.money(takings.taken_bututs), _compared(takings), "/console/money", "taken-today"),)


def _compared(takings: Takings) -> str:
    if not takings.taken_before_bututs:
        return "nothing by this time yesterday"
    change = round(100 * (takings.taken_bututs / takings.taken_before_bututs - 1))
    return "as much as yesterday by now" if change == 0 else f"{abs(change):,} % {'more' if change > 0 else 'less'} than yesterday by now"


def _given_back(given: CompensationSum | None, now: datetime) -> tuple[Sum, ...]:
    if given is None:
        return ()
    worth = f"worth {words.money(given.worth_bututs)}" if given.count else "no outage cost anybody time"
    number = words.span(given.seconds) if given.seconds else "Nothing"
    return (Sum("Given back this month", number, worth, f"/console/compensation?from={now:%Y-%m}-01", "given-back"),)


def _so_far(takings: Takings, now: datetime) -> SoFar:
    today, yesterday = tuple(accumulate(takings.per_hour_bututs)), tuple(accumulate(takings.per_hour_before_bututs))
    said = (
        f"{words.money(takings.taken_bututs)} taken today until now, and {words.money(takings.taken_before_bututs)} by this time yesterday"
    )
    return SoFar(tuple(value if hour <= now.hour else None for hour, value in enumerate(today)), yesterday, said)
