"""The network at a glance: every site on a map by how its access points fare, and what is down now."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui import ui
from sqlmodel import Session

from app.db import in_transaction
from pages.components import words
from pages.components.parts import action_button, page_header, panel, tone_chip
from pages.components.site_map import SiteMap
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.network_parts import MAP_PATH, POINTS_PATH, SITES_PATH, check_notices, dot_of, down_list, plural
from pages.shell import console_page, current_staff, silent_on_refusal
from services.accounts.permissions import Permission, Principal
from services.network.access_point_queries import AccessPointRow
from services.network.models import Health
from services.network.queries import NetworkSummary, down_now, network_summary
from services.network.site_queries import SiteOnMap, sites_on_map

_DOWN_SHOWN = 50
_SHOWN_HEALTH = (Health.ONLINE, Health.DEGRADED, Health.OFFLINE, Health.UNKNOWN, Health.RETIRED)


@dataclass(frozen=True)
class _Network:
    sites: tuple[SiteOnMap, ...]
    summary: NetworkSummary
    down: tuple[AccessPointRow, ...]


def _load(session: Session, *, actor: Principal) -> _Network:
    return _Network(
        sites_on_map(session, actor=actor), network_summary(session, actor=actor), down_now(session, actor=actor, limit=_DOWN_SHOWN)
    )


@console_page(MAP_PATH, title="Network map", permission=Permission.NETWORK_READ, icon="map", group="Network", in_navigation=True)
async def network_map_page(actor: Principal) -> None:
    found = await in_transaction(_load, actor=actor)
    with page_header("Network map", lead="Every site by how its access points fare. A colour is the worst of what stands there."):
        action_button("All sites", lambda: ui.navigate.to(SITES_PATH), icon="place")
        action_button("All access points", lambda: ui.navigate.to(POINTS_PATH), icon="cell_tower")
    notices = ui.element("div").classes("stack near")
    chips = ui.element("div").classes("line").mark("health-counts")
    with ui.element("div").classes("columns wide-left"):
        with panel(flush=True):
            drawn = SiteMap("Map of the sites. The same sites are in the list of sites.")
        side = ui.element("div").classes("stack")

    def draw(network: _Network) -> None:
        drawn.show(dot for site in network.sites if (dot := dot_of(site)) is not None)
        for place in (notices, chips, side):
            place.clear()
        with notices:
            check_notices(network.summary)
        notices.set_visibility(bool(notices.default_slot.children))
        with chips:
            _counts(network.summary)
        with side:
            _down(network)
            _unplaced(network)

    async def refresh() -> None:
        with silent_on_refusal():
            draw(await in_transaction(_load, actor=await current_staff()))

    draw(found)
    refresh_on(("network", "incidents", "gateways"), refresh)


def _counts(summary: NetworkSummary) -> None:
    for state in _SHOWN_HEALTH:
        if number := summary.by_health.get(state):
            shown = words.words_of(state)
            with ui.element("a").props(f'href="{POINTS_PATH}?health={state.value}"').classes("plain"):
                tone_chip(f"{number:,} {shown.text.lower()}", shown.tone)
    if summary.vanished:
        with ui.element("a").props(f'href="{POINTS_PATH}?show=vanished"').classes("plain"):
            tone_chip(f"{summary.vanished:,} vanished", "off")


def _down(network: _Network) -> None:
    total = network.summary.by_health.get(Health.OFFLINE, 0)
    with panel("Down now", aside=f"{total:,}" if total else "", flush=True):
        if not network.down:
            if network.summary.total:
                empty_state("Nothing is down", "", icon="task_alt")
            else:
                empty_state("No access points yet", "Discovery finds them in OpenWISP.", icon="cell_tower")
        down_list(network.down)
        if total > len(network.down):
            with ui.element("div").classes("q-pa-md"):
                ui.link(f"All {total:,}", f"{POINTS_PATH}?health={Health.OFFLINE.value}")


def _unplaced(network: _Network) -> None:
    """What no map can show."""
    lost = [site for site in network.sites if site.latitude is None]
    if not lost and not network.summary.without_site:
        return
    with panel("Not on the map", flush=True), ui.element("div").classes("rows q-mt-sm"):
        if alone := network.summary.without_site:
            with ui.element("a").classes("item").props(f'href="{POINTS_PATH}?site=none"'):
                ui.label(f"{plural(alone, 'access point')} at no site")
        for site in lost[:_DOWN_SHOWN]:
            with ui.element("a").classes("item").props(f'href="{SITES_PATH}/{site.id}"'):
                ui.label(site.name).classes("strong")
                ui.label("has no position").classes("soft small")
                if site.total:
                    tone = words.words_of(site.worst).tone if site.worst else "off"
                    with ui.element("div").classes("end"):
                        tone_chip(f"{site.up} of {site.total} up", tone)
