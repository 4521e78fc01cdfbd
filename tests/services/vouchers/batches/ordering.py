"""Orders of batches for tests, and what stands in the database of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlmodel import Session, col, select

from app.db import transaction
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.vouchers import codes
from services.vouchers.batch_models import VoucherBatch
from services.vouchers.batches import making
from services.vouchers.batches.desk import order_batch
from services.vouchers.models import Voucher
from tests.conftest import NOON
from tests.factories import make_package, staff

OFFICER: Principal = replace(staff(Role.BILLING_OFFICER), proven_at=NOON)
WEEK = timedelta(days=7)


def clock() -> datetime:
    return NOON


def order(session: Session, *, actor: Principal = OFFICER, now: datetime = NOON, **more: Any) -> VoucherBatch:
    package_id = more.pop("package_id", None) or make_package(session, now=now).public_id
    wanted: dict[str, Any] = {"size": 5, "name": "Kiosk", "seller": "Awa", "site_id": None, "note": None, "key": None}
    wanted |= {"use_from": None, "use_before": None}
    return order_batch(session, actor=actor, package_id=package_id, now=now, **(wanted | more))


@contextmanager
def within(session: Session) -> Iterator[Session]:
    """In place of `transaction`, for a test whose every change is rolled back."""
    with session.begin_nested():
        yield session


def made(session: Session, **more: Any) -> VoucherBatch:
    """A batch that is ready, in a session whose every change is rolled back."""
    batch = order(session, **more)
    making.make(partial(within, session), number(batch), clock=clock)
    return batch


def committed(**more: Any) -> VoucherBatch:
    with transaction() as session:
        return order(session, **more)


def batch_of(batch_id: int) -> VoucherBatch:
    with transaction() as session:
        return session.get_one(VoucherBatch, batch_id)


def number(batch: VoucherBatch) -> int:
    assert batch.id is not None
    return batch.id


def vouchers_of(session: Session, batch: VoucherBatch) -> list[Voucher]:
    session.expire_all()
    return list(session.exec(select(Voucher).where(Voucher.batch_id == batch.id).order_by(col(Voucher.id))))


def codes_of(session: Session, batch: VoucherBatch) -> list[str]:
    return [codes.unseal_code(voucher.code_sealed) for voucher in vouchers_of(session, batch)]
