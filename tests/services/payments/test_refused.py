"""What Wave refused to give back is owed until it is sent again, or somebody says how it was paid out another way."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app.errors import Forbidden, InvalidInput, Stale
from app.outbound import Refused
from services.accounts.models import Customer, Role
from services.accounts.permissions import FreshProofNeeded, Principal
from services.payments import refused
from services.payments.clearing.models import LedgerAccount, LedgerTransfer, TransferReason
from services.payments.clearing.queries import verify_books
from services.payments.models import EventKind, Payment, PaymentEvent, PaymentStatus, Refund, RefundState
from services.payments.refund_errors import AlreadyRefunded, NotFailed, OwnPayout
from services.payments.refunding import revision_of_refund
from tests.conftest import NOON
from tests.services.payments.clearing.sales import served
from tests.services.payments.test_refunding import ask, open_items, person, send

HOW = "Cash at the office, receipt 1041"


@pytest.fixture
def asker(session: Session) -> Principal:
    return person(session, Role.BILLING_OFFICER, "asker")


@pytest.fixture
def other(session: Session) -> Principal:
    return person(session, Role.BILLING_OFFICER, "other")


@pytest.fixture
def payment(session: Session) -> Payment:
    return served(session)


@pytest.fixture
def refund(session: Session, payment: Payment, asker: Principal) -> Refund:
    found = ask(session, asker, payment)
    send(session, payment, found, Refused("wave", "refund_session", "checkout-refund-failed", "no", 409))
    return found


def say_paid_out(session: Session, by: Principal, refund: Refund, how: str = HOW, revision: str | None = None) -> Refund:
    return refused.pay_out(session, actor=by, refund_id=refund.id or 0, how=how, expected_revision=revision, now=NOON)


def test_it_needs_a_person_and_the_money_is_still_owed(session: Session, payment: Payment, refund: Refund) -> None:
    assert (refund.state, payment.status) == (RefundState.FAILED, PaymentStatus.ATTENTION)
    assert "checkout-refund-failed" in (refund.decision_note or "")
    assert open_items(session, payment)[LedgerAccount.REFUNDS] == -payment.amount_bututs


def test_it_can_be_sent_again_once(session: Session, asker: Principal, payment: Payment, refund: Refund) -> None:
    refused.retry_refund(session, actor=asker, refund_id=refund.id or 0, now=NOON)
    assert (refund.state, payment.status) == (RefundState.REQUESTED, PaymentStatus.REFUNDING)
    with pytest.raises(NotFailed):
        refused.retry_refund(session, actor=asker, refund_id=refund.id or 0, now=NOON)


def test_paid_out_another_way_nothing_is_owed_any_more_and_the_books_say_how(
    session: Session, other: Principal, payment: Payment, refund: Refund
) -> None:
    say_paid_out(session, other, refund)
    assert (refund.state, refund.paid_out_by, refund.decision_note) == (RefundState.PAID_OUT, other.label, HOW)
    assert (refund.settled_at, refund.next_attempt_at) == (NOON, None)
    assert payment.status is PaymentStatus.REFUNDED
    assert LedgerAccount.REFUNDS not in open_items(session, payment)
    moved = session.exec(select(LedgerTransfer).where(LedgerTransfer.reason == TransferReason.PAID_OUT)).one()
    assert (moved.debit, moved.credit, moved.amount_bututs) == (LedgerAccount.REFUNDS, LedgerAccount.CASH, payment.amount_bututs)
    held = sa.select(sa.func.sum(PaymentEvent.amount_bututs)).where(PaymentEvent.payment_id == payment.id)
    assert session.execute(held).scalar_one() == 0
    assert verify_books(session).are_whole


def test_the_books_miss_a_transfer_of_it_that_was_lost(session: Session, other: Principal, payment: Payment, refund: Refund) -> None:
    say_paid_out(session, other, refund)
    session.flush()
    session.execute(sa.text("ALTER TABLE ledger_transfer DISABLE TRIGGER ledger_transfer_append_only"))
    session.execute(sa.text("DELETE FROM ledger_transfer WHERE reason = 'paid_out'"))
    missing = verify_books(session).missing
    assert [(found.reference, found.reason) for found in missing] == [(payment.reference, TransferReason.PAID_OUT)]


def test_what_was_paid_out_is_never_sent_or_paid_out_again(session: Session, asker: Principal, other: Principal, refund: Refund) -> None:
    say_paid_out(session, other, refund)
    with pytest.raises(NotFailed):
        refused.retry_refund(session, actor=other, refund_id=refund.id or 0, now=NOON)
    with pytest.raises(NotFailed):
        say_paid_out(session, other, refund)
    with pytest.raises(AlreadyRefunded):
        ask(session, asker, session.get_one(Payment, refund.payment_id))


def test_who_asked_for_it_cannot_say_that_it_was_paid_out(session: Session, asker: Principal, payment: Payment, refund: Refund) -> None:
    with pytest.raises(OwnPayout):
        say_paid_out(session, asker, refund)
    assert (refund.state, payment.status) == (RefundState.FAILED, PaymentStatus.ATTENTION)


def test_the_database_too_refuses_that_the_asker_paid_it_out(session: Session, other: Principal, refund: Refund) -> None:
    say_paid_out(session, other, refund)
    refund.paid_out_by = refund.asked_by
    with pytest.raises(IntegrityError, match="paid_out_by_another"):
        session.flush()


def test_only_who_may_approve_and_proved_it_just_now_says_so_in_words(session: Session, other: Principal, refund: Refund) -> None:
    with pytest.raises(Forbidden):
        say_paid_out(session, person(session, Role.CUSTOMER_CARE), refund)
    with pytest.raises(FreshProofNeeded):
        say_paid_out(session, replace(other, proven_at=None), refund)
    with pytest.raises(InvalidInput) as found:
        say_paid_out(session, other, refund, how="  ")
    assert found.value.field == "how"
    with pytest.raises(Stale):
        say_paid_out(session, other, refund, revision="older")
    say_paid_out(session, other, refund, revision=revision_of_refund(refund))


def test_the_customers_number_in_how_it_was_paid_is_left_out(session: Session, other: Principal, payment: Payment, refund: Refund) -> None:
    phone = session.get_one(Customer, payment.customer_id).phone_e164
    say_paid_out(session, other, refund, how=f"Sent to {phone} by hand")
    event = session.exec(select(PaymentEvent).where(PaymentEvent.payment_id == payment.id, PaymentEvent.kind == EventKind.PAID_OUT)).one()
    assert phone not in event.detail["why"]
    assert "by hand" in event.detail["why"]
