"""Access that was not used in its time is earned by its lapse, once, and never while somebody may still use it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from services.access.entry import let_in
from services.access.models import Entitlement, EntitlementState, Grant, GrantState
from services.access.sweeps import expire_entitlements
from services.payments.clearing.items import unexplained
from services.payments.clearing.lapse import lapse
from services.payments.clearing.models import LedgerAccount, LedgerTransfer, TransferReason
from services.payments.clearing.posting import post
from services.payments.clearing.queries import verify_books
from services.payments.ledger import mark_served
from services.payments.models import Payment, PaymentStatus
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState
from tests.conftest import NOON
from tests.factories import make_context, make_gateway
from tests.services.payments.clearing.sales import paid, served, voucher_of, with_access

A, R = LedgerAccount, TransferReason
OVER = NOON + timedelta(days=31)


def lapsed(session: Session) -> list[tuple[str, int]]:
    found = session.exec(select(LedgerTransfer).where(LedgerTransfer.reason == R.LAPSED).order_by(col(LedgerTransfer.id))).all()
    return [(transfer.subject, transfer.amount_bututs) for transfer in found]


def entitlement_of(session: Session, payment: Payment) -> Entitlement:
    return session.exec(select(Entitlement).where(Entitlement.payment_id == payment.id)).one()


def a_credit(session: Session, *, now: datetime = NOON) -> Voucher:
    """A credit with 10 D of unearned access under its own name."""
    source = served(session, now=now)
    voucher = Voucher(
        code_mac=f"mac-{source.id}",
        code_sealed="sealed",
        package_version_id=source.package_version_id,
        origin=VoucherOrigin.CREDIT,
        seconds=1200,
        credit_of_id=entitlement_of(session, source).id,
        state=VoucherState.ACTIVE,
        created_at=now,
        use_before=now + timedelta(days=30),
        porta_account_id=f"inet-c-{source.id}",
    )
    session.add(voucher)
    session.flush()
    post(session, R.CREDITED, A.SALES, A.UNEARNED_ACCESS, 1000, subject=f"voucher:{voucher.id}", once=f"credited:{voucher.id}", now=now)
    session.flush()
    return voucher


def test_what_was_not_started_in_its_time_lapses_once(session: Session) -> None:
    payment = with_access(session)

    assert lapse(session, now=NOON + timedelta(days=29)) == 0
    assert (lapse(session, now=OVER), lapse(session, now=OVER)) == (1, 0)

    assert lapsed(session) == [(f"payment:{payment.id}", 2500)]
    assert verify_books(session).are_whole
    assert A.UNEARNED_ACCESS not in {item.account for item in unexplained(session, now=OVER).items}


def test_what_another_sweep_ended_before_lapses_all_the_same(session: Session) -> None:
    payment = with_access(session)
    expire_entitlements(session, now=OVER)

    assert entitlement_of(session, payment).state is EntitlementState.ENDED
    assert lapse(session, now=OVER) == 1


@pytest.mark.parametrize("status", [PaymentStatus.ATTENTION, PaymentStatus.REFUNDING])
def test_what_somebody_decides_about_does_not_lapse(session: Session, status: PaymentStatus) -> None:
    with_access(session).move(status, now=NOON)
    session.flush()

    assert lapse(session, now=OVER) == 0


def test_neither_a_payment_on_its_way_nor_one_that_was_served_lapses(session: Session) -> None:
    paid(session)
    served(session)

    assert lapse(session, now=OVER) == 0


def test_what_a_router_may_still_confirm_does_not_lapse(session: Session) -> None:
    payment = with_access(session)
    entitlement = entitlement_of(session, payment)
    entry = let_in(session, entitlement, make_context(make_gateway(session)), None, swap=False, now=NOON)
    assert entry is not None
    grant = session.exec(select(Grant).where(Grant.entitlement_id == entitlement.id)).one()

    assert lapse(session, now=OVER) == 0
    grant.state, grant.ended_at = GrantState.VOID, OVER
    session.flush()
    assert lapse(session, now=OVER) == 1


def test_what_was_earned_late_is_not_earned_twice(session: Session) -> None:
    payment = with_access(session)
    assert payment.id is not None
    mark_served(session, payment.id, now=NOON)
    session.flush()

    assert lapse(session, now=OVER) == 0


@pytest.mark.parametrize("state", [VoucherState.ACTIVE, VoucherState.BLOCKED, VoucherState.EXPIRED])
def test_a_credit_that_nobody_used_lapses(session: Session, state: VoucherState) -> None:
    voucher = a_credit(session)
    voucher.state = state

    assert lapse(session, now=NOON) == (1 if state is VoucherState.EXPIRED else 0)
    lapse(session, now=OVER)

    assert (f"voucher:{voucher.id}", 1000) in lapsed(session)


def test_a_sweep_takes_no_more_than_its_batch_oldest_first(session: Session) -> None:
    first, second = with_access(session, now=NOON - timedelta(days=1)), with_access(session)

    assert lapse(session, now=OVER, batch=1) == 1
    assert lapsed(session) == [(f"payment:{first.id}", 2500)]
    assert lapse(session, now=OVER, batch=1) == 1
    assert lapsed(session)[-1] == (f"payment:{second.id}", 2500)
    assert voucher_of(session, second).state is VoucherState.USED
