"""The list of payments."""

from __future__ import annotations

from functools import partial
from typing import Any

from app.db import in_transaction
from pages.components import words
from pages.components.columns import Column, state_cell, time_cell
from pages.components.list_state import Choice, Day, ListState
from pages.components.parts import page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_page
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.packages.service import offers
from services.payments.models import PaymentStatus
from services.payments.queries import PaymentFilter, PaymentRow, list_payments

PATH = "/console/payments"
COLUMNS = (
    Column("reference", "Receipt code", "link", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("phone", "Customer"),
    Column("package", "Package"),
    Column("amount", "Amount", "money"),
    Column("gateway", "Bought at", phone="hide"),
    Column("created", "Created", "time", sortable=True),
    Column("since", "In this state", "time", phone="hide"),
)


def row_cells(row: PaymentRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "href": f"{PATH}/{row.reference}",
        "reference": row.reference,
        "state": state_cell(row.status),
        "phone": row.masked_phone,
        "package": row.package_name,
        "amount": words.money(row.amount_bututs),
        "gateway": row.gateway_name,
        "created": time_cell(row.created_at),
        "since": time_cell(row.status_since),
    }


async def load(actor: Principal, state: ListState, *, customer_id: int | None = None) -> Listing[dict[str, Any]]:
    status = state.filters.get("status")
    wanted = PaymentFilter(
        status=PaymentStatus(status) if status else None,
        package_id=state.filters.get("package"),
        search=state.search,
        since=state.day("from"),
        until=state.day("to", after=True),
        customer_id=customer_id,
    )
    found = await in_transaction(list_payments, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


@console_page(PATH, title="Payments", permission=Permission.PAYMENTS_READ, icon="payments", group="Shop", in_navigation=True)
async def payments_page() -> None:
    sold = await in_transaction(partial(offers, on_sale_only=False))
    with page_header("Payments", lead="Every purchase by Wave, newest first. Open one to see each step it took."):
        pass
    table = ServerTable(
        path=PATH,
        marker="payments",
        columns=COLUMNS,
        load=load,
        default=ListState(sort="created"),
        search="Phone or receipt code",
        filters=(
            Choice("status", "State", {status.value: words.words_of(status).text for status in PaymentStatus}),
            Choice("package", "Package", {offer.public_id: offer.terms.name for offer in sold}),
            Day("from", "From"),
            Day("to", "To"),
        ),
        empty=("No payments yet", "They appear here the moment a customer picks a package."),
    )
    await table.first()
    refresh_on(("payments",), table.refresh)
