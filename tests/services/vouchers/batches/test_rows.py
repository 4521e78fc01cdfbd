"""What the database keeps to where a batch's vouchers have no foreign key."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from services.vouchers.batches.rows import add_rows, draw
from services.vouchers.models import Voucher
from tests.conftest import NOON
from tests.services.vouchers.batches.ordering import made, number


def test_a_voucher_of_a_batch_that_does_not_exist_is_refused(session: Session) -> None:
    batch = made(session)
    strays = draw(number(batch) + 1, 1, 3)
    batch_like = batch.model_copy(update={"id": number(batch) + 1})
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="a batch that does not exist"), session.begin_nested():
        add_rows(session, batch_like, strays, now=NOON)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE voucher SET batch_id = batch_id + 1 WHERE batch_id = :batch",
        "UPDATE voucher_batch SET id = id + 1 WHERE id = :batch",
        "DELETE FROM voucher_batch WHERE id = :batch",
    ],
)
def test_no_voucher_loses_its_batch(session: Session, change: str) -> None:
    batch = made(session)
    with pytest.raises(sa.exc.IntegrityError, match="never changed or deleted"), session.begin_nested():
        session.execute(sa.text(change), {"batch": batch.id})
    assert session.scalars(select(col(Voucher.batch_id)).where(Voucher.batch_id == batch.id)).all() == [batch.id] * batch.size


def test_accounts_are_named_in_the_order_in_which_they_are_made(session: Session) -> None:
    batch = made(session, size=12)
    names = session.scalars(select(col(Voucher.porta_account_id)).where(Voucher.batch_id == batch.id).order_by(col(Voucher.id))).all()
    assert [name[:-8] for name in names] == [f"inet-b{batch.id}-{each:06}-" for each in range(1, 13)]
    assert list(names) == sorted(names)
