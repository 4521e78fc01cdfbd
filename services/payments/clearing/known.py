"""Everything that open items refer to, read in one go for all of them: payments, vouchers, entitlements, refunds, Wave's rows, findings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.access.models import Entitlement
from services.accounts.models import Staff
from services.listing import pick
from services.payments.clearing.models import LedgerAccount, LedgerOpen
from services.payments.models import Payment, Refund
from services.payments.reconciliation.models import FindingState, ReconciliationFinding, ReconciliationRun, RunState, WaveMovement
from services.vouchers.models import Voucher

_PAYMENT, _VOUCHER, _WAVE = "payment:", "voucher:", "wave:"


@dataclass(frozen=True)
class Known:
    """Answers by subject; None where there is nothing."""

    payments: dict[int, Payment] = field(default_factory=dict)
    vouchers: dict[int, Voucher] = field(default_factory=dict)
    vouchers_of_payments: dict[int, Voucher] = field(default_factory=dict)
    entitlements: dict[int, Entitlement] = field(default_factory=dict)
    refunds_of: dict[int, list[Refund]] = field(default_factory=dict)
    movements: dict[str, WaveMovement] = field(default_factory=dict)
    findings: dict[str, ReconciliationFinding] = field(default_factory=dict)
    credits: dict[str, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    days: tuple[tuple[date, date], ...] = ()

    def payment(self, subject: str) -> Payment | None:
        return self.payments.get(_number(subject, _PAYMENT))

    def voucher(self, subject: str) -> Voucher | None:
        """A payment's, a credit's own, or the one that was given for foreign money."""
        if subject.startswith(_PAYMENT):
            return self.vouchers_of_payments.get(_number(subject, _PAYMENT))
        own = self.credits.get(subject) if subject.startswith(_WAVE) else _number(subject, _VOUCHER)
        return self.vouchers.get(own or 0)

    def entitlement_of_voucher(self, voucher: Voucher) -> Entitlement | None:
        return self.entitlements.get(voucher.id or 0)

    def entitlement_of_payment(self, payment: Payment) -> Entitlement | None:
        voucher = self.vouchers_of_payments.get(payment.id or 0)
        return self.entitlement_of_voucher(voucher) if voucher is not None else None

    def refunds(self, subject: str) -> Sequence[Refund]:
        return self.refunds_of.get(_number(subject, _PAYMENT), ())

    def movement(self, subject: str) -> WaveMovement | None:
        return self.movements.get(subject.removeprefix(_WAVE)) if subject.startswith(_WAVE) else None

    def finding(self, subject: str) -> ReconciliationFinding | None:
        return self.findings.get(subject)

    def assignee(self, finding: ReconciliationFinding) -> str | None:
        return self.names.get(finding.assignee_id or 0)

    def was_reconciled(self, day: date) -> bool:
        return any(first <= day <= last for first, last in self.days)


def known_of(session: Session, items: Sequence[LedgerOpen]) -> Known:
    """At most one query of each kind, and none of a kind that no item is about."""
    subjects = {item.subject for item in items}
    payment_ids = _numbers(subjects, _PAYMENT)
    moved = {subject.removeprefix(_WAVE) for subject in subjects if subject.startswith(_WAVE)}
    findings = _findings(session, payment_ids, moved)
    credits = {f"{_WAVE}{one.movement_id}": one.voucher_id for one in findings if one.movement_id in moved and one.voucher_id}
    open_findings = [one for one in findings if one.state is FindingState.OPEN]
    vouchers = _vouchers(session, payment_ids, _numbers(subjects, _VOUCHER) | set(credits.values()))
    refunds: defaultdict[int, list[Refund]] = defaultdict(list)
    for refund in _all(session, Refund, col(Refund.payment_id), _numbers((i.subject for i in items if _is(i, "refunds")), _PAYMENT)):
        refunds[refund.payment_id].append(refund)
    assignees = {one.assignee_id for one in open_findings if one.assignee_id}
    return Known(
        payments={one.id: one for one in _all(session, Payment, col(Payment.id), payment_ids)},
        vouchers={one.id or 0: one for one in vouchers},
        vouchers_of_payments={one.payment_id: one for one in vouchers if one.payment_id},
        entitlements={one.voucher_id: one for one in _all(session, Entitlement, col(Entitlement.voucher_id), {one.id for one in vouchers})},
        refunds_of=refunds,
        movements={one.id: one for one in _all(session, WaveMovement, col(WaveMovement.id), moved)},
        findings=_by_subject(open_findings),
        credits=credits,
        names={one.id: one.name for one in _all(session, Staff, col(Staff.id), assignees)},
        days=_days(session, [item.since.date() for item in items if _is(item, "wave_receivable")]),
    )


def _is(item: LedgerOpen, account: str) -> bool:
    return item.account is LedgerAccount(account)


def _number(subject: str, kind: str) -> int:
    rest = subject.removeprefix(kind)
    return int(rest) if subject.startswith(kind) and rest.isdecimal() else 0


def _numbers(subjects: Iterable[str], kind: str) -> set[int]:
    return {_number(subject, kind) for subject in subjects} - {0}


def _all(session: Session, kind: type[Any], column: Any, wanted: set[Any]) -> Sequence[Any]:
    return session.exec(select(kind).where(column.in_(wanted))).all() if wanted else ()


def _vouchers(session: Session, payment_ids: set[int], ids: set[int]) -> list[Voucher]:
    found = [*_all(session, Voucher, col(Voucher.payment_id), payment_ids), *_all(session, Voucher, col(Voucher.id), ids)]
    return list({voucher.id: voucher for voucher in found}.values())


def _findings(session: Session, payment_ids: set[int], moved: set[str]) -> Sequence[ReconciliationFinding]:
    if not payment_ids and not moved:
        return ()
    # What was decided stays of interest where it gave foreign money as credit: it names the voucher.
    of_payments = sa.and_(col(ReconciliationFinding.payment_id).in_(payment_ids), col(ReconciliationFinding.state) == FindingState.OPEN)
    about = sa.or_(of_payments, col(ReconciliationFinding.movement_id).in_(moved))
    return session.exec(select(ReconciliationFinding).where(about).order_by(col(ReconciliationFinding.id))).all()


def _by_subject(findings: Sequence[ReconciliationFinding]) -> dict[str, ReconciliationFinding]:
    named: dict[str, ReconciliationFinding] = {}
    for finding in findings:
        if finding.movement_id:
            named[f"{_WAVE}{finding.movement_id}"] = finding
        if finding.payment_id:
            named[f"{_PAYMENT}{finding.payment_id}"] = finding
    return named


def _days(session: Session, wanted: Sequence[date]) -> tuple[tuple[date, date], ...]:
    """The days of runs that saw all three sides and ended after the day was over."""
    if not wanted:
        return ()
    ended_on = sa.cast(col(ReconciliationRun.ended_at), sa.Date)
    runs = session.execute(
        pick(ReconciliationRun.from_day, ReconciliationRun.to_day, ended_on).where(
            col(ReconciliationRun.state) == RunState.DONE,
            col(ReconciliationRun.to_day) >= min(wanted),
            col(ReconciliationRun.from_day) <= max(wanted),
        )
    ).all()
    whole = {(first, min(last, date.fromordinal(ended.toordinal() - 1))) for first, last, ended in runs if ended is not None}
    return tuple((first, last) for first, last in whole if first <= last)
