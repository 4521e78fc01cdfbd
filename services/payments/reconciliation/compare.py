"""Comparing what was gathered with our books, by set: each mismatch is a row, found again it is the same row, gone it says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.accounts import customers
from services.accounts.errors import BadPhone
from services.packages import service as packages
from services.packages.models import CURRENCY
from services.payments.clearing.queries import BrokenItem, Lost, MissingTransfer, broken_items, missing_transfers
from services.payments.models import Payment, PaymentStatus
from services.payments.reconciliation import compare_sql as sql
from services.payments.reconciliation.models import FindingKind, FindingState, Fix, ReconciliationFinding, WaveMovement
from services.vouchers.models import Voucher, VoucherOrigin

# Fixes that change the sides, so that an accepted one that is found again did not do what it should have.
_MENDING = "('ask_wave', 'record_refund', 'send_refund', 'issue_again', 'block_account', 'post_again')"
_KEEP = f"""
INSERT INTO reconciliation_finding (run_id, key, kind, day, payment_id, voucher_id, movement_id, wave_bututs, ledger_bututs, porta_bututs,
    evidence, fix, state, created_at, seen_at)
SELECT :run_id, f.key, f.kind, f.day, f.payment_id, f.voucher_id, f.movement_id, f.wave, f.ledger, f.porta, f.evidence, f.fix, 'open',
    :now, :now
FROM ({{found}}) AS f
ON CONFLICT (key) DO UPDATE SET run_id = excluded.run_id, seen_at = excluded.seen_at, wave_bututs = excluded.wave_bututs,
    ledger_bututs = excluded.ledger_bututs, porta_bututs = excluded.porta_bututs, evidence = excluded.evidence,
    payment_id = excluded.payment_id, movement_id = excluded.movement_id,
    voucher_id = coalesce(excluded.voucher_id, reconciliation_finding.voucher_id),
    fix = CASE WHEN reconciliation_finding.state IN ('open', 'gone') THEN excluded.fix ELSE reconciliation_finding.fix END,
    state = CASE
        WHEN reconciliation_finding.state = 'gone' THEN 'open'
        WHEN reconciliation_finding.state = 'accepted' AND reconciliation_finding.fix IN {_MENDING}
            AND reconciliation_finding.decided_at < :since THEN 'open'
        ELSE reconciliation_finding.state END
"""  # noqa: S608 - of our own texts only
_LOST = """SELECT x.key, 'lost_row' AS kind, x.day, x.payment_id, NULL::bigint AS voucher_id, NULL::text AS movement_id,
    NULL::bigint AS wave, x.ledger, NULL::bigint AS porta, x.evidence, x.fix
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x (key text, day date, payment_id bigint, ledger bigint, evidence jsonb, fix text)"""


@dataclass(frozen=True)
class Sides:
    """What was read, and how far: nothing is called missing on the strength of a list that was not read whole."""

    run_id: int
    from_day: date
    to_day: date
    since: datetime
    young: datetime
    whole_days: tuple[date, ...]
    is_porta_whole: bool
    is_porta_seen: bool

    @property
    def is_wave_whole(self) -> bool:
        return all(day in self.whole_days for day in days_of(self.from_day, self.to_day))


def days_of(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def compare(session: Session, sides: Sides, *, now: datetime) -> None:
    """Write every mismatch of the days, and mark those that are none any more."""
    # Two runs at once would count each other's rows as gone.
    session.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('reconciliation-compare'))"))
    asked = {
        "run_id": sides.run_id,
        "from_day": sides.from_day,
        "to_day": sides.to_day,
        "since": sides.since,
        "young": sides.young,
        "whole": list(sides.whole_days),
        "now": now,
    }
    of_porta = sql.OF_PORTA if sides.is_porta_whole else sql.OF_PORTA_SEEN if sides.is_porta_seen else ()
    for found in (*sql.OF_WAVE, *of_porta):
        session.execute(sa.text(_KEEP.format(found=found)), asked)
    lost = _lost_rows(session, sides)
    if lost:
        session.execute(sa.text(_KEEP.format(found=_LOST)), {**asked, "rows": orjson.dumps(lost).decode()})
    _propose(session, sides.run_id)
    _leave_to_a_person(session, sides.run_id)
    in_days = [col(ReconciliationFinding.day).between(sides.from_day, sides.to_day)]
    _gone(session, (FindingKind.LOST_ROW,), in_days, now=now)
    if sides.is_wave_whole:
        _gone(session, sql.WAVE_KINDS, in_days, now=now)
    if sides.is_porta_whole:
        _gone(session, sql.CHARGE_KINDS, in_days, now=now)
        _gone(session, sql.NOW_KINDS, [], now=now)


def _gone(session: Session, kinds: Collection[FindingKind], where: Sequence[sa.ColumnElement[bool]], *, now: datetime) -> None:
    finding = ReconciliationFinding
    session.execute(
        sa.update(finding)
        .where(col(finding.state) == FindingState.OPEN, col(finding.kind).in_(kinds), col(finding.seen_at) < now, *where)
        .values(state=FindingState.GONE),
        execution_options={"synchronize_session": False},
    )


def _lost_rows(session: Session, sides: Sides) -> list[dict[str, Any]]:
    """What our own books lack, one row for each thing that is lost and not for each trace that it leaves."""
    until = min(_midnight(sides.to_day) + timedelta(days=1), sides.young)
    since = _midnight(sides.from_day)
    missing = missing_transfers(session, since, until) if since < until else ()
    by_payment: dict[int, list[MissingTransfer]] = defaultdict(list)
    for one in missing:
        by_payment[one.payment_id].append(one)
    facts = {
        payment.id: payment
        for payment in session.exec(select(Payment).where(col(Payment.id).in_(by_payment)).execution_options(populate_existing=True))
    }
    rows = [row for id_, all_ in by_payment.items() for row in _of_one_payment(facts[id_], all_)]
    told = {one.subject for one in missing}
    return rows + [_of_item(item, sides) for item in broken_items(session) if item.subject not in told]


def _of_one_payment(payment: Payment, found: list[MissingTransfer]) -> list[dict[str, Any]]:
    event = [one for one in found if one.lost is Lost.EVENT]
    # A lost event leaves transfers for which nothing happened: traces of the same loss.
    rest = [one for one in found if one.lost is not Lost.EVENT and not (event and one.lost is Lost.UNFOUNDED)]
    rows = [_lost_row(payment, one, traces=[trace for trace in found if trace.lost is Lost.UNFOUNDED]) for one in event]
    return rows + [_lost_row(payment, one) for one in rest]


def _lost_row(payment: Payment, one: MissingTransfer, *, traces: list[MissingTransfer] | None = None) -> dict[str, Any]:
    ledger: dict[str, Any] = {
        "payment": payment.reference,
        "state": payment.status,
        "amount_bututs": payment.amount_bututs,
        "paid_at": payment.paid_at,
        "what": one.words,
    }
    if one.once:
        ledger |= {"transfer": one.once, "debit": one.debit, "credit": one.credit, "found_bututs": one.found_bututs}
    if traces:
        ledger["traces"] = " ".join(trace.words for trace in traces)[:600]
    fix = Fix.LOOK
    if one.can_be_posted:
        fix = Fix.POST_AGAIN
    elif one.lost is Lost.VOUCHER and payment.status is PaymentStatus.PAID:
        fix = Fix.ISSUE_AGAIN
    return {
        "key": f"lost_row:{one.lost}:{one.once or payment.id}",
        "day": (payment.paid_at or payment.created_at).date(),
        "payment_id": payment.id,
        "ledger": one.amount_bututs,
        "evidence": {"wave": {}, "ledger": {name: value for name, value in ledger.items() if value is not None}, "porta": {}},
        "fix": fix,
    }


def _of_item(item: BrokenItem, sides: Sides) -> dict[str, Any]:
    kind, _, number = item.subject.partition(":")
    ledger = {
        "subject": item.subject,
        "account": item.account,
        "kept_bututs": item.kept_bututs,
        "summed_bututs": item.summed_bututs,
        "what": item.words,
    }
    return {
        "key": f"lost_row:item:{item.account}:{item.subject}",
        "day": sides.to_day,
        "payment_id": int(number) if kind == "payment" and number.isdecimal() else None,
        "ledger": item.kept_bututs,
        "evidence": {"wave": {}, "ledger": ledger, "porta": {}},
        "fix": Fix.POST_AGAIN,
    }


def _propose(session: Session, run_id: int) -> None:
    """Foreign money of a number that we know, in the sum of a package: credit is proposed instead of suspense."""
    finding = ReconciliationFinding
    found = session.execute(
        sa.select(finding, WaveMovement)
        .join(WaveMovement, col(WaveMovement.id) == col(finding.movement_id))
        .where(col(finding.run_id) == run_id, col(finding.kind) == FindingKind.FOREIGN_PAYMENT, col(finding.state) == FindingState.OPEN)
        .execution_options(populate_existing=True)
    ).all()
    if not found:
        return
    prices = {offer.terms.amount_bututs for offer in packages.offers(session)}
    for row, movement in found:
        if movement.gross_bututs in prices and movement.currency == CURRENCY and _is_known(session, movement.counterparty_mobile):
            row.fix = Fix.GIVE_CREDIT
    session.flush()


def _leave_to_a_person(session: Session, run_id: int) -> None:
    """A refund of a purchase that we do not know cannot be recorded; a stock's account holds a charge that is not made blindly again."""
    finding = ReconciliationFinding
    of_stock = sa.select(col(Voucher.id)).where(col(Voucher.origin) == VoucherOrigin.STOCK)
    session.execute(
        sa.update(finding)
        .where(
            col(finding.run_id) == run_id,
            col(finding.state) == FindingState.OPEN,
            sa.or_(
                sa.and_(col(finding.kind) == FindingKind.REFUND_AT_WAVE_ONLY, col(finding.payment_id).is_(None)),
                sa.and_(col(finding.kind) == FindingKind.CHARGE_MISSING, col(finding.voucher_id).in_(of_stock)),
            ),
        )
        .values(fix=Fix.LOOK),
        execution_options={"synchronize_session": False},
    )


def _is_known(session: Session, phone: str | None) -> bool:
    try:
        return bool(phone) and customers.find_customer(session, phone=phone or "") is not None
    except BadPhone:
        return False


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
