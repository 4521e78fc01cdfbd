"""For who answers for the money: payments without what was paid for, refunds, what does not match, the stock, and the day so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from services.access.compensation import CompensationFilter, CompensationSum, sum_of
from services.accounts.permissions import Permission, Principal
from services.console.dashboards.figures import Figure, Weight, What, counted
from services.listing import Slice
from services.payments.clearing.items import unexplained
from services.payments.models import RefundState
from services.payments.queries import Takings, Today, takings, today
from services.payments.reconciliation.models import FindingState
from services.payments.reconciliation.queries import FindingFilter, list_findings
from services.payments.refund_queries import RefundFilter, list_refunds
from services.vouchers.stock import StockLevel, levels

# More than this nobody reads from a first page; the ledger's page looks further.
_MOST_EXPLAINED = 200
_ONE = Slice(limit=1)


@dataclass(frozen=True)
class MoneyPart:
    """`takings`, `low` and `given_back` (this month, for outages) are of those who may read sums of money."""

    figures: tuple[Figure, ...]
    today: Today
    takings: Takings | None
    low: tuple[StockLevel, ...]
    given_back: CompensationSum | None


def is_for(actor: Principal) -> bool:
    return actor.may(Permission.PAYMENTS_READ)


def load(session: Session, *, actor: Principal, now: datetime) -> MoneyPart:
    """Raises Forbidden."""
    day = today(session, actor=actor, now=now)
    reads_sums = actor.may(Permission.MONEY_READ)
    taken = takings(session, actor=actor, now=now) if reads_sums else None
    low = tuple(level for level in levels(session, now=now) if level.is_low) if reads_sums else ()
    figures = [
        Figure(What.UNSERVED, day.attention_count, Weight.WRONG, day.attention_is_least),
        *_refunds(session, actor),
        *(_books(session, actor, low, now=now) if reads_sums else ()),
        Figure(What.STARTED, sum(day.by_status.values())),
        *([Figure(What.PAID, taken.paid_count)] if taken else []),
    ]
    return MoneyPart(tuple(figures), day, taken, low, _given_back(session, actor, now=now))


def _refunds(session: Session, actor: Principal) -> list[Figure]:
    """What Wave refused is owed to customers; what waits for approval is for those who may give it."""
    if not actor.may(Permission.PAYMENTS_REFUND):
        return []
    shown = [(What.REFUNDS_REFUSED, RefundState.FAILED, Weight.WRONG)]
    if actor.may(Permission.REFUNDS_APPROVE):
        shown.append((What.REFUNDS_ASKED, RefundState.ASKED, Weight.AWAITED))
    return [
        counted(what, list_refunds(session, actor=actor, wanted=RefundFilter(frozenset({state})), part=_ONE), weight)
        for what, state, weight in shown
    ]


def _books(session: Session, actor: Principal, low: tuple[StockLevel, ...], *, now: datetime) -> list[Figure]:
    loose = unexplained(session, now=now, most=_MOST_EXPLAINED)
    findings = list_findings(session, actor=actor, wanted=FindingFilter(state=FindingState.OPEN), part=_ONE)
    return [
        Figure(What.UNEXPLAINED, len(loose.items), Weight.WRONG, loose.is_cut),
        Figure(What.STOCK_LOW, len(low), Weight.WRONG),
        counted(What.FINDINGS, findings, Weight.AWAITED),
    ]


def _given_back(session: Session, actor: Principal, *, now: datetime) -> CompensationSum | None:
    if not actor.may(Permission.COMPENSATION_EDIT):
        return None
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return sum_of(session, actor=actor, wanted=CompensationFilter(since=month))
