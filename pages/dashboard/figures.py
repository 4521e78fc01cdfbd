"""A word and an address for every number of the first page. The address opens the list that the number counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from nicegui import ui

from pages.components.parts import notice, tile
from services.console.dashboards.figures import Figure, Weight, What


@dataclass(frozen=True)
class _Words:
    """`{day}` in an address is today."""

    label: str
    note: str
    address: str


_WORDS: dict[What, _Words] = {
    What.UNSERVED: _Words("Stand still", "paid, and not served", "/console/payments?needs=yes"),
    What.REFUNDS_REFUSED: _Words("Refused refunds", "owed to customers", "/console/refunds?state=failed"),
    What.UNEXPLAINED: _Words("Unexplained", "sums without a reason", "/console/ledger"),
    What.STOCK_LOW: _Words("Low stock", "packages", "/console/money"),
    What.REFUNDS_ASKED: _Words("Refunds to decide", "wait for a second person", "/console/refunds?state=asked"),
    What.FINDINGS: _Words("Open findings", "of reconciliation", "/console/reconciliation"),
    What.STARTED: _Words("Begun today", "purchases", "/console/payments?from={day}"),
    What.PAID: _Words("Paid today", "purchases", "/console/payments?paid-from={day}&paid-to={day}"),
    What.LATE: _Words("Late", "tickets past their deadline", "/console/tickets?due=late"),
    What.NOBODYS: _Words("With nobody", "tickets to be given to somebody", "/console/tickets?assigned=nobody"),
    What.NOT_SENT: _Words("Not sent", "messages given up", "/console/messages?state=given_up"),
    What.HELD: _Words("Held", "messages that came in", "/console/inbound"),
    What.TONIGHT: _Words("Until tonight", "tickets due, or late", "/console/tickets?due=today"),
    What.MINE: _Words("Mine", "tickets not done", "/console/tickets?assigned=me"),
    What.UNDONE: _Words("Not done", "tickets", "/console/tickets"),
    What.INCIDENTS: _Words("Outages", "that go on", "/console/incidents?state=open"),
    What.DOWN: _Words("Down", "access points", "/console/access-points?health=offline"),
    What.SILENT: _Words("Silent", "gateways", "/console/gateways?silent=yes"),
    What.ONLINE: _Words("Online now", "confirmed by their router", "/console/sessions?show=confirmed"),
    What.ALARMS: _Words("Alarms", "that stand", "/console/incidents"),
    What.PARTS: _Words("Not well", "parts of INET", "/console/health"),
    What.JOBS_LATE: _Words("Late jobs", "did not run in time", "/console/jobs?mark=late"),
    What.JOBS_FAILING: _Words("Failed jobs", "at their last run", "/console/jobs?mark=failing"),
    What.BACKUP_OLD: _Words("Back-up", "none proven lately", "/console/backups"),
    What.ERRORS: _Words("Open errors", "kinds of them", "/console/errors"),
}
# Not how many, but that it is so.
_SAID = {What.BACKUP_OLD: "Too old"}


def figure_tile(figure: Figure, today: date) -> None:
    said = _WORDS[figure.what]
    number = _SAID.get(figure.what) or f"{figure.number:,}" + ("+" if figure.is_least else "")
    note = said.note if figure.of is None else f"of {figure.of:,} {said.note}"
    drawn = tile(said.label, number, note, href=said.address.format(day=today), alarm=figure.weight is Weight.WRONG and figure.asks)
    drawn.mark(f"figure-{figure.what}")


def asking(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    """What somebody has to do something about: what is wrong first, otherwise in the order of the parts. Each once."""
    once = {figure.what: figure for figure in figures if figure.asks}
    return tuple(sorted(once.values(), key=lambda figure: figure.weight))


def draw_asking(figures: tuple[Figure, ...], today: date) -> None:
    """The tiles of what asks for somebody; if nothing does, that it is so."""
    if not figures:
        notice("good", "Nothing that you look after waits for anybody.", title="All is well").mark("all-well")
        return
    with ui.element("div").classes("tiles").mark("asking"):
        for figure in figures:
            figure_tile(figure, today)
