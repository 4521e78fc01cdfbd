"""When and where a package is sold, and in which words it is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden, InvalidInput, Stale
from services.access.gateways import site_named
from services.access.models import Gateway
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.packages import selling
from services.packages import service as packages
from services.packages.history import sold_since, versions
from services.packages.models import Package, PackageVersion
from services.packages.selling import Counter, PackageNotOnSale, Sale, SaleState, read_sale
from services.packages.service import Offer, PackageNotFound, change_package, offer_to_buy, offers, reorder, turns_at
from services.payments import checkout
from services.payments.checkout import Order
from services.payments.models import Payment, PaymentStatus
from tests.conftest import NOON
from tests.factories import PHONE, make_context, make_gateway, make_package, staff

HOUR = timedelta(hours=1)


def sold(session: Session, offer: Offer, **sale: object) -> Offer:
    """The same package, sold only so."""
    return change_package(
        session,
        actor=staff(),
        public_id=offer.public_id,
        expected_version=offer.version,
        terms=offer.terms,
        is_on_sale=True,
        position=offer.position,
        sale=read_sale(sale),
        now=NOON,
    )


def names(found: list[Offer]) -> set[str]:
    return {offer.public_id for offer in found}


def other_site(session: Session, gateway: Gateway) -> Gateway:
    gateway.site_id = site_named(session, "Brikama Garage")
    session.flush()
    return gateway


@pytest.mark.parametrize(("moment", "state"), [(-1, "coming"), (0, "on_sale"), (1, "on_sale"), (2, "over")])
def test_a_window_holds_its_first_moment_and_not_its_last(moment: int, state: str) -> None:
    sale = Sale(on_sale_from=NOON, on_sale_until=NOON + 2 * HOUR)
    assert sale.state(NOON + moment * HOUR) is SaleState(state)


def test_what_is_not_sold_now_is_neither_listed_nor_sold(session: Session) -> None:
    offer = sold(session, make_package(session), on_sale_from=NOON + HOUR, on_sale_until=NOON + 2 * HOUR)
    for at, words in ((NOON, "on sale from 22.11.2026 13:00"), (NOON + 2 * HOUR, "ended on 22.11.2026 14:00")):
        assert offer.public_id not in names(offers(session, counter=Counter(at)))
        with pytest.raises(PackageNotOnSale, match=words):
            offer_to_buy(session, offer.public_id, Counter(at))
    assert offer_to_buy(session, offer.public_id, Counter(NOON + HOUR)).public_id == offer.public_id


def test_a_window_that_closes_between_list_and_purchase_refuses_it_in_words(session: Session) -> None:
    offer = sold(session, make_package(session), on_sale_until=NOON + HOUR)
    assert offer.public_id in names(offers(session, counter=Counter(NOON)))
    with pytest.raises(PackageNotOnSale, match="ended on"):
        checkout.save(session, Order(offer.public_id, PHONE), now=NOON + HOUR)
    assert not session.exec(select(Payment)).all()


def test_what_is_sold_at_some_sites_is_sold_there_alone(session: Session) -> None:
    here, there = make_gateway(session), other_site(session, make_gateway(session))
    assert here.site_id is not None
    offer = sold(session, make_package(session), site_ids=(here.site_id,))
    everywhere = make_package(session)
    at_here, at_there = Counter(NOON, gateway_id=here.id), Counter(NOON, gateway_id=there.id)
    assert names(offers(session, counter=at_here)) == {offer.public_id, everywhere.public_id}
    assert names(offers(session, counter=Counter(NOON, site_id=here.site_id))) == {offer.public_id, everywhere.public_id}
    assert names(offers(session, counter=at_there)) == names(offers(session, counter=Counter(NOON))) == {everywhere.public_id}
    with pytest.raises(PackageNotOnSale, match="not sold at this hotspot"):
        offer_to_buy(session, offer.public_id, at_there)
    with pytest.raises(PackageNotOnSale, match="only at some of our hotspots"):
        offer_to_buy(session, offer.public_id, Counter(NOON))
    payment_id = checkout.save(session, Order(offer.public_id, PHONE, make_context(here)), now=NOON)
    assert session.get_one(Payment, payment_id).gateway_id == here.id


def test_staff_hand_out_what_customers_cannot_buy_now(session: Session) -> None:
    offer = sold(session, make_package(session), on_sale_until=NOON - HOUR)
    assert offer_to_buy(session, offer.public_id).public_id == offer.public_id


def test_a_retired_package_is_gone_for_everybody(session: Session) -> None:
    offer = make_package(session)
    change_package(
        session,
        actor=staff(),
        public_id=offer.public_id,
        expected_version=1,
        terms=offer.terms,
        is_on_sale=False,
        position=offer.position,
        now=NOON,
    )
    with pytest.raises(PackageNotFound):
        offer_to_buy(session, offer.public_id)
    (row,) = [one for one in offers(session, on_sale_only=False) if one.public_id == offer.public_id]
    assert row.state(NOON) is SaleState.RETIRED


def test_the_sale_changes_without_a_new_version_and_is_audited(session: Session) -> None:
    offer = make_package(session)
    changed = sold(session, offer, on_sale_until=NOON + HOUR, stock_mark=50)
    assert (changed.version, changed.sale.stock_mark, changed.revision != offer.revision) == (1, 50, True)
    entry = session.exec(select(AuditEntry).where(AuditEntry.target_id == offer.public_id)).one()
    assert (entry.before or {})["stock_mark"] == 20
    assert (entry.after or {})["stock_mark"] == 50


def test_a_change_that_was_meant_for_another_state_is_refused(session: Session) -> None:
    offer = make_package(session)
    sold(session, offer, stock_mark=3)
    with pytest.raises(Stale):
        change_package(
            session,
            actor=staff(),
            public_id=offer.public_id,
            expected_version=1,
            expected_revision=offer.revision,
            terms=offer.terms,
            is_on_sale=True,
            position=1,
            now=NOON,
        )


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"on_sale_from": NOON, "on_sale_until": NOON}, "on_sale_until"),
        ({"on_sale_from": NOON, "on_sale_until": NOON - HOUR}, "on_sale_until"),
        ({"stock_mark": -1}, "stock_mark"),
        ({"stock_mark": 10_001}, "stock_mark"),
        ({"stock_mark": 0.5}, "stock_mark"),
        ({"on_sale_from": NOON.replace(tzinfo=None)}, "on_sale_from"),
    ],
)
def test_a_sale_that_makes_no_sense_is_refused_at_its_field(values: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_sale(values)
    assert refusal.value.field == field


@pytest.mark.parametrize("amount", [-1, 0, 50, 0.5, 150, float("nan"), 100_000_100, "100"])
def test_a_price_that_is_none_is_refused_at_its_field(amount: object) -> None:
    with pytest.raises(InvalidInput) as refusal:
        packages.read_terms({"name": "1 day", "amount_bututs": amount, "duration_seconds": 3600})
    assert refusal.value.field == "amount_bututs"


def test_a_site_that_is_none_is_refused(session: Session) -> None:
    with pytest.raises(InvalidInput) as refusal:
        sold(session, make_package(session), site_ids=(10**9,))
    assert refusal.value.field == "site_ids"


def test_the_list_is_put_in_order_whole(session: Session) -> None:
    first, second, third = (make_package(session).public_id for _ in range(3))
    others = [offer.public_id for offer in offers(session) if offer.public_id not in (first, second, third)]
    reorder(session, actor=staff(), public_ids=[third, first, second, *others], now=NOON)
    assert [offer.public_id for offer in offers(session)][:3] == [third, first, second]
    with pytest.raises(Stale):
        reorder(session, actor=staff(), public_ids=[third, first], now=NOON)
    with pytest.raises(Forbidden):
        reorder(session, actor=staff(Role.FIELD_TECHNICIAN), public_ids=[], now=NOON)


def test_the_next_turn_is_the_next_window_that_opens_or_closes(session: Session) -> None:
    assert turns_at(session, now=NOON) is None
    sold(session, make_package(session), on_sale_from=NOON - HOUR, on_sale_until=NOON + 3 * HOUR)
    sold(session, make_package(session), on_sale_from=NOON + 2 * HOUR)
    assert turns_at(session, now=NOON) == NOON + 2 * HOUR
    assert turns_at(session, now=NOON + 2 * HOUR) == NOON + 3 * HOUR


def test_what_was_bought_stays_as_it_was_bought(session: Session) -> None:
    offer = make_package(session, amount_bututs=2500)
    payment_id = checkout.save(session, Order(offer.public_id, PHONE), now=NOON)
    dearer = packages.read_terms(offer.terms.model_dump() | {"amount_bututs": 5000, "duration_seconds": 60})
    change_package(
        session, actor=staff(), public_id=offer.public_id, expected_version=1, terms=dearer, is_on_sale=False, position=9, now=NOON
    )
    payment = session.get_one(Payment, payment_id)
    assert payment.amount_bututs == 2500
    assert packages.terms_of(session, payment.package_version_id) == offer.terms
    version = session.get_one(PackageVersion, payment.package_version_id)
    assert session.get_one(Package, version.package_id).current_version == 2


def test_sites_that_become_one_sell_what_either_sold(session: Session) -> None:
    here, there = make_gateway(session), other_site(session, make_gateway(session))
    assert here.site_id is not None
    assert there.site_id is not None
    both = sold(session, make_package(session), site_ids=tuple(sorted((here.site_id, there.site_id))))
    one = sold(session, make_package(session), site_ids=(here.site_id,))
    selling.move_site(session, here.site_id, there.site_id)
    found = {offer.public_id: offer.sale.site_ids for offer in offers(session)}
    assert found[both.public_id] == found[one.public_id] == (there.site_id,)


def test_versions_tell_what_changed_and_how_many_were_paid_for(session: Session) -> None:
    offer = make_package(session, amount_bututs=2500)
    for number in range(3):
        payment = session.get_one(Payment, checkout.save(session, Order(offer.public_id, PHONE), now=NOON))
        if number:
            payment.wave_transaction_id, payment.paid_at = f"T{number}", NOON
            payment.move(PaymentStatus.PAID, now=NOON)
    session.flush()
    dearer = packages.read_terms(offer.terms.model_dump() | {"amount_bututs": 5000})
    change_package(
        session, actor=staff(), public_id=offer.public_id, expected_version=1, terms=dearer, is_on_sale=True, position=1, now=NOON
    )
    newest, first = versions(session, actor=staff(), public_id=offer.public_id)
    assert (newest.version, newest.bought, newest.changed) == (2, 0, {"amount_bututs": 2500})
    assert (first.version, first.bought, first.changed) == (1, 2, {})
    assert sold_since(session, actor=staff(), since=NOON)[offer.public_id] == 2
    assert offer.public_id not in sold_since(session, actor=staff(), since=NOON + HOUR)
