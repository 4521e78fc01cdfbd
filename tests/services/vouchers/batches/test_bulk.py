"""Blocking, unblocking and expiring many: what was shown before is what happens, counted row by row."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app.errors import Forbidden, InvalidInput, Stale
from services.accounts.models import Role
from services.accounts.permissions import FreshProofNeeded
from services.audit.models import AuditEntry
from services.vouchers import settlement
from services.vouchers.batches import bulk
from services.vouchers.batches.bulk import BulkAction, Chosen, Outcome, preview
from services.vouchers.errors import BatchNotFound, BatchNotReady, VoucherBlocked, VoucherExpired, VoucherTooEarly
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import enter_code, voucher_for_payment
from tests.conftest import NOON
from tests.factories import make_payment, staff
from tests.services.vouchers.batches.ordering import OFFICER, WEEK, clock, codes_of, made, number, order, vouchers_of, within
from tests.services.vouchers.batches.test_registering import assert_agreed, finish
from tests.services.vouchers.porta import Porta

BLOCK, UNBLOCK, EXPIRE = BulkAction.BLOCK, BulkAction.UNBLOCK, BulkAction.EXPIRE


def run(session: Session, action: BulkAction, chosen: Chosen, **more: Any) -> Outcome:
    wanted: dict[str, Any] = {"actor": OFFICER, "reason": "Stolen", "clock": clock, "chunk": 2} | more
    shown = preview(session, actor=OFFICER, action=action, chosen=chosen)
    done = bulk.run(partial(within, session), action=action, chosen=chosen, **wanted)
    session.expire_all()
    assert done == shown
    return done


def test_a_batch_is_blocked_and_freed_and_portabilling_follows(session: Session) -> None:
    batch, porta = made(session, size=5), Porta(NOON)
    finish(session, batch, porta)
    codes, chosen = codes_of(session, batch), Chosen(batch_id=number(batch))
    enter_code(session, code=codes[0], context=None, device=None, now=NOON)
    assert run(session, BLOCK, chosen) == Outcome({"active": 4}, {"used": 1})
    with pytest.raises(VoucherBlocked):
        enter_code(session, code=codes[1], context=None, device=None, now=NOON)
    assert run(session, BLOCK, chosen) == Outcome({}, {"used": 1, "blocked": 4})
    finish(session, batch, porta)
    assert all(account.blocked for account in porta.accounts.values())
    assert run(session, UNBLOCK, chosen) == Outcome({"blocked": 4}, {"used": 1})
    finish(session, batch, porta)
    assert_agreed(session, batch, porta)
    entries = session.exec(select(AuditEntry).where(col(AuditEntry.action).in_(("batch.block", "batch.unblock")))).all()
    assert {(entry.target_type, entry.target_id, (entry.after or {})["reason"]) for entry in entries} == {
        ("batch", str(batch.id), "Stolen")
    }
    assert Counter(entry.action for entry in entries for _ in range((entry.after or {})["changed"])) == {
        "batch.block": 4,
        "batch.unblock": 4,
    }


def test_portabilling_is_told_of_many_at_a_measured_pace(session: Session) -> None:
    batch, porta = made(session, size=30), Porta(NOON)
    finish(session, batch, porta)
    run(session, EXPIRE, Chosen(batch_id=number(batch)), chunk=1000)
    due = [voucher.porta_next_attempt_at for voucher in vouchers_of(session, batch)]
    assert (due[0], due[-1]) == (NOON, NOON + timedelta(seconds=2.9))
    finish(session, batch, porta)
    assert_agreed(session, batch, porta)


def test_what_is_blocked_before_it_is_registered_costs_portabilling_nothing_until_it_is_free(session: Session) -> None:
    batch, porta = made(session, size=4), Porta(NOON)
    run(session, BLOCK, Chosen(batch_id=number(batch)))
    finish(session, batch, porta)
    assert porta.asked == []
    run(session, UNBLOCK, Chosen(batch_id=number(batch)))
    assert {voucher.state for voucher in vouchers_of(session, batch)} == {VoucherState.ACTIVE}
    finish(session, batch, porta)
    assert_agreed(session, batch, porta)


def test_chosen_vouchers_are_changed_each_with_a_row_of_its_own_in_the_audit(session: Session) -> None:
    batch, payment = made(session, size=3), make_payment(session)
    paid = voucher_for_payment(session, payment, now=NOON)
    first, second, _ = vouchers_of(session, batch)
    ids = (*(voucher.id or 0 for voucher in (first, second, paid)), 999_999)
    assert run(session, BLOCK, Chosen(ids=ids[:1])) == Outcome({"active": 1}, {})
    # What somebody paid for is given back by a refund, and never just taken away.
    assert run(session, EXPIRE, Chosen(ids=ids)) == Outcome({"blocked": 1, "active": 1}, {"paid": 1, "not_found": 1})
    assert (first.state, second.state, paid.state) == (VoucherState.EXPIRED, VoucherState.EXPIRED, VoucherState.PENDING)
    with pytest.raises(VoucherExpired):
        enter_code(session, code=codes_of(session, batch)[0], context=None, device=None, now=NOON)
    entries = session.exec(select(AuditEntry).where(AuditEntry.action == "voucher.expire").order_by(col(AuditEntry.id))).all()
    assert [(entry.target_id, entry.before) for entry in entries] == [
        (str(first.id), {"state": "blocked"}),
        (str(second.id), {"state": "active"}),
    ]


def test_a_voucher_that_expires_by_hand_while_its_account_is_made_is_blocked_there(session: Session) -> None:
    """The answer of the call was lost: settlement finds the account and blocks it."""
    batch, porta = made(session, size=1), Porta(NOON)
    (voucher,) = vouchers_of(session, batch)
    voucher.porta_issue_called_at = NOON
    session.flush()
    porta.issue_voucher(account_id=voucher.porta_account_id, opening_balance_bututs=2500, batch=None)
    run(session, EXPIRE, Chosen(ids=(voucher.id or 0,)))
    settlement.settle_voucher(partial(within, session), voucher.id or 0, porta.outside, clock=lambda: porta.now)
    assert porta.accounts[voucher.porta_account_id].blocked


@pytest.mark.parametrize(
    ("chosen", "reason", "field"),
    [
        (Chosen(), "Stolen", "ids"),
        (Chosen(ids=tuple(range(1, 1002))), "Stolen", "ids"),
        (Chosen(ids=(1,)), "   ", "reason"),
        (Chosen(ids=(1,)), "x" * 201, "reason"),
    ],
)
def test_nothing_chosen_too_much_or_no_reason_is_refused(session: Session, chosen: Chosen, reason: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        bulk.run(partial(within, session), actor=OFFICER, action=BLOCK, chosen=chosen, reason=reason, clock=clock)
    assert refused.value.field == field


def test_only_who_may_and_proved_it_lately_changes_many(session: Session) -> None:
    begin, chosen = partial(within, session), Chosen(ids=(1,))
    with pytest.raises(Forbidden):
        preview(session, actor=staff(Role.CUSTOMER_CARE), action=BLOCK, chosen=chosen)
    with pytest.raises(Forbidden):
        bulk.run(begin, actor=replace(staff(Role.CUSTOMER_CARE), proven_at=NOON), action=BLOCK, chosen=chosen, reason="x", clock=clock)
    with pytest.raises(FreshProofNeeded):
        bulk.run(begin, actor=staff(Role.BILLING_OFFICER), action=BLOCK, chosen=chosen, reason="x", clock=clock)


def test_a_batch_that_is_not_there_whole_is_refused(session: Session) -> None:
    with pytest.raises(BatchNotFound):
        preview(session, actor=OFFICER, action=BLOCK, chosen=Chosen(batch_id=999_999))
    batch = order(session)
    with pytest.raises(BatchNotReady):
        preview(session, actor=OFFICER, action=BLOCK, chosen=Chosen(batch_id=number(batch)))
    ready = made(session)
    with pytest.raises(Stale):
        run(session, BLOCK, Chosen(batch_id=number(ready)), expected_revision="older")
    assert {voucher.state for voucher in vouchers_of(session, ready)} == {VoucherState.ACTIVE}


def test_a_code_that_is_entered_too_early_is_told_when_its_time_begins(session: Session) -> None:
    batch = made(session, use_from=NOON + WEEK, use_before=NOON + 2 * WEEK, size=1)
    (code,) = codes_of(session, batch)
    with pytest.raises(VoucherTooEarly, match="from 29 November 2026, 12:00 on"):
        enter_code(session, code=code, context=None, device=None, now=NOON)
    enter_code(session, code=code, context=None, device=None, now=NOON + WEEK)
    assert session.exec(select(Voucher.state).where(Voucher.batch_id == batch.id)).one() is VoucherState.USED
