"""Each open item says why it is open; what fits no rule is unexplained."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from sqlmodel import Session, select

from services.access.models import Entitlement, EntitlementState
from services.payments.absorb import absorb, to_attention
from services.payments.clearing.explain import Explanation, explain
from services.payments.clearing.models import LedgerAccount, LedgerOpen, TransferReason
from services.payments.clearing.posting import of_payment, post
from services.payments.models import Payment, PaymentStatus, Refund, RefundState
from services.payments.reconciliation.models import FindingKind, Fix, ReconciliationFinding, ReconciliationRun, RunState, WaveMovement
from tests.conftest import NOON
from tests.pages.builders import a_staff
from tests.services.payments.clearing.sales import paid, served, session_at_wave, voucher_of, with_access

A, R = LedgerAccount, TransferReason
DAY = timedelta(days=1)


def why(session: Session, account: LedgerAccount, subject: str, *, now: datetime = NOON) -> Explanation:
    session.flush()
    found = select(LedgerOpen).where(LedgerOpen.account == account, LedgerOpen.subject == subject)
    (explanation,) = explain(session, [session.exec(found.execution_options(populate_existing=True)).one()], now=now)
    return explanation


def a_run(session: Session, *, day: date, ended: datetime, state: RunState = RunState.DONE) -> ReconciliationRun:
    run = ReconciliationRun(from_day=day, to_day=day, state=state, created_at=ended, ended_at=ended)
    session.add(run)
    session.flush()
    return run


def a_finding(session: Session, run: ReconciliationRun, payment: Payment | None, movement: str | None = None) -> ReconciliationFinding:
    assert run.id is not None
    finding = ReconciliationFinding(
        run_id=run.id,
        key=f"paid_here_only:{payment.id if payment else movement}",
        kind=FindingKind.PAID_HERE_ONLY,
        day=run.from_day,
        payment_id=payment.id if payment else None,
        movement_id=movement,
        fix=Fix.LOOK,
        created_at=NOON,
        seen_at=NOON,
    )
    session.add(finding)
    session.flush()
    return finding


def test_money_at_wave_waits_for_the_days_list(session: Session) -> None:
    subject = of_payment(served(session))

    young = why(session, A.WAVE_RECEIVABLE, subject)
    old = why(session, A.WAVE_RECEIVABLE, subject, now=NOON + 3 * DAY)

    assert (young.words, young.is_explained, young.needs_person) == ("Wave's list of 22 Nov 2026 has not been read yet.", True, False)
    assert (old.is_explained, old.todo) == (True, "Reconcile 22 Nov 2026.")


@pytest.mark.parametrize(
    ("run_after", "state", "asked_after", "is_explained"),
    [
        # The list was read whole, a day later still: by then it must show it.
        (DAY, RunState.DONE, 3 * DAY, False),
        (DAY, RunState.DONE, DAY, True),
        # Read while the day still ran, or not whole: it proves nothing.
        (timedelta(hours=1), RunState.DONE, 3 * DAY, True),
        (DAY, RunState.PARTIAL, 3 * DAY, True),
    ],
)
def test_money_that_a_read_list_does_not_show_is_unexplained_after_two_days(
    session: Session, run_after: timedelta, state: RunState, asked_after: timedelta, is_explained: bool
) -> None:
    subject = of_payment(served(session))
    a_run(session, day=NOON.date(), ended=NOON + run_after, state=state)

    assert why(session, A.WAVE_RECEIVABLE, subject, now=NOON + asked_after).is_explained is is_explained


def test_what_reconciliation_found_is_explained_once_it_is_somebodys(session: Session) -> None:
    payment = served(session)
    finding = a_finding(session, a_run(session, day=NOON.date(), ended=NOON + DAY), payment)
    later = NOON + 3 * DAY

    nobodys = why(session, A.WAVE_RECEIVABLE, of_payment(payment), now=later)
    from services.accounts.models import Role

    finding.assignee_id = a_staff(session, Role.BILLING_OFFICER, now=NOON).id
    somebodys = why(session, A.WAVE_RECEIVABLE, of_payment(payment), now=later)

    assert (nobodys.is_explained, nobodys.target) == (False, ("finding", str(finding.id)))
    assert somebodys.is_explained
    assert "Billing" in somebodys.words


def test_access_that_was_not_started_says_until_when_it_may_be(session: Session) -> None:
    payment = with_access(session)
    subject = of_payment(payment)
    entitlement = session.exec(select(Entitlement).where(Entitlement.payment_id == payment.id)).one()

    waiting = why(session, A.UNEARNED_ACCESS, subject)
    just_over = why(session, A.UNEARNED_ACCESS, subject, now=entitlement.use_before + timedelta(hours=1))
    long_over = why(session, A.UNEARNED_ACCESS, subject, now=entitlement.use_before + timedelta(hours=3))

    assert waiting.words.startswith("Not started yet; may be started until")
    assert (waiting.is_explained, just_over.is_explained, long_over.is_explained) == (True, True, False)
    entitlement.state, entitlement.started_at, entitlement.ends_at = EntitlementState.RUNNING, NOON, NOON + DAY
    assert not why(session, A.UNEARNED_ACCESS, subject).is_explained


def test_a_paid_payment_is_explained_while_somebody_works_on_it(session: Session) -> None:
    payment = paid(session)
    subject = of_payment(payment)

    assert why(session, A.UNEARNED_ACCESS, subject).is_explained
    assert why(session, A.PORTABILLING_CHARGE, subject).words.startswith("PortaBilling has not been charged yet, since 22 Nov 12:00")
    payment.next_attempt_at = None
    assert not why(session, A.UNEARNED_ACCESS, subject).is_explained
    assert not why(session, A.PORTABILLING_CHARGE, subject).is_explained
    to_attention(session, payment, "PortaBilling refuses to issue the voucher.", now=NOON)
    stopped = why(session, A.UNEARNED_ACCESS, subject)
    assert (stopped.is_explained, stopped.needs_person, stopped.target) == (True, True, ("payment", payment.reference))


def test_a_charge_that_is_owed_names_portabillings_last_answer(session: Session) -> None:
    payment = paid(session)
    payment.next_attempt_at = None
    voucher = voucher_of(session, payment)
    voucher.porta_next_attempt_at, voucher.porta_error = NOON, "not reachable"

    charge = why(session, A.PORTABILLING_CHARGE, of_payment(payment))

    assert charge.is_explained
    assert charge.words.endswith(": not reachable")


def test_a_refund_is_on_its_way_or_refused_or_unexplained(session: Session) -> None:
    payment = served(session)
    absorb(session, payment, session_at_wave(payment, 2), now=NOON)
    session.flush()
    refund = session.exec(select(Refund).where(Refund.payment_id == payment.id)).one()
    subject = of_payment(payment)

    assert why(session, A.REFUNDS, subject).words == "On its way to Wave since 22 Nov 12:00."
    refund.next_attempt_at = None
    assert not why(session, A.REFUNDS, subject).is_explained
    refund.state = RefundState.FAILED
    refused = why(session, A.REFUNDS, subject)
    assert (refused.is_explained, refused.needs_person) == (True, True)
    refund.state = RefundState.REFUNDED
    assert not why(session, A.REFUNDS, subject).is_explained


def test_foreign_money_names_its_list_and_never_a_whole_number(session: Session) -> None:
    session.add(
        WaveMovement(
            id="T99",
            type="merchant_payment",
            day=NOON.date(),
            gross_bututs=5000,
            fee_bututs=50,
            currency="GMD",
            counterparty_mobile="+2207654321",
            seen_at=NOON,
        )
    )
    post(session, R.FOREIGN, A.WAVE_WALLET, A.SUSPENSE, 4950, subject="wave:T99", once="foreign:T99", now=NOON)

    item = why(session, A.SUSPENSE, "wave:T99")

    assert item.is_explained
    assert item.words == "Foreign money of +220 ••• 4321, in Wave's list of 22 Nov 2026. Nobody looks after it yet."


@pytest.mark.parametrize("account", [A.WAVE_RECEIVABLE, A.UNEARNED_ACCESS, A.PORTABILLING_CHARGE, A.REFUNDS, A.SUSPENSE])
@pytest.mark.parametrize("subject", ["payment:4711", "voucher:4711", "wave:T4711", "nonsense", "payment:x"])
def test_what_belongs_to_nothing_is_unexplained(session: Session, account: LedgerAccount, subject: str) -> None:
    item = LedgerOpen(account=account, subject=subject, balance_bututs=100, since=NOON)

    (explanation,) = explain(session, [item], now=NOON)

    assert not explanation.is_explained
    assert explanation.todo


def test_access_of_a_payment_that_is_over_is_unexplained(session: Session) -> None:
    payment = with_access(session)
    payment.move(PaymentStatus.REFUNDING, now=NOON)

    assert not why(session, A.UNEARNED_ACCESS, of_payment(payment)).is_explained
