"""On a gateway's page: what to paste into the router, and the changing of its key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio.to_thread
from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.settings import get_settings
from pages.components.dialogs import confirm
from pages.components.parts import Facts, action_button, notice, panel
from pages.components.prove import proven_staff
from pages.components.snippets import snippet
from pages.gateway_wizard import SYSTEM_NAMES
from pages.shell import current_staff, toast_on_refusal
from services.access.desk import snippet_for
from services.access.gateway_keys import KeyState, cancel_rotation, rotate_key
from services.access.queries import GatewayRow
from services.access.router_config import FILES, RESTARTS, RouterSystem, portal_address
from services.accounts.permissions import Permission, Principal


class SettingsPanel:
    """The configuration for one of the two systems; its key is hidden until it is asked for."""

    def __init__(self, slug: str, *, level: int, may_edit: bool) -> None:
        self._slug, self._may_edit = slug, may_edit
        self._system: RouterSystem = "openwrt"
        with panel("Settings for the router"):
            if level == 3:
                choice = ui.toggle(SYSTEM_NAMES, value=self._system, on_change=lambda event: self._choose(event.value))
                choice.props("no-caps unelevated toggle-color=primary").classes("q-mb-md").mark("system")
            self._where = ui.label().classes("soft small q-mb-sm")
            self._place = ui.element("div").classes("stack")
            self._buttons = ui.element("div").classes("row justify-end q-mt-md")

    async def _choose(self, system: RouterSystem) -> None:
        self._system = system
        await self.show_hidden()

    async def show_hidden(self) -> None:
        """As it stands for anybody who may see the page."""
        with toast_on_refusal():
            await self._show(await current_staff(), reveal=False)

    async def _reveal(self) -> None:
        with toast_on_refusal():
            by = await proven_staff()
            if by is not None:
                await self._show(by, reveal=True)

    async def _show(self, by: Principal, *, reveal: bool) -> None:
        portal = await anyio.to_thread.run_sync(portal_address, get_settings().public_url)
        text = await in_transaction(
            snippet_for, actor=by, slug=self._slug, portal=portal, system=self._system, reveal=reveal, now=utc_now()
        )
        self._where.text = f"{FILES[self._system]}, then: {RESTARTS[self._system]}"
        self._place.clear()
        self._buttons.clear()
        with self._place:
            snippet(text, can_copy=reveal)
        if self._may_edit and not reveal:
            with self._buttons:
                action_button("Show the key", self._reveal, icon="visibility").mark("reveal-key")


async def settings_panel(slug: str, *, level: int, actor: Principal) -> SettingsPanel:
    drawn = SettingsPanel(slug, level=level, may_edit=actor.may(Permission.GATEWAYS_EDIT))
    await drawn.show_hidden()
    return drawn


class KeyPanel:
    """How old the key is, and how far its change has come. Its buttons stand still, so that what they do outlives a refresh."""

    def __init__(self, slug: str, *, may_edit: bool, on_change: Callable[[], Awaitable[None]]) -> None:
        self._slug, self._on_change = slug, on_change
        self.after_change: Callable[[], Awaitable[None]] | None = None
        with panel("Key"):
            self._place = ui.element("div").classes("stack")
            with ui.element("div").classes("row justify-end q-gutter-sm q-mt-sm") as buttons:
                self._call_off = action_button("Call it off", self._cancel, icon="undo").mark("cancel-rotation")
                self._former = action_button("Forget the former key", self._forget, icon="key_off").mark("forget-former")
                self._new = action_button("Change the key", self._rotate, icon="key").mark("rotate-key")
            buttons.set_visibility(may_edit)

    def draw(self, row: GatewayRow) -> None:
        self._call_off.set_visibility(row.key_state is KeyState.WAITING)
        self._former.set_visibility(row.key_state is KeyState.SETTLING)
        self._new.set_visibility(row.key_state is not KeyState.WAITING)
        self._place.clear()
        with self._place:
            facts = Facts()
            facts.add_time("In use since", row.key_since)
            if row.key_state is KeyState.WAITING:
                facts.add_time("New key made", row.next_key_at)
                notice("wait", "Both keys open. Put the settings with the new key into the router; once it is used, the change is done.")
            elif row.key_state is KeyState.SETTLING:
                notice("busy", "The router uses the new key. For a day the former one opens as well.")

    async def _rotate(self) -> None:
        text = (
            "A new key is made beside the one that the router has. Both open until the new one is used, so customers notice nothing. "
            "You then put the new settings into the router whenever it suits."
        )
        if await confirm("Change this router's key?", text, yes="Make a new key") is None:
            return
        with toast_on_refusal():
            await in_transaction(rotate_key, actor=await current_staff(), slug=self._slug, now=utc_now())
            ui.notify("A new key is made. Put it into the router.", type="positive")
            await self._changed()

    async def _cancel(self) -> None:
        text = "The new key is forgotten. If it was put into the router already, put the former settings back: customers could not come in."
        if await confirm("Call the change off?", text, yes="Call it off", danger=True) is not None:
            await self._drop("The key stays as it was.")

    async def _forget(self) -> None:
        text = "Only the key that the router used last opens from now on. Do this at once if the former key became known to somebody."
        if await confirm("Forget the former key?", text, yes="Forget it") is not None:
            await self._drop("The former key opens nothing any more.")

    async def _drop(self, said: str) -> None:
        with toast_on_refusal():
            await in_transaction(cancel_rotation, actor=await current_staff(), slug=self._slug, now=utc_now())
            ui.notify(said, type="positive")
            await self._changed()

    async def _changed(self) -> None:
        await self._on_change()
        if self.after_change is not None:
            await self.after_change()
