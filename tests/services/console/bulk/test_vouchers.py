"""Vouchers picked one by one: PortaBilling follows, what was paid for is safe, and any step taken back leaves no trace but the audit."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from services.console.bulk.models import RowState
from services.payments.models import PaymentStatus
from services.vouchers.errors import VoucherGone
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import enter_code, voucher_for_payment
from tests.conftest import NOON
from tests.factories import make_package, make_payment
from tests.pages.builders import a_voucher
from tests.services.console.bulk.doing import Desk, those
from tests.services.vouchers.batches.ordering import OFFICER, codes_of, made, vouchers_of
from tests.services.vouchers.batches.test_registering import assert_agreed, finish
from tests.services.vouchers.porta import Porta

ACTIONS = ("voucher.block", "voucher.unblock", "voucher.expire")


def state_of(session: Session, voucher: Voucher) -> VoucherState:
    session.refresh(voucher)
    return voucher.state


@pytest.mark.parametrize("action", ["voucher.block", "voucher.expire"])
def test_portabilling_follows_there_and_back(session: Session, action: str) -> None:
    batch, porta, desk = made(session, size=3), Porta(NOON), Desk(session, OFFICER)
    finish(session, batch, porta)
    codes, ids = codes_of(session, batch), [voucher.id or 0 for voucher in vouchers_of(session, batch)]
    done = desk.do(action, ids)
    finish(session, batch, porta)
    assert all(account.blocked for account in porta.accounts.values())
    desk.undo(done)
    finish(session, batch, porta)
    assert_agreed(session, batch, porta)
    enter_code(session, code=codes[0], context=None, device=None, now=NOON)


def test_portabilling_is_told_of_many_at_a_measured_pace(session: Session) -> None:
    offer = make_package(session)
    vouchers = [a_voucher(session, offer=offer, state=VoucherState.ACTIVE, at=NOON) for _ in range(4)]
    Desk(session, OFFICER).do("voucher.block", [voucher.id or 0 for voucher in vouchers])
    due = [voucher.porta_next_attempt_at for voucher in vouchers if state_of(session, voucher) is VoucherState.BLOCKED]
    assert due == [NOON + timedelta(seconds=number / 10) for number in range(4)]


def test_one_of_a_batch_that_was_not_registered_yet_is_taken_up_when_its_block_is_taken_back(session: Session) -> None:
    batch, porta, desk = made(session, size=2), Porta(NOON), Desk(session, OFFICER)
    done = desk.do("voucher.block", [voucher.id or 0 for voucher in vouchers_of(session, batch)])
    finish(session, batch, porta)
    assert porta.asked == []
    desk.undo(done)
    finish(session, batch, porta)
    assert_agreed(session, batch, porta)


def test_what_a_customer_paid_for_does_not_expire_by_hand(session: Session) -> None:
    paid = voucher_for_payment(session, make_payment(session), now=NOON)
    done = Desk(session, OFFICER).do("voucher.expire", [paid.id or 0])
    assert "give the money back" in done.rows[0].said
    assert state_of(session, paid) is VoucherState.PENDING


def test_a_voucher_whose_money_went_back_meanwhile_stays_blocked(session: Session) -> None:
    payment, desk = make_payment(session), Desk(session, OFFICER)
    paid = voucher_for_payment(session, payment, now=NOON)
    done = desk.do("voucher.block", [paid.id or 0])
    payment.status, payment.paid_at, payment.wave_transaction_id = PaymentStatus.REFUNDING, NOON, "T1"
    session.flush()
    back = desk.undo(done)
    assert [(row.state, row.said) for row in back.rows] == [(RowState.KEPT, VoucherGone.message)]
    assert state_of(session, paid) is VoucherState.BLOCKED
    assert desk.look("voucher.unblock", [paid.id or 0]).lines[0].why_not == VoucherGone.message


def test_one_whose_own_time_ran_out_meanwhile_stays_expired(session: Session) -> None:
    voucher, desk = a_voucher(session, offer=make_package(session), state=VoucherState.ACTIVE, at=NOON), Desk(session, OFFICER)
    voucher.use_before = NOON + timedelta(minutes=5)
    session.flush()
    done = desk.do("voucher.expire", [voucher.id or 0])
    desk.wait(minutes=6)
    assert those(desk.undo(done), RowState.KEPT) == {voucher.id}
    assert state_of(session, voucher) is VoucherState.EXPIRED


@given(
    stock=st.lists(st.tuples(st.sampled_from(VoucherState), st.booleans()), min_size=1, max_size=5),
    actions=st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_steps_taken_back_in_turn_leave_everything_as_it_was_but_what_was_used(
    session: Session, stock: list[tuple[VoucherState, bool]], actions: list[str]
) -> None:
    """Whatever there is and whatever is done to it; some are used between the steps and their way back."""
    with session.begin_nested() as example:
        offer, desk = make_package(session), Desk(session, OFFICER)
        vouchers = [(a_voucher(session, offer=offer, state=state, at=NOON).id or 0, is_used) for state, is_used in stock]
        ids = [number for number, _ in vouchers]
        before = _states(session, ids)
        steps = [desk.do(action, ids) for action in actions]
        used = {number for number, is_used in vouchers if is_used and _states(session, ids)[number] is VoucherState.ACTIVE}
        for number in used:
            voucher = session.get_one(Voucher, number)
            voucher.state, voucher.used_at = VoucherState.USED, NOON
        session.flush()
        for step in reversed(steps):
            if step.undo_until is not None:
                desk.undo(step)
        assert _states(session, ids) == before | dict.fromkeys(used, VoucherState.USED)
        example.rollback()


def _states(session: Session, ids: list[int]) -> dict[int, VoucherState]:
    session.expire_all()
    return {voucher.id or 0: voucher.state for voucher in session.exec(select(Voucher).where(col(Voucher.id).in_(ids))).all()}
