"""Who may open codes for paper, of what, and what is kept of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from app.errors import DomainError, Forbidden, InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import FreshProofNeeded, Principal
from services.audit.models import AuditEntry
from services.network.models import Site
from services.vouchers.batch_models import BatchState
from services.vouchers.batches.desk import TARGET
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.sheets import desk
from services.vouchers.sheets.desk import MOST_ON_A_SHEET, NothingToPrint, open_list, open_one, open_range, parts_of
from services.vouchers.sheets.layouts import Layout
from tests.conftest import NOON
from tests.factories import make_package, staff
from tests.services.vouchers.sheets.builders import a_batch


@pytest.fixture
def officer() -> Principal:
    return replace(staff(Role.BILLING_OFFICER), proven_at=NOON)


def opened(session: Session, actor: Principal, batch_id: int | None, first: int, last: int) -> desk.Printing:
    assert batch_id is not None
    return open_range(session, actor=actor, batch_id=batch_id, layout=Layout.CARDS, first=first, last=last, now=NOON)


def listed(session: Session, actor: Principal, batch_id: int | None, first: int, last: int) -> list[list[str]]:
    assert batch_id is not None

    @contextmanager
    def begin() -> Iterator[Session]:
        yield session

    _, lines = open_list(begin, actor=actor, batch_id=batch_id, first=first, last=last, now=NOON)
    return list(csv.reader(io.StringIO("".join(lines).removeprefix("\ufeff"))))


def noted(session: Session) -> list[tuple[str, str, object]]:
    rows = session.exec(select(AuditEntry).order_by(col(AuditEntry.id))).all()
    return [(row.action, f"{row.target_type} {row.target_id}", row.after) for row in rows]


def test_a_range_is_opened_in_the_order_of_its_numbers_and_kept_in_the_audit(session: Session, officer: Principal) -> None:
    site = Site(name="Westfield")
    session.add(site)
    session.flush()
    batch, codes = a_batch(session, offer=make_package(session, name="1 day"), size=5, seller="Fatou", site_id=site.id)
    printing = opened(session, officer, batch.id, 2, 4)
    assert [card.code for card in printing.cards] == codes[1:4]
    assert [card.number for card in printing.cards] == [f"Batch {batch.id}, No. {number}" for number in (2, 3, 4)]
    assert {card.seller for card in printing.cards} == {"Sold by Fatou · Westfield"}
    assert printing.cards[0].link.endswith(f"/portal/v/{codes[1]}")
    assert printing.pdf().startswith(b"%PDF")
    kept = {"layout": "cards", "first": 2, "last": 4, "count": 3}
    assert noted(session) == [("batch.print", f"{TARGET} {batch.id}", kept)]


def test_what_cannot_be_used_any_more_is_left_out_and_counted(session: Session, officer: Principal) -> None:
    batch, codes = a_batch(session, offer=make_package(session), size=4)
    for voucher, state in zip(
        session.exec(select(Voucher).order_by(col(Voucher.id))).all(), (VoucherState.USED, VoucherState.BLOCKED), strict=False
    ):
        voucher.state, voucher.used_at = state, NOON
    session.flush()
    printing = opened(session, officer, batch.id, 1, 3)
    assert ([card.code for card in printing.cards], printing.left_out) == ([codes[2]], 2)
    with pytest.raises(NothingToPrint):
        opened(session, officer, batch.id, 1, 2)


@pytest.mark.parametrize(
    ("first", "last", "field"), [(0, 3, "first"), (6, 6, "first"), (3, 2, "last"), (1, 6, "last"), (-1, 10**12, "first")]
)
def test_a_range_outside_of_the_batch_is_refused_at_its_field(
    session: Session, officer: Principal, first: int, last: int, field: str
) -> None:
    batch, _ = a_batch(session, offer=make_package(session), size=5)
    with pytest.raises(InvalidInput) as refusal:
        opened(session, officer, batch.id, first, last)
    assert refusal.value.field == field
    assert noted(session) == []


def test_a_large_batch_is_printed_in_parts() -> None:
    with pytest.raises(InvalidInput, match=r"1,000 vouchers at most: print up to No\. 1,500"):
        desk.check_range(501, 2_000, size=100_000, most=MOST_ON_A_SHEET)
    parts = parts_of(2_500)
    assert parts == [(1, 1000), (1001, 2000), (2001, 2500)]
    for first, last in parts:
        desk.check_range(first, last, size=2_500, most=MOST_ON_A_SHEET)


@pytest.mark.parametrize("state", [BatchState.CANCELLING, BatchState.CANCELLED, BatchState.MAKING])
def test_no_code_is_opened_before_the_batch_is_ready_or_after_it_was_cancelled(
    session: Session, officer: Principal, state: BatchState
) -> None:
    batch, _ = a_batch(session, offer=make_package(session), size=1, state=state)
    voucher = session.exec(select(Voucher)).one()
    assert voucher.id is not None
    for attempt in (
        lambda: opened(session, officer, batch.id, 1, 1),
        lambda: open_one(session, actor=officer, voucher_id=voucher.id or 0, layout=Layout.ROLL, now=NOON),
        lambda: listed(session, officer, batch.id, 1, 1),
    ):
        with pytest.raises(DomainError) as refusal:
            attempt()
        assert refusal.value.code == "batch_not_ready"
    assert noted(session) == []


def test_codes_are_opened_for_who_may_and_has_just_proved_who_they_are(session: Session, officer: Principal) -> None:
    batch, _ = a_batch(session, offer=make_package(session), size=1)
    care, stale = replace(staff(Role.CUSTOMER_CARE), proven_at=NOON), replace(officer, proven_at=NOON - timedelta(minutes=11))
    for who, refused in ((care, Forbidden), (stale, FreshProofNeeded)):
        with pytest.raises(refused):
            opened(session, who, batch.id, 1, 1)
        with pytest.raises(refused):
            listed(session, who, batch.id, 1, 1)
    assert noted(session) == []


def test_one_voucher_is_printed_once_more_with_its_number(session: Session, officer: Principal) -> None:
    batch, codes = a_batch(session, offer=make_package(session), size=3)
    second = session.exec(select(Voucher).order_by(col(Voucher.id)).offset(1).limit(1)).one()
    assert second.id is not None
    printing = open_one(session, actor=officer, voucher_id=second.id, layout=Layout.ROLL, now=NOON)
    assert [(card.code, card.number) for card in printing.cards] == [(codes[1], f"Batch {batch.id}, No. 2")]
    assert noted(session) == [("voucher.print", f"voucher {second.id}", {"layout": "roll"})]
    second.state = VoucherState.BLOCKED
    with pytest.raises(NothingToPrint, match="This voucher cannot be used any more"):
        open_one(session, actor=officer, voucher_id=second.id, layout=Layout.ROLL, now=NOON)


def test_a_list_of_codes_runs_nothing_in_a_spreadsheet(session: Session, officer: Principal) -> None:
    offer = make_package(session, name="=HYPERLINK(1)", amount_bututs=5000)
    batch, codes = a_batch(session, offer=offer, size=3, seller="+cmd")
    head, *rows = listed(session, officer, batch.id, 1, 3)
    assert head[:4] == ["Number", "Code", "Package", "Price (D)"]
    assert [row[:4] for row in rows] == [[str(n), code, "'=HYPERLINK(1)", "50.00"] for n, code in enumerate(codes, start=1)]
    assert rows[0][6:] == ["For the market", "'+cmd", ""]
    assert noted(session)[0][2] == {"layout": "csv", "first": 1, "last": 3, "count": 3}
