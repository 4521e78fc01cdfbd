"""What stands open is counted, aged and explained in few questions; what is in doubt is found without looking at all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.errors import Forbidden
from services.accounts.models import Role
from services.listing import Slice
from services.payments.clearing.items import Age, OpenFilter, TransferFilter, age_of, open_accounts, open_items, transfers, unexplained
from services.payments.clearing.models import CLEARING, LedgerAccount, TransferReason
from services.payments.clearing.posting import of_payment, post
from services.payments.clearing.sums import SIDES
from tests.conftest import NOON
from tests.factories import make_package, staff
from tests.services.payments.clearing.sales import paid, served, with_access

A, R = LedgerAccount, TransferReason
DAY = timedelta(days=1)


@contextmanager
def counted(session: Session) -> Iterator[list[str]]:
    said: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    connection = session.connection()
    sa.event.listen(connection, "before_cursor_execute", hear)
    yield said
    sa.event.remove(connection, "before_cursor_execute", hear)


@pytest.mark.parametrize(
    ("hours", "age"), [(0, "today"), (23, "today"), (24, "days_1_2"), (71, "days_1_2"), (72, "days_3_7"), (192, "older")]
)
def test_ages_begin_at_whole_days(hours: int, age: str) -> None:
    assert age_of(NOON, NOON + timedelta(hours=hours)) == Age(age)


def test_every_clearing_account_shows_its_balance_and_the_ages_of_its_items(session: Session) -> None:
    paid(session, now=NOON - 4 * DAY)
    paid(session, now=NOON)

    accounts = {line.account: line for line in open_accounts(session, actor=staff(), now=NOON)}

    assert tuple(accounts) == CLEARING
    receivable = accounts[A.WAVE_RECEIVABLE]
    assert (receivable.balance_bututs, receivable.items, receivable.oldest_at) == (5000, 2, NOON - 4 * DAY)
    assert receivable.ages == {Age.TODAY: (1, 2500), Age.DAYS_1_2: (0, 0), Age.DAYS_3_7: (1, 2500), Age.OLDER: (0, 0)}
    assert accounts[A.UNEARNED_ACCESS].balance_bututs == -5000
    assert accounts[A.SUSPENSE].items == 0


def test_items_are_listed_by_account_age_and_subject(session: Session) -> None:
    old, new = paid(session, now=NOON - 4 * DAY), paid(session, now=NOON)

    def listed(**wanted: object) -> list[tuple[str, str]]:
        found = open_items(session, actor=staff(), wanted=OpenFilter(**wanted), part=Slice(), now=NOON)  # type: ignore[arg-type]
        assert found.total == len(found.rows)
        return [(item.account.value, item.subject) for item in found.rows]

    assert len(listed()) == 6
    assert listed(account=A.WAVE_RECEIVABLE) == [("wave_receivable", f"payment:{one.id}") for one in (new, old)]
    assert {subject for _, subject in listed(age=Age.DAYS_3_7)} == {of_payment(old)}
    assert listed(age=Age.DAYS_1_2) == listed(age=Age.OLDER) == []
    assert len(listed(subject=of_payment(new))) == 3


def test_reasons_of_fifty_items_cost_as_many_questions_as_those_of_one(session: Session) -> None:
    offer = make_package(session, amount_bututs=2500)

    def questions() -> int:
        session.expire_all()
        with counted(session) as said:
            open_items(session, actor=staff(), wanted=OpenFilter(), part=Slice(limit=100), now=NOON)
        return len(said)

    with_access(session, offer=offer)
    one = questions()
    for _ in range(16):
        with_access(session, offer=offer)

    assert questions() == one


def test_what_is_in_doubt_is_a_subset_of_what_is_open_and_holds_all_that_is_unexplained(session: Session) -> None:
    for payment in (paid(session), with_access(session), served(session)):
        assert payment.id
    stuck = paid(session)
    stuck.next_attempt_at = None
    session.flush()

    everything = open_items(session, actor=staff(), wanted=OpenFilter(), part=Slice(limit=100), now=NOON).rows
    found = unexplained(session, now=NOON)

    assert {(item.account, item.subject) for item in found.items} == {
        (item.account, item.subject) for item in everything if not item.explanation.is_explained
    }
    assert {(item.account, item.subject) for item in found.items} == {
        (A.UNEARNED_ACCESS, of_payment(stuck)),
        (A.PORTABILLING_CHARGE, of_payment(stuck)),
    }
    assert not found.is_cut


def test_transfers_are_found_by_subject_account_reason_and_days(session: Session) -> None:
    first, second = served(session, now=NOON - DAY), paid(session, now=NOON)

    def listed(**wanted: object) -> list[str]:
        found = transfers(session, actor=staff(), wanted=TransferFilter(**wanted), part=Slice())  # type: ignore[arg-type]
        return [transfer.reason.value for transfer in found.rows]

    assert sorted(listed(subject=of_payment(first))) == ["charge_due", "charged", "earned", "paid"]
    assert listed(account=A.SALES) == ["earned"]
    assert listed(reason=R.PAID) == ["paid", "paid"]
    assert sorted(listed(since=NOON)) == ["charge_due", "paid"]
    assert len(listed(until=NOON)) == 4
    assert second.id


def test_who_may_not_read_money_reads_none(session: Session) -> None:
    clerk = staff(Role.FIELD_TECHNICIAN)
    with pytest.raises(Forbidden):
        open_accounts(session, actor=clerk, now=NOON)
    with pytest.raises(Forbidden):
        open_items(session, actor=clerk, wanted=OpenFilter(), part=Slice(), now=NOON)
    with pytest.raises(Forbidden):
        transfers(session, actor=clerk, wanted=TransferFilter(), part=Slice())


def test_old_transfers_are_not_read_for_what_is_open_nor_for_another_days_sums(session: Session) -> None:
    paid(session)
    session.execute(
        sa.text(
            "INSERT INTO ledger_transfer (at, reason, debit, credit, amount_bututs, subject, once, actor) "
            "SELECT :at, 'corrected', 'wave_wallet', 'sales', 100, 'payment:0', 'old:' || n, 'system' FROM generate_series(1, 20000) n"
        ),
        {"at": NOON - 400 * DAY},
    )
    session.execute(sa.text("ANALYZE ledger_transfer"))
    with counted(session) as said:
        open_accounts(session, actor=staff(), now=NOON)
        open_items(session, actor=staff(), wanted=OpenFilter(), part=Slice(), now=NOON)
        unexplained(session, now=NOON)
    assert not [statement for statement in said if "ledger_transfer" in statement]
    plan = "\n".join(session.execute(sa.text("EXPLAIN " + SIDES), {"step": "day", "start": NOON - DAY, "until": NOON + DAY}).scalars())
    assert "ix_ledger_transfer_at" in plan


def test_a_correction_by_hand_that_nothing_explains_is_loud(session: Session) -> None:
    payment = served(session)
    post(session, R.CORRECTED, A.SALES, A.REFUNDS, 2500, subject=of_payment(payment), once="corrected:1", now=NOON)
    session.flush()

    (item,) = unexplained(session, now=NOON).items

    assert (item.account, item.explanation.target) == (A.REFUNDS, ("payment", payment.reference))
    assert item.explanation.needs_person
