"""What a Billing Officer decides about findings: accept the proposed fix, reject it with a note, give it to somebody. Each with audit."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from app.errors import InvalidInput
from app.events import publish
from services.accounts.models import Staff
from services.accounts.permissions import ROLE_PERMISSIONS, Permission, Principal
from services.audit import service as audit
from services.notifications.service import Recipient, tell
from services.payments.reconciliation import fixes
from services.payments.reconciliation.errors import FindingDecided, FindingNotFound
from services.payments.reconciliation.models import FindingState, Fix, ReconciliationFinding
from services.revision import require

MIN_NOTE, MAX_NOTE = 3, 300
# What moves money, or opens what is worth money.
MOVES_MONEY = frozenset({Fix.GIVE_CREDIT, Fix.HOLD_IN_SUSPENSE, Fix.RECORD_REFUND, Fix.SEND_REFUND, Fix.POST_AGAIN, Fix.ISSUE_AGAIN})


def accept(
    session: Session, *, actor: Principal, finding_id: int, expected_revision: str | None = None, now: datetime
) -> ReconciliationFinding:
    """Do what is proposed, once. Raises Forbidden, FreshProofNeeded, FindingNotFound, FindingDecided, Stale or CannotBeMended."""
    finding = _open(session, actor, finding_id, expected_revision)
    if finding.fix in MOVES_MONEY:
        actor.require_proof(now=now)
    finding.outcome = fixes.carry(session, finding, actor=actor, now=now)[:300]
    _decide(session, finding, FindingState.ACCEPTED, actor, note=None, now=now)
    return finding


def reject(
    session: Session, *, actor: Principal, finding_id: int, note: str, expected_revision: str | None = None, now: datetime
) -> ReconciliationFinding:
    """Leave it as it is, and say why. Raises Forbidden, FindingNotFound, FindingDecided, Stale, or InvalidInput at `note`."""
    finding = _open(session, actor, finding_id, expected_revision)
    _decide(session, finding, FindingState.REJECTED, actor, note=_checked(note), now=now)
    return finding


def assign(
    session: Session, *, actor: Principal, finding_id: int, staff_id: int | None, expected_revision: str | None = None, now: datetime
) -> ReconciliationFinding:
    """Give it to somebody who may decide it, whose bell rings; None takes it back.

    Raises Forbidden, FindingNotFound, FindingDecided, Stale, or InvalidInput at `assignee`.
    """
    finding = _open(session, actor, finding_id, expected_revision)
    if staff_id == finding.assignee_id:
        return finding
    person = session.get(Staff, staff_id) if staff_id is not None else None
    if staff_id is not None and (person is None or not may_decide(person)):
        raise InvalidInput("That person may not decide findings. Choose a Billing Officer.", field="assignee")
    before = finding.assignee_id
    finding.assignee_id = staff_id
    audit.record(
        session,
        actor,
        "finding.assign",
        target=("reconciliation_finding", finding_id),
        now=now,
        before={"assignee": before},
        after={"assignee": person.name if person else None},
    )
    if person is not None and person.id != actor.id:
        tell(
            session,
            event="finding_assigned",
            to=Recipient(staff_id=person.id),
            values={"what": finding.kind.value.replace("_", " "), "day": finding.day.isoformat(), "by": actor.name},
            dedupe_key=f"finding-assigned:{finding_id}:{person.id}:{int(now.timestamp())}",
            link=f"/console/reconciliation/findings/{finding_id}",
            now=now,
        )
    _publish(session, finding)
    return finding


def reopen(session: Session, *, actor: Principal, finding_id: int, decided_at: datetime, now: datetime) -> ReconciliationFinding:
    """Take the rejection of that moment back. Raises Forbidden, FindingNotFound, or FindingDecided if it stands otherwise by now."""
    actor.require(Permission.RECONCILIATION_EDIT)
    finding = _locked(session, finding_id)
    if finding.state is not FindingState.REJECTED or finding.decided_at != decided_at:
        raise FindingDecided
    note = finding.note
    finding.state, finding.decided_by, finding.decided_at, finding.note = FindingState.OPEN, None, None, None
    before, after = {"state": FindingState.REJECTED, "note": note}, {"state": FindingState.OPEN, "note": None}
    audit.record(session, actor, "finding.reopen", target=("reconciliation_finding", finding_id), now=now, before=before, after=after)
    _publish(session, finding)
    return finding


def may_decide(person: Staff) -> bool:
    return person.is_active and Permission.RECONCILIATION_EDIT in ROLE_PERMISSIONS[person.role]


def _checked(note: str) -> str:
    note = " ".join(note.split())
    if not MIN_NOTE <= len(note) <= MAX_NOTE:
        raise InvalidInput(f"Say in {MIN_NOTE} to {MAX_NOTE} characters why it is left as it is.", field="note")
    return note


def _open(session: Session, actor: Principal, finding_id: int, expected_revision: str | None) -> ReconciliationFinding:
    actor.require(Permission.RECONCILIATION_EDIT)
    finding = _locked(session, finding_id)
    if finding.state is not FindingState.OPEN:
        raise FindingDecided
    require(expected_revision, finding.revision)
    return finding


def _locked(session: Session, finding_id: int) -> ReconciliationFinding:
    finding = session.get(ReconciliationFinding, finding_id, with_for_update=True, populate_existing=True)
    if finding is None:
        raise FindingNotFound
    return finding


def _decide(
    session: Session, finding: ReconciliationFinding, state: FindingState, actor: Principal, *, note: str | None, now: datetime
) -> None:
    finding.state, finding.decided_by, finding.decided_at, finding.note = state, actor.label[:120], now, note
    after = {"state": state, "kind": finding.kind, "fix": finding.fix, "note": note, "outcome": finding.outcome}
    action = "finding.accept" if state is FindingState.ACCEPTED else "finding.reject"
    audit.record(session, actor, action, target=("reconciliation_finding", finding.id), now=now, after=after)
    _publish(session, finding)


def _publish(session: Session, finding: ReconciliationFinding) -> None:
    session.flush()
    publish(session, "findings", finding.id)
