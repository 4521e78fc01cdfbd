"""Refunds in a simulated browser: asked for on the payment's page, decided by another person, sent again, and their limits."""

from __future__ import annotations

import pytest
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, col, select

from app import redis
from app.clock import utc_now
from app.db import in_transaction, transaction
from services.accounts.models import Role, Staff
from services.payments.clearing.models import LedgerAccount, TransferReason
from services.payments.clearing.posting import of_payment, post
from services.payments.models import Checkout, Payment, PaymentStatus, Refund, RefundKind, RefundRule, RefundState
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import table, until
from tests.pages.test_proof import session_key

DESK = "/console/refunds"
REASON = "It never worked at his place"


@pytest.fixture
def payment(shop: None) -> Payment:
    with transaction() as session:
        served = select(Payment).where(Payment.status == PaymentStatus.SERVED, col(Payment.gateway_id).is_not(None))
        found = session.exec(served.order_by(col(Payment.amount_bututs))).first()
        assert found is not None
        return found


def an_ask(session: Session, payment: Payment, role: Role, state: RefundState = RefundState.ASKED) -> int:
    """A refund that a person of this role asked for; where Wave refused it, its payment waits for a person."""
    at = utc_now()
    person = session.exec(select(Staff).where(Staff.role == role)).one()
    checkout_id = session.exec(select(Checkout.id).where(Checkout.payment_id == payment.id)).one()
    refund = Refund(
        payment_id=payment.id or 0,
        checkout_id=checkout_id or 0,
        kind=RefundKind.SALE,
        amount_bututs=payment.amount_bututs,
        reason=REASON,
        state=state,
        asked_by=f"staff:{person.email}",
        asked_by_id=person.id,
        decision_note="Wave refused: checkout-refund-failed" if state is RefundState.FAILED else None,
        created_at=at,
    )
    session.add(refund)
    if state is RefundState.FAILED:
        own = session.get_one(Payment, payment.id)
        own.move(PaymentStatus.REFUNDING, now=at)
        own.move(PaymentStatus.ATTENTION, now=at, reason="Wave refused to give the money back.")
        owed, once = of_payment(own), f"refund_due:{own.id}"
        post(
            session,
            TransferReason.REFUND_DUE,
            LedgerAccount.SALES,
            LedgerAccount.REFUNDS,
            own.amount_bututs,
            subject=owed,
            once=once,
            now=at,
        )
    session.flush()
    return refund.id or 0


def limit(session: Session, role: Role, **sums: int) -> None:
    for name, bututs in sums.items():
        setattr(session.get_one(RefundRule, role), name, bututs)


def decide(session: Session, refund_id: int) -> None:
    """Somebody else is quicker."""
    refund = session.get_one(Refund, refund_id)
    refund.state, refund.decided_by, refund.decision_note = RefundState.DECLINED, "staff:other@inet.test", "No"


def status_of(session: Session, payment: Payment) -> PaymentStatus:
    return session.get_one(Payment, payment.id).status


def limits_of(session: Session, role: Role) -> tuple[int, int]:
    rule = session.get_one(RefundRule, role)
    return rule.most_bututs, rule.alone_bututs


def refunds_of(session: Session, payment: Payment) -> list[Refund]:
    return list(session.exec(select(Refund).where(Refund.payment_id == payment.id).order_by(col(Refund.id))).all())


async def the_refund(payment: Payment) -> Refund:
    (found,) = await in_transaction(refunds_of, payment)
    return found


async def opens_the_dialog(user: User, payment: Payment) -> None:
    await user.open(f"/console/payments/{payment.reference}")
    user.find(marker="refund").click()
    await user.should_see(marker="ask-refund", retries=100)


def error_at(user: User, field: str) -> str:
    (found,) = user.find(kind=ui.input, marker=f"field-{field}").elements
    return str(found.props.get("error-message") or "")


async def test_within_the_own_limit_the_money_goes_back_at_once(user: User, sign_in: SignIn, payment: Payment) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await opens_the_dialog(user, payment)
    await user.should_see("It happens at once")
    await user.should_see("1 session ends at once")
    user.find(marker="field-reason").type(REASON)
    user.find(marker="ask-refund").click()
    await user.should_see("The money is on its way back through Wave.", retries=100)

    assert (await the_refund(payment)).state is RefundState.REQUESTED
    await user.should_see(marker="to-refunds")
    await user.should_see("Decided: the money goes back through Wave")
    await user.should_not_see(marker="refund", retries=1)


async def test_without_a_reason_it_is_refused_at_its_field_and_nothing_changes(user: User, sign_in: SignIn, payment: Payment) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await opens_the_dialog(user, payment)
    user.find(marker="field-reason").type(" ")
    user.find(marker="ask-refund").click()

    await until(lambda: "why the money goes back" in error_at(user, "reason"))
    assert await in_transaction(refunds_of, payment) == []


async def test_an_old_log_in_is_proven_again_before_money_moves(user: User, sign_in: SignIn, payment: Payment) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await opens_the_dialog(user, payment)
    redis.client().hset(session_key(user), "proven", "1")
    user.find(marker="field-reason").type(REASON)
    user.find(marker="ask-refund").click()
    await user.should_see(marker="prove", retries=100)
    assert await in_transaction(refunds_of, payment) == []

    user.find(marker="field-password").type(builders.PASSWORD)
    user.find(marker="prove").click()
    await user.should_see(marker="to-refunds", retries=100)
    assert (await the_refund(payment)).state is RefundState.REQUESTED


async def test_above_the_own_limit_it_waits_and_the_asker_is_told_why_they_cannot_decide(
    user: User, sign_in: SignIn, payment: Payment
) -> None:
    await in_transaction(limit, Role.BILLING_OFFICER, alone_bututs=0)
    await sign_in(Role.BILLING_OFFICER)
    await opens_the_dialog(user, payment)
    await user.should_see("A second person has to agree")
    user.find(marker="field-reason").type(REASON)
    user.find(marker="ask-refund").click()
    await user.should_see("Waits for approval", retries=100)
    refund = await the_refund(payment)
    assert refund.state is RefundState.ASKED

    await user.open(DESK)
    await user.should_see("1 waits for a second person, who is never the one who asked.")
    await user.should_see("You asked for this one, so another person decides it.")
    await user.should_not_see(marker=f"approve-{refund.id}", retries=1)
    assert table(user, "refunds").rows[0]["payment"] == payment.reference


async def test_over_what_the_role_may_ask_for_the_dialog_says_so(user: User, sign_in: SignIn, payment: Payment) -> None:
    await in_transaction(limit, Role.CUSTOMER_CARE, most_bututs=payment.amount_bututs - 1)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/payments/{payment.reference}")
    user.find(marker="refund").click()

    await user.should_see(marker="refund-refused", retries=100)
    await user.should_not_see(marker="ask-refund", retries=1)


async def test_another_person_agrees(user: User, sign_in: SignIn, payment: Payment) -> None:
    refund_id = await in_transaction(an_ask, payment, Role.CUSTOMER_CARE)
    await sign_in(Role.BILLING_OFFICER)
    await user.open(DESK)
    user.find(marker=f"approve-{refund_id}").click()
    await user.should_see(marker="approve-refund", retries=100)
    await user.should_see("1 session ends at once")
    user.find(marker="approve-refund").click()
    await user.should_see("None waits for a second person.", retries=100)

    refund = await the_refund(payment)
    assert (refund.state, refund.decided_by) == (RefundState.REQUESTED, f"staff:{builders.email_of(Role.BILLING_OFFICER)}")


async def test_another_person_declines_with_a_word(user: User, sign_in: SignIn, payment: Payment) -> None:
    refund_id = await in_transaction(an_ask, payment, Role.CUSTOMER_CARE)
    await sign_in(Role.BILLING_OFFICER)
    await user.open(DESK)
    user.find(marker=f"decline-{refund_id}").click()
    await user.should_see(marker="decline-refund", retries=100)
    user.find(marker="decline-refund").click()
    await until(lambda: "why not" in error_at(user, "note"))
    user.find(marker="field-note").type("It was used up")
    user.find(marker="decline-refund").click()
    await user.should_see("None waits for a second person.", retries=100)

    refund = await the_refund(payment)
    assert (refund.state, refund.decision_note) == (RefundState.DECLINED, "It was used up")
    await user.open(f"/console/payments/{payment.reference}")
    await user.should_see("It was used up")
    await user.should_see(marker="refund")


async def test_a_decision_about_what_was_decided_meanwhile_is_refused(user: User, sign_in: SignIn, payment: Payment) -> None:
    refund_id = await in_transaction(an_ask, payment, Role.CUSTOMER_CARE)
    await sign_in(Role.BILLING_OFFICER)
    await user.open(DESK)
    user.find(marker=f"decline-{refund_id}").click()
    await user.should_see(marker="decline-refund", retries=100)
    await in_transaction(decide, refund_id)
    user.find(marker="field-note").type("Mine")
    user.find(marker="decline-refund").click()

    await user.should_see("This was changed since you read it.", retries=100)
    assert (await the_refund(payment)).decision_note == "No"


async def test_what_wave_refused_is_sent_again_from_the_desk_and_not_retried_on_its_payment(
    user: User, sign_in: SignIn, payment: Payment
) -> None:
    refund_id = await in_transaction(an_ask, payment, Role.BILLING_OFFICER, RefundState.FAILED)
    await sign_in(Role.BILLING_OFFICER)
    await user.open(f"/console/payments/{payment.reference}")
    await user.should_see("Wave refused: checkout-refund-failed")
    await user.should_not_see(marker="retry", retries=1)
    await user.open(DESK)
    user.find(marker=f"retry-{refund_id}").click()
    await user.should_see(marker="confirm", retries=100)
    user.find(marker="confirm").click()
    await user.should_not_see(marker=f"failed-{refund_id}", retries=100)

    assert (await the_refund(payment)).state is RefundState.REQUESTED
    assert await in_transaction(status_of, payment) is PaymentStatus.REFUNDING


async def test_what_wave_refused_is_paid_out_another_way_by_somebody_else_and_says_how(
    user: User, sign_in: SignIn, payment: Payment
) -> None:
    refund_id = await in_transaction(an_ask, payment, Role.CUSTOMER_CARE, RefundState.FAILED)
    await sign_in(Role.BILLING_OFFICER)
    await user.open(DESK)
    user.find(marker=f"pay-out-{refund_id}").click()
    await user.should_see(marker="pay-out-refund", retries=100)
    user.find(marker="pay-out-refund").click()
    await until(lambda: "Say how it was paid out" in error_at(user, "how"))
    user.find(marker="field-how").type("Cash, receipt 1041")
    user.find(marker="pay-out-refund").click()
    await user.should_not_see(marker=f"failed-{refund_id}", retries=100)

    found = await the_refund(payment)
    assert (found.state, found.decision_note) == (RefundState.PAID_OUT, "Cash, receipt 1041")
    await user.open(f"/console/payments/{payment.reference}")
    await user.should_see("Paid out by")
    await user.should_see("Paid out another way")


async def test_who_asked_is_not_offered_to_say_that_it_was_paid_out(user: User, sign_in: SignIn, payment: Payment) -> None:
    refund_id = await in_transaction(an_ask, payment, Role.BILLING_OFFICER, RefundState.FAILED)
    await sign_in(Role.BILLING_OFFICER)
    await user.open(DESK)
    await user.should_see(marker=f"retry-{refund_id}", retries=100)
    await user.should_not_see(marker=f"pay-out-{refund_id}", retries=1)


async def test_the_history_is_narrowed_by_its_address(user: User, sign_in: SignIn, payment: Payment) -> None:
    await in_transaction(an_ask, payment, Role.CUSTOMER_CARE)
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"{DESK}?state=asked&by=me")
    assert [row["payment"] for row in table(user, "refunds").rows] == [payment.reference]
    await user.should_see(marker="chip-by")
    await user.open(f"{DESK}?state=refunded&by=me")
    await user.should_see("Nothing matches")
    await user.open(f"{DESK}?state=nonsense&q={payment.reference}")
    assert len(table(user, "refunds").rows) == 1


async def test_limits_are_changed_by_who_may_with_what_is_wrong_said_at_its_field(user: User, sign_in: SignIn, payment: Payment) -> None:
    await sign_in(Role.ROOT)
    await user.open(f"{DESK}/rules")
    user.find(marker="change-customer_care").click()
    await user.should_see(marker="save-rule", retries=100)
    for wrong in ("-1", "0.005", "NaN", ""):
        user.find(marker="field-most_bututs").clear().type(wrong)
        user.find(marker="save-rule").click()
        await until(lambda: "Enter a sum in dalasi" in error_at(user, "most_bututs"))
    user.find(marker="field-most_bututs").clear().type("12.50")
    user.find(marker="field-alone_bututs").clear().type("13")
    user.find(marker="save-rule").click()
    await until(lambda: "Nobody may give back more alone" in error_at(user, "alone_bututs"))
    user.find(marker="field-alone_bututs").clear().type("5")
    user.find(marker="save-rule").click()
    await user.should_see("D 12.50", retries=100)

    assert await in_transaction(limits_of, Role.CUSTOMER_CARE) == (1250, 500)


async def test_limits_are_read_by_who_may_ask_and_changed_by_nobody_else(user: User, sign_in: SignIn, payment: Payment) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open(f"{DESK}/rules")
    await user.should_see(marker="rule-customer_care")
    await user.should_not_see(marker="change-customer_care", retries=1)


async def test_who_may_not_give_money_back_sees_none_of_it(user: User, sign_in: SignIn, payment: Payment) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    for path in (DESK, f"{DESK}/rules"):
        await user.open(path)
        await user.should_see(marker="not-allowed")
    await user.open(f"/console/payments/{payment.reference}")
    await user.should_not_see(marker="refund", retries=1)
