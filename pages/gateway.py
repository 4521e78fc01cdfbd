"""One gateway: is it alive, what waits for it, and what to paste into it."""

from __future__ import annotations

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.settings import get_settings
from pages.components import words
from pages.components.parts import Facts, action_button, chip, copy_button, moment, page_header, panel, tone_chip
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.access.desk import snippet_for
from services.access.queries import GatewayRow, GrantRow, gateway_page, grants_of
from services.accounts.permissions import Permission, Principal

_REFRESH_SECONDS = 10.0


def snippet(text: str) -> None:
    """Settings to paste, with a button that copies them."""
    with ui.element("div").classes("w-full"):
        ui.element("pre").classes("snippet mono").mark("snippet").props["innerHTML"] = _escaped(text)
        with ui.element("div").classes("row justify-end q-mt-sm"):
            copy_button(text, label="Copy the settings")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@console_page("/console/gateways/{slug}", title="Gateway", permission=Permission.GATEWAYS_READ)
async def gateway_page_(slug: str, actor: Principal) -> None:
    row = await in_transaction(gateway_page, actor=actor, slug=slug)
    grants = await in_transaction(grants_of, actor=actor, gateway_id=row.id)
    with page_header(
        row.name, back=("/console/gateways", "Gateways"), lead=row.site_name if row.site_name and row.site_name != row.name else ""
    ):
        if actor.may(Permission.SESSIONS_READ):
            show = f"/console/sessions?gateway={row.slug}"
            action_button("Who is online here", lambda: ui.navigate.to(show), icon="wifi")
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            queue = ui.element("div").classes("w-full")
            with panel("Settings for the router", aside="openNDS 10, /etc/config/opennds"):
                await _settings(slug, actor)
        facts = ui.element("div").classes("w-full")

    def draw(gateway: GatewayRow, waiting: tuple[GrantRow, ...]) -> None:
        facts.clear()
        queue.clear()
        with facts:
            _facts(gateway)
        with queue:
            _queue(waiting)

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            fresh = await in_transaction(gateway_page, actor=by, slug=slug)
            draw(fresh, await in_transaction(grants_of, actor=by, gateway_id=fresh.id))

    draw(row, grants)
    refresh_on(("grants", "sessions", "gateways"), refresh)
    ui.timer(_REFRESH_SECONDS, refresh, immediate=False)


def _facts(row: GatewayRow) -> None:
    with panel("Facts"):
        facts = Facts()
        with facts.row("State"):
            if row.last_poll_at is None:
                tone_chip("Never polled", "wait")
            elif row.is_silent(now=utc_now()):
                tone_chip("Silent", "bad")
            else:
                tone_chip("Polling", "good")
        facts.add_time("Last poll", row.last_poll_at, otherwise="never")
        facts.add_time("Last restart", row.last_clear_at, otherwise="none seen")
        facts.add("openNDS", row.version or "not told yet")
        facts.add("Level", str(row.level))
        facts.add("Address", f"/fas/{row.slug}", mono=True)
        facts.add("Gateway name", row.gateway_name, mono=True)
        facts.add_time("Registered", row.created_at)


def _queue(grants: tuple[GrantRow, ...]) -> None:
    with panel("Grants: who is to be let in, and who is", aside=f"{len(grants)}" if grants else "", flush=True):
        if not grants:
            empty_state("Nobody waits here", "Grants appear when a customer of this gateway has paid.", icon="how_to_reg")
        with ui.element("div").classes("rows q-mt-sm"):
            for grant in grants:
                with ui.element("div").classes("item"):
                    chip(grant.state)
                    ui.label(grant.client).classes("mono")
                    ui.label(_offers(grant)).classes("soft small")
                    with ui.element("div").classes("end soft small"):
                        moment(grant.acked_at or grant.created_at)


def _offers(grant: GrantRow) -> str:
    offered = f"offered {grant.offer_count} time" + ("s" if grant.offer_count != 1 else "")
    return f"{offered}, {words.time_left(grant.ends_at, utc_now())} left" if grant.ends_at else offered


async def _settings(slug: str, actor: Principal) -> None:
    hidden = await in_transaction(snippet_for, actor=actor, slug=slug, public_url=get_settings().public_url, reveal=False, now=utc_now())
    place = ui.element("div").classes("stack")
    with place:
        ui.element("pre").classes("snippet mono").mark("snippet").props["innerHTML"] = _escaped(hidden)

    async def reveal() -> None:
        with toast_on_refusal():
            by = await current_staff()
            clear = await in_transaction(snippet_for, actor=by, slug=slug, public_url=get_settings().public_url, reveal=True, now=utc_now())
            place.clear()
            with place:
                snippet(clear)
            button.delete()

    if actor.may(Permission.GATEWAYS_EDIT):
        with ui.element("div").classes("row justify-end q-mt-md"):
            button = action_button("Show the key", reveal, icon="visibility").mark("reveal-key")
