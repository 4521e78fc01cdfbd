"""Making the vouchers of a batch, and taking away those of one that is cancelled: chunk by chunk, each a transaction of its own.

Rows and their count are written together under the batch's lock. So a worker may die at any point, or two may be at it: a chunk stands
whole or not at all, the next one goes on from what is counted, and there are never more or fewer than were ordered.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.events import publish
from app.failpoints import boundary
from app.queue import ring
from app.settings import get_settings
from services.listing import pick
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.batches.changing import follow, is_one_of, set_state
from services.vouchers.batches.rows import add_rows, draw
from services.vouchers.models import Voucher, VoucherState

WORK_JOB = "jobs.batches.work"
CHUNK = 10_000
_SWEEP = 20


def make(begin: Begin, batch_id: int, *, clock: Clock, chunk: int = CHUNK) -> None:
    """Make what is missing. Safe to run twice, at once, or to die in between."""
    with _Ahead(batch_id) as ahead:
        while _make_chunk(begin, batch_id, ahead, now=clock(), chunk=chunk):
            boundary("batch.chunk_made")


class _Ahead:
    """Draws the codes of the next chunk while PostgreSQL writes this one: each has a processor of its own."""

    def __init__(self, batch_id: int) -> None:
        self._batch_id = batch_id
        self._thread = ThreadPoolExecutor(1, "batch-codes")
        self._drawn: tuple[tuple[int, int], Future[list[bytes]]] | None = None

    def __enter__(self) -> _Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def take(self, first: int, count: int) -> list[bytes]:
        if self._drawn is not None and self._drawn[0] == (first, count):
            return self._drawn[1].result()
        # The first chunk; or another worker made some of this batch in between.
        return draw(self._batch_id, first, count)

    def begin(self, first: int, count: int) -> None:
        self._drawn = (first, count), self._thread.submit(draw, self._batch_id, first, count)


def _make_chunk(begin: Begin, batch_id: int, ahead: _Ahead, *, now: datetime, chunk: int) -> bool:
    with begin() as session:
        batch = _locked(session, batch_id)
        if batch is None or batch.state is not BatchState.MAKING:
            return False
        count = min(chunk, batch.size - batch.made)
        own = ahead.take(batch.made + 1, count)
        if left := batch.size - batch.made - count:
            ahead.begin(batch.made + count + 1, min(chunk, left))
        add_rows(session, batch, own, now=now)
        boundary("batch.rows_copied")
        batch.made += count
        _note_alive(batch, now)
        if batch.made == batch.size:
            batch.state, batch.ready_at = BatchState.READY, now
            # What follows is the registering in PortaBilling.
            batch.next_attempt_at = now
            ring(session, WORK_JOB, batch_id, queue="bulk")
        publish(session, "batches", batch_id)
        return batch.state is BatchState.MAKING


def take_away(begin: Begin, batch_id: int, *, clock: Clock, chunk: int = CHUNK) -> None:
    """Delete the vouchers of a batch that is being cancelled. Those that PortaBilling may hold stay, expired, until it has blocked them."""
    while _take_chunk_away(begin, batch_id, now=clock(), chunk=chunk):
        boundary("batch.chunk_taken_away")


def _take_chunk_away(begin: Begin, batch_id: int, *, now: datetime, chunk: int) -> bool:
    with begin() as session:
        batch = _locked(session, batch_id)
        if batch is None or batch.state is not BatchState.CANCELLING:
            return False
        # One that was entered in the very moment of the cancelling keeps what it gave.
        mine = pick(Voucher.id).where(col(Voucher.batch_id) == batch_id, col(Voucher.state) != VoucherState.USED)
        mine = mine.order_by(col(Voucher.id)).limit(chunk)
        known = mine.where(col(Voucher.porta_issue_called_at).is_not(None), col(Voucher.state) != VoucherState.EXPIRED)
        kept = list(session.scalars(known.with_for_update()))
        set_state(session, kept, VoucherState.EXPIRED)
        follow(session, kept, now=now)
        gone = list(session.scalars(mine.where(col(Voucher.porta_issue_called_at).is_(None)).with_for_update()))
        session.execute(sa.delete(Voucher).where(is_one_of(gone)))
        batch.made -= len(gone)
        _note_alive(batch, now)
        if not kept and not gone:
            batch.state, batch.ended_at, batch.next_attempt_at = BatchState.CANCELLED, now, None
        publish(session, "batches", batch_id)
        return batch.state is BatchState.CANCELLING


def _locked(session: Session, batch_id: int) -> VoucherBatch | None:
    """None also when another worker is at it: it goes on by itself, and the sweep follows if it dies."""
    query = select(VoucherBatch).where(VoucherBatch.id == batch_id).with_for_update(skip_locked=True)
    return session.exec(query.execution_options(populate_existing=True)).one_or_none()


def _note_alive(batch: VoucherBatch, now: datetime) -> None:
    """The sweep leaves it alone for as long as chunks follow each other."""
    batch.next_attempt_at = now + timedelta(seconds=get_settings().lease_seconds)
    batch.attempts, batch.error = 0, None


def ring_due(session: Session, *, now: datetime) -> int:
    """The sweep: batches of which there is something to make, to take away or to register."""
    due = session.exec(
        select(VoucherBatch).where(col(VoucherBatch.next_attempt_at) <= now).limit(_SWEEP).with_for_update(skip_locked=True)
    ).all()
    for batch in due:
        assert batch.id is not None
        batch.next_attempt_at = now + timedelta(seconds=get_settings().lease_seconds)
        ring(session, WORK_JOB, batch.id, queue="bulk")
    session.flush()
    return len(due)
