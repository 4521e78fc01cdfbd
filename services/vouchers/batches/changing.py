"""Changing many vouchers by one statement. Their rows are locked by the caller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Session, col

from app.db import UtcDateTime
from services.listing import pick
from services.vouchers.models import Voucher, VoucherState

# PortaBilling is told at a pace that leaves it time for the customers who stand at a router.
_FOLLOWED_PER_SECOND = 10


def is_one_of(ids: Sequence[int]) -> sa.ColumnElement[bool]:
    """As one array: thousands of numbers are one value of the statement."""
    return col(Voucher.id) == sa.any_(sa.literal(list(ids), postgresql.ARRAY(sa.BigInteger)))


def set_state(session: Session, ids: Sequence[int], state: VoucherState) -> None:
    """Objects of the session that stand for these rows are out of date afterwards."""
    if not ids:
        return
    session.execute(sa.update(Voucher).where(is_one_of(ids)).values(state=state).execution_options(synchronize_session=False))


def follow(session: Session, ids: Sequence[int], *, now: datetime) -> None:
    """Have PortaBilling made to agree with these, one after the other."""
    if not ids:
        return
    place = sa.func.row_number().over(order_by=col(Voucher.id))
    turns = pick(Voucher.id, place.label("place")).where(is_one_of(ids)).subquery()
    pause = sa.literal(timedelta(seconds=1) / _FOLLOWED_PER_SECOND, sa.Interval())
    due = sa.literal(now, UtcDateTime) + (turns.c.place - 1) * pause
    change = sa.update(Voucher).where(col(Voucher.id) == turns.c.id).values(porta_next_attempt_at=due)
    session.execute(change.execution_options(synchronize_session=False))
