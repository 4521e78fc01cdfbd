"""The second person's part: what waits for one on a list, and agreeing to it or declining it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select, update

from app.clock import Clock
from app.db import Begin
from app.events import publish
from services.accounts.permissions import Principal
from services.console.bulk.errors import NotAsked, OperationNotFound, OwnStep
from services.console.bulk.four_eyes import TOPIC
from services.console.bulk.models import BulkOperation, BulkRow, RowState, Second
from services.console.bulk.outcome import Outcome, outcome_of
from services.console.bulk.registry import action_named
from services.console.bulk.service import Heard, go_through, tell

_SHOWN = 5


@dataclass(frozen=True)
class Asked:
    """A step that waits. `is_own`: this person asked for it, and may call it off. `is_agreed`: they agreed, and it was broken off."""

    operation_id: int
    action: str
    by: str
    reason: str
    at: datetime
    rows: tuple[str, ...]
    is_own: bool
    is_agreed: bool


def asked(session: Session, *, actor: Principal, page: str) -> Sequence[Asked]:
    """What waits on this list, the oldest first, for whom might do it themselves."""
    is_broken_off = (col(BulkOperation.second) == Second.AGREED) & (col(BulkOperation.second_by) == actor.label)
    wanted = select(BulkOperation).where(
        BulkOperation.page == page,
        col(BulkOperation.second).is_not(None),
        col(BulkOperation.ended_at).is_(None),
        sa.or_(col(BulkOperation.second) == Second.ASKED, is_broken_off),
    )
    found = session.exec(wanted.order_by(col(BulkOperation.id)).limit(_SHOWN)).all()
    return [_asked(session, step, actor) for step in found if actor.may(action_named(step.action).permission)]


def agree(begin: Begin, *, actor: Principal, operation_id: int, clock: Clock, heard: Heard | None = None) -> Outcome:
    """Agree, and have it done to each row; whoever agreed may send it again if it was broken off.

    Raises OperationNotFound, Forbidden, FreshProofNeeded, OwnStep, or NotAsked, all before anything has changed.
    """
    with begin() as session:
        step = _locked(session, actor, operation_id)
        if step.made_by == actor.label:
            raise OwnStep
        if action_named(step.action).needs_proof:
            actor.require_proof(now=clock())
        if (step.second, step.second_by) != (Second.AGREED, actor.label):
            if step.second is not Second.ASKED:
                raise NotAsked
            step.second, step.second_by = Second.AGREED, actor.label
            session.flush()
            tell(session, step, "bulk.agree", actor, outcome_of(session, operation_id).counts, clock)
            publish(session, TOPIC, operation_id)
    return go_through(begin, operation_id, actor=actor, clock=clock, heard=heard)


def decline(session: Session, *, actor: Principal, operation_id: int, clock: Clock) -> Outcome:
    """Nothing of it is done. Who asked may call it off.

    Raises OperationNotFound, Forbidden or NotAsked.
    """
    step = _locked(session, actor, operation_id)
    if step.second is not Second.ASKED:
        raise NotAsked
    now = clock()
    step.second, step.second_by, step.ended_at = Second.DECLINED, actor.label, now
    rows = (col(BulkRow.operation_id) == operation_id) & (col(BulkRow.state) == RowState.WAITING)
    said = "It was called off." if step.made_by == actor.label else "A second person declined it."
    session.exec(update(BulkRow).where(rows).values(state=RowState.REFUSED, said=said, at=now))
    session.flush()
    tell(session, step, "bulk.decline", actor, outcome_of(session, operation_id).counts, clock)
    publish(session, TOPIC, operation_id)
    return outcome_of(session, operation_id)


def _locked(session: Session, actor: Principal, operation_id: int) -> BulkOperation:
    step = session.get(BulkOperation, operation_id, with_for_update=True, populate_existing=True)
    if step is None or step.second is None:
        raise OperationNotFound
    actor.require(action_named(step.action).permission)
    return step


def _asked(session: Session, step: BulkOperation, actor: Principal) -> Asked:
    names = session.exec(select(BulkRow.name).where(BulkRow.operation_id == step.id).order_by(col(BulkRow.place))).all()
    is_own, is_agreed = step.made_by == actor.label, step.second is Second.AGREED
    return Asked(step.id or 0, step.action, step.made_by, step.reason, step.created_at, tuple(names), is_own, is_agreed)
