"""The numbers of each group of tickets, each leading to the list where the list can show it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from app.clock import utc_now
from pages.components import words
from pages.components.figures import Cell, table
from pages.report_parts import percent, span
from services.tickets.report_rows import By
from services.tickets.reports import Line, Report
from services.tickets.sla.terms import FIRST, NEXT, RESOLUTION

LIST = "/console/tickets"
BY: Mapping[By, str] = {
    "team": "Team",
    "person": "Person",
    "category": "Category",
    "site": "Site",
    "channel": "Channel",
    "priority": "Priority",
}
_HEAD = ("Created", "Solved", "Not done", "Oldest", "First answer in time", "Further answers in time", "Solved in time")
_HEAD_MORE = ("First answer", "Solved after", "Opened again", "Rating", "Messages a ticket")


def groups(shown: Report) -> None:
    """As a table, with the whole below."""
    now = utc_now()
    lines = [_cells(line, shown.by, now) for line in shown.lines]
    if len(lines) > 1:
        lines.append(_cells(shown.whole, "all", now))
    table(f"Numbers by {BY[shown.by].lower()}", (BY[shown.by], *_HEAD, *_HEAD_MORE), lines, marker="groups")


def _cells(line: Line, by: By, now: datetime) -> list[Cell]:
    link = list_address(by, line.key)
    return [
        Cell(line.name),
        Cell(f"{line.created:,}"),
        Cell(f"{line.solved:,}"),
        Cell(f"{line.backlog:,}", link if line.backlog else None),
        Cell(words.relative(line.oldest_at, now) if line.oldest_at else None),
        *(Cell(percent(line.promises[clock].share)) for clock in (FIRST, NEXT, RESOLUTION)),
        *(Cell(f"{span(one.median)}, {span(one.p90)}" if one else None) for one in (line.first_response, line.resolution)),
        Cell(f"{line.reopened:,}"),
        Cell(f"{line.satisfaction:.1f} ({line.rated:,})" if line.satisfaction is not None else None),
        Cell(f"{line.messages_a_ticket:.1f}" if line.messages_a_ticket is not None else None),
    ]


def list_address(by: By, key: str | int | None) -> str | None:
    """The list of what is not done of a group; None where the list cannot be narrowed to it."""
    query = {"state": "undone"}
    if by == "person":
        query["assigned"] = "nobody" if key is None else str(key)
    elif by != "all":
        if key is None:
            return None
        query[by] = str(key)
    return f"{LIST}?{urlencode(query)}"
