"""The list of payments, one payment's story, and today's numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.errors import Forbidden
from services.accounts.models import Role
from services.listing import Slice
from services.payments.errors import PaymentNotFound
from services.payments.models import Payment, PaymentStatus
from services.payments.queries import PaymentFilter, list_payments, payment_page, takings, today
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders


def some(session: Session, status: PaymentStatus, *, minutes_ago: int = 10, number: int = 1, dalasi: int = 50) -> Payment:
    offer = builders.an_offer(session, now=NOON, public_id=f"p-{dalasi}", dalasi=dalasi)
    customer = builders.a_customer(session, number, now=NOON)
    return builders.a_payment(session, offer=offer, customer=customer, status=status, at=NOON - timedelta(minutes=minutes_ago))


def references(session: Session, wanted: PaymentFilter, part: Slice | None = None) -> list[str]:
    return [row.reference for row in list_payments(session, actor=staff(), wanted=wanted, part=part or Slice()).rows]


def test_the_list_is_newest_first_and_turns_round(session: Session) -> None:
    made = [some(session, PaymentStatus.SERVED, minutes_ago=minutes).reference for minutes in (10, 20, 30)]
    assert references(session, PaymentFilter()) == made
    assert references(session, PaymentFilter(), Slice(sort="created", descending=False)) == made[::-1]
    assert references(session, PaymentFilter(), Slice(offset=1, limit=1)) == [made[1]]


def test_an_unknown_sort_is_the_default_one(session: Session) -> None:
    made = [some(session, PaymentStatus.SERVED, minutes_ago=minutes).reference for minutes in (10, 20)]
    assert references(session, PaymentFilter(), Slice(sort="amount; DROP TABLE payment")) == made


def test_each_filter_finds_its_own(session: Session) -> None:
    served = some(session, PaymentStatus.SERVED, number=1, minutes_ago=5)
    failed = some(session, PaymentStatus.FAILED, number=2, minutes_ago=3 * 1440, dalasi=10)
    assert references(session, PaymentFilter(status=PaymentStatus.FAILED)) == [failed.reference]
    assert references(session, PaymentFilter(package_id="p-10")) == [failed.reference]
    assert references(session, PaymentFilter(since=NOON - timedelta(days=1))) == [served.reference]
    assert references(session, PaymentFilter(until=NOON - timedelta(days=1))) == [failed.reference]
    assert references(session, PaymentFilter(search=failed.reference.lower())) == [failed.reference]
    for phone in ("3000002", "83 300 0002", "+220833000002"):
        assert references(session, PaymentFilter(search=phone)) == [failed.reference]
    assert references(session, PaymentFilter(search="nothing like it")) == []


def test_the_total_counts_what_the_filter_finds(session: Session) -> None:
    for minutes in range(5):
        some(session, PaymentStatus.SERVED, minutes_ago=minutes)
    found = list_payments(session, actor=staff(), wanted=PaymentFilter(), part=Slice(limit=2))
    assert (len(found.rows), found.total, found.is_estimate) == (2, 5, False)


def test_a_payment_tells_events_and_calls_in_the_order_of_time(session: Session) -> None:
    payment = some(session, PaymentStatus.SERVED)
    page = payment_page(session, actor=staff(), reference=payment.reference.lower())
    assert [entry.at for entry in page.timeline] == sorted(entry.at for entry in page.timeline)
    assert sum(entry.event is not None for entry in page.timeline) == payment.event_count
    assert sum(entry.call is not None for entry in page.timeline) == 4
    assert page.balance_bututs == payment.amount_bututs


def test_a_refunded_payment_holds_nothing(session: Session) -> None:
    payment = some(session, PaymentStatus.REFUNDED)
    assert payment_page(session, actor=staff(), reference=payment.reference).balance_bututs == 0


def test_an_unknown_reference_is_not_found(session: Session) -> None:
    with pytest.raises(PaymentNotFound):
        payment_page(session, actor=staff(), reference="NOSUCH")


def test_a_technician_reads_no_payments(session: Session) -> None:
    technician = staff(Role.FIELD_TECHNICIAN)
    with pytest.raises(Forbidden):
        list_payments(session, actor=technician, wanted=PaymentFilter(), part=Slice())
    with pytest.raises(Forbidden):
        payment_page(session, actor=technician, reference="X")


def test_today_sums_what_was_paid_today(session: Session) -> None:
    some(session, PaymentStatus.SERVED, minutes_ago=70, dalasi=50)
    some(session, PaymentStatus.SERVED, minutes_ago=10, dalasi=10, number=2)
    some(session, PaymentStatus.SERVED, minutes_ago=1440 + 60, dalasi=250, number=3)
    some(session, PaymentStatus.FAILED, minutes_ago=5, number=4)
    day = takings(session, actor=staff(), now=NOON)
    assert (day.taken_bututs, day.paid_count, day.taken_before_bututs) == (6000, 2, 25000)
    assert (day.per_hour_bututs[10], day.per_hour_bututs[11], sum(day.per_hour_bututs)) == (5000, 1000, 6000)
    assert (day.per_hour_before_bututs[11], sum(day.per_hour_before_bututs)) == (25000, 25000)
    assert today(session, actor=staff(), now=NOON).by_status == {PaymentStatus.SERVED: 2, PaymentStatus.FAILED: 1}


def test_money_of_an_old_purchase_counts_on_the_day_on_which_it_came(session: Session) -> None:
    payment = some(session, PaymentStatus.SERVED, minutes_ago=9 * 1440)
    payment.paid_at = NOON - timedelta(minutes=1)
    session.flush()
    assert takings(session, actor=staff(), now=NOON).paid_count == 1
    assert references(session, PaymentFilter(paid_since=NOON.replace(hour=0))) == [payment.reference]


def test_sums_of_money_are_for_those_who_may_read_them(session: Session) -> None:
    with pytest.raises(Forbidden):
        takings(session, actor=staff(Role.CUSTOMER_CARE), now=NOON)


def test_what_waits_too_long_and_what_needs_a_person_is_listed_oldest_first(session: Session) -> None:
    late = some(session, PaymentStatus.PAID, minutes_ago=30)
    person = some(session, PaymentStatus.ATTENTION, minutes_ago=60, number=2)
    some(session, PaymentStatus.PAID, minutes_ago=2, number=3)
    day = today(session, actor=staff(), now=NOON)
    assert [row.reference for row in day.attention] == [person.reference, late.reference]
    assert day.attention_count == 2
