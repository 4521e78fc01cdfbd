"""How well tickets are sorted by themselves: what was answered, what people corrected, and whether a confidence means what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from services.accounts.permissions import Permission, Principal
from services.tickets.models import Category

DAYS = 90
_BINS = ((0.0, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01))
_OVERRIDES = 100
# The last reading of each ticket that was read in the range, beside what a person made of it.
_READ = sa.text("""
    SELECT DISTINCT ON (e.ticket_id) e.data->>'category' AS category, (e.data->>'confidence')::float AS confidence,
        (e.data->>'abstain')::boolean AS abstains, l.category AS label,
        l.category IS NOT NULL OR t.state IN ('resolved', 'closed') AS is_judged
    FROM ticket_event e JOIN ticket t ON t.id = e.ticket_id LEFT JOIN ticket_label l ON l.ticket_id = e.ticket_id
    WHERE e.kind = 'triaged' AND e.at >= :since ORDER BY e.ticket_id, e.id DESC""")
_OVERRIDDEN = sa.text("""
    SELECT t.reference, l.suggested, l.category, l.at, s.name AS by, (
        SELECT (e.data->>'confidence')::float FROM ticket_event e WHERE e.ticket_id = t.id AND e.kind = 'triaged'
        ORDER BY e.id DESC LIMIT 1) AS confidence
    FROM ticket_label l JOIN ticket t ON t.id = l.ticket_id LEFT JOIN staff s ON s.id = l.staff_id
    WHERE l.at >= :since AND l.suggested IS DISTINCT FROM l.category ORDER BY l.at DESC LIMIT :most""")


@dataclass(frozen=True)
class CategoryLine:
    """One category as it was answered: `stood` of `judged` were not corrected; `missed` were put under it by a person instead."""

    category: Category
    answered: int
    judged: int
    stood: int
    missed: int

    @property
    def accuracy(self) -> float | None:
        return self.stood / self.judged if self.judged else None


@dataclass(frozen=True)
class Bin:
    """Answers of about one confidence: how sure they were on average, and which share of them stood."""

    low: float
    high: float
    judged: int
    confidence: float
    stood: float


@dataclass(frozen=True)
class Override:
    reference: str
    suggested: Category | None
    category: Category
    confidence: float | None
    by: str | None
    at: datetime


@dataclass(frozen=True)
class Quality:
    """An answer is judged once a person corrected it or the ticket was done without a correction."""

    since: datetime
    read: int
    answered: int
    judged: int
    stood: int
    lines: tuple[CategoryLine, ...]
    bins: tuple[Bin, ...]
    overrides: tuple[Override, ...]
    corrections: int

    @property
    def answered_share(self) -> float | None:
        return self.answered / self.read if self.read else None

    @property
    def accuracy(self) -> float | None:
        return self.stood / self.judged if self.judged else None

    @property
    def calibration_error(self) -> float | None:
        """By how much confidence and truth lie apart, on average over the answers."""
        judged = sum(one.judged for one in self.bins)
        return sum(abs(one.confidence - one.stood) * one.judged for one in self.bins) / judged if judged else None


def quality(session: Session, *, actor: Principal, now: datetime, days: int = DAYS) -> Quality:
    """Of the last days. Raises Forbidden."""
    actor.require(Permission.REPORTS_READ)
    since = now - timedelta(days=days)
    rows = session.execute(_READ, {"since": since}).all()
    answered = [row for row in rows if not row.abstains]
    judged = [row for row in answered if row.is_judged]
    corrections = session.execute(sa.text("SELECT count(*) FROM ticket_label")).scalar_one()
    overrides = session.execute(_OVERRIDDEN, {"since": since, "most": _OVERRIDES}).all()
    return Quality(
        since,
        len(rows),
        len(answered),
        len(judged),
        sum(_stood(row) for row in judged),
        _lines(rows, answered, judged),
        _bins(judged),
        tuple(_override(row) for row in overrides),
        corrections,
    )


def _stood(row: Any) -> bool:
    return row.label is None or row.label == row.category


def _lines(rows: Sequence[Any], answered: Sequence[Any], judged: Sequence[Any]) -> tuple[CategoryLine, ...]:
    by_answer = Counter(row.category for row in answered)
    by_judged = Counter(row.category for row in judged)
    stood = Counter(row.category for row in judged if _stood(row))
    missed = Counter(row.label for row in rows if row.label is not None and (row.abstains or row.label != row.category))
    return tuple(CategoryLine(one, by_answer[one.value], by_judged[one.value], stood[one.value], missed[one.value]) for one in Category)


def _bins(judged: Sequence[Any]) -> tuple[Bin, ...]:
    found = []
    for low, high in _BINS:
        inside = [row for row in judged if low <= row.confidence < high]
        if inside:
            sure = sum(row.confidence for row in inside) / len(inside)
            found.append(Bin(low, min(high, 1.0), len(inside), sure, sum(_stood(row) for row in inside) / len(inside)))
    return tuple(found)


def _override(row: Any) -> Override:
    return Override(
        row.reference, Category(row.suggested) if row.suggested else None, Category(row.category), row.confidence, row.by, row.at
    )
