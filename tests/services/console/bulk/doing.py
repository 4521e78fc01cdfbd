"""Steps on many rows in a session whose every change is rolled back, at a moment of the test's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlmodel import Session

from services.accounts.permissions import Principal
from services.console.bulk import service, undoing
from services.console.bulk.models import RowState
from services.console.bulk.outcome import Outcome
from services.console.bulk.service import Preview
from tests.conftest import NOON
from tests.services.vouchers.batches.ordering import within


@dataclass
class Desk:
    """A person at a list, and the clock on the wall."""

    session: Session
    actor: Principal
    now: datetime = NOON
    counted: int = field(default=0)

    def wait(self, **span: float) -> None:
        self.now += timedelta(**span)

    def look(self, action: str, ids: Collection[int], answers: Mapping[str, str] | None = None) -> Preview:
        return service.preview(self.session, actor=self.actor, action=action, row_ids=ids, answers=answers or {}, clock=lambda: self.now)

    def do(
        self,
        action: str,
        ids: Collection[int],
        answers: Mapping[str, str] | None = None,
        *,
        reason: str = "As agreed",
        key: str | None = None,
    ) -> Outcome:
        self.counted += 1
        outcome = service.run(
            partial(within, self.session),
            actor=self.actor,
            action=action,
            row_ids=ids,
            answers=answers or {},
            reason=reason,
            key=key or f"wish-{self.counted}",
            clock=lambda: self.now,
        )
        self.session.expire_all()
        return outcome

    def undo(self, outcome: Outcome | int) -> Outcome:
        number = outcome if isinstance(outcome, int) else outcome.operation_id
        after = undoing.undo(partial(within, self.session), actor=self.actor, operation_id=number, clock=lambda: self.now)
        self.session.expire_all()
        return after


def states(outcome: Outcome) -> dict[int, RowState]:
    return {row.row_id: row.state for row in outcome.rows}


def those(outcome: Outcome, *states: RowState) -> set[int]:
    return {row.row_id for row in outcome.those(*states)}
