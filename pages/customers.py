"""Customers: found by phone in either form, and what one of them bought and used."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages import payments, sessions, vouchers
from pages.components.columns import Column, time_cell
from pages.components.list_state import ListState
from pages.components.parts import Facts, page_header, panel
from pages.components.phones import phones_panel
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_page, current_staff
from services.access.session_queries import sessions_of
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.accounts.phones import local_format
from services.accounts.queries import customer_page, list_customers
from services.apps import phones
from services.listing import Listing

PATH = "/console/customers"
COLUMNS = (
    Column("phone", "Phone", "link", phone="title"),
    Column("legacy", "Old form"),
    Column("name", "Name"),
    Column("since", "Customer since", "time"),
)
_SESSIONS_SHOWN = 20


def row_cells(customer: Customer) -> dict[str, Any]:
    return {
        "id": customer.id,
        "href": f"{PATH}/{customer.id}",
        "phone": customer.masked_phone,
        "legacy": f"••• {customer.legacy_e164[-4:]}" if customer.legacy_e164 else None,
        "name": customer.name,
        "since": time_cell(customer.created_at),
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(list_customers, actor=actor, search=state.search, part=state.part)
    return Listing(tuple(row_cells(customer) for customer in found.rows), found.total, found.is_estimate)


@console_page(PATH, title="Customers", permission=Permission.CUSTOMERS_READ, icon="people", group="Shop", in_navigation=True)
async def customers_page() -> None:
    with page_header("Customers", lead="Search by phone, nine digits or the old seven; the beginning of a number is enough."):
        pass
    table = ServerTable(
        path=PATH,
        marker="customers",
        columns=COLUMNS,
        load=load,
        default=ListState(sort="newest"),
        search="Phone, such as 83 301 2345",
        empty=("No customers yet", "A customer is kept from the first purchase on."),
    )
    await table.first()


@console_page("/console/customers/{customer_id}", title="Customer", permission=Permission.CUSTOMERS_READ)
async def customer_page_(customer_id: int, actor: Principal) -> None:
    shown = await in_transaction(customer_page, actor=actor, customer_id=customer_id)
    customer = shown.customer
    is_gone = customer.erased_at is not None
    title = customer.masked_phone if is_gone else local_format(customer.phone_e164)
    with page_header(title, back=(PATH, "Customers"), lead=customer.name or ""):
        pass
    with ui.element("div").classes("columns widest-left"):
        with ui.element("div").classes("stack"):
            await _own_table("Payments", "customer-payments", payments, customer_id, actor, Permission.PAYMENTS_READ)
            await _own_table("Vouchers", "customer-vouchers", vouchers, customer_id, actor, Permission.VOUCHERS_READ)
            await _own_sessions(customer_id, actor)
        with ui.element("div").classes("stack"):
            with panel("Facts"):
                facts = Facts()
                facts.add("Phone", "Deleted at the customer's wish" if is_gone else customer.phone_e164)
                facts.add("Old form", customer.legacy_e164)
                facts.add_time("Customer since", customer.created_at)
                facts.add("Devices", str(len(shown.devices)))
                for device in shown.devices[:5]:
                    facts.add_time(device.last_mac or f"device {device.id}", device.last_seen_at)
            await _app_phones(customer_id)


async def _app_phones(customer_id: int) -> None:
    """Where the customer is logged in with INET-Go; a lost phone is logged out here."""
    place = ui.element("div")

    async def log_out(phone_id: int) -> None:
        by = await current_staff()
        await in_transaction(phones.log_out_of_customer, actor=by, customer_id=customer_id, phone_id=phone_id, now=utc_now())

    async def draw() -> None:
        by = await current_staff()
        held = await in_transaction(phones.phones_of_customer, actor=by, customer_id=customer_id)
        place.clear()
        with place:
            may = log_out if phones.may_log_out_customers(by) else None
            phones_panel("Phones with INET-Go", held, none="This customer is not logged in with the app.", log_out=may, refresh=draw)

    await draw()


async def _own_table(title: str, marker: str, module: Any, customer_id: int, actor: Principal, permission: Permission) -> None:
    if not actor.may(permission):
        return
    with panel(title, flush=True):
        table = ServerTable(
            path=f"{PATH}/{customer_id}",
            marker=marker,
            columns=[column for column in module.COLUMNS if column.name not in ("phone", "since", "until")],
            load=partial(module.load, customer_id=customer_id),
            default=ListState(sort="created"),
            empty=(f"No {title.lower()}", ""),
            in_address=False,
        )
        await table.first()
    refresh_on((title.lower(),), table.refresh)


async def _own_sessions(customer_id: int, actor: Principal) -> None:
    if not actor.may(Permission.SESSIONS_READ):
        return

    async def newest(by: Principal, _: ListState) -> Listing[dict[str, Any]]:
        found = await in_transaction(sessions_of, actor=by, customer_id=customer_id, limit=_SESSIONS_SHOWN)
        return Listing(tuple(sessions.row_cells(row, by) | {"who": row.gateway_name} for row in found), len(found))

    with panel("Sessions", flush=True):
        columns = (
            Column("who", "Gateway", "link", phone="title"),
            *(one for one in sessions.COLUMNS if one.name not in ("who", "gateway", "device")),
        )
        table = ServerTable(
            path=f"{PATH}/{customer_id}",
            marker="customer-sessions",
            columns=[Column(one.name, one.label, one.kind, phone=one.phone) for one in columns],
            load=newest,
            default=ListState(),
            empty=("Never online", ""),
            in_address=False,
        )
        await table.first()
    refresh_on(("sessions",), table.refresh)
