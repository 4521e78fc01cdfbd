"""What several pages of the network say alike: how asking OpenWISP goes, up-time, and what is down now."""

from __future__ import annotations

from collections.abc import Iterable

from nicegui import ui

from app.clock import utc_now
from app.settings import get_settings
from pages.components import words
from pages.components.parts import Facts, chip, moment, notice, panel, tone_chip
from pages.components.site_map import Dot
from pages.components.states import empty_state
from pages.components.words import Tone
from services.network.access_point_queries import AccessPointRow
from services.network.alarm_models import CheckOutcome, NetworkCheck
from services.network.incident_models import Incident, IncidentState
from services.network.queries import NetworkSummary
from services.network.site_queries import SiteOnMap
from services.network.surroundings import Takings
from services.tickets.models import Ticket

MAP_PATH, POINTS_PATH, SITES_PATH, INCIDENTS_PATH = "/console/network", "/console/access-points", "/console/sites", "/console/incidents"
_SUMMARY = 90
_INCIDENT_WORDS: dict[IncidentState, tuple[str, Tone]] = {
    IncidentState.OPEN: ("Open", "bad"),
    IncidentState.RESOLVED: ("Over", "off"),
    IncidentState.FALSE_ALARM: ("False alarm", "off"),
}
_NOT_SET_UP = (
    "Set INET_OPENWISP_BASE_URL and INET_OPENWISP_TOKEN, then start again. Wi-Fi is sold without it all the same; "
    "nobody watches the access points."
)


def plural(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def check_notices(summary: NetworkSummary) -> None:
    """What a person must know before believing the page: OpenWISP is not set up, or the last question to it failed."""
    if not get_settings().openwisp_base_url:
        notice("off", _NOT_SET_UP, title="OpenWISP is not set up").mark("openwisp-missing")
        return
    for check, what in ((summary.poll, "health poll"), (summary.discovery, "discovery")):
        if check is not None and check.outcome not in (None, CheckOutcome.DONE):
            _failure_notice(check, what)


def _failure_notice(check: NetworkCheck, what: str) -> None:
    last = words.relative(check.done_at, utc_now()) if check.done_at else "none yet"
    notice("bad", f"{check.message} Last good one: {last}.", title=f"The last {what} failed").mark("check-failed")


def down_list(rows: Iterable[AccessPointRow], *, with_site: bool = True) -> None:
    """Access points that are down, newest first."""
    with ui.element("div").classes("rows"):
        for row in rows:
            with ui.element("a").classes("item").props(f'href="{POINTS_PATH}/{row.id}"').mark("down"):
                with ui.element("div"):
                    ui.label(row.point.name).classes("strong")
                    if with_site:
                        ui.label(row.site_name or "at no site").classes("soft small")
                with ui.element("div").classes("end soft small"):
                    moment(row.point.health_since)


def dot_of(site: SiteOnMap) -> Dot | None:
    """None for a site whose position nobody knows."""
    if site.latitude is None or site.longitude is None:
        return None
    tone: Tone = words.words_of(site.worst).tone if site.worst else "off"
    text = f"{site.name}: {site.up} of {site.total} up" if site.total else f"{site.name}: no access points"
    return Dot(site.id, site.latitude, site.longitude, tone, site.total, text, f"{SITES_PATH}/{site.id}")


def takings_panel(takings: Takings, title: str) -> None:
    with panel(title):
        facts = Facts()
        for label, sum_ in (("Today", takings.today), ("7 days", takings.seven_days), ("30 days", takings.thirty_days)):
            with facts.row(label):
                ui.label(words.money(sum_)).classes("money")


def incident_list(incidents: Iterable[Incident]) -> None:
    """Outages, newest first."""
    with panel("Outages", flush=True):
        shown = list(incidents)
        if not shown:
            empty_state("None", "", icon="task_alt")
        with ui.element("div").classes("rows q-mt-sm"):
            for incident in shown:
                with ui.element("a").classes("item").props(f'href="{INCIDENTS_PATH}/{incident.reference}"').mark("incident"):
                    ui.label(incident.reference).classes("strong mono")
                    tone_chip(*_INCIDENT_WORDS[incident.state])
                    with ui.element("div").classes("end soft small"):
                        moment(incident.started_at)


def ticket_list(tickets: Iterable[Ticket]) -> None:
    """Reports, newest first."""
    with panel("Reports about it", flush=True):
        shown = list(tickets)
        if not shown:
            empty_state("None", "", icon="support_agent")
        with ui.element("div").classes("rows q-mt-sm"):
            for ticket in shown:
                with ui.element("a").classes("item").props(f'href="/console/tickets/{ticket.reference}"').mark("ticket"):
                    chip(ticket.state)
                    ui.label(" ".join(ticket.body.split())[:_SUMMARY]).classes("ellipsis full-width")
                    with ui.element("div").classes("end soft small"):
                        moment(ticket.created_at)
