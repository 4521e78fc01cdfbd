"""All of a batch or nothing: until it is ready, and after it was cancelled, its vouchers are not there for anybody."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import NotFound
from services.listing import pick
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.errors import BatchNotFound
from services.vouchers.models import Voucher


def is_open(state: str | None) -> bool:
    """By the state of a voucher's batch; None is a voucher of no batch."""
    return state is None or state == BatchState.READY


def is_shown() -> sa.ColumnElement[bool]:
    """The condition under which a voucher is listed and found."""
    hidden = pick(VoucherBatch.id).where(col(VoucherBatch.state) != BatchState.READY)
    return sa.or_(col(Voucher.batch_id).is_(None), col(Voucher.batch_id).not_in(hidden))


def require_shown(session: Session, voucher: Voucher) -> None:
    """Raises NotFound for a voucher that is not there yet, or no more."""
    if voucher.batch_id is not None and not is_open(session.get_one(VoucherBatch, voucher.batch_id).state):
        raise NotFound


def locked_batch(session: Session, batch_id: int) -> VoucherBatch:
    """For whoever shows its codes or changes its vouchers, so that it is not cancelled meanwhile. Raises BatchNotFound.

    Whoever locks a batch and vouchers of it locks the batch first.
    """
    query = select(VoucherBatch).where(VoucherBatch.id == batch_id).with_for_update()
    batch = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if batch is None:
        raise BatchNotFound
    return batch
