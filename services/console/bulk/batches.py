"""Batches of vouchers: several taken away, as long as nobody has seen a code of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from services.accounts.permissions import Permission, Principal
from services.console.bulk.shape import Action, Answers, Doing, Done, Line
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.batches.desk import cancel_batch, is_out
from services.vouchers.errors import BatchNotCancellable

_OVER = (BatchState.CANCELLING, BatchState.CANCELLED)


class CancelBatches(Action[None]):
    name = "batch.cancel"
    page = "batches"
    label = "Cancel"
    meaning = "All of their vouchers are taken away. It works only as long as nobody has seen a code of them."
    things = ("batch", "batches")
    permission = Permission.VOUCHERS_BATCH
    is_grave = True
    stays = "Its vouchers are taken away for good. Order another batch instead."

    def read(self, session: Session, answers: Answers, *, actor: Principal) -> None:
        return None

    def look(self, session: Session, row_ids: Collection[int], wish: None, *, actor: Principal, now: datetime) -> Sequence[Line]:
        found = session.exec(select(VoucherBatch).where(col(VoucherBatch.id).in_(row_ids))).all()
        return [_line(session, batch) for batch in found]

    def apply(self, session: Session, row_id: int, wish: None, doing: Doing) -> Done | None:
        before = session.exec(select(VoucherBatch.state).where(VoucherBatch.id == row_id)).one_or_none()
        if before in _OVER:
            return None
        cancel_batch(session, actor=doing.actor, batch_id=row_id, reason=doing.reason, now=doing.now)
        return Done("It is being taken away.")


def _line(session: Session, batch: VoucherBatch) -> Line:
    assert batch.id is not None
    name = f"No. {batch.id} {batch.name}"
    if batch.state in _OVER:
        return Line(batch.id, name)
    if batch.state is BatchState.READY and is_out(session, batch.id):
        return Line(batch.id, name, why_not=BatchNotCancellable.message)
    return Line(batch.id, name, (f"its {batch.size:,} vouchers are taken away",))


ACTIONS = (CancelBatches(),)
