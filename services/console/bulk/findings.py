"""Findings of the reconciliation: accepted, rejected for one reason, given to one person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from app.errors import InvalidInput
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.console.bulk.errors import ChangedSince
from services.console.bulk.shape import Action, Answers, Ask, Doing, Done, Line, Question, W, Why
from services.payments.reconciliation import desk
from services.payments.reconciliation.errors import FindingDecided
from services.payments.reconciliation.models import FindingState, ReconciliationFinding
from services.payments.reconciliation.queries import deciders

NOBODY = "0"


class _OnFindings(Action[W]):
    page = "findings"
    things = ("finding", "findings")
    permission = Permission.RECONCILIATION_EDIT

    @property
    def address(self) -> str:
        return "/console/reconciliation"

    def will(self, session: Session, finding: ReconciliationFinding, wish: W) -> tuple[str, ...]:
        """What would become of an open one; nothing if it is so already."""
        raise NotImplementedError

    def look(self, session: Session, row_ids: Collection[int], wish: W, *, actor: Principal, now: datetime) -> Sequence[Line]:
        found = session.exec(select(ReconciliationFinding).where(col(ReconciliationFinding.id).in_(row_ids))).all()
        return [self._line(session, finding, wish) for finding in found]

    def _line(self, session: Session, finding: ReconciliationFinding, wish: W) -> Line:
        assert finding.id is not None
        name = f"No. {finding.id}: {finding.kind.value.replace('_', ' ')}, {finding.day.day} {finding.day:%b %Y}"
        if finding.state is not FindingState.OPEN:
            return Line(finding.id, name, why_not=FindingDecided.message)
        return Line(finding.id, name, self.will(session, finding, wish))


class AcceptFindings(_OnFindings[None]):
    name = "finding.accept"
    label = "Accept"
    meaning = "What is proposed for each is done. Some of it moves money."
    needs_proof = True
    stays = "What was accepted was done: money that moved stands in the books."

    def read(self, session: Session, answers: Answers, *, actor: Principal) -> None:
        return None

    def will(self, session: Session, finding: ReconciliationFinding, wish: None) -> tuple[str, ...]:
        return (finding.fix.value.replace("_", " "),)

    def apply(self, session: Session, row_id: int, wish: None, doing: Doing) -> Done | None:
        finding = desk.accept(session, actor=doing.actor, finding_id=row_id, now=doing.now)
        return Done(finding.outcome or "Accepted.")


class RejectFindings(_OnFindings[None]):
    name = "finding.reject"
    label = "Reject"
    meaning = "They are left as they stand, and nothing is changed. The reason is kept with each."
    is_grave = True

    def read(self, session: Session, answers: Answers, *, actor: Principal) -> None:
        return None

    def will(self, session: Session, finding: ReconciliationFinding, wish: None) -> tuple[str, ...]:
        return ("left as it stands",)

    def apply(self, session: Session, row_id: int, wish: None, doing: Doing) -> Done | None:
        finding = desk.reject(session, actor=doing.actor, finding_id=row_id, note=doing.reason, now=doing.now)
        assert finding.decided_at is not None
        return Done("Left as it stands.", {"decided_at": finding.decided_at.isoformat()})

    def undo(self, session: Session, row_id: int, kept: Mapping[str, Any], doing: Doing) -> str:
        decided_at = datetime.fromisoformat(kept["decided_at"])
        desk.reopen(session, actor=doing.actor, finding_id=row_id, decided_at=decided_at, now=doing.now)
        return ""


class AssignFindings(_OnFindings[int]):
    name = "finding.assign"
    label = "Give to"
    meaning = "Their bell rings. Only people who may decide findings can be chosen."
    why = Why.NEVER

    def questions(self, session: Session, *, actor: Principal) -> tuple[Question, ...]:
        people = {str(number): name for number, name in deciders(session, actor=actor).items()}
        return (Question("assignee", "Person", Ask.CHOICE, {NOBODY: "Nobody", **people}, is_needed=True),)

    def read(self, session: Session, answers: Answers, *, actor: Principal) -> int:
        """The person's number; 0 is nobody."""
        person = session.get(Staff, number) if (number := int(answers["assignee"])) else None
        if number and (person is None or not desk.may_decide(person)):
            raise InvalidInput("That person may not decide findings. Choose a Billing Officer.", field="assignee")
        return number

    def will(self, session: Session, finding: ReconciliationFinding, wish: int) -> tuple[str, ...]:
        if finding.assignee_id == (wish or None):
            return ()
        return (f"given to {session.get_one(Staff, wish).name if wish else 'nobody'}",)

    def apply(self, session: Session, row_id: int, wish: int, doing: Doing) -> Done | None:
        finding = session.get(ReconciliationFinding, row_id, with_for_update=True, populate_existing=True)
        before = finding.assignee_id if finding is not None else None
        if finding is not None and finding.state is FindingState.OPEN and before == (wish or None):
            return None
        desk.assign(session, actor=doing.actor, finding_id=row_id, staff_id=wish or None, now=doing.now)
        name = session.get_one(Staff, wish).name if wish else "nobody"
        return Done(f"Given to {name}.", {"before": before, "after": wish or None})

    def undo(self, session: Session, row_id: int, kept: Mapping[str, Any], doing: Doing) -> str:
        finding = session.get_one(ReconciliationFinding, row_id, with_for_update=True, populate_existing=True)
        if finding.assignee_id != kept["after"]:
            raise ChangedSince("It was given to somebody else since, so it stays there.")
        desk.assign(session, actor=doing.actor, finding_id=row_id, staff_id=kept["before"], now=doing.now)
        return ""


ACTIONS = (AssignFindings(), AcceptFindings(), RejectFindings())
