"""Blocking, unblocking and expiring many vouchers: shown before it is done, counted row by row, in transactions of some thousands.

Stopped half-way it can simply be done again: what has changed already counts as unchanged then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.errors import InvalidInput
from app.events import publish
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.listing import pick
from services.revision import require
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.batches.acting import BulkAction as BulkAction
from services.vouchers.batches.acting import becomes, why_left
from services.vouchers.batches.changing import follow, is_one_of, set_state
from services.vouchers.batches.desk import TARGET
from services.vouchers.batches.gate import is_shown, locked_batch
from services.vouchers.errors import BatchNotReady
from services.vouchers.models import Voucher, VoucherState

MOST_IDS = 1000
_CHUNK, _CHUNK_OF_IDS = 5000, 200
_LONGEST_REASON = 200


@dataclass(frozen=True)
class Chosen:
    """Either all of a batch or these vouchers."""

    batch_id: int | None = None
    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How many changed, and from which state; how many were left alone, and why: their state, `paid`, or `not_found`."""

    changed: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.changed.values())


class _Tally:
    """What changes and what is left alone, counted."""

    def __init__(self, action: BulkAction, chosen: Chosen) -> None:
        self._action, self._chosen = action, chosen
        self._changed, self._kept = Counter[str](), Counter[str]()

    def takes(self, state: VoucherState, *, is_paid: bool, is_gone: bool = False, number: int = 1) -> bool:
        """Whether vouchers of this state are changed.

        A sale's voucher is blocked because its money goes back or another took its place (`is_gone`): one by one it can be looked at.
        """
        why = why_left(self._action, state, is_paid=is_paid, is_gone=is_gone)
        counted, name = (self._changed, state.value) if why is None else (self._kept, why)
        counted[name] += number
        return why is None

    def outcome(self) -> Outcome:
        missing = len(set(self._chosen.ids)) - self._changed.total() - self._kept.total()
        return Outcome(dict(self._changed), dict(self._kept) | ({"not_found": missing} if missing > 0 else {}))


def preview(session: Session, *, actor: Principal, action: BulkAction, chosen: Chosen) -> Outcome:
    """What `run` would do at this moment. Raises Forbidden, InvalidInput, BatchNotFound or BatchNotReady."""
    actor.require(Permission.VOUCHERS_BATCH)
    _check(session, chosen)
    is_paid = col(Voucher.payment_id).is_not(None)
    is_sale = sa.or_(is_paid, col(Voucher.replaced_payment_id).is_not(None))
    rows = pick(Voucher.state, is_paid, is_sale, sa.func.count()).where(_are_chosen(chosen), is_shown())
    tally = _Tally(action, chosen)
    for state, paid, sale, number in session.execute(rows.group_by(Voucher.state, is_paid, is_sale)):
        tally.takes(state, is_paid=paid, is_gone=sale and action is BulkAction.UNBLOCK, number=number)
    return tally.outcome()


def run(
    begin: Begin,
    *,
    actor: Principal,
    action: BulkAction,
    chosen: Chosen,
    reason: str,
    clock: Clock,
    expected_revision: str | None = None,
    chunk: int = _CHUNK,
) -> Outcome:
    """Do it; PortaBilling follows. `expected_revision` is the batch's.

    Raises Forbidden, FreshProofNeeded, InvalidInput, BatchNotFound, BatchNotReady or Stale, all before anything has changed.
    """
    actor.require(Permission.VOUCHERS_BATCH)
    actor.require_proof(now=clock())
    why = _checked_reason(reason)
    with begin() as session:
        batch = _check(session, chosen)
        if batch is not None:
            require(expected_revision, batch.revision)
    tally, last = _Tally(action, chosen), 0
    at_once = chunk if chosen.batch_id is not None else min(chunk, _CHUNK_OF_IDS)
    while True:
        with begin() as session:
            changed = _change_some(session, tally, action, chosen, after=last, at_once=at_once, now=clock())
            if changed is None:
                return tally.outcome()
            last = changed.last
            _tell(session, actor, action, chosen, why, changed, now=clock())


def _check(session: Session, chosen: Chosen) -> VoucherBatch | None:
    if chosen.batch_id is not None:
        batch = locked_batch(session, chosen.batch_id)
        if batch.state is not BatchState.READY:
            raise BatchNotReady
        return batch
    if not chosen.ids:
        raise InvalidInput("Choose at least one voucher.", field="ids")
    if len(chosen.ids) > MOST_IDS:
        raise InvalidInput(f"Choose at most {MOST_IDS:,} vouchers at a time, or a whole batch.", field="ids")
    return None


def _checked_reason(reason: str) -> str:
    why = reason.strip()
    if not why:
        raise InvalidInput("Say why: it stands in the history of each of them.", field="reason")
    if len(why) > _LONGEST_REASON or "\x00" in why:
        raise InvalidInput(f"At most {_LONGEST_REASON} characters.", field="reason")
    return why


def _are_chosen(chosen: Chosen) -> sa.ColumnElement[bool]:
    return col(Voucher.batch_id) == chosen.batch_id if chosen.batch_id is not None else is_one_of(chosen.ids)


@dataclass(frozen=True)
class _Changed:
    """One chunk: the last voucher that was looked at, and each that changed, with the states it had and has."""

    last: int
    moves: tuple[tuple[int, VoucherState, VoucherState], ...]


def _stays(action: BulkAction, voucher: Voucher) -> bool:
    return action is BulkAction.UNBLOCK and (voucher.payment_id is not None or voucher.replaced_payment_id is not None)


def _change_some(
    session: Session, tally: _Tally, action: BulkAction, chosen: Chosen, *, after: int, at_once: int, now: datetime
) -> _Changed | None:
    batches = _lock_batches(session, chosen)
    found = session.exec(
        select(Voucher)
        .where(_are_chosen(chosen), is_shown(), col(Voucher.id) > after)
        .order_by(col(Voucher.id))
        .limit(at_once)
        .with_for_update(of=Voucher)
        .execution_options(populate_existing=True)
    ).all()
    if not found:
        return None
    hit = [
        voucher for voucher in found if tally.takes(voucher.state, is_paid=voucher.payment_id is not None, is_gone=_stays(action, voucher))
    ]
    moves = tuple((voucher.id or 0, voucher.state, becomes(action, voucher)) for voucher in hit)
    for state in VoucherState:
        set_state(session, [number for number, _, target in moves if target is state], state)
    follow(session, [voucher.id or 0 for voucher in hit if voucher.may_be_in_porta], now=now)
    passed_over = {voucher.batch_id for voucher in hit if action is BulkAction.UNBLOCK and not voucher.may_be_in_porta}
    for batch in batches:
        if batch.id in passed_over:
            # While they were blocked they were not registered.
            batch.next_attempt_at = batch.next_attempt_at or now
    for batch in batches:
        publish(session, "batches", batch.id)
    return _Changed(found[-1].id or 0, moves)


def _lock_batches(session: Session, chosen: Chosen) -> list[VoucherBatch]:
    """Those that the chosen vouchers are of, always in the same order, and before the vouchers themselves."""
    numbers = {chosen.batch_id}
    if chosen.batch_id is None:
        numbers = set(session.scalars(pick(Voucher.batch_id).where(_are_chosen(chosen)).distinct()))
    return [locked_batch(session, number) for number in sorted(number for number in numbers if number is not None)]


def _tell(session: Session, actor: Principal, action: BulkAction, chosen: Chosen, reason: str, changed: _Changed, *, now: datetime) -> None:
    """One row of the audit for a part of a batch, one for each voucher that was chosen by itself."""
    if not changed.moves:
        return
    if chosen.batch_id is not None:
        # Which of them: services/vouchers/history.py looks for a voucher between the two.
        first, last = changed.moves[0][0], changed.moves[-1][0]
        after = {"reason": reason, "changed": len(changed.moves), "first": first, "last": last}
        audit.record(session, actor, f"batch.{action}", target=(TARGET, chosen.batch_id), now=now, after=after)
        return
    for number, old, new in changed.moves:
        before, after = {"state": old}, {"state": new, "reason": reason}
        audit.record(session, actor, f"voucher.{action}", target=("voucher", number), now=now, before=before, after=after)
        publish(session, "vouchers", number)
