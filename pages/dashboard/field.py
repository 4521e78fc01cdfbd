"""A technician's part of the first page: the day, in the order in which it is best gone through."""

from __future__ import annotations

from datetime import datetime

from pages.components import words
from pages.components.words import Tone
from pages.dashboard.blocks import Drawn, Row, Rows
from pages.ticket_words import PATH
from services.console.dashboards.field import FieldPart
from services.fieldwork.worklist import Band, Errand

_BANDS: dict[Band, tuple[str, Tone]] = {
    Band.UNDER_WAY: ("Under way", "busy"),
    Band.LATE: ("Late", "bad"),
    Band.SOON: ("Soon", "wait"),
    Band.TODAY: ("Today", "busy"),
    Band.LATER: ("Later", "off"),
    Band.WAITS: ("Waits", "off"),
}


def drawn(part: FieldPart, now: datetime) -> Drawn:
    empty = ("No tickets for you", "When Customer Care gives you a ticket, it is here at once.", "task_alt")
    rows = tuple(map(_errand, part.errands))
    return Drawn(left=(Rows("Your day", rows, empty, aside="what is best seen to next stands first" if rows else "", marker="your-day"),))


def _errand(errand: Errand) -> Row:
    radio = f"{errand.radio.name}: {words.words_of(errand.radio.health).text.lower()}" if errand.radio else ""
    outage = f"outage {errand.incident}" if errand.incident else ""
    place = errand.site.name if errand.site else "no place known"
    return Row(
        errand.headline,
        f"{PATH}/{errand.ticket.reference}",
        chip=_BANDS[errand.band],
        at=errand.ticket.due_at,
        is_due=True,
        below=" · ".join(filter(None, (place, radio, outage, errand.why))),
    )
