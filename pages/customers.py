"""Customers: found by phone in either form. The page of one is pages/customer.py."""

from __future__ import annotations

from typing import Any

from app.db import in_transaction
from pages.components.columns import Column, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import ListState
from pages.components.parts import page_header
from pages.components.table import ServerTable
from pages.shell import console_page
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.accounts.queries import list_customers
from services.listing import Listing

PATH = "/console/customers"
COLUMNS = (
    Column("phone", "Phone", "link", phone="title"),
    Column("legacy", "Old form"),
    Column("name", "Name"),
    Column("since", "Customer since", "time"),
    Column("number", "Number", "number", hidden=True),
)


def row_cells(customer: Customer) -> dict[str, Any]:
    return {
        "id": customer.id,
        "href": f"{PATH}/{customer.id}",
        "phone": customer.masked_phone,
        "legacy": f"••• {customer.legacy_e164[-4:]}" if customer.legacy_e164 else None,
        "name": customer.name,
        "since": time_cell(customer.created_at),
        "number": str(customer.id),
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(list_customers, actor=actor, search=state.search, part=state.part)
    return Listing(tuple(row_cells(customer) for customer in found.rows), found.total, found.is_estimate)


_DEFAULT = ListState(sort="newest")
FILE = list_file(PATH, "customers", columns=COLUMNS, load=load, default=_DEFAULT)


@console_page(PATH, title="Customers", permission=Permission.CUSTOMERS_READ, icon="people", group="Shop", in_navigation=True)
async def customers_page() -> None:
    with page_header("Customers", lead="Search by phone, nine digits or the old seven, its beginning or its last digits; or by name."):
        pass
    table = ServerTable(
        path=PATH,
        marker="customers",
        file=FILE,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Phone, such as 83 301 2345",
        empty=("No customers yet", "A customer is kept from the first purchase on."),
    )
    await table.first()
