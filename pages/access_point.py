"""One access point: how it fares and fared, where it belongs, and what happens behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

import segno
from nicegui import ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from pages.access_point_forms import correct_gateway, correct_site
from pages.components import words
from pages.components.again import again_every
from pages.components.dialogs import dialog_card
from pages.components.health_strip import health_strip, share_text, uptime_bars
from pages.components.parts import Facts, action_button, chip, moment, notice, page_header, panel, tone_chip
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.network_parts import POINTS_PATH, SITES_PATH, incident_list, takings_panel, ticket_list
from pages.shell import console_page, current_staff, silent_on_refusal
from services.accounts.permissions import Permission, Principal
from services.fieldwork.boxes import label_of
from services.network import surroundings
from services.network.access_point_queries import AccessPointRow, GatewayChoice, access_point_page, near_gateways, raw_changes
from services.network.incident_models import Incident
from services.network.models import AccessPoint, HealthChange, SetBy
from services.network.surroundings import Takings
from services.network.uptime import Stretch, Uptime, history, months_by_access_point, uptime_by_access_point
from services.tickets.models import Ticket

_MONTHS = 13
_SPANS = {1: "24 hours", 7: "7 days", 30: "30 days"}
_TICK_SECONDS = 60.0


@dataclass(frozen=True)
class _Story:
    """Everything the page shows. What the person may not know of is None."""

    row: AccessPointRow
    start: datetime
    end: datetime
    stretches: list[Stretch]
    uptime: Uptime
    months: Mapping[date, Uptime]
    changes: tuple[HealthChange, ...]
    near: tuple[GatewayChoice, ...]
    incidents: tuple[Incident, ...]
    tickets: tuple[Ticket, ...] | None
    live: int | None
    takings: Takings | None


def _load(session: Session, *, actor: Principal, access_point_id: int, days: int, now: datetime) -> _Story:
    row = access_point_page(session, actor=actor, access_point_id=access_point_id)
    point, start = row.point, now - timedelta(days=days)
    gateways = [point.gateway_id] if point.gateway_id is not None else []
    may = actor.may
    return _Story(
        row=row,
        start=start,
        end=now,
        stretches=history(session, row.id, start=start, end=now, now=now),
        uptime=uptime_by_access_point(session, [row.id], start=start, end=now, now=now)[row.id],
        months=months_by_access_point(session, row.id, months=_MONTHS, now=now),
        changes=raw_changes(session, actor=actor, access_point_id=row.id),
        near=near_gateways(session, actor=actor, mac=point.mac) if point.gateway_id is None else (),
        incidents=surroundings.incidents_of(session, actor=actor, access_point_id=row.id),
        tickets=surroundings.tickets_about(session, actor=actor, access_point=point) if may(Permission.TICKETS_READ) else None,
        live=surroundings.live_sessions(session, actor=actor, gateway_ids=gateways) if gateways and may(Permission.SESSIONS_READ) else None,
        takings=surroundings.takings(session, actor=actor, gateway_ids=gateways, now=now)
        if gateways and may(Permission.PAYMENTS_READ)
        else None,
    )


@console_page(f"{POINTS_PATH}/{{access_point_id}}", title="Access point", permission=Permission.NETWORK_READ)
async def access_point_page_(access_point_id: int, actor: Principal) -> None:
    days = 1

    async def load(by: Principal) -> _Story:
        return await in_transaction(_load, actor=by, access_point_id=access_point_id, days=days, now=utc_now())

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await load(by), by)

    async def look_back(number: int) -> None:
        nonlocal days
        days = number
        await refresh()

    def draw(story: _Story, by: Principal) -> None:
        place.clear()
        with place:
            _draw(story, by, days, refresh, look_back)

    story = await load(actor)
    place = ui.element("div").classes("stack")
    draw(story, actor)
    refresh_on(("network", "incidents", "tickets", "sessions"), refresh)
    again_every(_TICK_SECONDS, refresh)


Refresh = Callable[[], Awaitable[None]]


def _draw(story: _Story, actor: Principal, days: int, refresh: Refresh, look_back: Callable[[int], Awaitable[None]]) -> None:
    row, point = story.row, story.row.point
    with page_header(point.name, back=(POINTS_PATH, "Access points"), lead=row.site_name or ""):
        if point.mac:
            action_button("Label", partial(_show_label, point), icon="qr_code_2").mark("label")
        if actor.may(Permission.NETWORK_EDIT):
            action_button("Site", partial(correct_site, row, refresh), icon="place").mark("correct-site")
            action_button("Gateway", partial(correct_gateway, row, refresh), icon="router").mark("correct-gateway")
    if point.vanished_at:
        text = "It is kept with its history, and is itself again as soon as OpenWISP lists it."
        notice("off", text, title=f"Not in OpenWISP since {words.exact(point.vanished_at)}").mark("vanished")
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            _health(story, days, look_back)
            with panel("Up-time by month"):
                uptime_bars(story.months)
                if all(uptime.share is None for uptime in story.months.values()):
                    ui.label("Nothing is known yet.").classes("soft")
            _changes(story.changes)
        with ui.element("div").classes("stack"):
            _facts(story, actor, refresh)
            if story.takings:
                takings_panel(story.takings, "Paid at its gateway")
            incident_list(story.incidents)
            if story.tickets is not None:
                ticket_list(story.tickets)


def _show_label(point: AccessPoint) -> None:
    """What stands on the box: INET-Tech scans it, and shows this access point."""
    drawn = segno.make(label_of(point.mac or ""), error="m").svg_inline(scale=6, border=4, dark="#000", light="#fff")
    with dialog_card("Label for the box") as dialog:
        ui.html(drawn, sanitize=False).classes("self-center").props('role=img aria-label="QR code for INET-Tech"').mark("label-code")
        ui.label(point.name).classes("strong text-center w-full")
        ui.label(point.mac or "").classes("mono text-center w-full")
        ui.label("Print it, and put it on the access point where it can be read from below.").classes("soft small")
        with ui.element("div").classes("buttons"):
            ui.button("Close", on_click=dialog.close).props("flat color=link")
    dialog.open()


def _health(story: _Story, days: int, look_back: Callable[[int], Awaitable[None]]) -> None:
    point = story.row.point
    with panel("Health"):
        with ui.element("div").classes("line w-full q-mb-md"):
            chip(point.health).mark("health")
            ui.label("since").classes("soft")
            moment(point.health_since)
            if point.reported is not point.health and point.vanished_at is None:
                said = words.words_of(point.reported).text.lower()
                ui.label(f"OpenWISP now says {said}; the next poll decides").classes("soft small").mark("candidate")
            ui.element("div").classes("col-grow")
            toggle = ui.toggle(dict(_SPANS), value=days, on_change=lambda event: look_back(event.value))
            toggle.props('dense no-caps unelevated toggle-color=primary aria-label="How far back"').mark("span")
        health_strip(story.stretches, start=story.start, end=story.end)
        with ui.element("div").classes("line w-full q-mt-md"):
            ui.label(f"Up {share_text(story.uptime)} of this time").classes("strong").mark("uptime")
            if story.uptime.offline:
                ui.label(f"{words.span(story.uptime.offline)} down").classes("soft")
            if uncounted := story.uptime.unknown + story.uptime.retired:
                ui.label(f"{words.span(uncounted)} not known, which counts neither way").classes("soft")


def _changes(changes: tuple[HealthChange, ...]) -> None:
    with panel("What OpenWISP reported", aside="every change, before two polls agree", flush=True):
        if not changes:
            empty_state("No change yet", "", icon="timeline")
        with ui.element("div").classes("rows q-mt-sm"):
            for change in changes:
                with ui.element("div").classes("item"):
                    before, after = words.words_of(change.before), words.words_of(change.after)
                    tone_chip(after.text, after.tone)
                    ui.label(f"was {before.text.lower()}").classes("soft small")
                    with ui.element("div").classes("end soft small"):
                        moment(change.at)


def _facts(story: _Story, actor: Principal, refresh: Refresh) -> None:
    row, point = story.row, story.row.point
    with panel("Facts"):
        facts = Facts()
        with facts.row("Site"):
            _belongs(row.site_name, f"{SITES_PATH}/{point.site_id}", point.site_set_by, may_open=True)
        with facts.row("Gateway"):
            may_open = actor.may(Permission.GATEWAYS_READ)
            _belongs(row.gateway_name, f"/console/gateways/{row.gateway_slug}", point.gateway_set_by, may_open=may_open)
        if story.live is not None:
            with facts.row("Online now"):
                ui.link(f"{story.live:,}", f"/console/sessions?gateway={row.gateway_slug}").mark("live-sessions")
        facts.add("MAC", point.mac, mono=True)
        facts.add("Address", point.address, mono=True)
        facts.add("Model", point.model)
        facts.add("Firmware", point.firmware)
        facts.add("Organisation", point.organization, mono=True)
        facts.add_time("Last seen online", story.end if _is_up(point) else point.last_online_at, otherwise="not told")
        facts.add_time("Discovered", point.discovered_at)
        if story.near:
            _suggestions(story, actor, refresh)


def _is_up(point: AccessPoint) -> bool:
    return point.vanished_at is None and point.reported == "online"


def _belongs(name: str | None, address: str, set_by: SetBy, *, may_open: bool) -> None:
    if name and may_open:
        ui.link(name, address)
    else:
        ui.label(name or "none").classes("" if name else "faint")
    if set_by is SetBy.STAFF:
        ui.label("set by staff").classes("soft small").mark("set-by-staff")


def _suggestions(story: _Story, actor: Principal, refresh: Refresh) -> None:
    with ui.element("div").classes("q-mt-md"):
        text = "Their MACs differ from this one's in the last part only: it may be the same box."
        notice("wait", text, title="Not linked to a gateway. Perhaps one of these?").mark("suggestions")
        with ui.element("div").classes("rows"):
            for choice in story.near:
                with ui.element("div").classes("item"):
                    with ui.element("div"):
                        ui.label(choice.name).classes("strong")
                        ui.label(choice.hint).classes("mono small soft")
                    if actor.may(Permission.NETWORK_EDIT):
                        with ui.element("div").classes("end"):
                            action_button("Choose", partial(correct_gateway, story.row, refresh, choice)).mark("suggested")
