"""No order of what people and outside services do, any number of times, makes an account unexplained or anything happen twice.

Played through the services on real PostgreSQL; Wave and PortaBilling are played at the `Outside` boundary, with answers that are lost.
`INET_BOOKS_EXAMPLES` is how many plays are tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlmodel import Session, col, select

from app import db
from app.db import transaction
from app.errors import DomainError
from services.access import grants, sweeps
from services.access.entry import let_in
from services.access.models import Entitlement, Grant, GrantState
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.integrations.clients import Outside
from services.packages.service import Offer
from services.payments import process, refunds, strays
from services.payments.clearing.items import unexplained
from services.payments.clearing.lapse import lapse
from services.payments.clearing.models import LedgerAccount, LedgerOpen
from services.payments.clearing.queries import verify_books
from services.payments.models import TO_BE_SERVED, Payment, PaymentEvent, PaymentStatus, Refund, RefundRule
from services.payments.refunding import approve_refund, ask_refund, decline_refund
from services.payments.refused import pay_out, retry_refund
from services.vouchers import service as vouchers
from services.vouchers import settlement, stock
from services.vouchers.models import Voucher, VoucherOrigin
from tests.conftest import NOON
from tests.factories import make_context, make_gateway, make_package, make_payment, staff
from tests.pages import builders
from tests.services.payments.clearing.wave import Wave
from tests.services.vouchers.porta import FATES, Porta

EXAMPLES, STEPS = int(os.environ.get("INET_BOOKS_EXAMPLES", "10")), 20
_MOST_PAYMENTS = 3
_which = st.integers(0, 9)
# Most calls go well: what comes after a long way is reached too.
_fates = st.sampled_from([True, True, False]).flatmap(lambda well: st.just([]) if well else st.lists(st.sampled_from(FATES), max_size=3))
_sale = st.tuples(st.booleans(), _fates, st.sampled_from([True, True, True, False]), _fates, st.booleans())


class Books(RuleBasedStateMachine):
    """One shop with one package, a few purchases, and everything that can happen to them."""

    offer: Offer
    asker: int | None
    decider: int | None

    def __init__(self) -> None:
        super().__init__()
        self._connection = db.engine().connect()
        self._outer = self._connection.begin()
        db.use_bind(self._connection)
        self.now = NOON
        self.wave, self.porta = Wave(NOON), Porta(NOON)
        self.payment_ids: list[int] = []

    def teardown(self) -> None:
        try:
            self._all_goes_well_in_the_end()
        finally:
            db.use_bind(None)
            self._outer.rollback()
            self._connection.close()

    @property
    def outside(self) -> Outside:
        return Outside(wave=cast(Any, self.wave), portabilling=cast(Any, self.porta), sms=None, mail=None, openwisp=None)

    def clock(self) -> datetime:
        return self.now

    @initialize(sales=st.lists(_sale, min_size=1, max_size=_MOST_PAYMENTS), stocked=st.booleans())
    def open_the_shop(self, sales: list[Any], stocked: bool) -> None:
        with transaction() as session:
            self.offer = make_package(session, amount_bututs=2500, validity_days=2)
            self.gateway = make_gateway(session)
            self.asker, self.decider = (
                builders.a_staff(session, role, now=self.now).id for role in (Role.CUSTOMER_CARE, Role.BILLING_OFFICER)
            )
            # An emptied database has lost the rules that the migration made.
            for role in (Role.CUSTOMER_CARE, Role.BILLING_OFFICER):
                sums = {"most_bututs": 100_000, "alone_bututs": 0, "day_bututs": 1_000_000}
                session.merge(RefundRule(role=role, changed_at=self.now, **sums))
            if stocked:
                stock._make(session, self.offer.version_id, now=self.now)
        self.settle(0, [])
        for sale in sales:
            self._sell(*sale)

    def _sell(self, at_hotspot: bool, wave: list[Any], pays: bool, porta: list[Any], goes_online: bool) -> None:
        """A purchase as far as it came: what follows is for the rules."""
        with transaction() as session:
            number = len(self.payment_ids)
            mac = f"02:00:00:bb:00:{number:02x}"
            context = make_context(self.gateway, mac=mac, at=self.now) if at_hotspot else None
            payment = make_payment(session, context=context, phone=f"+22083300000{number}", package=self.offer, now=self.now)
            assert payment.id is not None
            payment.next_attempt_at = self.now
            self.payment_ids.append(payment.id)
        before = set(self.wave.sessions)
        self.advance(number, wave, [])
        if wave:
            # A session that was made late stands beside the one that was made instead.
            for seconds in (30, 30):
                self._pass(timedelta(seconds=seconds))
                self.advance(number, [], [])
        for opened in set(self.wave.sessions) - before:
            if pays:
                self.wave.pay(opened)
        self._pass(timedelta(minutes=1))
        self.advance(number, [], porta)
        if goes_online:
            self.go_online(number)
            self.the_router_confirms(number)

    # What customers do.

    @precondition(lambda self: len(self.payment_ids) < _MOST_PAYMENTS)
    @rule(sale=_sale)
    def buy(self, sale: tuple[bool, list[Any], bool, list[Any], bool]) -> None:
        self._sell(*sale)

    @precondition(lambda self: self.wave.sessions)
    @rule(which=_which, succeeds=st.booleans())
    def pay(self, which: int, succeeds: bool) -> None:
        names = [name for name, found in self.wave.sessions.items() if found.checkout_status == "open"] or sorted(self.wave.sessions)
        name = names[which % len(names)]
        (self.wave.pay if succeeds else self.wave.fail)(name)

    @rule(which=_which)
    def go_online(self, which: int) -> None:
        with transaction() as session:
            found = session.exec(select(Entitlement).order_by(col(Entitlement.id))).all()
            if not found:
                return
            entitlement = found[which % len(found)]
            try:
                let_in(session, entitlement, make_context(self.gateway, at=self.now), None, swap=True, now=self.now)
            except DomainError:
                return

    @rule(which=_which)
    def the_router_confirms(self, which: int) -> None:
        with transaction() as session:
            waiting = (GrantState.QUEUED, GrantState.OFFERED, GrantState.UNCONFIRMED)
            found = session.exec(select(Grant).where(col(Grant.state).in_(waiting)).order_by(col(Grant.id))).all()
            if found:
                grant = found[which % len(found)]
                grant.state = GrantState.ACKED
                grants.confirm(session, grant, started_at=self.now, now=self.now)

    # What workers do, whether or not it is due.

    @precondition(lambda self: self.payment_ids)
    @rule(which=_which, wave=_fates, porta=_fates)
    def advance(self, which: int, wave: list[Any], porta: list[Any]) -> None:
        self.wave.fates, self.porta.fates = wave, porta
        process.advance(transaction, self._payment(which), self.outside, clock=self.clock)

    @precondition(lambda self: self.payment_ids)
    @rule(which=_which, wave=_fates)
    def look_for_strays(self, which: int, wave: list[Any]) -> None:
        self.wave.fates = wave
        strays.look_for_strays(transaction, self._payment(which), self.outside, clock=self.clock)

    @rule(which=_which, porta=_fates)
    def settle(self, which: int, porta: list[Any]) -> None:
        self.porta.fates = porta
        ids = self._voucher_ids()
        if ids:
            settlement.settle_voucher(transaction, ids[which % len(ids)], self.outside, clock=self.clock)

    @rule(wave=_fates)
    def send_refunds(self, wave: list[Any]) -> None:
        self.wave.fates = wave
        with transaction() as session:
            ids = session.exec(select(Refund.id).order_by(col(Refund.id))).all()
        for refund_id in ids:
            refunds.send_refund(transaction, refund_id or 0, self.outside, clock=self.clock)

    @rule(number=st.integers(1, 2))
    def a_stock_is_made(self, number: int) -> None:
        with transaction() as session:
            made = select(Voucher.id).where(Voucher.origin == VoucherOrigin.STOCK)
            if len(session.exec(made).all()) < 2:
                for _ in range(number):
                    stock._make(session, self.offer.version_id, now=self.now)

    @rule(minutes=st.sampled_from((0, 1, 1, 1, 2, 5, 40, 26 * 60, 3 * 24 * 60)))
    def time_passes(self, minutes: int) -> None:
        self._pass(timedelta(minutes=minutes))

    # What staff do.

    @rule(which=_which, blocked=st.booleans())
    def block(self, which: int, blocked: bool) -> None:
        ids = self._voucher_ids()
        if not ids:
            return
        self._try(vouchers.set_blocked, actor=staff(), voucher_id=ids[which % len(ids)], blocked=blocked)

    @precondition(lambda self: self.payment_ids)
    @rule(which=_which)
    def ask_for_the_money_back(self, which: int) -> None:
        with transaction() as session:
            public_id = session.get_one(Payment, self._payment(which)).public_id
        self._try(ask_refund, actor=self._person(Role.CUSTOMER_CARE, self.asker), public_id=public_id, reason="It did not work.")

    @rule(which=_which, agrees=st.sampled_from([True, True, False]), himself=st.sampled_from([False, False, True]))
    def decide(self, which: int, agrees: bool, himself: bool) -> None:
        refund_id = self._refund(which)
        if refund_id is None:
            return
        actor = self._person(Role.BILLING_OFFICER, self.asker if himself else self.decider)
        if agrees:
            self._try(approve_refund, actor=actor, refund_id=refund_id)
        else:
            self._try(decline_refund, actor=actor, refund_id=refund_id, note="It worked after all.")

    @rule(which=_which)
    def send_again(self, which: int) -> None:
        refund_id = self._refund(which)
        if refund_id is not None:
            self._try(retry_refund, actor=self._person(Role.BILLING_OFFICER, self.decider), refund_id=refund_id)

    @rule(which=_which, himself=st.sampled_from([False, False, True]))
    def pay_out_what_wave_refused(self, which: int, himself: bool) -> None:
        refund_id = self._refund(which)
        if refund_id is not None:
            actor = self._person(Role.BILLING_OFFICER, self.asker if himself else self.decider)
            self._try(pay_out, actor=actor, refund_id=refund_id, how="Cash, receipt 7")

    def _person(self, role: Role, staff_id: int | None) -> Principal:
        return replace(staff(role), id=staff_id, proven_at=self.now)

    def _refund(self, which: int) -> int | None:
        with transaction() as session:
            ids = session.exec(select(Refund.id).order_by(col(Refund.id))).all()
        return ids[which % len(ids)] if ids else None

    def _try(self, use_case: Callable[..., object], **arguments: Any) -> None:
        """A refusal in words changes nothing."""
        try:
            with transaction() as session:
                use_case(session, **arguments, now=self.now)
        except DomainError:
            return

    # What must be true after each of these.

    @invariant()
    def the_books_are_whole(self) -> None:
        if not self.payment_ids:
            return
        with transaction() as session:
            books = verify_books(session)
            assert books.are_whole, books
            loose = unexplained(session, now=self.now)
            assert not loose.items, loose.items
            self._nothing_happened_twice(session)

    def _nothing_happened_twice(self, session: Session) -> None:
        per_voucher = session.execute(sa.text("SELECT payment_id FROM voucher WHERE payment_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1"))
        assert per_voucher.all() == []
        per_entitlement = session.execute(sa.text("SELECT voucher_id FROM entitlement GROUP BY 1 HAVING count(*) > 1"))
        assert per_entitlement.all() == []
        twice = session.execute(sa.text("SELECT checkout_id FROM refund WHERE state NOT IN ('declined') GROUP BY 1 HAVING count(*) > 1"))
        assert twice.all() == []
        comments = [comment for _, _, comment in self.porta.charges]
        assert len(comments) == len(set(comments))
        receivable = dict(
            session.execute(
                sa.select(col(LedgerOpen.subject), col(LedgerOpen.balance_bututs)).where(
                    col(LedgerOpen.account) == LedgerAccount.WAVE_RECEIVABLE
                )
            ).all()
        )
        for payment_id in self.payment_ids:
            held = session.exec(select(sa.func.sum(PaymentEvent.amount_bututs)).where(PaymentEvent.payment_id == payment_id)).one()
            assert receivable.get(f"payment:{payment_id}", 0) == (held or 0)

    # How it is done.

    def _payment(self, which: int) -> int:
        return self.payment_ids[which % len(self.payment_ids)]

    def _voucher_ids(self) -> list[int]:
        with transaction() as session:
            return [found for found in session.exec(select(Voucher.id).order_by(col(Voucher.id))).all() if found is not None]

    def _pass(self, by: timedelta) -> None:
        """The scheduler's sweeps come at their times, and once more than they must."""
        self.now += by
        self.wave.pass_time(by)
        self.porta.pass_time(by)
        for _ in range(2):
            with transaction() as session:
                sweeps.give_up_offers(session, now=self.now)
                sweeps.end_overdue(session, now=self.now)
                sweeps.expire_entitlements(session, now=self.now)
                vouchers.expire_vouchers(session, now=self.now)
                lapse(session, now=self.now)

    def _all_goes_well_in_the_end(self) -> None:
        """With answers that come and time that passes, everything that is owed is done once."""
        for _ in range(5):
            for number in range(len(self.payment_ids)):
                self.advance(number, [], [])
                self.look_for_strays(number, [])
            self.send_refunds([])
            for number in range(len(self._voucher_ids())):
                self.settle(number, [])
            self._pass(timedelta(minutes=6))
        self.the_books_are_whole()
        with transaction() as session:
            for payment in session.exec(select(Payment).where(col(Payment.id).in_(self.payment_ids))).all():
                assert payment.status not in TO_BE_SERVED, payment
            owed = select(LedgerOpen).where(col(LedgerOpen.account).in_((LedgerAccount.PORTABILLING_CHARGE, LedgerAccount.REFUNDS)))
            for item in session.exec(owed).all():
                payment = session.get_one(Payment, int(item.subject.removeprefix("payment:")))
                stopped = payment.status is PaymentStatus.ATTENTION
                refused = session.exec(select(Refund.id).where(Refund.payment_id == payment.id, Refund.state == "failed")).all()
                assert stopped or refused, item


@pytest.mark.usefixtures("database")
def test_no_order_of_events_leaves_anything_unexplained_or_happens_twice() -> None:
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
