"""One gateway: is it alive, what waits for it, its key, and what to paste into it."""

from __future__ import annotations

from collections.abc import Iterable

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.again import again_every
from pages.components.parts import Facts, action_button, chip, moment, notice, page_header, panel, tone_chip
from pages.components.states import empty_state
from pages.gateway_script import ScriptPanel
from pages.gateway_settings import KeyPanel, settings_panel
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal
from services.access.gateway_story import GatewayStory, gateway_story
from services.access.models import ON_OFFER, GrantState
from services.access.queries import GatewayRow, GrantRow
from services.accounts.permissions import Permission, Principal

_REFRESH_SECONDS = 10.0


@console_page("/console/gateways/{slug}", title="Gateway", permission=Permission.GATEWAYS_READ)
async def gateway_page_(slug: str, actor: Principal) -> None:
    story = await in_transaction(gateway_story, actor=actor, slug=slug, now=utc_now())
    row = story.row
    with page_header(
        row.name, back=("/console/gateways", "Gateways"), lead=row.site_name if row.site_name and row.site_name != row.name else ""
    ):
        if actor.may(Permission.SESSIONS_READ):
            show = f"/console/sessions?gateway={row.slug}"
            action_button("Who is online here", lambda: ui.navigate.to(show), icon="wifi")
    alarms = ui.element("div").classes("stack")
    with ui.element("div").classes("columns wide-left right-first"):
        with ui.element("div").classes("stack"):
            queue = ui.element("div").classes("w-full")
            settings = await settings_panel(slug, level=row.level, actor=actor)
            script = ScriptPanel(slug, may_edit=actor.may(Permission.GATEWAYS_EDIT))
        with ui.element("div").classes("stack"):
            facts = ui.element("div").classes("w-full")
            keys = KeyPanel(slug, may_edit=actor.may(Permission.GATEWAYS_EDIT), on_change=settings.show_hidden)

    def draw(story: GatewayStory) -> None:
        for place in (alarms, queue, facts):
            place.clear()
        with alarms:
            for alarm in story.alarms:
                notice("bad", alarm.message)
        with queue:
            _grants(story)
        with facts:
            _facts(story)
        script.draw(story)
        keys.draw(story.row)

    async def refresh() -> None:
        with silent_on_refusal():
            draw(await in_transaction(gateway_story, actor=await current_staff(), slug=slug, now=utc_now()))

    draw(story)
    keys.after_change = refresh
    refresh_on(("grants", "sessions", "gateways", "alarms"), refresh)
    again_every(_REFRESH_SECONDS, refresh)


def _facts(story: GatewayStory) -> None:
    row = story.row
    with panel("Facts"):
        facts = Facts()
        with facts.row("State"):
            _liveness(row)
        facts.add_time("Last poll", row.last_poll_at, otherwise="never")
        facts.add("Polls", _spacing(story))
        facts.add_time("Last restart", row.last_clear_at, otherwise="none seen")
        facts.add("openNDS", row.version or "not told yet")
        facts.add("Clients now", _clients(story))
        facts.add("Level", str(row.level))
        facts.add("Address", f"/fas/{row.slug}", mono=True)
        facts.add("Gateway name", row.gateway_name, mono=True)
        facts.add("Its MAC", row.mac or ("not told yet" if row.level == 3 else "not told at level 4"), mono=row.mac is not None)
        with facts.row("Access points"):
            _access_points(story)
        facts.add_time("Registered", row.created_at)


def _liveness(row: GatewayRow) -> None:
    if row.last_poll_at is None:
        tone_chip("Never polled", "wait")
    elif row.is_silent(now=utc_now()):
        tone_chip("Silent", "bad")
    else:
        tone_chip("Polling", "good")


def _spacing(story: GatewayStory) -> str:
    wanted = f"every {story.row.poll_seconds} s is set"
    spacing = story.poll_spacing
    return f"{spacing.total_seconds():.0f} s apart in the last minute; {wanted}" if spacing is not None else wanted


def _clients(story: GatewayStory) -> str:
    if story.agent_listens(now=utc_now()):
        return f"{story.row.agent_clients}, counted by the router"
    counted = f"{story.online} let in"
    if story.unconfirmed:
        counted += f", {story.unconfirmed} not confirmed"
    # Nobody tells of those who leave a router that says nothing.
    return f"{counted} (as last known)" if story.row.is_silent(now=utc_now()) else counted


def _access_points(story: GatewayStory) -> None:
    if not story.access_points:
        ui.label("none linked").classes("faint")
    with ui.element("div").classes("stack tight"):
        for point in story.access_points:
            with ui.element("div").classes("row items-center q-gutter-x-sm"):
                ui.link(point.name, f"/console/access-points/{point.id}")
                ui.label(point.health.value).classes("soft small")


def _grants(story: GatewayStory) -> None:
    if story.grants is None:
        return
    waiting = [grant for grant in story.grants if grant.state in ON_OFFER]
    unconfirmed = [grant for grant in story.grants if grant.state is GrantState.UNCONFIRMED]
    let_in = [grant for grant in story.grants if grant.state is GrantState.ACKED]
    with panel("Grants: who is to be let in, and who is", aside=_how_many(story), flush=True):
        if not story.grants:
            empty_state("Nobody waits here", "Grants appear when a customer of this gateway has paid.", icon="how_to_reg")
        _group("Waiting for the router", waiting)
        _group("Offered, and never confirmed: probably online", unconfirmed)
        _group("Let in", let_in)


def _how_many(story: GatewayStory) -> str:
    told = [f"{story.waiting} waiting" if story.waiting else "", f"{story.unconfirmed} not confirmed" if story.unconfirmed else ""]
    told.append(f"{story.online} let in" if story.online else "")
    return ", ".join(text for text in told if text)


def _group(title: str, grants: Iterable[GrantRow]) -> None:
    rows = list(grants)
    if not rows:
        return
    ui.label(title).classes("soft small q-px-md q-pt-sm")
    with ui.element("div").classes("rows q-mt-xs"):
        for grant in rows:
            with ui.element("div").classes("item"):
                chip(grant.state)
                ui.label(grant.client).classes("mono")
                ui.label(_offers(grant)).classes("soft small")
                with ui.element("div").classes("end soft small"):
                    moment(grant.acked_at or grant.created_at)


def _offers(grant: GrantRow) -> str:
    offered = f"offered {grant.offer_count} time" + ("s" if grant.offer_count != 1 else "")
    return f"{offered}, {words.time_left(grant.ends_at, utc_now())} left" if grant.ends_at else offered
