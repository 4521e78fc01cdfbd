"""Ordering and cancelling batches: what is refused, in which words and at which field."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, func, select

from app.errors import Forbidden, InvalidInput, NotFound, Stale
from services.accounts.models import Role
from services.accounts.permissions import FreshProofNeeded
from services.audit.models import AuditEntry
from services.packages.service import PackageNotFound
from services.vouchers import service
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.batches import making
from services.vouchers.batches.desk import cancel_batch
from services.vouchers.errors import BatchNotCancellable, BatchNotFound, BatchOrderedDifferently, VoucherNotFound
from services.vouchers.models import VoucherState
from tests.conftest import NOON
from tests.factories import make_package, staff
from tests.services.vouchers.batches.ordering import OFFICER, WEEK, clock, codes_of, made, number, order, vouchers_of, within


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"size": 0}, "size", "at least one"),
        ({"size": -1}, "size", "at least one"),
        ({"size": 10_000_000}, "size", "at most 100,000"),
        ({"name": "  "}, "name", "name"),
        ({"name": "x" * 81}, "name", "80"),
        ({"note": "a\x00b"}, "note", "characters"),
        ({"site_id": 999_999}, "site_id", "no such site"),
        ({"use_from": NOON + WEEK, "use_before": NOON + timedelta(days=1)}, "use_before", "after the beginning"),
        ({"use_from": NOON + WEEK, "use_before": NOON + WEEK}, "use_before", "after the beginning"),
        ({"use_from": NOON - 2 * WEEK, "use_before": NOON - WEEK}, "use_before", "passed"),
        ({"use_before": NOON + timedelta(days=4000)}, "use_before", "ten years"),
    ],
)
def test_a_senseless_order_is_refused_at_its_field(session: Session, wrong: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        order(session, **wrong)
    assert refused.value.field == field
    assert session.exec(select(func.count()).select_from(VoucherBatch)).one() == 0


def test_an_unknown_package_is_refused(session: Session) -> None:
    with pytest.raises(PackageNotFound):
        order(session, package_id="no-such")


def test_only_who_may_and_proved_it_lately_orders(session: Session) -> None:
    with pytest.raises(Forbidden):
        order(session, actor=replace(staff(Role.CUSTOMER_CARE), proven_at=NOON))
    with pytest.raises(FreshProofNeeded):
        order(session, actor=staff(Role.BILLING_OFFICER))


def test_an_order_is_audited_and_left_to_its_package_where_it_says_nothing(session: Session) -> None:
    package = make_package(session, validity_days=10)
    batch = order(session, package_id=package.public_id, size=3)
    assert (batch.state, batch.made, batch.use_from, batch.use_before) == (BatchState.MAKING, 0, NOON, NOON + timedelta(days=10))
    entry = session.exec(select(AuditEntry).where(AuditEntry.action == "batch.order")).one()
    assert (entry.target_id, entry.actor) == (str(batch.id), OFFICER.label)
    assert entry.after is not None
    assert entry.after["size"] == 3


def test_a_repeated_order_is_the_same_batch(session: Session) -> None:
    package = make_package(session).public_id
    first = order(session, package_id=package, key="one-key-for-it")
    again = order(session, package_id=package, key="one-key-for-it", now=NOON + timedelta(minutes=1))
    assert again.id == first.id
    assert order(session, package_id=package, key="another-key-now").id != first.id
    of_another = replace(OFFICER, id=2)
    assert order(session, package_id=package, key="one-key-for-it", actor=of_another).id != first.id
    with pytest.raises(BatchOrderedDifferently):
        order(session, package_id=package, key="one-key-for-it", size=6)


def test_nothing_of_a_batch_is_there_before_it_is_whole(session: Session) -> None:
    batch = order(session, size=4)
    # One chunk of two, and then the worker dies.
    with making._Ahead(number(batch)) as ahead:
        making._make_chunk(lambda: within(session), number(batch), ahead, now=NOON, chunk=2)
    vouchers, codes = vouchers_of(session, batch), codes_of(session, batch)
    assert len(vouchers) == 2
    for code in codes:
        with pytest.raises(VoucherNotFound):
            service.enter_code(session, code=code, context=None, device=None, now=NOON)
        with pytest.raises(VoucherNotFound):
            service.find_by_code(session, code=code, context=None, device=None, now=NOON)
    root = replace(staff(), proven_at=NOON)
    with pytest.raises(NotFound):
        service.reveal_code(session, actor=root, voucher_id=vouchers[0].id or 0, now=NOON)
    with pytest.raises(NotFound):
        service.set_blocked(session, actor=root, voucher_id=vouchers[0].id or 0, blocked=True, now=NOON)
    making.make(lambda: within(session), number(batch), clock=clock)
    for code in codes_of(session, batch):
        service.enter_code(session, code=code, context=None, device=None, now=NOON)


def test_a_batch_that_nobody_has_seen_is_taken_away(session: Session) -> None:
    batch = made(session)
    revision = batch.revision
    with pytest.raises(Stale):
        cancel_batch(session, actor=OFFICER, batch_id=number(batch), now=NOON, expected_revision="older")
    cancel_batch(session, actor=OFFICER, batch_id=number(batch), now=NOON, expected_revision=revision)
    codes = codes_of(session, batch)
    with pytest.raises(VoucherNotFound):
        service.enter_code(session, code=codes[0], context=None, device=None, now=NOON)
    making.take_away(lambda: within(session), number(batch), clock=clock, chunk=2)
    session.expire_all()
    assert (batch.state, batch.made, batch.ended_at) == (BatchState.CANCELLED, 0, NOON)
    assert vouchers_of(session, batch) == []
    # Once more changes nothing.
    assert cancel_batch(session, actor=OFFICER, batch_id=number(batch), now=NOON).state is BatchState.CANCELLED


def test_what_portabilling_may_hold_of_a_cancelled_batch_stays_until_it_is_blocked_there(session: Session) -> None:
    batch = made(session)
    known = vouchers_of(session, batch)[1]
    known.porta_issue_called_at = known.porta_issued_at = NOON
    session.flush()
    cancel_batch(session, actor=OFFICER, batch_id=number(batch), now=NOON)
    making.take_away(lambda: within(session), number(batch), clock=clock, chunk=2)
    (left,) = vouchers_of(session, batch)
    assert (batch.state, batch.made) == (BatchState.CANCELLED, 1)
    assert (left.id, left.state, left.is_block_owed, left.porta_next_attempt_at) == (known.id, VoucherState.EXPIRED, True, NOON)


def test_one_that_was_entered_in_the_very_moment_of_the_cancelling_keeps_what_it_gave(session: Session) -> None:
    batch = made(session)
    codes = codes_of(session, batch)
    cancel_batch(session, actor=OFFICER, batch_id=number(batch), now=NOON)
    batch.state = BatchState.READY  # as whoever entered it read it
    service.enter_code(session, code=codes[0], context=None, device=None, now=NOON)
    batch.state = BatchState.CANCELLING
    session.flush()
    making.take_away(lambda: within(session), number(batch), clock=clock)
    assert (batch.state, [voucher.state for voucher in vouchers_of(session, batch)]) == (BatchState.CANCELLED, [VoucherState.USED])


def _use(session: Session, batch: VoucherBatch) -> None:
    service.enter_code(session, code=codes_of(session, batch)[0], context=None, device=None, now=NOON)


def _reveal(session: Session, batch: VoucherBatch) -> None:
    root = replace(staff(), proven_at=NOON)
    service.reveal_code(session, actor=root, voucher_id=vouchers_of(session, batch)[0].id or 0, now=NOON)


def _print(session: Session, batch: VoucherBatch) -> None:
    from services.audit import service as audit

    audit.record(session, OFFICER, "batch.print", target=("batch", batch.id), now=NOON, after={"first": 1, "last": 2})


@pytest.mark.parametrize("see", [_use, _reveal, _print])
def test_a_batch_of_which_somebody_has_a_code_is_not_taken_away(session: Session, see: Any) -> None:
    batch = made(session)
    see(session, batch)
    with pytest.raises(BatchNotCancellable):
        cancel_batch(session, actor=OFFICER, batch_id=number(batch), now=NOON)
    assert batch.state is BatchState.READY


def test_an_unknown_batch_cannot_be_cancelled(session: Session) -> None:
    with pytest.raises(BatchNotFound):
        cancel_batch(session, actor=OFFICER, batch_id=999_999, now=NOON)
    with pytest.raises(Forbidden):
        cancel_batch(session, actor=staff(Role.CUSTOMER_CARE), batch_id=1, now=NOON)
