"""A list of tickets as a CSV file."""

from __future__ import annotations

from collections.abc import Iterator

from app.db import Begin
from services import csv_export
from services.accounts.permissions import Principal
from services.listing import Slice
from services.tickets.people import headline
from services.tickets.queries import TicketFilter, TicketRow, list_tickets

MOST = 5_000
_PORTION = 100
_HEAD = (
    *("reference", "subject", "state", "priority", "category", "channel", "customer", "place", "team", "assigned to"),
    *("opened", "due", "first answered", "resolved", "reopened"),
)


def csv_lines(begin: Begin, *, actor: Principal, wanted: TicketFilter) -> Iterator[str]:
    """The newest MOST that match, with masked phone numbers. Raises Forbidden."""
    yield csv_export.BOM + csv_export.line(_HEAD)
    for offset in range(0, MOST, _PORTION):
        with begin() as session:
            found = list_tickets(session, actor=actor, wanted=wanted, part=Slice(offset, _PORTION, "created"))
        yield from (csv_export.line(_cells(row)) for row in found.rows)
        if len(found.rows) < _PORTION:
            return


def _cells(row: TicketRow) -> list[csv_export.Cell]:
    ticket = row.ticket
    times = (ticket.created_at, ticket.due_at if ticket.is_open else None, ticket.first_responded_at, ticket.resolved_at)
    return [
        ticket.reference,
        headline(ticket),
        ticket.state.value,
        ticket.priority.value,
        ticket.category.value if ticket.category else None,
        ticket.channel.value,
        row.customer.masked_phone if row.customer else None,
        row.site_name or row.gateway_name,
        row.team_name,
        row.assignee.name if row.assignee else None,
        *(at.isoformat(timespec="seconds") if at else None for at in times),
        ticket.reopened_count,
    ]
