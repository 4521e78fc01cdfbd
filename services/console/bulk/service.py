"""Looking at, and doing, something to many rows: each in a transaction of its own, so that one that refuses leaves the others alone.

A wish is kept before the first row is touched. Whoever sends it again, by a second click or after a lost answer, gets the same result: rows
that had their turn are passed over, rows that a process left behind when it died are taken up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app import correlation
from app.clock import Clock
from app.db import Begin
from app.errors import DomainError, InvalidInput
from services.accounts.permissions import Principal
from services.audit import service as audit
from services.console.bulk import four_eyes
from services.console.bulk.errors import TooManyRows, WishedDifferently
from services.console.bulk.models import BulkOperation, BulkRow, RowState, Second
from services.console.bulk.outcome import Outcome, outcome_of
from services.console.bulk.registry import action_named
from services.console.bulk.shape import Action, Answers, Doing, Done, Line, Question, Why

MOST = 1000
MOST_ALONE = 50
"""Of what cannot be taken back, so many rows may be done by one person."""
UNDONE_WITHIN = timedelta(minutes=10)
SHORTEST_REASON, LONGEST_REASON = 3, 200
TARGET = "bulk_operation"
_LONGEST_SAID, _LONGEST_NAME, _LONGEST_KEY = 500, 160, 64
log = structlog.get_logger(__name__)
Heard = Callable[[int, int], None]
"""Told after each row: how many had their turn, and of how many."""


@dataclass(frozen=True)
class Preview:
    """What would happen to each row, in the order in which they were picked."""

    lines: tuple[Line, ...]
    needs_reason: bool
    needs_second: bool = False

    @property
    def changing(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.changes)

    @property
    def staying(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if not line.changes)

    @property
    def tells(self) -> int:
        """How many customers would hear of it."""
        return sum(line.tells for line in self.changing)


def questions(session: Session, *, actor: Principal, action: str) -> tuple[Question, ...]:
    """What is asked before it is done. Raises ActionNotFound or Forbidden."""
    chosen = action_named(action)
    actor.require(chosen.permission)
    return chosen.questions(session, actor=actor)


def preview(session: Session, *, actor: Principal, action: str, row_ids: Collection[int], answers: Answers, clock: Clock) -> Preview:
    """What `run` would do at this moment; changes nothing.

    Raises ActionNotFound, Forbidden, TooManyRows, InvalidInput, or what no row could be given.
    """
    chosen = action_named(action)
    actor.require(chosen.permission)
    ids = _ids(row_ids, chosen)
    return _look(session, chosen, ids, _wish(session, chosen, answers, actor), actor, clock)


def run(
    begin: Begin,
    *,
    actor: Principal,
    action: str,
    row_ids: Collection[int],
    answers: Answers,
    reason: str = "",
    key: str,
    clock: Clock,
    heard: Heard | None = None,
) -> Outcome:
    """Do it to each row that it can be done to; what needs a second person (`four_eyes`) is kept, and waits for one.

    `key` is the wish's own: sent again with it, nothing is done twice. Raises what `preview` raises, FreshProofNeeded, InvalidInput at
    `reason`, or WishedDifferently, all before anything has changed. What one row refuses is told with that row.
    """
    chosen = action_named(action)
    actor.require(chosen.permission)
    if chosen.needs_proof:
        actor.require_proof(now=clock())
    said = checked_reason(reason)
    with begin() as session:
        operation_id = _keep_wish(session, chosen, _ids(row_ids, chosen), dict(answers), said, key, actor, clock)
        kept = outcome_of(session, operation_id)
    return kept if kept.is_asked else go_through(begin, operation_id, actor=actor, clock=clock, heard=heard)


def go_through(begin: Begin, operation_id: int, *, actor: Principal, clock: Clock, heard: Heard | None = None) -> Outcome:
    """Give each row that still waits its turn, and tell the audit when all had theirs."""
    with begin() as session:
        operation = session.get_one(BulkOperation, operation_id)
        action, answers, reason = action_named(operation.action), operation.answers, operation.reason
        places = _waiting(session, operation_id)
    for turn, place in enumerate(places):
        _take_turn(begin, action, operation_id, place, answers, actor, reason, clock)
        if heard:
            heard(turn + 1, len(places))
    with begin() as session:
        _end(session, action, operation_id, actor, clock)
        return outcome_of(session, operation_id)


def checked_reason(reason: str) -> str:
    """As it is kept. Raises InvalidInput at `reason`."""
    said = " ".join(reason.replace("\x00", "").split())
    if len(said) > LONGEST_REASON:
        raise InvalidInput(f"Keep it under {LONGEST_REASON} characters.", field="reason")
    return said


def _ids(row_ids: Collection[int], action: Action[Any]) -> list[int]:
    ids = list(dict.fromkeys(row_ids))
    _, many = action.things
    if len(ids) > MOST:
        raise TooManyRows(f"At most {MOST:,} {many} are changed at once; these are {len(ids):,}.", field="rows")
    if not ids:
        raise InvalidInput(f"Choose the {many} first.", field="rows")
    return ids


def _wish(session: Session, action: Action[Any], answers: Answers, actor: Principal) -> Any:
    for question in action.questions(session, actor=actor):
        answer = answers.get(question.name, "")
        if question.is_needed and not answer:
            raise InvalidInput("This is needed.", field=question.name)
        if len(answer) > question.longest:
            raise InvalidInput(f"Keep it under {question.longest} characters.", field=question.name)
        if answer and not question.accepts(answer):
            raise InvalidInput("Choose one of these.", field=question.name)
    return action.read(session, answers, actor=actor)


def _look(session: Session, action: Action[Any], ids: list[int], wish: Any, actor: Principal, clock: Clock) -> Preview:
    found = {line.row_id: line for line in action.look(session, ids, wish, actor=actor, now=clock())}
    one, _ = action.things
    gone = f"There is no such {one} any more, or it is not yours to see."
    lines = tuple(found.get(row_id) or Line(row_id, f"No. {row_id}", why_not=gone) for row_id in ids)
    is_told = any(line.tells and line.changes for line in lines)
    return Preview(
        lines,
        needs_reason=action.why is Why.ALWAYS or (action.why is Why.WHEN_TOLD and is_told),
        needs_second=bool(action.stays) and sum(line.changes for line in lines) > MOST_ALONE,
    )


def _keep_wish(
    session: Session, action: Action[Any], ids: list[int], answers: dict[str, str], reason: str, key: str, actor: Principal, clock: Clock
) -> int:
    """The wish's number: of a new one with its rows, or of the same one that was kept before."""
    if not 0 < len(key) <= _LONGEST_KEY:
        raise InvalidInput("A step needs a key of its own.", field="key")
    known = session.exec(select(BulkOperation).where(BulkOperation.made_by == actor.label, BulkOperation.key == key)).one_or_none()
    if known is None:
        shown = _look(session, action, ids, _wish(session, action, answers, actor), actor, clock)
        if (shown.needs_reason or shown.needs_second) and len(reason) < SHORTEST_REASON:
            what = "Customers are told of this. Say" if action.why is Why.WHEN_TOLD else "Say"
            raise InvalidInput(f"{what} in a few words why it is done.", field="reason")
        now = clock()
        values: dict[str, object] = {
            "key": key,
            "made_by": actor.label,
            "page": action.page,
            "action": action.name,
            "answers": answers,
            "reason": reason,
        }
        undo_until = None if action.stays else now + UNDONE_WITHIN
        values |= {"second": Second.ASKED if shown.needs_second else None}
        made = insert(BulkOperation).values(**values, created_at=now, undo_until=undo_until).on_conflict_do_nothing()
        number = session.execute(made.returning(col(BulkOperation.id))).scalar_one_or_none()
        if number is not None:
            for place, line in enumerate(shown.lines):
                name = line.name[:_LONGEST_NAME]
                session.add(BulkRow(operation_id=number, place=place, row_id=line.row_id, name=name, at=now))
            session.flush()
            if shown.needs_second:
                four_eyes.tell_deciders(session, session.get_one(BulkOperation, number), action, len(shown.changing), actor, now=now)
            return int(number)
        # The same wish, a moment earlier, in another transaction.
        known = session.exec(select(BulkOperation).where(BulkOperation.made_by == actor.label, BulkOperation.key == key)).one()
    _require_same(session, known, action, ids, answers, reason)
    assert known.id is not None
    return known.id


def _require_same(
    session: Session, known: BulkOperation, action: Action[Any], ids: list[int], answers: dict[str, str], reason: str
) -> None:
    rows = session.exec(select(BulkRow.row_id).where(BulkRow.operation_id == known.id)).all()
    if (known.action, known.answers, known.reason, sorted(rows)) != (action.name, answers, reason, sorted(ids)):
        raise WishedDifferently


def _waiting(session: Session, operation_id: int) -> list[int]:
    wanted = select(BulkRow.place).where(BulkRow.operation_id == operation_id, BulkRow.state == RowState.WAITING)
    return list(session.exec(wanted.order_by(col(BulkRow.place))).all())


def locked_row(session: Session, operation_id: int, place: int) -> BulkRow:
    """A row of a step, locked: of two that are at it at once, the second finds it done."""
    return session.get_one(BulkRow, (operation_id, place), with_for_update=True, populate_existing=True)


def _take_turn(
    begin: Begin, action: Action[Any], operation_id: int, place: int, answers: Answers, actor: Principal, reason: str, clock: Clock
) -> None:
    def turn(session: Session, row: BulkRow) -> None:
        done = _apply(session, action, row, answers, Doing(actor, reason, clock(), place))
        row.state, row.said, row.kept = (RowState.DONE, done.said, done.kept) if done else (RowState.SAME, "It was so already.", {})

    one_turn(begin, operation_id, place, RowState.WAITING, turn, refused=RowState.REFUSED, clock=clock)


def _apply(session: Session, action: Action[Any], row: BulkRow, answers: Answers, doing: Doing) -> Done | None:
    done: Done | None = action.apply(session, row.row_id, action.read(session, answers, actor=doing.actor), doing)
    return done


def one_turn(
    begin: Begin,
    operation_id: int,
    place: int,
    expected: RowState,
    turn: Callable[[Session, BulkRow], None],
    *,
    refused: RowState,
    clock: Clock,
) -> None:
    """One row's turn in its own transaction. What it refuses, and an error nobody expected, is kept with the row and harms no other."""
    try:
        with begin() as session:
            row = locked_row(session, operation_id, place)
            if row.state is expected:
                turn(session, row)
                row.said, row.at = row.said[:_LONGEST_SAID], clock()
                session.flush()
        return
    except DomainError as refusal:
        why = refusal.text
    except Exception:
        # With the database gone the next statement raises as well, and the row waits for the wish to be sent again.
        log.exception("bulk.row_failed", operation=operation_id, place=place)
        why = f"It could not be done. Tell the administrator this number: {correlation.current()}"
    with begin() as session:
        row = locked_row(session, operation_id, place)
        if row.state is expected:
            row.state, row.said, row.at = refused, why[:_LONGEST_SAID], clock()


def _end(session: Session, action: Action[Any], operation_id: int, actor: Principal, clock: Clock) -> None:
    operation = session.get_one(BulkOperation, operation_id, with_for_update=True, populate_existing=True)
    if operation.ended_at is not None:
        return
    now = clock()
    operation.ended_at = now
    found = outcome_of(session, operation_id)
    can_be_undone = not action.stays and found.counts.get(RowState.DONE, 0) > 0
    operation.undo_until = now + UNDONE_WITHIN if can_be_undone else None
    session.flush()
    tell(session, operation, "bulk.run", actor, found.counts, clock)


def tell(session: Session, operation: BulkOperation, what: str, actor: Principal, counts: Mapping[RowState, int], clock: Clock) -> None:
    """One line of the audit for the whole; each row has its own."""
    after: dict[str, object] = {"action": operation.action, "reason": operation.reason, "answers": dict(operation.answers)}
    after |= {state.value: number for state, number in counts.items()}
    if operation.second is not None:
        after["asked_by"] = operation.made_by
    audit.record(session, actor, what, target=(TARGET, operation.id), now=clock(), after=after)
