"""The reports of the help desk as files."""

from __future__ import annotations

from collections.abc import Iterator

from services import csv_export
from services.tickets.report_rows import AGES
from services.tickets.reports import Report
from services.tickets.sla.terms import CLOCKS

HEAD = (
    "Created",
    "Solved",
    "Reopened",
    *(f"{clock.replace('_', ' ').capitalize()} {outcome}" for clock in CLOCKS for outcome in ("kept", "broken")),
    *(f"{what} {part} seconds" for what in ("First response", "Resolution") for part in ("median", "p90")),
    "Undone now",
    *(f"Undone up to {days} days" for days in AGES),
    f"Undone over {AGES[-1]} days",
    "Ratings",
    "Mean rating",
    "Messages a ticket",
)


def csv_of_groups(shown: Report) -> Iterator[str]:
    """A line for each group, and one for all."""
    yield csv_export.BOM + csv_export.line([shown.by.capitalize(), *HEAD])
    for line in (*shown.lines, shown.whole):
        promises = [number for clock in CLOCKS for number in (line.promises[clock].kept, line.promises[clock].broken)]
        times = [value for one in (line.first_response, line.resolution) for value in ((one.median, one.p90) if one else (None, None))]
        yield csv_export.line(
            [
                line.name,
                line.created,
                line.solved,
                line.reopened,
                *promises,
                *(None if value is None else round(value) for value in times),
                line.backlog,
                *line.ages,
                line.rated,
                None if line.satisfaction is None else f"{line.satisfaction:.2f}",
                None if line.messages_a_ticket is None else f"{line.messages_a_ticket:.2f}",
            ]
        )


def csv_of_days(shown: Report) -> Iterator[str]:
    """A line for each day."""
    yield csv_export.BOM + csv_export.line(["Day", "Created", "Solved"])
    for day, came, went in shown.days:
        yield csv_export.line([day.isoformat(), came, went])
