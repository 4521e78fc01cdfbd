"""Vouchers made ahead: how many, of what, and who gets them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from services.access.models import Entitlement
from services.network.alarm_models import AlarmKind, NetworkAlarm
from services.packages.models import Package, PackageVersion
from services.payments.models import EventKind, Payment, PaymentEvent, PaymentStatus
from services.vouchers import stock, stock_watch
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState
from tests.conftest import NOON
from tests.factories import make_package
from tests.services.vouchers.stocking import make_paid, make_ready, make_stocked_package, set_mark


def _stock(session: Session, state: VoucherState | None = None) -> list[Voucher]:
    query = select(Voucher).where(Voucher.origin == VoucherOrigin.STOCK).order_by(col(Voucher.id))
    return list(session.exec(query if state is None else query.where(Voucher.state == state)))


def _new_version(session: Session, public_id: str) -> int:
    package = session.exec(select(Package).where(Package.public_id == public_id)).one()
    old = session.exec(select(PackageVersion).where(PackageVersion.package_id == package.id)).one()
    made = PackageVersion(**(old.model_dump(exclude={"id"}) | {"version": 2, "amount_bututs": old.amount_bututs + 500}))
    package.current_version = 2
    session.add(made)
    session.flush()
    assert made.id is not None
    return made.id


def _kinds(session: Session, payment: Payment) -> list[EventKind]:
    rows = session.exec(select(PaymentEvent).where(PaymentEvent.payment_id == payment.id).order_by(col(PaymentEvent.sequence)))
    return [row.kind for row in rows]


def test_what_is_missing_to_the_mark_is_made_once(session: Session) -> None:
    offer = make_package(session)
    set_mark(session, offer, 3)
    assert [stock.top_up(session, now=NOON) for _ in range(3)] == [3, 0, 0]
    for voucher in _stock(session):
        assert (voucher.state, voucher.payment_id, voucher.customer_id) == (VoucherState.PENDING, None, None)
        assert voucher.porta_account_id.startswith("inet-s-")
        assert (voucher.porta_next_attempt_at, voucher.issued_by) == (NOON, "stock")


def test_while_portabilling_takes_none_no_more_are_made(session: Session) -> None:
    offer = make_package(session)
    set_mark(session, offer, 5)
    stock.top_up(session, now=NOON)
    assert [stock.top_up(session, now=NOON + timedelta(hours=hour)) for hour in range(1, 4)] == [0, 0, 0]


def test_a_large_mark_is_reached_in_several_runs(session: Session) -> None:
    offer = make_package(session)
    set_mark(session, offer, 150)
    assert [stock.top_up(session, now=NOON) for _ in range(3)] == [100, 50, 0]


@pytest.mark.parametrize("change", [{"is_on_sale": False}, {"stock_mark": 0}, {"on_sale_until": NOON - timedelta(days=1)}])
def test_of_what_is_not_sold_nothing_is_made_and_what_is_held_is_blocked(session: Session, change: dict[str, object]) -> None:
    offer = make_stocked_package(session, mark=2, now=NOON)
    package = session.exec(select(Package).where(Package.public_id == offer.public_id)).one()
    for name, value in change.items():
        setattr(package, name, value)
    session.flush()

    assert stock.top_up(session, now=NOON) == 0

    assert {(voucher.state, voucher.porta_next_attempt_at) for voucher in _stock(session)} == {(VoucherState.BLOCKED, NOON)}
    assert stock.levels(session, now=NOON) == []


def test_a_package_that_is_yet_to_be_sold_keeps_what_it_has_and_gets_no_more(session: Session) -> None:
    offer = make_stocked_package(session, mark=1, now=NOON)
    session.exec(select(Package).where(Package.public_id == offer.public_id)).one().on_sale_from = NOON + timedelta(days=1)
    set_mark(session, offer, 5)
    assert stock.top_up(session, now=NOON) == 0
    assert len(_stock(session, VoucherState.ACTIVE)) == 1


def test_a_new_version_gets_its_own_stock_and_the_old_ones_is_blocked(session: Session) -> None:
    offer = make_stocked_package(session, mark=2, now=NOON)
    version_id = _new_version(session, offer.public_id)

    assert stock.top_up(session, now=NOON) == 2

    assert {voucher.package_version_id for voucher in _stock(session, VoucherState.BLOCKED)} == {offer.version_id}
    assert {voucher.package_version_id for voucher in _stock(session, VoucherState.PENDING)} == {version_id}


def test_what_ends_soon_is_replaced(session: Session) -> None:
    make_stocked_package(session, mark=2, now=NOON)
    later = NOON + timedelta(days=340)
    assert stock.top_up(session, now=later) == 2
    assert len(_stock(session, VoucherState.BLOCKED)) == 2


@pytest.mark.parametrize(
    ("mark", "ready", "is_low"), [(20, 5, False), (20, 4, True), (1, 1, False), (1, 0, True), (5, 2, False), (5, 1, True)]
)
def test_less_than_a_quarter_is_low(session: Session, mark: int, ready: int, is_low: bool) -> None:
    offer = make_stocked_package(session, mark=ready, now=NOON) if ready else make_package(session)
    set_mark(session, offer, mark)
    (level,) = stock.levels(session, now=NOON)
    assert (level.public_id, level.ready, level.pending, level.is_low) == (offer.public_id, ready, 0, is_low)


def test_staff_is_warned_while_a_stock_stays_low(session: Session) -> None:
    offer = make_package(session)
    stock.top_up(session, now=NOON)
    assert stock_watch.watch(session, now=NOON + timedelta(minutes=1)) == 0
    assert [stock_watch.watch(session, now=NOON + timedelta(minutes=minutes)) for minutes in (2, 3)] == [1, 0]
    alarm = session.exec(select(NetworkAlarm)).one()
    assert (alarm.kind, alarm.subject) == (AlarmKind.LOW_STOCK, offer.public_id)
    assert "0 of 20" in alarm.message

    make_ready(session, now=NOON)
    stock_watch.watch(session, now=NOON + timedelta(minutes=5))

    session.expire_all()
    assert session.exec(select(NetworkAlarm)).one().ended_at == NOON + timedelta(minutes=5)


def test_who_gets_one_of_the_stock_is_let_in_at_once_and_their_own_is_blocked(session: Session) -> None:
    offer = make_stocked_package(session, mark=2, now=NOON)
    payment = make_paid(session, offer, now=NOON)
    own = session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one()
    own.porta_issue_called_at, promised = NOON, own.use_before

    bound = stock.bind(session, payment, now=NOON)

    assert bound is not None
    assert bound.id == min(voucher.id or 0 for voucher in _stock(session))
    assert (bound.payment_id, bound.customer_id, bound.state, bound.use_before) == (
        payment.id,
        payment.customer_id,
        VoucherState.USED,
        promised,
    )
    assert bound.porta_next_attempt_at == NOON
    assert (own.payment_id, own.replaced_payment_id, own.state) == (None, payment.id, VoucherState.BLOCKED)
    assert own.porta_next_attempt_at is not None
    assert payment.status is PaymentStatus.ACCESS_GRANTED
    assert session.exec(select(Entitlement)).one().payment_id == payment.id
    assert _kinds(session, payment)[-3:] == [EventKind.STOCK_BOUND, EventKind.VOUCHER_ISSUED, EventKind.ACCESS_GRANTED]


def test_a_payment_gets_one_voucher_however_often_it_is_asked(session: Session) -> None:
    offer = make_stocked_package(session, mark=2, now=NOON)
    payment = make_paid(session, offer, now=NOON)
    assert stock.bind(session, payment, now=NOON) is not None
    assert stock.bind(session, payment, now=NOON) is None
    assert len(_stock(session, VoucherState.ACTIVE)) == 1


def test_an_own_voucher_that_portabilling_was_never_asked_for_is_owed_nothing(session: Session) -> None:
    offer = make_stocked_package(session, mark=1, now=NOON)
    payment = make_paid(session, offer, now=NOON)
    stock.bind(session, payment, now=NOON)
    own = session.exec(select(Voucher).where(Voucher.replaced_payment_id == payment.id)).one()
    assert own.porta_next_attempt_at is None


def test_an_empty_stock_changes_nothing(session: Session) -> None:
    offer = make_stocked_package(session, mark=1, now=NOON)
    first, second = (make_paid(session, offer, now=NOON) for _ in range(2))
    assert stock.bind(session, first, now=NOON) is not None
    before = _kinds(session, second)

    assert stock.bind(session, second, now=NOON) is None

    assert (second.status, _kinds(session, second)) == (PaymentStatus.PAID, before)
    assert session.exec(select(Voucher).where(Voucher.payment_id == second.id)).one().state is VoucherState.PENDING


def test_another_versions_stock_is_not_given(session: Session) -> None:
    offer = make_stocked_package(session, mark=1, now=NOON)
    payment = make_paid(session, offer, now=NOON)
    payment.package_version_id = _new_version(session, offer.public_id)
    assert stock.bind(session, payment, now=NOON) is None


def test_what_portabilling_has_not_taken_is_not_given(session: Session) -> None:
    offer = make_package(session)
    stock.top_up(session, now=NOON)
    assert stock.bind(session, make_paid(session, offer, now=NOON), now=NOON) is None


def test_what_has_too_little_time_left_to_be_charged_is_not_given(session: Session) -> None:
    offer = make_stocked_package(session, mark=1, now=NOON)
    later = NOON + timedelta(days=360)
    assert stock.bind(session, make_paid(session, offer, now=later), now=later) is None


def test_a_voucher_that_staff_blocked_keeps_its_payment_waiting(session: Session) -> None:
    offer = make_stocked_package(session, mark=1, now=NOON)
    payment = make_paid(session, offer, now=NOON)
    session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one().state = VoucherState.BLOCKED
    assert stock.bind(session, payment, now=NOON) is None
