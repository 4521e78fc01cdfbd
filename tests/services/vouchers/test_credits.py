"""What is left of somebody's time becomes a voucher: once, exactly the rest, with the money that stands behind it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from app.db import transaction
from app.errors import DomainError, Forbidden, InvalidInput
from services.access import entry, outages
from services.access.errors import EntitlementNotFound, NotExtendable
from services.access.models import AccessSession, Entitlement, EntitlementState, Grant, GrantState, SessionState
from services.access.sessions_desk import extend_entitlement
from services.accounts.models import Role
from services.accounts.permissions import FreshProofNeeded, Permission, Principal
from services.audit.models import AuditEntry
from services.notifications.models import Notification
from services.payments.clearing.items import unexplained
from services.payments.clearing.lapse import lapse
from services.payments.clearing.models import LedgerAccount, LedgerOpen, LedgerTransfer
from services.payments.clearing.queries import verify_books
from services.payments.models import Checkout, Payment, PaymentStatus, Refund, RefundKind, RefundState
from services.vouchers import codes
from services.vouchers.credits import Credited, NotCreditable, credit_preview, credit_rest
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState
from services.vouchers.owed import Act, decide
from services.vouchers.service import enter_code
from tests.conftest import NOON
from tests.factories import make_package, staff
from tests.services.access.at_the_router import AtRouter, bought
from tests.services.access.online import incident_at
from tests.services.payments.clearing.sales import with_access

A = LedgerAccount
MINUTE = timedelta(minutes=1)
MB = 1 << 20
WORDS = "Travels tomorrow"


def care(*, now: datetime = NOON) -> Principal:
    return replace(staff(Role.CUSTOMER_CARE), proven_at=now)


def time_of(session: Session, payment: Payment) -> Entitlement:
    return session.exec(select(Entitlement).where(Entitlement.payment_id == payment.id)).one()


def sold(session: Session, **terms: object) -> tuple[Payment, Entitlement]:
    """An hour for 25 D, paid and not started."""
    payment = with_access(session, offer=make_package(session, **terms))
    return payment, time_of(session, payment)


def goes_online(session: Session, time: Entitlement, at: datetime) -> AtRouter:
    router = AtRouter(session)
    entry.let_in(session, time, router.joins(at=at), None, swap=False, now=at)
    assert router.polls(at)
    return router


def credit(session: Session, time: Entitlement, *, now: datetime = NOON, reason: str = WORDS) -> Credited:
    return credit_rest(session, actor=care(now=now), entitlement_id=time.id or 0, reason=reason, now=now)


def used(session: Session, made: Credited, *, now: datetime) -> Entitlement:
    """Its code is entered, PortaBilling having taken it in."""
    made.voucher.state, made.voucher.porta_issued_at = VoucherState.ACTIVE, now
    session.flush()
    enter_code(session, code=made.code, context=None, device=None, now=now)
    return session.exec(select(Entitlement).where(Entitlement.voucher_id == made.voucher.id)).one()


def moves(session: Session) -> list[tuple[str, str, int]]:
    found = session.exec(select(LedgerTransfer).order_by(col(LedgerTransfer.id))).all()
    return [(row.reason.value, row.subject, row.amount_bututs) for row in found if row.reason.value in ("earned", "credited", "lapsed")]


def unearned(session: Session) -> dict[str, int]:
    query = select(LedgerOpen.subject, LedgerOpen.balance_bututs).where(LedgerOpen.account == A.UNEARNED_ACCESS)
    return {subject: -balance for subject, balance in session.exec(query).all()}


def test_time_that_runs_ends_and_its_rest_is_a_voucher_of_the_same_customer(session: Session) -> None:
    payment, time = sold(session)
    goes_online(session, time, NOON)

    made = credit(session, time, now=NOON + 20 * MINUTE)

    voucher = made.voucher
    assert (voucher.origin, voucher.seconds, voucher.bytes, voucher.credit_of_id) == (VoucherOrigin.CREDIT, 2400, None, time.id)
    assert (voucher.customer_id, voucher.payment_id, voucher.note) == (payment.customer_id, None, WORDS)
    assert voucher.use_before == NOON + 20 * MINUTE + timedelta(days=30)
    assert (time.state, made.ended_sessions) == (EntitlementState.ENDED, 1)
    assert session.exec(select(AccessSession.state, AccessSession.end_reason)).one() == (SessionState.ENDED, "credited")
    assert session.exec(select(Grant.state)).one() is GrantState.ENDED
    assert codes.unseal_code(voucher.code_sealed) == codes.read_code(made.code)


def test_portabilling_is_given_it_without_a_balance(session: Session) -> None:
    made = credit(session, sold(session)[1])
    owed = decide(session, made.voucher, None, now=NOON)
    assert owed is not None
    assert (owed.act, owed.amount_bututs, made.voucher.porta_next_attempt_at) == (Act.ISSUE, 0, NOON)


def test_the_customer_is_texted_the_code_and_the_audit_says_who_and_why(session: Session) -> None:
    payment, time = sold(session)
    made = credit(session, time)
    told = session.exec(select(Notification).where(Notification.event == "voucher_given")).all()
    assert {one.customer_id for one in told} == {payment.customer_id}
    kept = session.exec(select(AuditEntry).where(AuditEntry.action == "voucher.credit")).one()
    assert (kept.actor, kept.target_id) == (care().label, str(made.voucher.id))
    assert kept.after is not None
    assert (kept.after["seconds"], kept.after["value_bututs"], kept.after["reason"]) == (3600, 2500, WORDS)
    assert made.code not in str(kept.after)


def test_its_use_is_worth_exactly_the_rest_and_no_longer_than_the_voucher(session: Session) -> None:
    _, time = sold(session, quota_bytes=100 * MB, duration_seconds=7200)
    goes_online(session, time, NOON)
    time.bytes_used = 40 * MB
    made = credit(session, time, now=NOON + 30 * MINUTE)
    rest = used(session, made, now=NOON + 5 * timedelta(days=1))
    assert (rest.seconds_total, rest.quota_bytes, rest.bytes_used) == (5400, 60 * MB, 0)
    assert rest.use_before == made.voucher.use_before
    assert rest.payment_id is None


def test_the_unused_share_of_the_price_is_unearned_until_the_credit_is_used(session: Session) -> None:
    payment, time = sold(session, amount_bututs=2500, duration_seconds=3600)
    goes_online(session, time, NOON)
    now = NOON + 20 * MINUTE + timedelta(seconds=1)
    made = credit(session, time, now=now)
    subject = f"voucher:{made.voucher.id}"
    # 2500 × 2399 / 3600, rounded down.
    assert moves(session) == [("earned", f"payment:{payment.id}", 2500), ("credited", subject, 1665)]
    assert unearned(session) == {subject: 1665}
    assert A.UNEARNED_ACCESS not in {item.account for item in unexplained(session, now=now).items}

    rest = used(session, made, now=now)
    assert unearned(session) == {subject: 1665}
    router = goes_online(session, rest, now)
    assert unearned(session) == {}
    assert moves(session)[-1] == ("earned", subject, 1665)
    router.polls(now + MINUTE)
    assert len(moves(session)) == 3
    assert verify_books(session).are_whole


def test_what_was_never_started_is_credited_whole_and_was_not_earned(session: Session) -> None:
    payment, time = sold(session)
    made = credit(session, time)
    subject = f"voucher:{made.voucher.id}"
    assert moves(session) == [("credited", f"payment:{payment.id}", 2500), ("credited", subject, 2500)]
    assert unearned(session) == {subject: 2500}
    assert verify_books(session).are_whole


def test_a_credit_of_a_credit_carries_what_is_left_of_both(session: Session) -> None:
    payment, time = sold(session)
    goes_online(session, time, NOON)
    first = credit(session, time, now=NOON + 20 * MINUTE)
    rest = used(session, first, now=NOON + 30 * MINUTE)
    second = credit(session, rest, now=NOON + 30 * MINUTE)  # not started
    assert unearned(session) == {f"voucher:{second.voucher.id}": 1666}
    last = used(session, second, now=NOON + 40 * MINUTE)
    goes_online(session, last, NOON + 40 * MINUTE)
    third = credit(session, last, now=NOON + 60 * MINUTE)
    assert third.seconds == 1200
    assert unearned(session) == {f"voucher:{third.voucher.id}": 833}
    assert third.voucher.customer_id == payment.customer_id
    assert verify_books(session).are_whole


def test_a_credit_that_nobody_uses_lapses(session: Session) -> None:
    made = credit(session, sold(session)[1])
    assert lapse(session, now=NOON + timedelta(days=31)) == 1
    assert moves(session)[-1] == ("lapsed", f"voucher:{made.voucher.id}", 2500)
    assert unearned(session) == {}


def test_time_given_by_hand_has_no_money_behind_it(session: Session) -> None:
    made = credit(session, bought(session, duration_seconds=3600))
    assert (made.seconds, made.voucher.customer_id) == (3600, None)
    assert moves(session) == []
    assert session.exec(select(Notification).where(Notification.event == "voucher_given")).all() == []


def test_a_rest_worth_less_than_a_butut_moves_nothing(session: Session) -> None:
    _, time = sold(session, amount_bututs=100, duration_seconds=30 * 86_400)
    goes_online(session, time, NOON)
    made = credit(session, time, now=NOON + timedelta(days=30) - 2 * MINUTE)
    assert made.seconds == 120
    assert unearned(session) == {}


def test_it_is_credited_once(session: Session) -> None:
    _, time = sold(session)
    credit(session, time)
    with pytest.raises(NotCreditable, match="credited already"):
        credit(session, time)
    assert len(session.exec(select(Voucher).where(Voucher.origin == VoucherOrigin.CREDIT)).all()) == 1


def test_of_two_at_the_same_time_one_is_refused(database: sa.Engine) -> None:
    with transaction() as session:
        time_id = sold(session)[1].id or 0

    def one(_: int) -> str:
        try:
            with transaction() as session:
                credit_rest(session, actor=care(), entitlement_id=time_id, reason=WORDS, now=NOON)
        except DomainError as refusal:
            return refusal.text
        return "made"

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(one, range(2)))
    assert answers == ["What was left of it was credited already.", "made"]
    with transaction() as session:
        assert verify_books(session).are_whole
        assert sum(unearned(session).values()) == 2500


def test_what_was_credited_is_not_extended_nor_brought_back_by_an_outage(session: Session) -> None:
    _, time = sold(session)
    router = goes_online(session, time, NOON)
    credit(session, time, now=NOON + 20 * MINUTE)
    with pytest.raises(NotExtendable, match="became a voucher"):
        extend_entitlement(session, actor=care(), entitlement_id=time.id or 0, seconds=60, reason=WORDS, now=NOON + 25 * MINUTE)
    incident = incident_at(session, NOON + 19 * MINUTE)
    down = outages.Down(router.gateway.id or 0, incident.id or 0, NOON + 19 * MINUTE)
    outages.pause(session, [down], now=NOON + 2 * timedelta(hours=1))
    assert time.state is EntitlementState.ENDED


def test_a_clock_that_stands_is_credited_as_it_would_run_on_now(session: Session) -> None:
    _, time = sold(session)
    router = goes_online(session, time, NOON)
    incident = incident_at(session, NOON + 10 * MINUTE)
    outages.pause(session, [outages.Down(router.gateway.id or 0, incident.id or 0, NOON + 10 * MINUTE)], now=NOON + 12 * MINUTE)
    now = NOON + 30 * MINUTE
    left = credit_preview(session, actor=care(now=now), entitlement_id=time.id or 0, now=now)
    made = credit(session, time, now=now)
    assert (left.seconds, made.seconds) == (3000, 3000)
    assert time.paused_at is None


def refused(session: Session, time: Entitlement, words: str, *, now: datetime = NOON) -> None:
    with pytest.raises(NotCreditable, match=words):
        credit(session, time, now=now)
    left = credit_preview(session, actor=care(now=now), entitlement_id=time.id or 0, now=now)
    assert left.why_refused is not None
    assert words in left.why_refused
    assert session.exec(select(Voucher).where(Voucher.origin == VoucherOrigin.CREDIT)).all() == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (PaymentStatus.REFUNDING, "goes back to the customer"),
        (PaymentStatus.REFUNDED, "goes back to the customer"),
        (PaymentStatus.ATTENTION, "needs a decision first"),
    ],
)
def test_what_is_given_back_is_not_credited_too(session: Session, status: PaymentStatus, words: str) -> None:
    payment, time = sold(session)
    payment.move(PaymentStatus.ATTENTION if status is PaymentStatus.ATTENTION else PaymentStatus.REFUNDING, now=NOON, reason="looked into")
    if status is PaymentStatus.REFUNDED:
        payment.move(status, now=NOON)
    refused(session, time, words)


def test_a_refund_that_waits_is_decided_first(session: Session) -> None:
    payment, time = sold(session)
    refund = Refund(
        payment_id=payment.id,
        checkout_id=session.exec(select(Checkout.id).where(Checkout.payment_id == payment.id)).one(),
        kind=RefundKind.SALE,
        amount_bututs=2500,
        reason=WORDS,
        state=RefundState.ASKED,
        asked_by="staff:x",
        created_at=NOON,
    )
    session.add(refund)
    session.flush()
    refused(session, time, "Let it be decided first")


def test_nothing_left_is_not_credited(session: Session) -> None:
    ended, taken, unstarted = (bought(session, duration_seconds=3600) for _ in range(3))
    ended.state, taken.state = EntitlementState.ENDED, EntitlementState.VOID
    refused(session, ended, "nothing is left")
    refused(session, taken, "taken back")
    refused(session, unstarted, "Less than a minute", now=NOON + timedelta(days=31))
    no_data = bought(session, quota_bytes=MB, duration_seconds=3600)
    no_data.bytes_used = MB
    refused(session, no_data, "data of this purchase is used up")


def test_a_minute_is_enough_and_a_second_less_is_not(session: Session) -> None:
    time = bought(session, duration_seconds=3600)
    time.start(at=NOON)
    refused(session, time, "Less than a minute", now=NOON + timedelta(seconds=3541))
    assert credit(session, time, now=NOON + timedelta(seconds=3540)).seconds == 60


@pytest.mark.parametrize("reason", ["", "  ", "no", " ab ", "\x00\x00a", "x" * 201])
def test_a_reason_is_needed(session: Session, reason: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        credit(session, bought(session), reason=reason)
    assert refusal.value.field == "reason"


@pytest.mark.parametrize("missing", [Permission.VOUCHERS_ISSUE, Permission.SESSIONS_END])
def test_both_rights_and_a_fresh_proof_are_needed(session: Session, missing: Permission) -> None:
    time = bought(session)
    known = {"entitlement_id": time.id or 0, "now": NOON}
    half = replace(care(), permissions=care().permissions - {missing})
    with pytest.raises(Forbidden):
        credit_rest(session, actor=half, reason=WORDS, **known)  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        credit_preview(session, actor=half, **known)  # type: ignore[arg-type]
    with pytest.raises(FreshProofNeeded):
        credit_rest(session, actor=care(now=NOON - 11 * MINUTE), reason=WORDS, **known)  # type: ignore[arg-type]


def test_there_must_be_something_to_credit(session: Session) -> None:
    asks: tuple[Callable[[], object], ...] = (
        lambda: credit_rest(session, actor=care(), entitlement_id=999_999, reason=WORDS, now=NOON),
        lambda: credit_preview(session, actor=care(), entitlement_id=999_999, now=NOON),
    )
    for ask in asks:
        with pytest.raises(EntitlementNotFound):
            ask()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 2000)),
        st.tuples(st.just("extend"), st.integers(60, 4000)),
        st.tuples(st.just("go online"), st.just(0)),
    ),
    max_size=12,
)


@given(price=st.integers(1, 99).map(lambda dalasi: dalasi * 100), seconds=st.integers(60, 7200), steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_chain_of_credits_makes_time_or_money(session: Session, price: int, seconds: int, steps: list[tuple[str, int]]) -> None:
    with session.begin_nested() as example:
        _, time = sold(session, amount_bututs=price, duration_seconds=seconds)
        now, given_away, spent, worth = NOON, seconds, 0, price
        for what, amount in steps:
            left = time.seconds_left(now=now)
            if what == "wait":
                spent += left - time.seconds_left(now=now + timedelta(seconds=amount))
                now += timedelta(seconds=amount)
            elif left == 0:
                break
            elif what == "extend":
                extend_entitlement(session, actor=care(), entitlement_id=time.id or 0, seconds=amount, reason=WORDS, now=now)
                given_away += amount
            elif what == "go online":
                goes_online(session, time, now)
            elif left >= 60:
                time, before = used(session, credit(session, time, now=now), now=now), time
                session.refresh(before)
                assert before.seconds_left(now=now) == 0
                assert time.seconds_left(now=now) == left
                stands = sum(unearned(session).values())
                assert stands <= worth
                worth = stands
            assert spent + time.seconds_left(now=now) == given_away
        stands_open = session.exec(select(LedgerOpen).where(LedgerOpen.account == A.UNEARNED_ACCESS)).all()
        assert all(item.balance_bututs < 0 for item in stands_open)
        assert len(stands_open) <= 1
        assert A.UNEARNED_ACCESS not in {item.account for item in unexplained(session, now=now).items}
        example.rollback()
    session.expire_all()
