"""Tickets: what customers reported and what outages opened, and with whom each lies."""

from __future__ import annotations

from typing import Any

from app.db import in_transaction
from pages.components import words
from pages.components.parts import page_header
from pages.components.table import Choice, Column, ListState, ServerTable, state_cell, time_cell
from pages.live import refresh_on
from pages.shell import console_page
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.tickets.models import Category, Priority, TicketState
from services.tickets.queries import Assignee, TicketFilter, TicketRow, list_tickets
from services.tickets.sight import sees_all
from services.tickets.teams import active_teams

PATH = "/console/tickets"
COLUMNS = (
    Column("reference", "Ticket", "link", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("priority", "Priority", "chip"),
    Column("body", "What is wrong"),
    Column("phone", "Customer"),
    Column("gateway", "Place"),
    Column("assignee", "Assigned to"),
    Column("created", "Sent", "time", sortable=True),
)
MINE, NOBODYS = "me", "nobody"
CATEGORY_WORDS = {
    Category.CONNECTIVITY: "No connection",
    Category.SLOW_SPEED: "Slow",
    Category.PAYMENT: "Payment",
    Category.VOUCHER: "Voucher and package",
    Category.ACCOUNT_ACCESS: "Account and log-in",
    Category.COVERAGE_INSTALLATION: "Coverage and installation",
    Category.DEVICE_SETUP: "Device set-up",
    Category.COMPLAINT_STAFF: "Complaint about service",
    Category.GENERAL_QUESTION: "General question",
}
_UNDONE = "undone"
_STATES = Choice("state", "State", {_UNDONE: "Not done"} | {state.value: words.words_of(state).text for state in TicketState})
_PRIORITIES = Choice("priority", "Priority", {level.value: words.words_of(level).text for level in Priority})
_DESKS = Choice("assigned", "Assigned to", {MINE: "Me", NOBODYS: "Nobody"})
_SUMMARY = 140


def name_of(assignee: Assignee) -> str:
    """Whom a report lies with; that an account is disabled must be seen, for nobody looks after it then."""
    return assignee.name if assignee.is_active else f"{assignee.name} (disabled)"


def row_cells(row: TicketRow) -> dict[str, Any]:
    ticket = row.ticket
    return {
        "id": ticket.id,
        "href": f"{PATH}/{ticket.reference}",
        "reference": ticket.reference,
        "state": state_cell(ticket.state),
        "priority": state_cell(ticket.priority),
        "body": " ".join(ticket.body.split())[:_SUMMARY],
        "phone": row.customer.masked_phone if row.customer else None,
        "gateway": row.gateway_name,
        "assignee": name_of(row.assignee) if row.assignee else row.team_name,
        "created": time_cell(ticket.created_at),
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    chosen, desk, level, team = (state.filters.get(name) for name in ("state", "assigned", "priority", "team"))
    wanted = TicketFilter(
        state=TicketState(chosen) if chosen and chosen != _UNDONE else None,
        is_undone=chosen == _UNDONE,
        priority=Priority(level) if level else None,
        search=state.search,
        assignee_id=actor.id if desk == MINE else None,
        is_unassigned=desk == NOBODYS,
        team_id=int(team) if team else None,
    )
    found = await in_transaction(list_tickets, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


@console_page(PATH, title="Tickets", permission=Permission.TICKETS_READ, icon="support_agent", group="Help", in_navigation=True)
async def tickets_page(actor: Principal) -> None:
    all_of_them = sees_all(actor)
    lead = "What customers wrote and outages opened, with the place and the purchase it is about."
    with page_header("Tickets", lead=lead if all_of_them else "The tickets that were given to you."):
        pass
    named = await in_transaction(active_teams, actor=actor)
    teams = Choice("team", "Team", {str(number): name for number, name in named.items()})
    table = ServerTable(
        path=PATH,
        marker="tickets",
        columns=COLUMNS if all_of_them else [column for column in COLUMNS if column.name != "assignee"],
        load=load,
        default=ListState(sort="created"),
        search="Reference, phone, words, device or place",
        filters=(_STATES, _PRIORITIES, _DESKS, teams) if all_of_them else (_STATES, _PRIORITIES),
        empty=("No tickets", "When a customer reports a problem on the portal, or an outage opens one, it is here at once.")
        if all_of_them
        else ("No tickets for you", "When Customer Care gives you a ticket, it is here at once."),
    )
    await table.first()
    refresh_on(("tickets",), table.refresh)
