"""Money goes back by two people where one is not enough, and what it bought is taken back with the decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.errors import DomainError, Forbidden, InvalidInput
from app.outbound import OutcomeUnknown, Refused
from services.access.models import AccessSession, Entitlement, EntitlementState, SessionState
from services.accounts.models import Role, Staff
from services.accounts.permissions import FreshProofNeeded, Principal
from services.payments import refunding, refunds
from services.payments.clearing.models import LedgerAccount, LedgerOpen
from services.payments.ledger import mark_served
from services.payments.models import Payment, PaymentStatus, Refund, RefundRule, RefundState
from services.payments.refund_errors import (
    AlreadyRefunded,
    NothingPaid,
    NotWaiting,
    OverLimit,
    OwnRefund,
    RefundWaits,
    WholeSumOnly,
)
from services.payments.refund_rules import change_rule
from services.vouchers.models import VoucherState
from tests.conftest import NOON
from tests.factories import make_payment, staff
from tests.services.payments.clearing.sales import paid, served, voucher_of

REASON = "It never worked at his place"


def person(session: Session, role: Role, name: str = "a") -> Principal:
    row = Staff(email=f"{role.value}-{name}@test.gm", name=name, role=role, password_hash="x", created_at=NOON)
    session.add(row)
    session.flush()
    return replace(staff(role), id=row.id or 0, email=row.email, name=name, proven_at=NOON)


def open_items(session: Session, payment: Payment) -> dict[LedgerAccount, int]:
    session.flush()
    rows = session.exec(select(LedgerOpen).where(LedgerOpen.subject == f"payment:{payment.id}").execution_options(populate_existing=True))
    return {row.account: row.balance_bututs for row in rows}


def ask(session: Session, by: Principal, payment: Payment, **more: object) -> Refund:
    return refunding.ask_refund(session, actor=by, public_id=payment.public_id, reason=REASON, now=NOON, **more)  # type: ignore[arg-type]


def send(session: Session, payment: Payment, refund: Refund, failure: Refused | None = None) -> None:
    refunds._settle(session, payment, refund, failure, now=NOON)
    session.flush()


def test_within_the_own_limit_one_person_is_enough_and_access_ends_at_once(session: Session) -> None:
    payment = served(session)
    refund = ask(session, person(session, Role.BILLING_OFFICER), payment)
    assert refund.state is RefundState.REQUESTED
    assert payment.status is PaymentStatus.REFUNDING
    entitlement = session.exec(select(Entitlement).where(Entitlement.payment_id == payment.id)).one()
    assert entitlement.state is EntitlementState.VOID
    rows = session.exec(select(AccessSession).where(AccessSession.entitlement_id == entitlement.id)).all()
    assert {row.state for row in rows} <= {SessionState.ENDED}
    assert open_items(session, payment)[LedgerAccount.REFUNDS] == -payment.amount_bututs


def test_money_that_bought_nothing_yet_is_given_back_out_of_what_is_unearned(session: Session) -> None:
    payment = paid(session)
    ask(session, person(session, Role.BILLING_OFFICER), payment)
    items = open_items(session, payment)
    assert LedgerAccount.UNEARNED_ACCESS not in items
    assert LedgerAccount.PORTABILLING_CHARGE not in items, "PortaBilling was never asked, so it is never charged"
    assert voucher_of(session, payment).state is VoucherState.BLOCKED


def test_when_wave_has_given_it_back_nothing_is_owed_any_more(session: Session) -> None:
    payment = served(session)
    refund = ask(session, person(session, Role.BILLING_OFFICER), payment)
    send(session, payment, refund)
    assert (refund.state, payment.status) == (RefundState.REFUNDED, PaymentStatus.REFUNDED)
    assert open_items(session, payment) == {}


def test_customer_care_asks_and_another_person_decides(session: Session) -> None:
    payment, care = served(session), person(session, Role.CUSTOMER_CARE)
    refund = ask(session, care, payment)
    assert (refund.state, payment.status) == (RefundState.ASKED, PaymentStatus.SERVED)
    officer = person(session, Role.BILLING_OFFICER)
    refunding.approve_refund(session, actor=officer, refund_id=refund.id or 0, now=NOON)
    assert (refund.state, refund.decided_by_id) == (RefundState.REQUESTED, officer.id)
    with pytest.raises(NotWaiting):
        refunding.approve_refund(session, actor=officer, refund_id=refund.id or 0, now=NOON)


def test_nobody_decides_about_what_they_asked_for(session: Session) -> None:
    officer = person(session, Role.BILLING_OFFICER)
    session.get_one(RefundRule, Role.BILLING_OFFICER).alone_bututs = 0
    refund = ask(session, officer, served(session))
    assert refund.state is RefundState.ASKED
    with pytest.raises(OwnRefund):
        refunding.approve_refund(session, actor=officer, refund_id=refund.id or 0, now=NOON)
    with pytest.raises(OwnRefund):
        refunding.decline_refund(session, actor=officer, refund_id=refund.id or 0, note="My own", now=NOON)


def test_the_database_too_refuses_one_person_with_both_hands(session: Session) -> None:
    officer = person(session, Role.BILLING_OFFICER)
    session.get_one(RefundRule, Role.BILLING_OFFICER).alone_bututs = 0
    refund = ask(session, officer, served(session))
    refund.decided_by_id = officer.id
    with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
        session.flush()


def test_a_declined_one_changes_nothing_and_may_be_asked_for_again(session: Session) -> None:
    payment, care, officer = served(session), person(session, Role.CUSTOMER_CARE), person(session, Role.BILLING_OFFICER)
    refund = ask(session, care, payment)
    with pytest.raises(InvalidInput):
        refunding.decline_refund(session, actor=officer, refund_id=refund.id or 0, note=" ", now=NOON)
    refunding.decline_refund(session, actor=officer, refund_id=refund.id or 0, note="It was used up", now=NOON)
    assert (refund.state, payment.status) == (RefundState.DECLINED, PaymentStatus.SERVED)
    assert ask(session, care, payment).state is RefundState.ASKED


@pytest.mark.parametrize(("amount", "refusal"), [(2501, WholeSumOnly), (1, WholeSumOnly), (-2500, WholeSumOnly)])
def test_another_sum_than_was_paid_is_refused(session: Session, amount: int, refusal: type[DomainError]) -> None:
    payment = served(session)
    with pytest.raises(refusal):
        ask(session, person(session, Role.BILLING_OFFICER), payment, amount_bututs=amount)
    assert payment.status is PaymentStatus.SERVED


def test_twice_is_refused(session: Session) -> None:
    payment, care, officer = served(session), person(session, Role.CUSTOMER_CARE), person(session, Role.BILLING_OFFICER)
    ask(session, care, payment)
    with pytest.raises(RefundWaits):
        ask(session, officer, payment)
    other = served(session)
    ask(session, officer, other)
    with pytest.raises(AlreadyRefunded):
        ask(session, officer, other)


def test_what_was_never_paid_is_not_given_back(session: Session) -> None:
    payment = make_payment(session, now=NOON)
    payment.move(PaymentStatus.EXPIRED, now=NOON)
    with pytest.raises(NothingPaid):
        ask(session, person(session, Role.BILLING_OFFICER), payment)


def test_the_roles_limits_hold_at_once_and_in_a_day(session: Session) -> None:
    root, officer = person(session, Role.ROOT), person(session, Role.BILLING_OFFICER)
    change_rule(session, actor=root, role=Role.BILLING_OFFICER, most_bututs=2499, alone_bututs=0, day_bututs=5000, now=NOON)
    with pytest.raises(OverLimit):
        ask(session, officer, served(session))
    change_rule(session, actor=root, role=Role.BILLING_OFFICER, most_bututs=2500, alone_bututs=2500, day_bututs=5000, now=NOON)
    assert ask(session, officer, served(session)).state is RefundState.REQUESTED
    assert ask(session, officer, served(session)).state is RefundState.REQUESTED
    with pytest.raises(OverLimit):
        ask(session, officer, served(session))


@pytest.mark.parametrize(("most", "alone", "day"), [(-1, 0, 0), (100, 101, 0), (100, 0, -1), (10**12, 0, 0)])
def test_rules_that_make_no_sense_are_refused(session: Session, most: int, alone: int, day: int) -> None:
    with pytest.raises(InvalidInput):
        change_rule(
            session, actor=person(session, Role.ROOT), role=Role.ROOT, most_bututs=most, alone_bututs=alone, day_bututs=day, now=NOON
        )


def test_an_old_proof_opens_nothing(session: Session) -> None:
    officer = replace(person(session, Role.BILLING_OFFICER), proven_at=NOON - timedelta(hours=1))
    with pytest.raises(FreshProofNeeded):
        ask(session, officer, served(session))


def test_a_technician_gives_nothing_back(session: Session) -> None:
    with pytest.raises(Forbidden):
        ask(session, person(session, Role.FIELD_TECHNICIAN), served(session))


def test_a_refund_at_work_while_the_payment_is_being_served_ends_in_one_state(session: Session) -> None:
    """The router's acknowledgement comes after the decision: nothing is earned by it."""
    payment = paid(session)
    ask(session, person(session, Role.BILLING_OFFICER), payment)
    mark_served(session, payment.id or 0, now=NOON)
    assert payment.status is PaymentStatus.REFUNDING


def test_what_giving_back_would_do_is_shown_before(session: Session) -> None:
    payment, care = served(session), person(session, Role.CUSTOMER_CARE)
    shown = refunding.refund_preview(session, actor=care, public_id=payment.public_id, now=NOON)
    assert (shown.amount_bututs, shown.needs_second, shown.why_refused) == (payment.amount_bututs, True, None)
    ask(session, care, payment)
    assert refunding.refund_preview(session, actor=care, public_id=payment.public_id, now=NOON).why_refused


def test_an_answer_that_was_lost_leaves_it_to_be_sent_again(session: Session) -> None:
    payment = served(session)
    refund = ask(session, person(session, Role.BILLING_OFFICER), payment)
    refunds._settle(session, payment, refund, OutcomeUnknown("wave", "refund_session", "no answer"), now=NOON)
    assert (refund.state, payment.status) == (RefundState.REQUESTED, PaymentStatus.REFUNDING)
