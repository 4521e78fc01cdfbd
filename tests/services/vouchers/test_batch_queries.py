"""Batches as the console lists them, and vouchers by what staff can read of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from app.errors import Forbidden
from services.accounts.models import Role
from services.listing import Slice
from services.network.models import Site
from services.vouchers.batch_models import BatchState
from services.vouchers.batch_queries import BatchFilter, batch_choices, batch_page, list_batches
from services.vouchers.errors import BatchNotFound, VoucherNotFound
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState
from services.vouchers.queries import VoucherFilter, list_vouchers, voucher_page
from tests.conftest import NOON
from tests.factories import make_package, staff
from tests.pages import builders
from tests.services.vouchers.sheets.builders import a_batch


def found(session: Session, wanted: VoucherFilter) -> list[int]:
    return [row.id for row in list_vouchers(session, actor=staff(), wanted=wanted, part=Slice()).rows]


def listed(session: Session, wanted: BatchFilter) -> list[int | None]:
    return [row.batch.id for row in list_batches(session, actor=staff(), wanted=wanted, part=Slice()).rows]


def test_a_batch_is_found_by_name_seller_state_package_and_site(session: Session) -> None:
    site = Site(name="Westfield")
    session.add(site)
    session.flush()
    one = a_batch(session, offer=make_package(session), size=1, seller="Fatou 100%", site_id=site.id)[0].id
    package = make_package(session)
    two = a_batch(session, offer=package, size=1, name="Tobaski", state=BatchState.MAKING)[0].id
    assert listed(session, BatchFilter()) == [two, one]
    assert listed(session, BatchFilter(search="100%")) == [one]
    assert listed(session, BatchFilter(search="tobas")) == [two]
    assert listed(session, BatchFilter(state=BatchState.READY)) == [one]
    assert listed(session, BatchFilter(package_id=package.public_id)) == [two]
    assert listed(session, BatchFilter(site_id=site.id)) == [one]
    assert batch_choices(session, actor=staff()) == {one: f"{one}: For the market"}


def test_a_batch_tells_what_became_of_its_vouchers(session: Session) -> None:
    batch, _ = a_batch(session, offer=make_package(session), size=4)
    vouchers = session.exec(select(Voucher).order_by(col(Voucher.id))).all()
    vouchers[0].state, vouchers[0].used_at = VoucherState.USED, NOON - timedelta(days=1)
    vouchers[1].state = VoucherState.BLOCKED
    session.flush()
    assert batch.id is not None
    page = batch_page(session, actor=staff(), batch_id=batch.id, now=NOON)
    assert (page.figures.used, page.figures.left) == (1, 2)
    assert [number for _, number in page.figures.by_day[-3:]] == [0, 1, 0]
    (row,) = list_batches(session, actor=staff(), wanted=BatchFilter(), part=Slice()).rows
    assert row.used == 1


def test_nothing_of_a_batch_is_listed_or_found_before_it_is_ready(session: Session) -> None:
    batch, shown = a_batch(session, offer=make_package(session), size=2, state=BatchState.MAKING)
    voucher_id = session.exec(select(Voucher.id)).first()
    assert voucher_id is not None
    for search in ("", shown[0], shown[0][-5:]):
        assert found(session, VoucherFilter(search=search)) == []
    with pytest.raises(VoucherNotFound):
        voucher_page(session, actor=staff(), voucher_id=voucher_id)
    batch.state = BatchState.READY
    session.flush()
    assert len(found(session, VoucherFilter(batch_id=batch.id))) == 2
    assert voucher_page(session, actor=staff(), voucher_id=voucher_id).batch == batch


def test_a_voucher_is_found_by_the_last_five_characters_of_its_code(session: Session) -> None:
    _, shown = a_batch(session, offer=make_package(session), size=3)
    ids = list(session.exec(select(Voucher.id).order_by(col(Voucher.id))).all())
    assert found(session, VoucherFilter(search=f" -{shown[1][-5:].lower()}")) == [ids[1]]
    assert found(session, VoucherFilter(search=shown[1][-4:])) == []
    assert found(session, VoucherFilter(search=shown[1])) == [ids[1]]


def test_vouchers_are_filtered_by_origin_day_and_what_is_owed(session: Session) -> None:
    a_batch(session, offer=make_package(session), size=1, now=NOON - timedelta(days=3))
    hand = builders.a_voucher(session, offer=make_package(session), state=VoucherState.PENDING, at=NOON)
    hand.porta_next_attempt_at = NOON
    session.flush()
    (batched,) = found(session, VoucherFilter(origin=VoucherOrigin.BATCH))
    assert found(session, VoucherFilter(origin=VoucherOrigin.HAND)) == [hand.id]
    assert found(session, VoucherFilter(is_owed=True)) == [hand.id]
    assert found(session, VoucherFilter(is_owed=False)) == [batched]
    assert found(session, VoucherFilter(since=NOON)) == [hand.id]
    assert found(session, VoucherFilter(until=NOON)) == [batched]


def test_batches_are_not_for_everybody(session: Session) -> None:
    technician = staff(Role.FIELD_TECHNICIAN)
    with pytest.raises(Forbidden):
        list_batches(session, actor=technician, wanted=BatchFilter(), part=Slice())
    with pytest.raises(Forbidden):
        batch_page(session, actor=technician, batch_id=1, now=NOON)
    with pytest.raises(Forbidden):
        batch_choices(session, actor=technician)
    with pytest.raises(BatchNotFound):
        batch_page(session, actor=staff(), batch_id=999_999, now=NOON)
