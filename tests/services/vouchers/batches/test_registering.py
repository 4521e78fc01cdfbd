"""Registering a batch in PortaBilling: behind everything else, without losing or doubling an account, whatever the answers."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from services.packages import service as packages
from services.vouchers import settlement
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.batches.desk import cancel_batch
from services.vouchers.batches.registering import PER_RUN, register
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import enter_code, set_blocked
from tests.conftest import NOON
from tests.factories import staff
from tests.services.vouchers.batches.ordering import OFFICER, codes_of, made, number, vouchers_of, within
from tests.services.vouchers.porta import FATES, Fate, Porta

MINUTES = timedelta(minutes=10)


def register_next(session: Session, batch: VoucherBatch, porta: Porta, *, after: int = 0) -> None:
    register(partial(within, session), number(batch), porta.outside, clock=lambda: porta.now, after=after)


def finish(session: Session, batch: VoucherBatch, porta: Porta, *, most: int = 40) -> None:
    """As the sweep and settlement do, until nothing is owed."""
    for _ in range(most):
        porta.pass_time(MINUTES)
        session.refresh(batch)
        if batch.next_attempt_at is not None and batch.next_attempt_at <= porta.now:
            register_next(session, batch, porta)
        for voucher in vouchers_of(session, batch):
            if voucher.porta_next_attempt_at is not None and voucher.porta_next_attempt_at <= porta.now:
                settlement.settle_voucher(partial(within, session), voucher.id or 0, porta.outside, clock=lambda: porta.now)
        session.refresh(batch)
        if batch.next_attempt_at is None and all(voucher.porta_next_attempt_at is None for voucher in vouchers_of(session, batch)):
            return
    raise AssertionError("something is still owed")


def assert_agreed(session: Session, batch: VoucherBatch, porta: Porta) -> None:
    """Each voucher that PortaBilling is to hold is there once, with its price, open or blocked as here."""
    price = packages.terms_of(session, batch.package_version_id).amount_bututs
    vouchers = vouchers_of(session, batch)
    assert batch.registered == sum(voucher.porta_issued_at is not None for voucher in vouchers)
    assert {voucher.porta_account_id for voucher in vouchers if voucher.porta_issued_at} == set(porta.accounts)
    for voucher in vouchers:
        if voucher.porta_issued_at is None:
            assert voucher.state in (VoucherState.BLOCKED, VoucherState.EXPIRED)
            continue
        account = porta.accounts[voucher.porta_account_id]
        assert (account.opening_balance_bututs, account.batch) == (price, f"inet-batch-{batch.id}")
        assert account.blocked is (voucher.state is not VoucherState.ACTIVE)


def test_a_run_takes_a_few_dozen_and_is_followed_by_the_next(session: Session) -> None:
    batch, porta = made(session, size=PER_RUN + 3), Porta(NOON)
    register_next(session, batch, porta)
    assert (batch.registered, len(porta.accounts)) == (PER_RUN, PER_RUN)
    last = vouchers_of(session, batch)[PER_RUN - 1].id or 0
    # Somebody who was not rung for leaves the turn to the next run.
    register_next(session, batch, porta)
    assert batch.registered == PER_RUN
    register_next(session, batch, porta, after=last)
    assert batch.registered == PER_RUN + 3
    register_next(session, batch, porta, after=last + 3)
    assert batch.next_attempt_at is None
    assert set(porta.asked) == {"add_account"}
    assert_agreed(session, batch, porta)


def test_when_portabilling_is_away_it_is_asked_less_and_less_often(session: Session) -> None:
    batch, porta, waits = made(session, size=20), Porta(NOON), []
    for _ in range(10):
        porta.fates = ["away"] * 8
        asked = len(porta.asked)
        register_next(session, batch, porta)
        assert len(porta.asked) - asked <= 4
        assert batch.next_attempt_at is not None
        waits.append((batch.next_attempt_at - porta.now).total_seconds())
        porta.pass_time(batch.next_attempt_at - porta.now)
    assert waits[:4] == [4, 8, 16, 32]
    assert waits[-1] == 300
    assert batch.error == "not connected"
    # What was certainly not called needs no look first.
    porta.fates, porta.asked = [], []
    register_next(session, batch, porta)
    assert porta.asked == ["add_account"] * 20
    assert batch.error is None


def test_one_that_is_refused_keeps_no_other_waiting(session: Session) -> None:
    batch, porta = made(session, size=6), Porta(NOON, fates=["refused"])
    register_next(session, batch, porta)
    assert (batch.registered, batch.error) == (5, "Server.check_access.denied (HTTP 500)")
    finish(session, batch, porta)
    assert_agreed(session, batch, porta)


def test_a_worker_that_died_in_between_is_followed_by_one_that_looks_first(session: Session) -> None:
    batch, porta = made(session, size=3), Porta(NOON)

    class Died(Exception):
        pass

    def dying() -> datetime:
        if porta.accounts:
            raise Died
        return porta.now

    with pytest.raises(Died):
        register(partial(within, session), number(batch), porta.outside, clock=dying)
    assert len(porta.accounts) == 3
    finish(session, batch, porta)
    assert porta.asked == ["add_account"] * 3 + ["get_account"] * 3
    assert_agreed(session, batch, porta)


def test_one_that_is_used_before_its_turn_is_issued_and_blocked_by_settlement(session: Session) -> None:
    batch, porta = made(session, size=3), Porta(NOON)
    enter_code(session, code=codes_of(session, batch)[1], context=None, device=None, now=NOON)
    register_next(session, batch, porta)
    assert batch.registered == 2
    finish(session, batch, porta)
    assert batch.registered == 3
    assert_agreed(session, batch, porta)


def test_one_that_is_blocked_before_its_turn_gets_no_account_until_it_is_free(session: Session) -> None:
    batch, porta = made(session, size=3), Porta(NOON)
    blocked = vouchers_of(session, batch)[0]
    set_blocked(session, actor=OFFICER, voucher_id=blocked.id or 0, blocked=True, now=NOON)
    assert blocked.porta_next_attempt_at is None
    finish(session, batch, porta)
    assert blocked.porta_account_id not in porta.accounts
    assert_agreed(session, batch, porta)
    set_blocked(session, actor=OFFICER, voucher_id=blocked.id or 0, blocked=False, now=porta.now)
    assert blocked.state is VoucherState.ACTIVE
    finish(session, batch, porta)
    assert blocked.porta_account_id in porta.accounts
    assert_agreed(session, batch, porta)


def test_what_was_registered_of_a_batch_that_is_cancelled_meanwhile_is_blocked(session: Session) -> None:
    from services.vouchers.batches import making

    batch, porta = made(session, size=4), Porta(NOON, fates=["lost", "good", "good", "good"])

    def cancelled_after_the_calls() -> datetime:
        if porta.accounts and batch.state is BatchState.READY:
            cancel_batch(session, actor=OFFICER, batch_id=number(batch), now=porta.now)
        return porta.now

    register(partial(within, session), number(batch), porta.outside, clock=cancelled_after_the_calls)
    making.take_away(partial(within, session), number(batch), clock=lambda: porta.now)
    assert batch.state is BatchState.CANCELLED
    finish(session, batch, porta)
    assert all(account.blocked for account in porta.accounts.values())
    assert len(porta.accounts) == 4


# What happens to a voucher (by its place) between two runs.
_DEEDS = st.lists(st.tuples(st.sampled_from(["use", "block", "unblock", "wait"]), st.integers(0, 5)), max_size=5)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fates=st.lists(st.sampled_from(FATES), max_size=25), deeds=_DEEDS)
def test_whatever_the_answers_and_whatever_happens_meanwhile_portabilling_agrees_in_the_end(
    session: Session, fates: list[Fate], deeds: list[tuple[str, int]]
) -> None:
    with session.begin_nested() as undone:
        batch, porta = made(session, size=6), Porta(NOON, fates=list(fates))
        codes = codes_of(session, batch)
        register_next(session, batch, porta)
        for deed, place in deeds:
            _do(session, deed, vouchers_of(session, batch)[place], codes[place], porta.now)
            porta.pass_time(timedelta(minutes=1))
            register_next(session, batch, porta)
        porta.pass_time(timedelta(minutes=1))
        finish(session, batch, porta)
        assert_agreed(session, batch, porta)
        undone.rollback()
    session.expire_all()


def _do(session: Session, deed: str, voucher: Voucher, code: str, now: datetime) -> None:
    if deed == "use" and voucher.state is VoucherState.ACTIVE:
        enter_code(session, code=code, context=None, device=None, now=now)
    if deed in ("block", "unblock") and voucher.state is not VoucherState.USED:
        set_blocked(session, actor=staff(), voucher_id=voucher.id or 0, blocked=deed == "block", now=now)
