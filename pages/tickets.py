"""Problem reports that customers sent from the portal."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.db import in_transaction
from pages.components import words
from pages.components.parts import Facts, page_header, panel
from pages.components.table import Choice, Column, ListState, ServerTable, state_cell, time_cell
from pages.live import refresh_on
from pages.shell import console_page
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.tickets.models import TicketState
from services.tickets.queries import TicketFilter, TicketRow, list_tickets, ticket_page

PATH = "/console/tickets"
COLUMNS = (
    Column("reference", "Report", "link", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("body", "What is wrong"),
    Column("phone", "Customer"),
    Column("gateway", "Place"),
    Column("created", "Sent", "time", sortable=True),
)
_SUMMARY = 140


def row_cells(row: TicketRow) -> dict[str, Any]:
    ticket = row.ticket
    return {
        "id": ticket.id,
        "href": f"{PATH}/{ticket.reference}",
        "reference": ticket.reference,
        "state": state_cell(ticket.state),
        "body": " ".join(ticket.body.split())[:_SUMMARY],
        "phone": row.customer.masked_phone if row.customer else None,
        "gateway": row.gateway_name,
        "created": time_cell(ticket.created_at),
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    chosen = state.filters.get("state")
    wanted = TicketFilter(state=TicketState(chosen) if chosen else None, search=state.search)
    found = await in_transaction(list_tickets, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


@console_page(PATH, title="Problem reports", permission=Permission.TICKETS_READ, icon="support_agent", group="Help", in_navigation=True)
async def tickets_page() -> None:
    with page_header("Problem reports", lead="What customers wrote on the portal, with the place and the purchase it is about."):
        pass
    table = ServerTable(
        path=PATH,
        marker="tickets",
        columns=COLUMNS,
        load=load,
        default=ListState(sort="created"),
        search="Reference or phone",
        filters=(Choice("state", "State", {state.value: words.words_of(state).text for state in TicketState}),),
        empty=("No reports", "When a customer reports a problem on the portal, it is here at once."),
    )
    await table.first()
    refresh_on(("tickets",), table.refresh)


@console_page("/console/tickets/{reference}", title="Problem report", permission=Permission.TICKETS_READ)
async def ticket_page_(reference: str, actor: Principal) -> None:
    row = await in_transaction(ticket_page, actor=actor, reference=reference)
    ticket = row.ticket
    with page_header(f"Report {ticket.reference}", back=(PATH, "Problem reports"), state=ticket.state):
        pass
    with ui.element("div").classes("columns wide-left"):
        with panel("What the customer wrote"):
            ui.label(ticket.body).style("white-space: pre-wrap; overflow-wrap: anywhere")
        with panel("Facts"):
            facts = Facts()
            facts.add_time("Sent", ticket.created_at)
            facts.add("From", ticket.channel)
            _link(
                facts,
                actor,
                Permission.CUSTOMERS_READ,
                "Customer",
                row.customer.masked_phone if row.customer else None,
                f"/console/customers/{ticket.customer_id}",
            )
            _link(facts, actor, Permission.PAYMENTS_READ, "Payment", row.payment_reference, f"/console/payments/{row.payment_reference}")
            _link(facts, actor, Permission.GATEWAYS_READ, "Place", row.gateway_name, f"/console/gateways/{row.gateway_slug}")
            facts.add("Device", ticket.client_mac, mono=True)


def _link(facts: Facts, actor: Principal, permission: Permission, label: str, text: str | None, target: str) -> None:
    if actor.may(permission):
        facts.add_link(label, text, target)
    else:
        facts.add(label, text)
