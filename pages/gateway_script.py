"""On a gateway's page: the optional script for the router, what it brings, and whether it speaks."""

from __future__ import annotations

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import confirm
from pages.components.parts import Facts, action_button, panel
from pages.components.prove import proven_staff
from pages.shell import toast_on_refusal
from services.access.agent import forget_script, script_for
from services.access.gateway_story import GatewayStory

_WITHOUT = (
    "Without it nobody knows what customers use while they are online, and nobody can be put out before their time is over. "
    "It is a shell script of parts that every openNDS router has; put it on the router as /usr/bin/inet-agent.sh, chmod 700, "
    "and let cron run it every minute: * * * * * /usr/bin/inet-agent.sh"
)


class ScriptPanel:
    """Its buttons stand still, so that what they do outlives a refresh."""

    def __init__(self, slug: str, *, may_edit: bool) -> None:
        self._slug = slug
        with panel("Script on the router (optional)"):
            ui.label(_WITHOUT).classes("soft")
            self._place = ui.element("div").classes("w-full q-mt-sm")
            with ui.element("div").classes("row justify-end q-gutter-sm q-mt-md") as buttons:
                self._worthless = action_button("Make its key worthless", self._forget, icon="key_off").mark("forget-script")
                action_button("Download the script", self._download, icon="download").mark("download-script")
            buttons.set_visibility(may_edit)

    def draw(self, story: GatewayStory) -> None:
        row = story.row
        self._worthless.set_visibility(row.has_agent)
        self._place.clear()
        if not row.has_agent:
            return
        with self._place:
            facts = Facts()
            facts.add_time("Last report", row.agent_seen_at, otherwise="none yet")
            if row.agent_clients is not None:
                facts.add("Clients it counted", row.agent_clients)
            if story.open_orders:
                waits = "carried out with its next report" if story.agent_listens(now=utc_now()) else "it has not spoken for a while"
                facts.add("To be put out", f"{story.open_orders}, {waits}")

    async def _download(self) -> None:
        with toast_on_refusal():
            by = await proven_staff()
            if by is not None:
                text = await in_transaction(script_for, actor=by, slug=self._slug, now=utc_now())
                ui.download.content(text.encode(), "inet-agent.sh", "text/x-shellscript")

    async def _forget(self) -> None:
        text = "What the script says is not believed any more. A script that is downloaded afterwards has a new key."
        if await confirm("Make the script's key worthless?", text, yes="Make it worthless", danger=True) is None:
            return
        with toast_on_refusal():
            by = await proven_staff()
            if by is not None:
                await in_transaction(forget_script, actor=by, slug=self._slug, now=utc_now())
                ui.notify("Its key is worth nothing now.", type="positive")
