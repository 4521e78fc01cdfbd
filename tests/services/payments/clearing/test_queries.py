"""The proof of the books finds whatever is not there, is another than it must be, or stands for nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from services.payments.absorb import absorb
from services.payments.clearing.models import LedgerAccount, TransferReason
from services.payments.clearing.posting import of_payment, post
from services.payments.clearing.queries import Lost, MissingTransfer, broken_items, missing_transfers, verify_books
from tests.conftest import NOON
from tests.services.payments.clearing.sales import served, session_at_wave, with_access

A, R = LedgerAccount, TransferReason
DAY = (NOON - timedelta(hours=12), NOON + timedelta(hours=12))


@pytest.fixture
def unguarded(session: Session) -> Session:
    """The triggers that guard ledger and history are off, as in a hand at the database or a bad restore."""
    session.flush()
    session.execute(sa.text("SET LOCAL session_replication_role = replica"))
    return session


def _found(session: Session) -> tuple[MissingTransfer, ...]:
    session.flush()
    return missing_transfers(session, *DAY)


def test_books_that_the_services_kept_are_whole(session: Session) -> None:
    with_access(session)
    payment = served(session)
    absorb(session, payment, session_at_wave(payment, 2), now=NOON)

    books = verify_books(session)

    assert books.are_whole
    assert books.transfers == 2 * 3 + 1 + 1
    assert _found(session) == ()


def test_a_lost_transfer_is_named_with_what_to_post(unguarded: Session) -> None:
    payment = served(unguarded)
    unguarded.execute(sa.text("DELETE FROM ledger_transfer WHERE reason = 'earned'"))

    (lost,) = _found(unguarded)

    assert (lost.lost, lost.payment_id, lost.can_be_posted) == (Lost.TRANSFER, payment.id, True)
    assert (lost.reason, lost.debit, lost.credit, lost.amount_bututs) == (R.EARNED, A.UNEARNED_ACCESS, A.SALES, 2500)
    assert payment.reference in lost.words


def test_what_is_posted_again_makes_the_books_whole(unguarded: Session) -> None:
    served(unguarded)
    unguarded.execute(sa.text("DELETE FROM ledger_transfer WHERE reason = 'earned'"))
    (lost,) = _found(unguarded)
    assert lost.reason and lost.debit and lost.credit and lost.once  # noqa: PT018 - for the type checker

    post(unguarded, lost.reason, lost.debit, lost.credit, lost.amount_bututs, subject=lost.subject, once=lost.once, now=NOON)

    assert _found(unguarded) == ()


def test_a_transfer_of_another_sum_is_named_and_not_posted_twice(unguarded: Session) -> None:
    served(unguarded)
    unguarded.execute(sa.text("UPDATE ledger_transfer SET amount_bututs = 2400 WHERE reason = 'charged'"))

    (lost,) = _found(unguarded)

    assert (lost.found_bututs, lost.amount_bututs, lost.can_be_posted) == (2400, 2500, False)


@pytest.mark.parametrize("kind", ["created", "paid", "served", "charged"])
def test_a_lost_row_of_the_history_is_named(unguarded: Session, kind: str) -> None:
    payment = served(unguarded)
    unguarded.execute(sa.text("DELETE FROM payment_event WHERE kind = :kind"), {"kind": kind})

    found = _found(unguarded)

    assert Lost.EVENT in {lost.lost for lost in found}
    assert {lost.reference for lost in found} == {payment.reference}


def test_a_paid_payment_without_its_voucher_is_named(unguarded: Session) -> None:
    payment = with_access(unguarded)
    unguarded.execute(sa.text("UPDATE voucher SET payment_id = NULL WHERE payment_id = :id"), {"id": payment.id})

    assert [lost.lost for lost in _found(unguarded)] == [Lost.VOUCHER]


def test_a_transfer_that_stands_for_nothing_is_named(session: Session) -> None:
    payment = with_access(session)
    post(session, R.EARNED, A.UNEARNED_ACCESS, A.SALES, 2500, subject=of_payment(payment), once=f"earned:{payment.id}", now=NOON)

    assert [lost.lost for lost in _found(session)] == [Lost.UNFOUNDED]


def test_an_open_item_that_is_not_its_transfers_sum_is_named(session: Session) -> None:
    payment = with_access(session)
    session.execute(sa.text("UPDATE ledger_open SET balance_bututs = 7 WHERE account = 'wave_receivable'"))
    session.execute(sa.text("DELETE FROM ledger_open WHERE account = 'unearned_access'"))

    found = {item.account: (item.subject, item.kept_bututs, item.summed_bututs) for item in broken_items(session)}

    subject = f"payment:{payment.id}"
    assert found == {A.WAVE_RECEIVABLE: (subject, 7, 2500), A.UNEARNED_ACCESS: (subject, 0, -2500)}


def test_another_days_payments_are_not_looked_at(session: Session) -> None:
    served(session)
    session.execute(sa.text("SET LOCAL session_replication_role = replica"))
    session.execute(sa.text("DELETE FROM ledger_transfer"))

    assert missing_transfers(session, NOON + timedelta(days=1), NOON + timedelta(days=2)) == ()
    assert len(_found(session)) == 4
