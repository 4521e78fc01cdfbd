"""Reads of the reconciliation desk: runs, findings, and one of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.audit.models import AuditEntry
from services.listing import Listing, Slice, count, fetch, pick
from services.payments.models import Payment
from services.payments.reconciliation.desk import may_decide
from services.payments.reconciliation.errors import FindingNotFound, RunNotFound
from services.payments.reconciliation.models import (
    FindingKind,
    FindingState,
    ReconciliationFinding,
    ReconciliationRun,
    RunState,
    WaveMovement,
)
from services.vouchers.models import Voucher

NOBODY = "nobody"
_HISTORY_SHOWN = 50
_RUN_SORTS: dict[str, Any] = {"created": (col(ReconciliationRun.created_at), col(ReconciliationRun.id))}
_FINDING_SORTS: dict[str, Any] = {
    "id": (col(ReconciliationFinding.id),),
    "day": (col(ReconciliationFinding.day), col(ReconciliationFinding.id)),
    "created": (col(ReconciliationFinding.created_at), col(ReconciliationFinding.id)),
}


@dataclass(frozen=True)
class RunFilter:
    state: RunState | None = None


@dataclass(frozen=True)
class FindingFilter:
    """`assignee_id` is a person's number, or `NOBODY`."""

    kind: FindingKind | None = None
    state: FindingState | None = None
    since: date | None = None
    until: date | None = None
    assignee_id: int | str | None = None
    run_id: int | None = None


@dataclass(frozen=True)
class FindingRow:
    finding: ReconciliationFinding
    reference: str | None
    assignee: str | None


@dataclass(frozen=True)
class FindingPage:
    """One finding with what it is about, and what was done about it."""

    row: FindingRow
    movement: WaveMovement | None
    voucher: Voucher | None
    history: tuple[AuditEntry, ...]


def list_runs(session: Session, *, actor: Principal, wanted: RunFilter, part: Slice) -> Listing[ReconciliationRun]:
    """Newest first. Raises Forbidden."""
    actor.require(Permission.MONEY_READ)
    conditions = [col(ReconciliationRun.state) == wanted.state] if wanted.state else []
    found = fetch(session, pick(ReconciliationRun).where(*conditions), part, sorts=_RUN_SORTS, default_sort="created")
    total, is_estimate = count(session, pick(ReconciliationRun.id).where(*conditions), part=part)
    return Listing(tuple(row[0] for row in found), total, is_estimate)


def one_run(session: Session, *, actor: Principal, run_id: int) -> ReconciliationRun:
    """Raises Forbidden or RunNotFound."""
    actor.require(Permission.MONEY_READ)
    found = session.get(ReconciliationRun, run_id)
    if found is None:
        raise RunNotFound
    return found


def last_run(session: Session, *, actor: Principal) -> ReconciliationRun | None:
    """The newest. Raises Forbidden."""
    actor.require(Permission.MONEY_READ)
    return session.exec(select(ReconciliationRun).order_by(col(ReconciliationRun.created_at).desc()).limit(1)).first()


def list_findings(session: Session, *, actor: Principal, wanted: FindingFilter, part: Slice) -> Listing[FindingRow]:
    """Raises Forbidden."""
    actor.require(Permission.MONEY_READ)
    conditions = _conditions(wanted)
    found = fetch(session, _rows().where(*conditions), part, sorts=_FINDING_SORTS, default_sort="id")
    total, is_estimate = count(session, pick(ReconciliationFinding.id).where(*conditions), part=part)
    return Listing(tuple(FindingRow(*row) for row in found), total, is_estimate)


def finding_row(session: Session, *, actor: Principal, finding_id: int) -> FindingRow:
    """Raises Forbidden or FindingNotFound."""
    actor.require(Permission.MONEY_READ)
    found = session.execute(_rows().where(col(ReconciliationFinding.id) == finding_id)).one_or_none()
    if found is None:
        raise FindingNotFound
    return FindingRow(*found)


def finding_page(session: Session, *, actor: Principal, finding_id: int) -> FindingPage:
    """Raises Forbidden or FindingNotFound."""
    row = finding_row(session, actor=actor, finding_id=finding_id)
    finding = row.finding
    history = session.exec(
        select(AuditEntry)
        .where(AuditEntry.target_type == "reconciliation_finding", AuditEntry.target_id == str(finding_id))
        .order_by(col(AuditEntry.id).desc())
        .limit(_HISTORY_SHOWN)
    ).all()
    return FindingPage(
        row,
        movement=session.get(WaveMovement, finding.movement_id) if finding.movement_id else None,
        voucher=session.get(Voucher, finding.voucher_id) if finding.voucher_id else None,
        history=tuple(history),
    )


def count_by_kind(session: Session, *, actor: Principal) -> dict[FindingKind, int]:
    """The open ones. Raises Forbidden."""
    actor.require(Permission.MONEY_READ)
    finding = ReconciliationFinding
    query = sa.select(col(finding.kind), sa.func.count()).where(col(finding.state) == FindingState.OPEN).group_by(col(finding.kind))
    return {kind: int(number) for kind, number in session.execute(query)}


def deciders(session: Session, *, actor: Principal) -> dict[int, str]:
    """Who may be given a finding: number to name. Raises Forbidden."""
    actor.require(Permission.MONEY_READ)
    people = session.exec(select(Staff).where(col(Staff.is_active)).order_by(Staff.name)).all()
    return {person.id: person.name for person in people if person.id is not None and may_decide(person)}


def _rows() -> sa.Select[tuple[object, ...]]:
    finding = ReconciliationFinding
    return (
        pick(finding, Payment.reference, Staff.name)
        .outerjoin(Payment, col(Payment.id) == col(finding.payment_id))
        .outerjoin(Staff, col(Staff.id) == col(finding.assignee_id))
    )


def _conditions(wanted: FindingFilter) -> list[sa.ColumnElement[bool]]:
    finding = ReconciliationFinding
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.kind is not None:
        conditions.append(col(finding.kind) == wanted.kind)
    if wanted.state is not None:
        conditions.append(col(finding.state) == wanted.state)
    if wanted.since is not None:
        conditions.append(col(finding.day) >= wanted.since)
    if wanted.until is not None:
        conditions.append(col(finding.day) <= wanted.until)
    if wanted.run_id is not None:
        conditions.append(col(finding.run_id) == wanted.run_id)
    if wanted.assignee_id == NOBODY:
        conditions.append(col(finding.assignee_id).is_(None))
    elif wanted.assignee_id is not None:
        conditions.append(col(finding.assignee_id) == int(wanted.assignee_id))
    return conditions


def age_days(finding: ReconciliationFinding, *, now: datetime) -> int:
    return (now - finding.created_at).days
