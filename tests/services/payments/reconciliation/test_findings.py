"""Each kind of mismatch is planted at the sandbox or in the database, found over the wire, named rightly, and nothing else is found."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlmodel import select

from app.db import transaction
from services.payments.models import Payment
from services.payments.reconciliation.models import FindingKind, FindingState, Fix, ReconciliationFinding, RunState, WaveMovement
from tests.conftest import Sandbox
from tests.factories import PHONE
from tests.services.payments.reconciliation.selling import balance, findings, lose, reconcile, sell

K = FindingKind


def _transaction_of(payment_id: int) -> str:
    with transaction() as session:
        return session.get_one(Payment, payment_id).wave_transaction_id or ""


def _only(kind: FindingKind, fix: Fix) -> ReconciliationFinding:
    found = findings()
    assert [(one.kind, one.fix) for one in found] == [(kind, fix)]
    return found[0]


def test_three_sides_that_agree_leave_nothing_to_decide_and_clear_the_receivable(database: sa.Engine, sandbox: Sandbox) -> None:
    sell(sandbox)
    sell(sandbox, amount=12500)

    done = reconcile()

    assert (done.state, done.error, findings()) == (RunState.DONE, None, [])
    with transaction() as session:
        assert balance(session, "wave_receivable") == 0
        listed = session.exec(select(WaveMovement)).all()
        assert {row.payment_id for row in listed} == set(session.exec(select(Payment.id)).all())
    assert done.totals["sums"]["wave"] == {"payments": 2, "gross": 15000, "fees": 300, "net": 14700, "refunds": 0}
    assert done.totals["sums"]["porta"] == {"accounts": 2, "charged": 15000}


def test_a_planted_wrong_amount_is_found_as_one(database: sa.Engine, sandbox: Sandbox) -> None:
    sell(sandbox)
    wrong = sell(sandbox)
    sandbox.http.post("/_control/wave/transaction", json={"transaction_id": _transaction_of(wrong), "gross": "20"}).raise_for_status()

    reconcile()

    found = _only(K.WRONG_AMOUNT, Fix.LOOK)
    assert (found.payment_id, found.wave_bututs, found.ledger_bututs, found.porta_bututs) == (wrong, 2000, 2500, 2500)
    assert found.evidence["wave"]["gross_bututs"] == 2000


def test_a_row_that_vanished_from_waves_list_is_paid_here_only(database: sa.Engine, sandbox: Sandbox) -> None:
    sell(sandbox)
    gone = sell(sandbox)
    reconcile()
    assert findings() == []
    sandbox.http.post("/_control/wave/transaction", json={"transaction_id": _transaction_of(gone), "vanished": True}).raise_for_status()

    reconcile()

    found = _only(K.PAID_HERE_ONLY, Fix.ASK_WAVE)
    assert found.payment_id == gone
    assert "was_shown_until" in found.evidence["wave"]


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM payment_event WHERE payment_id = :id AND kind = 'charged'", "history"),
        ("DELETE FROM ledger_transfer WHERE once = 'paid:' || :id", "not there"),
        ("DELETE FROM voucher WHERE payment_id = :id", "no voucher"),
    ],
)
def test_a_lost_row_is_found_and_named_once(database: sa.Engine, sandbox: Sandbox, statement: str, what: str) -> None:
    sell(sandbox)
    hit = sell(sandbox)
    lose(database, statement, id=hit)

    reconcile()

    found = findings()
    assert [(one.kind, one.payment_id) for one in found] == [(K.LOST_ROW, hit)]
    assert what in found[0].evidence["ledger"]["what"]


def test_foreign_money_is_proposed_as_credit_to_whom_it_came_from_and_else_as_suspense(database: sa.Engine, sandbox: Sandbox) -> None:
    sell(sandbox)
    for phone in (PHONE, "+2207654321"):
        sandbox.http.post("/_control/wave/foreign-payment", json={"amount": "25", "sender_mobile": phone}).raise_for_status()

    reconcile()

    found = findings()
    # Paid in the same second, Wave lists them in either order.
    assert sorted((one.kind, one.fix, one.wave_bututs) for one in found) == [
        (K.FOREIGN_PAYMENT, Fix.GIVE_CREDIT, 2500),
        (K.FOREIGN_PAYMENT, Fix.HOLD_IN_SUSPENSE, 2500),
    ]
    assert not [one for one in found if PHONE in str(one.evidence)]


def test_an_account_that_is_not_blocked_or_not_ours_or_not_there_is_found(database: sa.Engine, sandbox: Sandbox) -> None:
    from services.integrations.clients import outside

    first, second = sell(sandbox), sell(sandbox)
    with transaction() as session:
        accounts = {
            row.payment_id: row.porta_i_account for row in session.execute(sa.text("SELECT payment_id, porta_i_account FROM voucher"))
        }
    outside().portabilling.set_blocked(accounts[first], False)
    lose(database, "UPDATE voucher SET porta_account_id = 'inet-another' WHERE payment_id = :id", id=second)

    reconcile()

    assert {(one.kind, one.payment_id) for one in findings()} == {(K.NOT_BLOCKED, first), (K.CHARGE_MISSING, second)}


def test_a_second_run_finds_the_same_and_what_was_mended_is_gone(database: sa.Engine, sandbox: Sandbox) -> None:
    wrong = sell(sandbox)
    tx = _transaction_of(wrong)
    sandbox.http.post("/_control/wave/transaction", json={"transaction_id": tx, "gross": "20"}).raise_for_status()
    reconcile()
    first = _only(K.WRONG_AMOUNT, Fix.LOOK)

    again = reconcile()

    second = _only(K.WRONG_AMOUNT, Fix.LOOK)
    assert (second.id, second.created_at, second.run_id) == (first.id, first.created_at, again.id)
    sandbox.http.post("/_control/wave/transaction", json={"transaction_id": tx, "gross": "25"}).raise_for_status()
    last = reconcile()
    assert [one.state for one in findings(None)] == [FindingState.GONE]
    assert last.totals["changed"][0]["changed"]["gross_bututs"] == [2000, 2500]


def test_nothing_is_missing_on_the_strength_of_a_list_that_was_not_read(database: sa.Engine, sandbox: Sandbox) -> None:
    sell(sandbox)
    sandbox.fault("portabilling", error_rate=1.0)

    without_porta = reconcile()

    assert without_porta.state is RunState.PARTIAL
    assert "PortaBilling" in (without_porta.error or "")
    assert findings() == []
    sandbox.fault("portabilling")
    sandbox.fault("wave", error_rate=1.0)
    without_wave = reconcile()
    assert without_wave.state is RunState.PARTIAL
    assert "Wave" in (without_wave.error or "")
    assert findings() == []
