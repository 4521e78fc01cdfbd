"""A day's business over the wire, for the tests of reconciliation: the sandbox plays Wave and PortaBilling."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.integrations.clients import outside
from services.payments import process
from services.payments.checkout import Order, buy
from services.payments.models import Payment
from services.payments.reconciliation.models import FindingState, ReconciliationFinding, ReconciliationRun
from services.payments.reconciliation.runs import order_run, run
from tests.conftest import Sandbox
from tests.factories import PHONE, make_package, staff

LATER = timedelta(minutes=10)


def later() -> datetime:
    """When what happened just now is no longer too young to be compared."""
    return utc_now() + LATER


def officer(*, now: datetime | None = None) -> Principal:
    """A Billing Officer who proved a moment ago who they are."""
    found = staff(Role.BILLING_OFFICER)
    return Principal(**{**vars(found), "proven_at": now or utc_now()})


def sell(sandbox: Sandbox, *, phone: str = PHONE, amount: int = 2500) -> int:
    """A purchase, paid at Wave and with access granted; answers the payment's number."""
    with transaction() as session:
        package = make_package(session, amount_bututs=amount).public_id
    opened = buy(transaction, Order(package, phone), outside(), clock=utc_now)
    sandbox.pay(opened.reference, payer_mobile=phone)
    return drive(opened.payment_id)


def drive(public_id: str) -> int:
    with transaction() as session:
        payment = session.exec(select(Payment).where(Payment.public_id == public_id)).one()
        payment.next_attempt_at, payment.lease_until = utc_now(), None
        assert payment.id is not None
    process.advance(transaction, payment.id, outside(), clock=utc_now)
    return payment.id


def reconcile(days: int = 1) -> ReconciliationRun:
    """Compare the last days, in one go."""
    today = later().date()
    with transaction() as session:
        ordered = order_run(session, actor=officer(), from_day=today - timedelta(days=days), to_day=today, now=later())
        assert ordered.id is not None
    run(transaction, ordered.id, outside(), clock=later)
    with transaction() as session:
        return session.get_one(ReconciliationRun, ordered.id)


def findings(state: FindingState | None = FindingState.OPEN) -> list[ReconciliationFinding]:
    with transaction() as session:
        query = select(ReconciliationFinding).order_by(col(ReconciliationFinding.id))
        return list(session.exec(query if state is None else query.where(ReconciliationFinding.state == state)).all())


def lose(engine: sa.Engine, statement: str, **values: object) -> None:
    """Take a row away behind everybody's back: no trigger and no foreign key hears of it."""
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        assert connection.execute(sa.text(statement), values).rowcount == 1


def balance(session: Session, account: str) -> int:
    """What stands open on a clearing account."""
    query = sa.text("SELECT coalesce(sum(balance_bututs), 0) FROM ledger_open WHERE account = :account")
    return int(session.execute(query, {"account": account}).scalar_one())
