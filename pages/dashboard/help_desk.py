"""The help desk's part of the first page."""

from __future__ import annotations

from datetime import datetime

from pages.components import words
from pages.dashboard.blocks import Drawn, Row, Rows
from pages.ticket_words import PATH, name_of
from services.console.dashboards.help_desk import HelpPart
from services.tickets.people import headline
from services.tickets.queries import TicketRow


def drawn(part: HelpPart, now: datetime) -> Drawn:
    empty = ("Nothing to do", "Every ticket is done. When a customer reports a problem, it is here at once.", "task_alt")
    return Drawn(left=(Rows("Due first", tuple(map(_ticket, part.due)), empty, marker="due-first"),))


def _ticket(row: TicketRow) -> Row:
    ticket = row.ticket
    said = words.words_of(ticket.priority)
    lies_with = name_of(row.assignee) if row.assignee else row.team_name or "nobody"
    where = row.site_name or row.gateway_name
    return Row(
        headline(ticket),
        f"{PATH}/{ticket.reference}",
        chip=(said.text, said.tone),
        at=ticket.due_at,
        is_due=True,
        below=" · ".join(filter(None, (ticket.reference, words.words_of(ticket.state).text, f"with {lies_with}", where))),
    )
