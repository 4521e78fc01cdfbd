"""What was taken in a range, of what, where and how; and the same as a file."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session

from app.errors import Forbidden
from services.access.models import Gateway
from services.accounts.models import Role
from services.listing import Slice
from services.network.models import Site
from services.packages.promo_models import PromoCode
from services.payments.clearing.sums import BadRange, moved
from services.payments.models import Payment, PaymentStatus, RefundState, SaleChannel
from services.payments.money import summary
from services.payments.queries import PaymentFilter, list_payments
from tests.conftest import NOON
from tests.factories import make_package, staff
from tests.pages import builders
from tests.services.payments.clearing.sales import paid, served

MIDNIGHT = NOON.replace(hour=0)
DAY = timedelta(days=1)
TODAY = (MIDNIGHT, MIDNIGHT + DAY)


def a_site(session: Session, gateway: Gateway, name: str) -> Site:
    site = Site(name=name, created_at=NOON)
    session.add(site)
    session.flush()
    gateway.site_id = site.id
    session.flush()
    return site


def shop(session: Session) -> tuple[Payment, Payment, Payment]:
    """Two sold today, one of them a gift with a promo code in the app; one a week ago."""
    offer = make_package(session, amount_bututs=5000, name="1 day")
    here = builders.a_gateway(session, now=NOON)
    a_site(session, here, "Westfield")
    code = PromoCode(code="RAMADAN", bututs_off=1000, valid_from=NOON - DAY, valid_until=NOON + DAY, made_by="x", created_at=NOON)
    session.add(code)
    session.flush()
    first, second, before = paid(session, offer=offer), served(session, offer=offer), paid(session, offer=offer, now=NOON - 7 * DAY)
    first.gateway_id = here.id
    second.is_gift, second.channel, second.promo_code_id, second.discount_bututs = True, SaleChannel.MOBILE, code.id, 1000
    session.flush()
    return first, second, before


def test_the_day_is_split_by_package_site_channel_and_promo_code(session: Session) -> None:
    shop(session)

    found = summary(session, actor=staff(), start=TODAY[0], until=TODAY[1], now=NOON)

    assert (found.taken.bututs, found.taken.number, found.taken.gifts, found.taken.discount_bututs) == (10_000, 2, 1, 1000)
    assert [(part.name, part.taken.number) for part in found.packages] == [("1 day", 2)]
    assert {part.name for part in found.sites} == {"Westfield", "Not at a hotspot"}
    assert {(part.key, part.taken.number) for part in found.channels} == {("portal", 1), ("mobile", 1)}
    assert [(part.key, part.taken.discount_bututs) for part in found.promos] == [("RAMADAN", 1000)]
    assert (sum(found.hours), found.hours[12], found.days) == (10_000, 10_000, ())
    assert found.earned_bututs == 5000
    assert sum(found.accounts.values()) == 0


def test_a_day_that_is_not_over_is_compared_with_as_much_of_the_week_before(session: Session) -> None:
    shop(session)

    before_noon = summary(session, actor=staff(), start=TODAY[0], until=TODAY[1], now=NOON - timedelta(minutes=1))
    after_noon = summary(session, actor=staff(), start=TODAY[0], until=TODAY[1], now=NOON + timedelta(minutes=1))

    assert (before_noon.before.bututs, after_noon.before.bututs) == (0, 5000)
    assert after_noon.before_start == MIDNIGHT - 7 * DAY


def test_a_longer_range_has_a_sum_for_each_day(session: Session) -> None:
    shop(session)

    found = summary(session, actor=staff(), start=MIDNIGHT - 7 * DAY, until=MIDNIGHT + DAY, now=NOON)

    assert found.hours == ()
    assert len(found.days) == 8
    assert (found.days[0][1], found.days[-1][1], found.taken.bututs) == (5000, 10_000, 15_000)


def test_failures_say_why_and_refunds_how_far(session: Session) -> None:
    offer = builders.an_offer(session, now=NOON)
    for number, status in enumerate((PaymentStatus.FAILED, PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.REFUNDED)):
        customer = builders.a_customer(session, number, now=NOON)
        reason = "Wave is not answering." if status is PaymentStatus.FAILED else None
        builders.a_payment(session, offer=offer, customer=customer, status=status, at=NOON - timedelta(hours=1), reason=reason)

    found = summary(session, actor=staff(), start=TODAY[0], until=TODAY[1], now=NOON)

    assert [(one.status, one.reason, one.number) for one in found.failures] == [
        (PaymentStatus.FAILED, "Wave is not answering.", 2),
        (PaymentStatus.EXPIRED, "", 1),
    ]
    assert [(one.state, one.number) for one in found.given_back] == [(RefundState.REFUNDED, 1)]


@pytest.mark.parametrize(("start", "until"), [(NOON, NOON), (NOON, NOON - DAY), (NOON - 801 * DAY, NOON)])
def test_ranges_that_cannot_be_are_refused(session: Session, start: datetime, until: datetime) -> None:
    with pytest.raises(BadRange):
        summary(session, actor=staff(), start=start, until=until, now=NOON)
    with pytest.raises(BadRange):
        moved(session, actor=staff(), start=start, until=until)


def test_who_may_not_see_money_is_refused(session: Session) -> None:
    with pytest.raises(Forbidden):
        summary(session, actor=staff(Role.CUSTOMER_CARE), start=TODAY[0], until=TODAY[1], now=NOON)
    with pytest.raises(Forbidden):
        moved(session, actor=staff(Role.CUSTOMER_CARE), start=TODAY[0], until=TODAY[1])


@pytest.mark.parametrize(("step", "firsts"), [("day", [15, 22]), ("week", [9, 16]), ("month", [1])])
def test_accounts_are_summed_by_day_week_and_month(session: Session, step: str, firsts: list[int]) -> None:
    shop(session)

    found = moved(session, actor=staff(), start=MIDNIGHT - 10 * DAY, until=MIDNIGHT + DAY, step=step)  # type: ignore[arg-type]

    assert [period.first.day for period in found.periods] == firsts
    for accounts in (found.accounts, *(period.accounts for period in found.periods)):
        assert sum(turnover.change_bututs for turnover in accounts.values()) == 0


def test_each_new_filter_finds_its_own(session: Session) -> None:
    first, second, before = shop(session)

    def found(**wanted: object) -> set[str]:
        rows = list_payments(session, actor=staff(), wanted=PaymentFilter(**wanted), part=Slice()).rows  # type: ignore[arg-type]
        return {row.reference for row in rows}

    gateway = session.get_one(Gateway, first.gateway_id)
    assert found(site_id=gateway.site_id) == found(gateway_id=gateway.id) == {first.reference}
    assert found(site_id=0) == {second.reference, before.reference}
    assert found(channel=SaleChannel.MOBILE) == found(is_gift=True) == found(promo_code="ramadan") == {second.reference}
    assert found(least_bututs=5001) == found(most_bututs=4999) == set()
    assert found(paid_since=MIDNIGHT, paid_until=MIDNIGHT + DAY) == {first.reference, second.reference}
    assert found(needs_person_at=NOON) == {before.reference}
    assert found(search=f"T{first.reference}1") == found(search=f" cos-{first.reference}-1 ") == {first.reference}
    assert found(refund=RefundState.ASKED) == set()
