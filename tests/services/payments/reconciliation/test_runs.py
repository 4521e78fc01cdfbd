"""Runs: bounded, resumable, harmless when two are at it, right at the day's boundary and with long lists."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import transaction
from app.errors import Forbidden, InvalidInput
from services.accounts.models import Role
from services.integrations.clients import outside
from services.integrations.wave import WaveTransaction
from services.payments import refunds
from services.payments.clearing.models import LedgerAccount, LedgerTransfer
from services.payments.ledger import record
from services.payments.models import Checkout, EventKind, Payment, PaymentStatus, Refund
from services.payments.reconciliation import clear, gather, runs
from services.payments.reconciliation.compare import Sides, compare
from services.payments.reconciliation.models import FindingKind, ReconciliationFinding, ReconciliationRun, RunState, WaveMovement
from tests.conftest import NOON, Sandbox
from tests.factories import staff
from tests.services.payments.clearing.sales import paid, with_access
from tests.services.payments.reconciliation.selling import balance, findings, later, officer, reconcile, sell

DAY = NOON.date()


class _Died(BaseException):
    pass


def wave_row(tx: str, gross: int, fee: int, at: datetime, **more: object) -> WaveTransaction:
    row = {"session_id": None, "client_reference": None, "counterparty_mobile": None, "is_reversal": False} | more
    return WaveTransaction(id=tx, type="api_checkout", amount_bututs=gross - fee, fee_bututs=fee, currency="GMD", at=at, **row)  # type: ignore[arg-type]


def _run(session: Session, day: date = DAY, *, at: datetime = NOON + timedelta(hours=1)) -> ReconciliationRun:
    run = ReconciliationRun(from_day=day, to_day=day, state=RunState.RUNNING, created_at=at, started_at=at)
    session.add(run)
    session.flush()
    return run


def _sides(run: ReconciliationRun, *days: date, porta: bool = False) -> Sides:
    assert run.id is not None
    assert run.started_at is not None
    young = run.started_at - runs.young()
    return Sides(run.id, run.from_day, run.to_day, run.started_at, young, days, is_porta_whole=porta, is_porta_seen=porta)


def _kinds(session: Session) -> list[FindingKind]:
    return list(session.exec(select(ReconciliationFinding.kind).where(ReconciliationFinding.state == "open")).all())


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [(0, -1, "to_day"), (0, 1, "to_day"), (-runs.LONGEST, 0, "from_day")],
)
def test_a_range_that_cannot_be_compared_is_refused_at_its_field(session: Session, first: int, last: int, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        runs.order_run(session, actor=officer(), from_day=DAY + timedelta(first), to_day=DAY + timedelta(last), now=NOON)
    assert refusal.value.field == field
    with pytest.raises(Forbidden):
        runs.order_run(session, actor=staff(Role.CUSTOMER_CARE), from_day=DAY, to_day=DAY, now=NOON)


def test_the_same_days_are_not_begun_twice_and_the_night_orders_once(session: Session) -> None:
    first = runs.order_run(session, actor=officer(), from_day=DAY, to_day=DAY, now=NOON)
    assert runs.order_run(session, actor=officer(), from_day=DAY, to_day=DAY, now=NOON).id == first.id
    for hour in (0, 1, 2):
        runs.start_nightly(session, now=NOON.replace(hour=hour))
    nights = session.exec(select(ReconciliationRun).where(col(ReconciliationRun.is_nightly))).all()
    assert [(run.from_day, run.to_day) for run in nights] == [(DAY - timedelta(1), DAY - timedelta(1))]


def test_a_run_goes_on_where_a_worker_died_and_two_at_once_do_no_harm(
    database: sa.Engine, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sell(sandbox)
    sandbox.http.post("/_control/wave/mode", json={"page_size": 1}).raise_for_status()
    sell(sandbox)
    today = later().date()
    with transaction() as session:
        ordered = runs.order_run(session, actor=officer(), from_day=today, to_day=today, now=later())
        run_id = ordered.id or 0
    for step in (1, 2, 2, 3):
        left = [step]

        def die(_: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise _Died

        monkeypatch.setattr(runs, "boundary", die)
        with transaction() as session:
            held = session.get_one(ReconciliationRun, run_id)
            held.lease_until, held.next_attempt_at = None, utc_now()
        with pytest.raises(_Died):
            runs.run(transaction, run_id, outside(), clock=later)
    monkeypatch.setattr(runs, "boundary", lambda _: None)
    runs.run(transaction, run_id, outside(), clock=later)
    with transaction() as session:
        # The dead one's lease has not run out: nobody else may take it yet.
        assert session.get_one(ReconciliationRun, run_id).state is RunState.RUNNING
        session.get_one(ReconciliationRun, run_id).lease_until = None
    runs.run(transaction, run_id, outside(), clock=later, budget_seconds=0)
    with transaction() as session:
        session.get_one(ReconciliationRun, run_id).lease_until = None
    runs.run(transaction, run_id, outside(), clock=later)
    runs.run(transaction, run_id, outside(), clock=later)
    with transaction() as session:
        assert session.get_one(ReconciliationRun, run_id).state is RunState.DONE
        assert balance(session, "wave_receivable") == 0
    assert findings() == []


def test_refund_rows_clear_what_was_given_back_and_only_them(database: sa.Engine, sandbox: Sandbox) -> None:
    back = sell(sandbox)
    with transaction() as session:
        checkout = session.exec(select(Checkout).where(Checkout.payment_id == back)).one()
        refund = Refund(payment_id=back, checkout_id=checkout.id or 0, amount_bututs=2500, reason="Test", created_at=utc_now())
        session.add(refund)
        session.flush()
        payment = session.get_one(Payment, back, with_for_update=True)
        # The promise that a refund of a sale makes first.
        from services.payments.clearing.models import TransferReason
        from services.payments.clearing.posting import post

        post(
            session,
            TransferReason.REFUND_DUE,
            LedgerAccount.UNEARNED_ACCESS,
            LedgerAccount.REFUNDS,
            2500,
            subject=f"payment:{back}",
            once=f"refund_due:{refund.id}",
            now=utc_now(),
        )
        assert payment.status is PaymentStatus.ACCESS_GRANTED
        refund_id = refund.id or 0
    refunds.send_refund(transaction, refund_id, outside(), clock=utc_now)

    done = reconcile()

    assert (done.state, findings()) == (RunState.DONE, [])
    with transaction() as session:
        assert (balance(session, "wave_receivable"), balance(session, "refunds")) == (0, 0)
    assert done.totals["sums"]["wave"]["refunds"] == 2500


def test_a_purchase_over_midnight_is_missing_on_neither_day(session: Session) -> None:
    midnight = datetime(2026, 11, 22, tzinfo=NOON.tzinfo)
    payment = paid(session, now=midnight - timedelta(seconds=2))
    payment.paid_at = midnight + timedelta(seconds=4)
    session.flush()
    tx = payment.wave_transaction_id or ""
    yesterday = midnight.date() - timedelta(1)
    at = midnight + timedelta(hours=3)
    gather.keep_movements(
        session, yesterday, [wave_row(tx, 2500, 25, midnight - timedelta(seconds=1), client_reference=payment.reference)], seen_at=at
    )
    days = (yesterday - timedelta(1), yesterday, midnight.date())
    clear.name_payments(session, clear.Span(days[0], days[-1]))
    for day in (yesterday, midnight.date()):
        compare(session, _sides(_run(session, day, at=at), *days), now=at)
        assert _kinds(session) == []


def test_what_is_younger_than_a_few_minutes_is_left_out(session: Session) -> None:
    at = NOON + timedelta(minutes=2)
    paid(session)
    compare(session, _sides(_run(session, at=at), DAY), now=at)
    assert _kinds(session) == []
    compare(session, _sides(_run(session, at=NOON + timedelta(hours=1)), DAY), now=NOON + timedelta(hours=1))
    assert _kinds(session) == [FindingKind.PAID_HERE_ONLY]


def test_stock_is_charged_by_what_was_taken_of_it_and_known_accounts_are_not_foreign(session: Session) -> None:
    payment = with_access(session)
    at = NOON + timedelta(hours=1)
    session.execute(sa.text("UPDATE voucher SET origin = 'stock', porta_blocked_at = :at"), {"at": NOON})
    session.execute(
        sa.text(
            "INSERT INTO porta_mirror (account_id, i_account, opening_bututs, balance_bututs, is_blocked, seen_run_id, seen_at) "
            "SELECT porta_account_id, 7, 5000, :left, true, 1, :at FROM voucher"
        ),
        {"left": 2500, "at": at},
    )
    gather.keep_movements(
        session, DAY, [wave_row(payment.wave_transaction_id or "", 2500, 0, NOON, client_reference=payment.reference)], seen_at=at
    )
    clear.name_payments(session, clear.Span(DAY, DAY))
    compare(session, _sides(_run(session, at=at), DAY, porta=True), now=at)
    assert _kinds(session) == []
    session.execute(sa.text("UPDATE porta_mirror SET balance_bututs = 5000"))
    compare(session, _sides(_run(session, at=at), DAY, porta=True), now=at + timedelta(seconds=1))
    assert _kinds(session) == [FindingKind.CHARGE_DIFFERS]


@given(st.integers(1, 10_000_000), st.integers(0, 10_000_000))
def test_net_and_fee_are_the_gross_to_the_last_butut(gross: int, fee: int) -> None:
    fee = min(fee, gross)
    movement = WaveMovement(id="T", type="", day=DAY, gross_bututs=gross, fee_bututs=fee, currency="GMD", seen_at=NOON)
    assert movement.net_bututs + movement.fee_bututs == wave_row("T", gross, fee, NOON).gross_bututs == gross


def test_a_fee_of_the_whole_sum_and_none_at_all_are_posted_without_empty_transfers(session: Session) -> None:
    for number, fee in enumerate((0, 2500)):
        payment = paid(session)
        row = wave_row(payment.wave_transaction_id or "", 2500, fee, NOON, client_reference=payment.reference)
        gather.keep_movements(session, DAY, [row], seen_at=NOON)
        clear.name_payments(session, clear.Span(DAY, DAY))
        assert clear.post_settled(session, clear.Span(DAY, DAY), now=NOON) == 1, number
        assert clear.post_settled(session, clear.Span(DAY, DAY), now=NOON) == 0
    assert balance(session, "wave_receivable") == 0
    assert session.exec(select(sa.func.count()).where(LedgerTransfer.amount_bututs == 0)).one() == 0


def test_twenty_thousand_purchases_cost_as_many_questions_as_two(session: Session) -> None:
    def questions() -> int:
        asked = []
        run = _run(session)
        engine = session.connection().engine
        sa.event.listen(engine, "before_cursor_execute", lambda *_: asked.append(1))
        compare(session, _sides(run, DAY, porta=True), now=NOON + timedelta(hours=1))
        return len(asked)

    model = paid(session)
    record(session, model, EventKind.DELAYED, now=NOON)
    session.flush()
    few = questions()
    for statement in (
        "INSERT INTO payment SELECT (jsonb_populate_record(p, jsonb_build_object('id', 1000 + n, 'public_id', 'x' || n,"
        " 'reference', 'X' || n, 'wave_transaction_id', 'TX' || n))).* FROM payment p, generate_series(1, 20000) AS n",
        "INSERT INTO wave_movement (id, type, day, at, gross_bututs, fee_bututs, currency, is_reversal, client_reference, payment_id,"
        " seen_at) SELECT wave_transaction_id, 'api_checkout', :day, paid_at, amount_bututs, 25, 'GMD', false, reference, id, :at"
        " FROM payment WHERE reference LIKE 'X%'",
        "ANALYZE payment",
        "ANALYZE wave_movement",
    ):
        session.execute(sa.text(statement), {"day": DAY, "at": NOON + timedelta(hours=2)} if ":day" in statement else {})
    assert questions() <= few + 4
