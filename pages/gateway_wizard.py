"""Setting a router up: say where it stands, paste its settings, and watch it call for the first time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio.to_thread
from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import DomainError
from app.settings import get_settings
from pages.components.again import again_every
from pages.components.dialogs import enable_again
from pages.components.forms import refuse_at, text_field
from pages.components.parts import action_button, moment, notice, page_header, panel, tone_chip
from pages.components.snippets import snippet
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.access.desk import register_gateway, snippet_for
from services.access.gateway_story import GatewayStory, gateway_story
from services.access.gateways import DEFAULT_POLL_SECONDS, new_identity
from services.access.router_config import DEBIAN_POLL_SECONDS, FILES, RESTARTS, RouterSystem, portal_address
from services.accounts.permissions import Permission

PATH = "/console/register-gateway"
SYSTEM_NAMES: dict[RouterSystem, str] = {"openwrt": "OpenWrt, openNDS 10", "debian": "Debian 12, openNDS 9.10"}
_LEVELS = {
    3: "3: the router encrypts who its customer is (best; needs php-cli on the router)",
    4: "4: for routers with little memory; needs no PHP",
}
_POLLS = {5: "5 s: busy places", 10: "10 s: usual", 20: "20 s", 30: "30 s: slow or dear lines"}
_LOOK_SECONDS = 2.0


@console_page(PATH, title="Register a router", permission=Permission.GATEWAYS_EDIT)
async def gateway_wizard() -> None:
    with page_header("Register a router", back=("/console/gateways", "Gateways")):
        pass
    body = ui.element("div").classes("stack")
    with body:
        _Form(body).draw()


class _Form:
    """The first step. The router's identity and key are made at random; a person only says where it stands."""

    def __init__(self, body: ui.element) -> None:
        self._body = body
        self._slug, self._gateway_name, self._faskey = new_identity()

    def draw(self) -> None:
        with panel("1. The router and its place"):
            ui.label("Identity and key are made here at random; you only say what stands where.").classes("soft")
            with ui.element("div").classes("form q-mt-md"):
                self.name = text_field("Name, such as Serekunda Market north", "name", props="autofocus maxlength=120").mark("gateway-name")
                self.site = text_field("Site (may stay empty)", "site", props="maxlength=120").mark("gateway-site")
                self.system = _choice("System of the router", SYSTEM_NAMES, "openwrt", "gateway-system")
                self.level = _choice("openNDS security level", _LEVELS, 3, "gateway-level")
                self.poll = _choice("It asks every", _POLLS, DEFAULT_POLL_SECONDS, "gateway-poll")
                self.address = text_field("Address part", "slug", value=self._slug, props="maxlength=64").mark("gateway-slug")
            self.debian = ui.label("openNDS 9.10 knows level 3 only, and always asks every 10 seconds.").classes("soft small")
            self.debian.set_visibility(False)
            self.system.on_value_change(self._fit_system)
            with ui.element("div").classes("row justify-end q-mt-md"):
                self.button = action_button("Register", self._register, main=True).mark("register-now")

    def _fit_system(self) -> None:
        is_debian = self.system.value == "debian"
        self.debian.set_visibility(is_debian)
        if is_debian:
            self.level.value, self.poll.value = 3, DEBIAN_POLL_SECONDS
        for field in (self.level, self.poll):
            field.set_enabled(not is_debian)

    async def _register(self) -> None:
        fields = {"name": self.name, "slug": self.address, "level": self.level, "poll_seconds": self.poll}
        self.button.disable()
        with toast_on_refusal():
            try:
                await self._make()
            except DomainError as refusal:
                if not refuse_at(fields, refusal):
                    raise
        enable_again(self.button)

    async def _make(self) -> None:
        by, slug, system = await current_staff(), (self.address.value or "").strip(), self.system.value
        await in_transaction(
            register_gateway,
            actor=by,
            slug=slug,
            gateway_name=self._gateway_name,
            faskey=self._faskey,
            level=int(self.level.value),
            name=(self.name.value or "").strip()[:120],
            site_name=(self.site.value or "").strip()[:120] or None,
            poll_seconds=int(self.poll.value),
            now=utc_now(),
        )
        portal = await anyio.to_thread.run_sync(portal_address, get_settings().public_url)
        text = await in_transaction(snippet_for, actor=by, slug=slug, portal=portal, system=system, reveal=True, now=utc_now())
        self._body.clear()
        with self._body:
            await _second_step(slug, system, text, is_address_known=portal.ipv4 is not None)


def _choice(label: str, options: dict[Any, str], value: Any, marker: str) -> ui.select:
    return ui.select(options, label=label, value=value).props("outlined hide-bottom-space").classes("w-full").mark(marker)


async def _second_step(slug: str, system: RouterSystem, text: str, *, is_address_known: bool) -> None:
    with panel("2. Settings to put into the router", aside=FILES[system]):
        if not is_address_known:
            notice("wait", "The portal's name did not resolve here. Fill in fasremoteip, the IPv4 address that the router must find it at.")
        ui.label(f"Put this into {FILES[system]}, then run: {RESTARTS[system]}").classes("soft q-mb-sm")
        snippet(text)
    with panel("3. Wait for it to call"):
        place = ui.element("div").classes("rows").mark("first-calls")
    with ui.element("div").classes("row justify-end"):
        action_button("To the gateway's page", lambda: ui.navigate.to(f"/console/gateways/{slug}")).mark("done")

    async def look() -> None:
        with silent_on_refusal():
            story = await in_transaction(gateway_story, actor=await current_staff(), slug=slug, now=utc_now())
            place.clear()
            with place:
                _first_calls(story)

    await look()
    refresh_on(("gateways",), look)
    again_every(_LOOK_SECONDS, look)


def _first_calls(story: GatewayStory) -> None:
    row = story.row
    polled = f"The router has called, and says that it runs openNDS {row.version}" if row.version else "The router has called"
    _call(row.last_poll_at is not None, polled, "The router has not called yet", lambda: moment(row.last_poll_at))
    sent = story.first_redirect_at
    _call(
        sent is not None,
        "It has sent us a first customer",
        "It has not sent us a customer yet: join its Wi-Fi with a phone",
        lambda: moment(sent),
    )


def _call(happened: bool, yes: str, no: str, when: Callable[[], object]) -> None:
    with ui.element("div").classes("item"):
        tone_chip("Done" if happened else "Waiting", "good" if happened else "wait")
        ui.label(yes if happened else no)
        if happened:
            with ui.element("div").classes("end soft small"):
                when()
