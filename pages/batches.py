"""Batches of vouchers: the list, and ordering one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from app.db import in_transaction
from pages.batch_order import order_form
from pages.components import words
from pages.components.bulk_bar import bulk_of
from pages.components.columns import Column, state_cell, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import Choice, Filter, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import action_button, page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.report_parts import percent
from pages.shell import console_page
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.network.site_queries import site_choices
from services.packages.service import Offer, offers
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.batch_queries import BatchFilter, BatchRow, list_batches

PATH = "/console/batches"
COLUMNS = (
    Column("name", "Batch", "link", phone="title", second="Name"),
    Column("state", "State", "chip", phone="corner"),
    Column("package", "Package"),
    Column("size", "Vouchers", "number"),
    Column("progress", "In PortaBilling"),
    Column("used", "Used"),
    Column("seller", "Seller"),
    Column("site", "Site"),
    Column("created", "Ordered", "time", sortable=True),
)


def row_cells(row: BatchRow) -> dict[str, Any]:
    batch = row.batch
    return {
        "id": batch.id,
        "href": f"{PATH}/{batch.id}",
        "name": f"No. {batch.id}",
        "second": batch.name,
        "state": state_cell(batch.state),
        "package": f"{row.package_name} · {words.money(row.amount_bututs)}",
        "size": f"{batch.size:,}",
        "progress": progress_of(batch),
        "used": f"{row.used:,} ({percent(row.used / batch.size)})" if row.used else None,
        "seller": batch.seller,
        "site": row.site_name,
        "created": time_cell(batch.created_at),
    }


def progress_of(batch: VoucherBatch) -> str | None:
    """How far it is, in words: first it is made, then PortaBilling gets to know it."""
    match batch.state:
        case BatchState.MAKING:
            return f"{batch.made:,} of {batch.size:,} made"
        case BatchState.CANCELLING:
            return f"{batch.made:,} still to take away"
        case BatchState.CANCELLED:
            return None
    return "all" if batch.registered >= batch.size else f"{batch.registered:,} of {batch.size:,}"


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    chosen, site = state.filters.get("state"), state.filters.get("site")
    wanted = BatchFilter(
        state=BatchState(chosen) if chosen else None,
        package_id=state.filters.get("package"),
        site_id=int(site) if site else None,
        search=state.search,
    )
    found = await in_transaction(list_batches, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


async def _choices(actor: Principal) -> tuple[Sequence[Offer], dict[str, str]]:
    sold = await in_transaction(partial(offers, on_sale_only=False))
    return sold, await in_transaction(site_choices, actor=actor) if actor.may(Permission.NETWORK_READ) else {}


async def filters_for(actor: Principal) -> Sequence[Filter]:
    return _filters(*await _choices(actor))


def _filters(sold: Sequence[Offer], sites: Mapping[str, str]) -> tuple[Filter, ...]:
    return (
        Choice("state", "State", {state.value: words.words_of(state).text for state in BatchState}),
        Choice("package", "Package", {offer.public_id: offer.terms.name for offer in sold}),
        Choice("site", "Site", sites),
    )


VIEWS: tuple[BuiltIn, ...] = (("All", {}), ("Being made", {"state": BatchState.MAKING.value}))
_DEFAULT = ListState(sort="created")
FILE = list_file(PATH, "batches", columns=COLUMNS, load=load, default=_DEFAULT, filters=filters_for)


@console_page(PATH, title="Batches", permission=Permission.VOUCHERS_READ, icon="layers", group="Money", in_navigation=True)
async def batches_page(actor: Principal) -> None:
    sold, sites = await _choices(actor)
    lead = "Many vouchers at once, to print and to hand to a seller. All of a batch can be used, or none."
    with page_header("Batches", lead=lead):
        if actor.may(Permission.VOUCHERS_BATCH):
            on_sale = [offer for offer in sold if offer.is_on_sale]
            action_button("Order a batch", lambda: order_form(on_sale, sites), icon="add", main=True).props("data-key=n").mark("order")
    table = ServerTable(
        path=PATH,
        marker="batches",
        file=FILE,
        bulk=bulk_of("batches", actor),
        views=VIEWS,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Name, seller or note",
        filters=_filters(sold, sites),
        empty=("No batches yet", "Order one: it is made within seconds, and printed from its page."),
    )
    await table.first()
    refresh_on(("batches",), table.refresh)
