"""Whatever becomes of its answers, PortaBilling ends as our vouchers say: one account each, one charge for a sale, what is over blocked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from app.db import transaction
from services.integrations.portabilling import PortaAccount
from services.packages.service import Offer
from services.payments.clearing.models import LedgerAccount, LedgerOpen, LedgerTransfer, TransferReason
from services.payments.clearing.posting import of_payment, post
from services.payments.models import EventKind, Payment, PaymentEvent, PaymentStatus
from services.vouchers import settlement, stock
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState
from services.vouchers.owed import is_charge_due
from services.vouchers.service import _new_voucher
from tests.conftest import NOON
from tests.factories import make_package
from tests.services.vouchers.porta import FATES, LATE, Fate, Porta
from tests.services.vouchers.stocking import make_paid, set_mark

A = LedgerAccount


@dataclass
class Shop:
    """A package with stock, and PortaBilling, which can be made to misbehave."""

    session: Session
    porta: Porta
    offer: Offer

    def settle(self, voucher: Voucher) -> None:
        assert voucher.id is not None
        self.session.flush()
        settlement.settle_voucher(transaction, voucher.id, self.porta.outside, clock=lambda: self.porta.now)
        self.session.expire_all()

    def settle_due(self) -> None:
        """Everything that is due now, as the sweep finds it."""
        due = select(Voucher).where(col(Voucher.porta_next_attempt_at) <= self.porta.now).order_by(col(Voucher.id))
        for voucher in self.session.exec(due).all():
            self.settle(voucher)

    def come_to_rest(self) -> None:
        self.porta.fates.clear()
        for _ in range(12):
            self.porta.pass_time(timedelta(minutes=6))
            self.settle_due()
        assert self.session.exec(select(Voucher).where(col(Voucher.porta_next_attempt_at).is_not(None))).all() == []

    def stocked(self) -> None:
        stock.top_up(self.session, now=self.porta.now)
        self.settle_due()

    def bound(self) -> tuple[Payment, Voucher]:
        """A payment that waited for its own voucher in vain and got one of the stock."""
        payment = make_paid(self.session, self.offer, now=self.porta.now)
        own = self.session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one()
        own.porta_issue_called_at = self.porta.now
        voucher = stock.bind(self.session, payment, now=self.porta.now)
        assert voucher is not None
        return payment, voucher

    def give_back(self, payment: Payment) -> None:
        """What the refunds desk does of it that settlement must live with."""
        voucher = self.session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one()
        payment.move(PaymentStatus.REFUNDING, now=self.porta.now)
        called = voucher.porta_charge_called_at if voucher.origin is VoucherOrigin.STOCK else voucher.porta_issue_called_at
        if voucher.state is not VoucherState.USED:
            voucher.state = VoucherState.BLOCKED
        voucher.porta_next_attempt_at = self.porta.now
        if called is None and is_charge_due(self.session, payment):
            once = f"charge_dropped:{payment.id}"
            reason, debit, credit = TransferReason.CHARGE_DROPPED, A.PORTABILLING_CONTRA, A.PORTABILLING_CHARGE
            amount, subject = payment.amount_bututs, of_payment(payment)
            post(self.session, reason, debit, credit, amount, subject=subject, once=once, now=self.porta.now)
        self.session.flush()

    def charges(self, voucher: Voucher) -> list[tuple[int, str]]:
        return [(amount, comment) for account, amount, comment in self.porta.charges if account == voucher.porta_i_account]

    def kinds(self, payment: Payment) -> list[EventKind]:
        rows = select(PaymentEvent).where(PaymentEvent.payment_id == payment.id).order_by(col(PaymentEvent.sequence))
        return [row.kind for row in self.session.exec(rows)]

    def reasons(self, payment: Payment) -> list[TransferReason]:
        return list(self.session.exec(select(LedgerTransfer.reason).where(LedgerTransfer.subject == of_payment(payment))))

    def owes_charge(self, payment: Payment) -> bool:
        held = select(LedgerOpen).where(LedgerOpen.account == A.PORTABILLING_CHARGE, LedgerOpen.subject == of_payment(payment))
        return self.session.exec(held).one_or_none() is not None


@pytest.fixture
def shop(session: Session) -> Shop:
    offer = make_package(session)
    set_mark(session, offer, 2)
    return Shop(session, Porta(NOON), offer)


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    shop.stocked()
    shop.porta.asked.clear()
    return shop


def test_stock_is_issued_with_the_packages_price_and_its_batch(shop: Shop) -> None:
    shop.stocked()
    assert [(account.opening_balance_bututs, account.batch) for account in shop.porta.accounts.values()] == [(2500, "inet-stock")] * 2
    vouchers = shop.session.exec(select(Voucher)).all()
    assert {(voucher.state, voucher.porta_next_attempt_at) for voucher in vouchers} == {(VoucherState.ACTIVE, None)}
    assert shop.porta.charges == []


def test_what_was_bound_is_charged_once_under_the_sales_reference_and_then_blocked(stocked: Shop) -> None:
    payment, voucher = stocked.bound()

    stocked.settle(voucher)

    assert stocked.charges(voucher) == [(2500, f"INET {payment.reference}")]
    assert stocked.porta.asked == ["make_transaction", "update_account"]
    assert stocked.porta.accounts[voucher.porta_account_id].blocked
    assert stocked.kinds(payment)[-2:] == [EventKind.CHARGED, EventKind.VOUCHER_BLOCKED]
    assert payment.status is PaymentStatus.ACCESS_GRANTED
    assert not stocked.owes_charge(payment)
    assert (voucher.porta_charged_at, voucher.porta_next_attempt_at) == (NOON, None)


def test_what_a_discount_left_of_the_price_is_charged(stocked: Shop) -> None:
    payment = make_paid(stocked.session, stocked.offer, now=NOON)
    payment.amount_bututs, payment.discount_bututs = 2000, 500
    voucher = stock.bind(stocked.session, payment, now=NOON)
    assert voucher is not None
    assert is_charge_due(stocked.session, payment)
    stocked.settle(voucher)
    assert [amount for amount, _ in stocked.charges(voucher)] == [2000]


def test_a_charge_whose_answer_was_lost_is_found_and_not_made_again(stocked: Shop) -> None:
    payment, voucher = stocked.bound()
    stocked.porta.fates = ["lost"]
    stocked.settle(voucher)
    assert EventKind.CHARGED not in stocked.kinds(payment)

    stocked.porta.pass_time(timedelta(seconds=10))
    stocked.settle(voucher)

    assert stocked.porta.asked == ["make_transaction", "get_xdr_list", "update_account"]
    assert len(stocked.charges(voucher)) == 1
    assert stocked.kinds(payment).count(EventKind.CHARGED) == 1


def test_a_charge_that_may_still_be_under_way_is_not_made_again_before_it_is_surely_over(stocked: Shop) -> None:
    payment, voucher = stocked.bound()
    stocked.porta.fates = ["late"]
    stocked.settle(voucher)
    stocked.porta.pass_time(LATE / 2)
    stocked.settle(voucher)
    assert stocked.porta.asked == ["make_transaction", "get_xdr_list"]
    assert voucher.porta_next_attempt_at == NOON + settlement.surely_over()

    stocked.come_to_rest()

    assert len(stocked.charges(voucher)) == 1
    assert not stocked.owes_charge(payment)


def test_a_charge_that_was_never_made_is_made_when_it_can_no_longer_be_under_way(stocked: Shop) -> None:
    _, voucher = stocked.bound()
    stocked.porta.fates = ["broken"]
    stocked.settle(voucher)
    stocked.porta.pass_time(settlement.surely_over())
    stocked.settle(voucher)
    assert stocked.porta.asked == ["make_transaction", "get_xdr_list", "make_transaction", "update_account"]
    assert len(stocked.charges(voucher)) == 1


def test_a_charge_that_was_not_sent_is_tried_again_without_a_search(stocked: Shop) -> None:
    _, voucher = stocked.bound()
    stocked.porta.fates = ["away"]
    stocked.settle(voucher)
    assert (voucher.porta_charge_called_at, voucher.porta_error) == (None, "not connected")
    stocked.settle(voucher)
    assert stocked.porta.asked == ["make_transaction", "make_transaction", "update_account"]
    assert voucher.porta_error is None


def test_a_charge_is_found_by_its_sum_where_no_comments_are_kept(stocked: Shop) -> None:
    payment, voucher = stocked.bound()
    stocked.porta.fates = ["lost"]
    stocked.settle(voucher)
    stocked.porta.charges = [(account, amount, "") for account, amount, _ in stocked.porta.charges]
    stocked.come_to_rest()
    assert len(stocked.charges(voucher)) == 1
    assert not stocked.owes_charge(payment)


def test_an_account_that_came_to_be_after_it_was_replaced_is_blocked_and_is_no_sale(stocked: Shop) -> None:
    payment, _ = stocked.bound()
    own = stocked.session.exec(select(Voucher).where(Voucher.replaced_payment_id == payment.id)).one()
    stocked.settle(own)
    assert own.porta_next_attempt_at == NOON + settlement.surely_over()
    stocked.porta.issue_voucher(account_id=own.porta_account_id, opening_balance_bututs=2500, batch=None)

    stocked.come_to_rest()

    assert stocked.porta.accounts[own.porta_account_id].blocked
    assert own.state is VoucherState.BLOCKED
    assert stocked.kinds(payment).count(EventKind.VOUCHER_ISSUED) == 1
    assert len(stocked.porta.charges) == 1


def test_an_account_that_never_came_to_be_is_not_made_for_a_replaced_voucher(stocked: Shop) -> None:
    payment, _ = stocked.bound()
    own = stocked.session.exec(select(Voucher).where(Voucher.replaced_payment_id == payment.id)).one()
    stocked.come_to_rest()
    assert own.porta_account_id not in stocked.porta.accounts
    assert own.porta_issue_called_at is None


def test_retired_stock_is_blocked_in_portabilling(stocked: Shop) -> None:
    set_mark(stocked.session, stocked.offer, 0)
    stock.top_up(stocked.session, now=NOON)
    stocked.settle_due()
    assert all(account.blocked for account in stocked.porta.accounts.values())


def test_money_that_goes_back_before_the_charge_was_tried_is_never_charged(stocked: Shop) -> None:
    payment, voucher = stocked.bound()
    stocked.give_back(payment)
    stocked.come_to_rest()
    assert stocked.charges(voucher) == []
    assert stocked.porta.accounts[voucher.porta_account_id].blocked
    assert not stocked.owes_charge(payment)


@pytest.mark.parametrize(
    ("fate", "charges", "reason"), [("lost", 1, "charged"), ("late", 1, "charged"), ("broken", 0, "charge_dropped"), ("good", 1, "charged")]
)
def test_money_that_goes_back_while_nobody_knows_of_the_charge(stocked: Shop, fate: Fate, charges: int, reason: str) -> None:
    payment, voucher = stocked.bound()
    stocked.porta.fates = [fate]
    stocked.settle(voucher)
    stocked.give_back(payment)

    stocked.come_to_rest()

    assert len(stocked.charges(voucher)) == charges
    assert [kept for kept in stocked.reasons(payment) if kept in ("charged", "charge_dropped")] == [reason]
    assert payment.status is PaymentStatus.REFUNDING
    assert not stocked.owes_charge(payment)
    assert stocked.porta.accounts[voucher.porta_account_id].blocked


@pytest.mark.parametrize(("comes", "reason"), [(True, "charged"), (False, "charge_dropped")])
def test_money_that_goes_back_while_nobody_knows_of_the_account(shop: Shop, comes: bool, reason: str) -> None:
    payment = make_paid(shop.session, shop.offer, now=NOON)
    own = shop.session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one()
    own.porta_issue_called_at = NOON
    shop.give_back(payment)
    shop.settle(own)
    assert shop.owes_charge(payment)
    if comes:
        shop.porta.issue_voucher(account_id=own.porta_account_id, opening_balance_bututs=2500, batch=None)

    shop.come_to_rest()

    assert [kept for kept in shop.reasons(payment) if kept in ("charged", "charge_dropped")] == [reason]
    assert all(account.blocked for account in shop.porta.accounts.values())
    assert (own.porta_account_id in shop.porta.accounts) is comes


def test_money_that_goes_back_after_the_account_was_made_leaves_no_charge_open(shop: Shop) -> None:
    payment = make_paid(shop.session, shop.offer, now=NOON)
    own = shop.session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one()
    account = shop.porta.issue_voucher(account_id=own.porta_account_id, opening_balance_bututs=2500, batch=None)
    own.porta_issue_called_at = own.porta_issued_at = NOON
    own.porta_i_account = account.i_account
    shop.give_back(payment)
    shop.settle(own)
    assert shop.reasons(payment).count(TransferReason.CHARGED) == 1
    assert shop.porta.accounts[own.porta_account_id].blocked


def test_a_payments_own_voucher_is_left_to_the_payment(shop: Shop) -> None:
    payment = make_paid(shop.session, shop.offer, now=NOON)
    own = shop.session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).one()
    own.porta_next_attempt_at = NOON
    shop.settle(own)
    assert shop.porta.asked == []
    assert own.porta_next_attempt_at is None


def test_a_voucher_made_by_hand_and_blocked_before_it_was_issued_is_never_issued(shop: Shop) -> None:
    voucher = _by_hand(shop)
    voucher.state = VoucherState.BLOCKED
    shop.settle(voucher)
    assert shop.porta.accounts == {}
    voucher.state, voucher.porta_next_attempt_at = VoucherState.PENDING, NOON
    shop.settle(voucher)
    assert voucher.state is VoucherState.ACTIVE


def test_a_lost_answer_to_issuing_by_hand_is_found(shop: Shop) -> None:
    voucher = _by_hand(shop)
    shop.porta.fates = ["lost"]
    shop.settle(voucher)
    shop.porta.pass_time(timedelta(seconds=10))
    shop.settle(voucher)
    assert shop.porta.asked == ["add_account", "get_account"]
    assert voucher.state is VoucherState.ACTIVE


def test_a_second_worker_leaves_a_voucher_to_the_first(stocked: Shop) -> None:
    _, voucher = stocked.bound()
    voucher.porta_lease_until = NOON + timedelta(seconds=5)
    stocked.settle(voucher)
    assert stocked.porta.asked == []


def _by_hand(shop: Shop) -> Voucher:
    return _new_voucher(
        shop.session,
        version_id=shop.offer.version_id,
        porta_account_id=f"inet-v-{len(shop.session.exec(select(Voucher)).all())}",
        origin=VoucherOrigin.HAND,
        payment_id=None,
        customer_id=None,
        issued_by="test",
        note=None,
        now=shop.porta.now,
    )[0]


_fates = st.lists(st.sampled_from(FATES), max_size=12)
_pauses = st.lists(st.integers(0, 70), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_fates, _pauses, st.one_of(st.none(), st.integers(0, 7)), st.booleans())
def test_no_order_of_lost_answers_charges_twice_or_not_at_all(
    session: Session, fates: list[Fate], pauses: list[int], given_back_at: int | None, is_own_late: bool
) -> None:
    nested = session.begin_nested()
    try:
        _live_through(session, fates, pauses, given_back_at, is_own_late)
    finally:
        nested.rollback()


def _live_through(session: Session, fates: list[Fate], pauses: list[int], given_back_at: int | None, is_own_late: bool) -> None:
    offer = make_package(session)
    set_mark(session, offer, 1)
    shop = Shop(session, Porta(NOON), offer)
    shop.stocked()
    payment, voucher = shop.bound()
    own = session.exec(select(Voucher).where(Voucher.replaced_payment_id == payment.id)).one()
    shop.porta.fates = list(fates)
    for turn, seconds in enumerate(pauses):
        if turn == given_back_at:
            shop.give_back(payment)
        if turn == 1 and is_own_late:
            shop.porta.accounts[own.porta_account_id] = _late_account(own)
        shop.settle_due()
        assert len(shop.charges(voucher)) <= 1
        shop.porta.pass_time(timedelta(seconds=seconds))
    shop.come_to_rest()

    is_charged = EventKind.CHARGED in shop.kinds(payment)
    assert len(shop.charges(voucher)) == is_charged
    assert is_charged or (given_back_at is not None and TransferReason.CHARGE_DROPPED in shop.reasons(payment))
    assert not shop.owes_charge(payment)
    assert shop.porta.accounts[voucher.porta_account_id].blocked
    assert all(account.blocked for account in shop.porta.accounts.values() if account.id == own.porta_account_id)
    assert len(session.exec(select(Voucher).where(Voucher.payment_id == payment.id)).all()) == 1


def _late_account(own: Voucher) -> PortaAccount:
    return PortaAccount(9000, own.porta_account_id, 2500, 2500, False, None, None, 1)
