"""Vouchers from before there was a MAC of their code's end get one, and every new one has it."""

from __future__ import annotations

from functools import partial

from sqlmodel import Session, col, select

from services.vouchers import codes
from services.vouchers.batches import tails
from services.vouchers.models import Voucher
from services.vouchers.service import issue_voucher
from tests.conftest import NOON
from tests.factories import make_package, staff
from tests.services.vouchers.batches.ordering import made, vouchers_of, within


def test_the_end_of_every_code_is_kept(session: Session) -> None:
    batch = made(session, size=5)
    alone, _ = issue_voucher(session, actor=staff(), package_id=make_package(session).public_id, phone=None, note=None, now=NOON)
    vouchers = [*vouchers_of(session, batch), alone]
    right = [codes.tail_mac(codes.unseal_code(voucher.code_sealed)) for voucher in vouchers]
    assert [voucher.tail_mac for voucher in vouchers] == right
    for voucher in vouchers[1:]:
        voucher.tail_mac = None
    vouchers[2].code_sealed = "what no key opens"
    session.flush()
    assert tails.fill(partial(within, session), chunk=2) == 4
    session.expire_all()
    found = session.exec(
        select(Voucher.tail_mac).where(col(Voucher.id).in_([voucher.id for voucher in vouchers])).order_by(col(Voucher.id))
    )
    assert list(found) == [*right[:2], None, *right[3:]]
    assert tails.fill(partial(within, session), chunk=2) == 0
