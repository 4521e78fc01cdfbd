"""What accepting does: once, with audit, and so that the next run finds nothing any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import transaction
from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import FreshProofNeeded, Permission, Principal
from services.audit.models import AuditEntry
from services.integrations import clients
from services.integrations.clients import outside
from services.notifications.models import Notification
from services.payments import refunding, refunds, refused, strays
from services.payments.checkout import Order, buy
from services.payments.clearing.models import LedgerTransfer, TransferReason
from services.payments.clearing.queries import verify_books
from services.payments.models import Checkout, Payment, PaymentStatus, Refund, RefundRule, RefundState
from services.payments.reconciliation import desk, fixes
from services.payments.reconciliation.errors import CannotBeMended, FindingDecided
from services.payments.reconciliation.models import FindingKind, FindingState, Fix, ReconciliationFinding, WaveMovement
from services.vouchers.models import Voucher, VoucherOrigin
from tests.conftest import Sandbox
from tests.factories import PHONE, make_package, staff
from tests.pages.builders import a_staff
from tests.services.payments.reconciliation.selling import balance, findings, lose, officer, reconcile, sell


def _accept(finding: ReconciliationFinding) -> ReconciliationFinding:
    with transaction() as session:
        return desk.accept(session, actor=officer(), finding_id=finding.id or 0, now=utc_now())


def _foreign(sandbox: Sandbox, phone: str = PHONE, amount: str = "25") -> ReconciliationFinding:
    sandbox.http.post("/_control/wave/foreign-payment", json={"amount": amount, "sender_mobile": phone}).raise_for_status()
    reconcile()
    return findings()[0]


def test_foreign_money_becomes_a_voucher_for_whom_it_came_from_once(database: sa.Engine, sandbox: Sandbox) -> None:
    sell(sandbox)
    finding = _foreign(sandbox)
    assert finding.fix is Fix.GIVE_CREDIT

    _accept(finding)
    with pytest.raises(FindingDecided):
        _accept(finding)

    with transaction() as session:
        given = session.exec(select(Voucher).where(Voucher.origin == VoucherOrigin.HAND)).one()
        subject = f"wave:{finding.movement_id}"
        posted = session.exec(select(LedgerTransfer.reason).where(LedgerTransfer.subject == subject).order_by(col(LedgerTransfer.id))).all()
        told = session.exec(select(Notification).where(Notification.event == "voucher_given")).all()
        kept = session.get_one(ReconciliationFinding, finding.id)
        assert (balance(session, "suspense"), balance(session, "unearned_access")) == (0, -5000)
        assert verify_books(session).are_whole
    assert posted == [TransferReason.FOREIGN, TransferReason.WAVE_FEE, TransferReason.CREDITED]
    assert (kept.voucher_id, kept.state, len(told)) == (given.id, FindingState.ACCEPTED, 1)
    assert "voucher" in (kept.outcome or "")
    assert reconcile().found == 0


def test_money_of_a_stranger_is_held_in_suspense(database: sa.Engine, sandbox: Sandbox) -> None:
    finding = _foreign(sandbox, "+2207654321", "33")
    assert finding.fix is Fix.HOLD_IN_SUSPENSE

    _accept(finding)

    with transaction() as session:
        assert balance(session, "suspense") == -3300
        assert verify_books(session).are_whole
        audited = session.exec(select(AuditEntry).where(AuditEntry.action == "finding.accept")).one()
    assert audited.target_id == str(finding.id)


def test_a_lost_transfer_is_posted_again_and_the_books_are_whole(database: sa.Engine, sandbox: Sandbox) -> None:
    hit = sell(sandbox)
    lose(database, "DELETE FROM ledger_transfer WHERE once = 'paid:' || :id", id=hit)
    reconcile()
    finding = findings()[0]
    assert finding.fix is Fix.POST_AGAIN

    _accept(finding)

    with transaction() as session:
        assert verify_books(session).are_whole
    reconcile()
    assert findings() == []


def test_an_open_item_that_is_not_what_its_transfers_sum_to_is_summed_anew(database: sa.Engine, sandbox: Sandbox) -> None:
    hit = sell(sandbox)
    reconcile()
    lose(database, "UPDATE ledger_open SET balance_bututs = -999 WHERE account = 'unearned_access' AND subject = 'payment:' || :id", id=hit)
    reconcile()
    finding = findings()[0]
    assert (finding.kind, finding.fix) == (FindingKind.LOST_ROW, Fix.POST_AGAIN)

    _accept(finding)

    with transaction() as session:
        assert verify_books(session).are_whole


def test_money_that_only_wave_knows_of_is_asked_for_and_taken_in(database: sa.Engine, sandbox: Sandbox) -> None:
    with transaction() as session:
        package = make_package(session, amount_bututs=2500).public_id
    opened = buy(transaction, Order(package, PHONE), outside(), clock=utc_now)
    with transaction() as session:
        payment = session.exec(select(Payment)).one()
        payment.move(PaymentStatus.EXPIRED, now=utc_now())
        payment.next_attempt_at = None
    sandbox.pay(opened.reference, no_webhook=True)
    reconcile()
    finding = findings()[0]
    assert (finding.kind, finding.fix) == (FindingKind.PAID_AT_WAVE_ONLY, Fix.ASK_WAVE)

    _accept(finding)
    strays.look_for_strays(transaction, payment.id or 0, outside(), clock=utc_now)

    reconcile()
    assert findings() == []
    with transaction() as session:
        assert session.get_one(Payment, payment.id).paid_at is not None


def test_an_account_is_blocked_and_one_that_is_gone_is_issued_again(database: sa.Engine, sandbox: Sandbox) -> None:
    paid = sell(sandbox)
    with transaction() as session:
        i_account = session.exec(select(Voucher.porta_i_account)).one()
    outside().portabilling.set_blocked(i_account or 0, False)
    reconcile()
    finding = findings()[0]
    assert (finding.kind, finding.fix) == (FindingKind.NOT_BLOCKED, Fix.BLOCK_ACCOUNT)
    _accept(finding)
    fixes.carry_out(transaction, finding.id or 0, outside(), clock=utc_now)
    reconcile()
    assert findings() == []

    lose(database, "UPDATE voucher SET porta_account_id = 'inet-elsewhere' WHERE payment_id = :id", id=paid)
    reconcile()
    missing = findings()[0]
    assert (missing.kind, missing.fix) == (FindingKind.CHARGE_MISSING, Fix.ISSUE_AGAIN)
    _accept(missing)
    sandbox.fault("portabilling", error_rate=1.0)
    fixes.carry_out(transaction, missing.id or 0, outside(), clock=utc_now)
    assert findings()[0].state is FindingState.OPEN
    sandbox.fault("portabilling")
    clients.close()  # with their circuit breakers
    _accept(missing)
    fixes.carry_out(transaction, missing.id or 0, outside(), clock=utc_now)
    assert "holds the account again" in (findings(None)[-1].outcome or "")


def test_what_moves_money_needs_a_fresh_proof_and_the_right_to_decide(database: sa.Engine, sandbox: Sandbox) -> None:
    finding = _foreign(sandbox, "+2207654321")
    with transaction() as session:
        with pytest.raises(FreshProofNeeded):
            desk.accept(session, actor=replace(officer(), proven_at=None), finding_id=finding.id or 0, now=utc_now())
        with pytest.raises(Forbidden):
            desk.accept(session, actor=staff(Role.CUSTOMER_CARE), finding_id=finding.id or 0, now=utc_now())
        with pytest.raises(InvalidInput):
            desk.reject(session, actor=officer(), finding_id=finding.id or 0, note=" ", now=utc_now())
    assert findings()[0].state is FindingState.OPEN


def test_credit_is_refused_in_words_when_no_package_costs_that_any_more(database: sa.Engine, sandbox: Sandbox) -> None:
    sell(sandbox)
    finding = _foreign(sandbox)
    with transaction() as session:
        session.execute(sa.text("UPDATE package SET is_on_sale = false"))
    with pytest.raises(CannotBeMended):
        _accept(finding)
    with transaction() as session:
        assert balance(session, "suspense") == 0
        assert session.exec(select(Voucher).where(Voucher.origin == VoucherOrigin.HAND)).all() == []


def _root(session: Session) -> Principal:
    """May give anything back alone, and proved a moment ago who they are."""
    session.merge(RefundRule(role=Role.ROOT, most_bututs=100_000, alone_bututs=100_000, day_bututs=100_000, changed_at=utc_now()))
    person = a_staff(session, Role.ROOT, now=utc_now())
    return Principal(kind="staff", id=person.id or 0, name="Root", role=Role.ROOT, permissions=frozenset(Permission), proven_at=utc_now())


def _paid_out(payment_id: int, sandbox: Sandbox) -> None:
    """Wave refuses to give it back, and somebody else pays it in cash."""
    with transaction() as session:
        public_id = session.get_one(Payment, payment_id).public_id
        refund_id = (
            refunding.ask_refund(session, actor=_root(session), public_id=public_id, reason="It never worked", now=utc_now()).id or 0
        )
    sandbox.fault("wave", error_rate=1.0, error_statuses=[409])
    refunds.send_refund(transaction, refund_id, outside(), clock=utc_now)
    sandbox.fault("wave", clear=True)
    with transaction() as session:
        assert session.get_one(Refund, refund_id).state is RefundState.FAILED
        refused.pay_out(session, actor=officer(), refund_id=refund_id, how="Cash, receipt 7", now=utc_now())


def test_what_was_paid_out_another_way_is_not_looked_for_in_waves_list(database: sa.Engine, sandbox: Sandbox) -> None:
    paid = sell(sandbox)
    _paid_out(paid, sandbox)
    reconcile()
    assert findings() == []
    with transaction() as session:
        assert (balance(session, "wave_receivable"), balance(session, "refunds")) == (0, 0)
        assert verify_books(session).are_whole


def test_what_wave_gave_back_after_all_though_it_was_paid_out_is_for_a_person_to_settle(database: sa.Engine, sandbox: Sandbox) -> None:
    paid = sell(sandbox)
    _paid_out(paid, sandbox)
    with transaction() as session:
        wave_session = session.exec(select(Checkout.wave_session_id)).one()
    outside().wave.refund_session(wave_session)
    reconcile()
    finding = findings()[0]
    assert finding.kind is FindingKind.REFUND_AT_WAVE_ONLY
    with pytest.raises(CannotBeMended, match="the customer has it twice"):
        _accept(finding)


def test_a_refund_made_at_wave_by_hand_is_recorded_and_sent_no_second_time(database: sa.Engine, sandbox: Sandbox) -> None:
    paid = sell(sandbox)
    with transaction() as session:
        wave_session = session.exec(select(Checkout.wave_session_id)).one()
        root = _root(session)
    outside().wave.refund_session(wave_session)
    reconcile()
    finding = findings()[0]
    assert (finding.kind, finding.fix, finding.wave_bututs) == (FindingKind.REFUND_AT_WAVE_ONLY, Fix.RECORD_REFUND, -2500)

    with transaction() as session:
        desk.accept(session, actor=root, finding_id=finding.id or 0, now=utc_now())
    with transaction() as session:
        refund = session.exec(select(Refund)).one()
    refunds.send_refund(transaction, refund.id or 0, outside(), clock=utc_now)

    reconcile()
    assert findings() == []
    with transaction() as session:
        assert session.get_one(Payment, paid).status is PaymentStatus.REFUNDED
        assert balance(session, "wave_receivable") == 0
    assert len(sandbox.state()["wave"]["refunds"]) == 1


def test_one_is_given_to_a_person_and_rejected_and_the_rejection_is_taken_back(database: sa.Engine, sandbox: Sandbox) -> None:
    sandbox.http.post("/_control/wave/foreign-payment", json={"amount": "33", "sender_mobile": "+2207654321"}).raise_for_status()
    reconcile()
    (finding_id,) = [one.id or 0 for one in findings()]
    with transaction() as session:
        person = a_staff(session, Role.BILLING_OFFICER, now=utc_now())
        care = a_staff(session, Role.CUSTOMER_CARE, now=utc_now())
    with transaction() as session:
        with pytest.raises(InvalidInput):
            desk.assign(session, actor=officer(), finding_id=finding_id, staff_id=care.id, now=utc_now())
        by = replace(officer(), id=0)
        assert desk.assign(session, actor=by, finding_id=finding_id, staff_id=person.id, now=utc_now()).assignee_id == person.id
    with transaction() as session:
        assert len(session.exec(select(Notification).where(Notification.staff_id == person.id)).all()) == 1
        rejected = desk.reject(session, actor=officer(), finding_id=finding_id, note="Test money", now=utc_now())
    assert rejected.decided_at is not None
    assert reconcile().found == 0
    with transaction() as session:
        earlier = rejected.decided_at - timedelta(minutes=1)
        with pytest.raises(FindingDecided):
            desk.reopen(session, actor=officer(), finding_id=finding_id, decided_at=earlier, now=utc_now())
        desk.reopen(session, actor=officer(), finding_id=finding_id, decided_at=rejected.decided_at, now=utc_now())
    (again,) = findings()
    assert (again.state, again.note, again.decided_by) == (FindingState.OPEN, None, None)


def test_a_row_of_the_list_names_its_purchase(database: sa.Engine, sandbox: Sandbox) -> None:
    paid = sell(sandbox)
    reconcile()
    with transaction() as session:
        assert session.exec(select(WaveMovement.payment_id)).one() == paid
