"""One site: where it is, what stands there and how it fares, and setting right what is wrong about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from nicegui import ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from pages import access_points
from pages.components.health_strip import share_text, uptime_bars
from pages.components.list_state import ListState
from pages.components.parts import Facts, action_button, moment, page_header, panel, tone_chip
from pages.components.site_map import Dot, SiteMap
from pages.components.states import empty_state
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.network_parts import SITES_PATH, incident_list, takings_panel
from pages.shell import console_page, current_staff, silent_on_refusal
from pages.site_forms import edit_site, merge_site
from pages.sites import points_cell
from services.access.models import Gateway
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.network import surroundings
from services.network.access_point_queries import list_access_points
from services.network.incident_models import Incident
from services.network.site_queries import SiteFigures, SiteRow, figures_of, months_of_site, site_page
from services.network.surroundings import Takings
from services.network.uptime import Uptime

_MONTHS = 13
_ZOOM = 10


@dataclass(frozen=True)
class _Story:
    """Everything the page shows. What the person may not know of is None."""

    row: SiteRow
    figures: SiteFigures
    months: Mapping[date, Uptime]
    gateways: tuple[Gateway, ...]
    incidents: tuple[Incident, ...]
    takings: Takings | None


def _load(session: Session, *, actor: Principal, site_id: int, now: datetime) -> _Story:
    row = site_page(session, actor=actor, site_id=site_id)
    gateways = surroundings.gateways_at(session, actor=actor, site_id=site_id)
    ids = [gateway.id for gateway in gateways if gateway.id is not None]
    return _Story(
        row=row,
        figures=figures_of(session, actor=actor, site_ids=[site_id], now=now)[site_id],
        months=months_of_site(session, actor=actor, site_id=site_id, months=_MONTHS, now=now),
        gateways=gateways,
        incidents=surroundings.incidents_of(session, actor=actor, site_id=site_id),
        takings=surroundings.takings(session, actor=actor, gateway_ids=ids, now=now) if actor.may(Permission.PAYMENTS_READ) else None,
    )


@console_page(f"{SITES_PATH}/{{site_id}}", title="Site", permission=Permission.NETWORK_READ)
async def site_page_(site_id: int, actor: Principal) -> None:
    story = await in_transaction(_load, actor=actor, site_id=site_id, now=utc_now())
    head = ui.element("div").classes("w-full")
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            chart = ui.element("div").classes("w-full")
            with panel("Access points", flush=True):
                table = _table(site_id)
            gateways = ui.element("div").classes("w-full")
        with ui.element("div").classes("stack"):
            site_map = _map(story.row)
            side = ui.element("div").classes("stack")

    def draw(shown: _Story, by: Principal) -> None:
        for place in (head, chart, gateways, side):
            place.clear()
        with head:
            _head(shown.row, by, refresh)
        with chart, panel("Up-time by month", aside=f"{share_text(shown.figures.uptime)} this month"):
            uptime_bars(shown.months)
            if all(uptime.share is None for uptime in shown.months.values()):
                ui.label("Nothing is known yet.").classes("soft")
        with gateways:
            _gateways(shown.gateways, by)
        with side:
            _facts(shown)
            if shown.takings:
                takings_panel(shown.takings, "Paid here")
            incident_list(shown.incidents)
        if site_map is not None:
            site_map.show(_dots(shown.row))

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await in_transaction(_load, actor=by, site_id=site_id, now=utc_now()), by)
        await table.refresh()

    draw(story, actor)
    await table.first()
    refresh_on(("network", "incidents", "gateways", "sessions"), refresh)


def _head(row: SiteRow, actor: Principal, refresh: Any) -> None:
    with page_header(row.name, back=(SITES_PATH, "Sites"), lead=row.address or ""):
        if actor.may(Permission.NETWORK_EDIT):
            action_button("Edit", partial(edit_site, row, refresh), icon="edit").mark("edit-site")
            action_button("Merge", partial(merge_site, row), icon="merge").mark("merge-site")


def _map(row: SiteRow) -> SiteMap | None:
    with panel():
        if row.latitude is None or row.longitude is None:
            empty_state("Not on the map", "Nobody has said yet where it is.", icon="location_off")
            return None
        return SiteMap(f"Where {row.name} is", at=(row.latitude, row.longitude), zoom=_ZOOM)


def _dots(row: SiteRow) -> list[Dot]:
    if row.latitude is None or row.longitude is None:
        return []
    cell = points_cell(row)
    assert isinstance(cell, dict)
    return [Dot(row.id, row.latitude, row.longitude, cell["tone"], row.access_point_count, row.name, "")]  # type: ignore[arg-type]


def _facts(story: _Story) -> None:
    row = story.row
    with panel("Facts"):
        facts = Facts()
        with facts.row("Access points"):
            cell = points_cell(row)
            assert isinstance(cell, dict)
            tone_chip(cell["text"], cell["tone"])  # type: ignore[arg-type]
        if story.figures.live_sessions is not None:
            facts.add("Online now", f"{story.figures.live_sessions:,}")
        facts.add("Address", row.address)
        facts.add("Position", f"{row.latitude:.5f}, {row.longitude:.5f}" if row.latitude is not None else None)
        facts.add("OpenWISP place", row.external_id or "none: it is ours alone", mono=row.external_id is not None)


def _gateways(gateways: tuple[Gateway, ...], actor: Principal) -> None:
    may_open = actor.may(Permission.GATEWAYS_READ)
    with panel("Gateways", aside=f"{len(gateways)}" if gateways else "", flush=True):
        if not gateways:
            empty_state("No gateway", "Customers can buy here once a router is registered at this site.", icon="router")
        with ui.element("div").classes("rows q-mt-sm"):
            for gateway in gateways:
                link = ui.element("a" if may_open else "div").classes("item")
                if may_open:
                    link.props(f'href="/console/gateways/{gateway.slug}"')
                with link:
                    ui.label(gateway.name).classes("strong")
                    ui.label(gateway.mac or gateway.slug).classes("mono soft small")
                    with ui.element("div").classes("end soft small"):
                        moment(gateway.last_poll_at, otherwise="never polled")


def _table(site_id: int) -> ServerTable:
    async def load(by: Principal, state: ListState) -> Listing[dict[str, Any]]:
        wanted = access_points.wanted_by(state, site_id=site_id)
        found = await in_transaction(list_access_points, actor=by, wanted=wanted, part=state.part)
        return Listing(tuple(access_points.row_cells(row) for row in found.rows), found.total, found.is_estimate)

    return ServerTable(
        path=f"{SITES_PATH}/{site_id}",
        marker="site-points",
        columns=[column for column in access_points.COLUMNS if column.name in ("name", "health", "since", "gateway", "model")],
        load=load,
        default=ListState(sort="name", descending=False),
        empty=("No access points", "Discovery brings those that OpenWISP has at this place."),
        in_address=False,
    )
