"""Vouchers as lists show them: the cells of a row, the filters, and how an address asks for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from app.db import in_transaction
from pages.components import words
from pages.components.columns import Column, state_cell, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import Choice, Day, Filter, ListState
from pages.components.list_views import BuiltIn
from services.accounts.permissions import Principal
from services.listing import Listing
from services.packages.service import Offer, offers
from services.vouchers.batch_queries import batch_choices
from services.vouchers.models import VoucherOrigin, VoucherState
from services.vouchers.queries import VoucherFilter, VoucherRow, list_vouchers

PATH = "/console/vouchers"
COLUMNS = (
    Column("number", "Voucher", "link", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("package", "Package"),
    Column("worth", "Worth", "money"),
    Column("origin", "Made for"),
    Column("phone", "Customer"),
    Column("created", "Made", "time", sortable=True),
    Column("until", "Use before", "time", phone="hide"),
    Column("used", "Used", "time", hidden=True),
    Column("owed", "PortaBilling", hidden=True),
    Column("note", "Note", hidden=True),
)
VIEWS: tuple[BuiltIn, ...] = (
    ("All", {}),
    ("Blocked", {"state": VoucherState.BLOCKED.value}),
    ("Owed a step", {"owed": "yes"}),
)
DEFAULT = ListState(sort="created")
ORIGINS = {
    VoucherOrigin.PAYMENT: "for a payment",
    VoucherOrigin.HAND: "by hand",
    VoucherOrigin.BATCH: "in a batch",
    VoucherOrigin.STOCK: "for the stock",
    VoucherOrigin.CREDIT: "as a credit",
}
_OWED = {"yes": "owed a step", "no": "up to date"}


def row_cells(row: VoucherRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "href": f"{PATH}/{row.id}",
        "number": f"No. {row.id}",
        "state": state_cell(row.state),
        "package": row.package_name,
        "worth": words.money(row.amount_bututs),
        "origin": origin_of(row),
        "phone": row.masked_phone,
        "created": time_cell(row.created_at),
        "until": time_cell(row.use_before),
        "used": time_cell(row.used_at),
        "owed": row.porta_error or _OWED["yes" if row.is_owed else "no"],
        "note": row.note,
    }


def origin_of(row: VoucherRow) -> str:
    """What it was made for, as exactly as it is known."""
    if row.reference:
        return f"payment {row.reference}"
    if row.batch_id is not None:
        return f"batch {row.batch_id}"
    if row.origin in (VoucherOrigin.STOCK, VoucherOrigin.CREDIT):
        return row.note or {VoucherOrigin.STOCK: "stock", VoucherOrigin.CREDIT: "credit"}[row.origin]
    return row.note or f"by {row.issued_by.partition(':')[2] or row.issued_by}"


def filters(sold: Collection[Offer], batches: Mapping[int, str]) -> tuple[Filter, ...]:
    return (
        Choice("state", "State", {state.value: words.words_of(state).text for state in VoucherState}),
        Choice("package", "Package", {offer.public_id: offer.terms.name for offer in sold}),
        Choice("origin", "Made", {origin.value: text for origin, text in ORIGINS.items()}),
        Choice("batch", "Batch", {str(number): name for number, name in batches.items()}),
        Choice("owed", "PortaBilling", _OWED),
        Day("from", "Made from"),
        Day("to", "Made until"),
    )


def wanted_in(state: ListState, *, customer_id: int | None = None) -> VoucherFilter:
    chosen, origin, batch, owed = (state.filters.get(name) for name in ("state", "origin", "batch", "owed"))
    return VoucherFilter(
        state=VoucherState(chosen) if chosen else None,
        package_id=state.filters.get("package"),
        search=state.search,
        customer_id=customer_id,
        origin=VoucherOrigin(origin) if origin else None,
        batch_id=int(batch) if batch else None,
        since=state.day("from"),
        until=state.day("to", after=True),
        is_owed=None if owed is None else owed == "yes",
    )


async def load(actor: Principal, state: ListState, *, customer_id: int | None = None) -> Listing[dict[str, Any]]:
    wanted = wanted_in(state, customer_id=customer_id)
    found = await in_transaction(list_vouchers, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


async def filters_for(actor: Principal) -> Sequence[Filter]:
    return filters(await in_transaction(partial(offers, on_sale_only=False)), await in_transaction(batch_choices, actor=actor))


FILE = list_file(PATH, "vouchers", columns=COLUMNS, load=load, default=DEFAULT, filters=filters_for)
