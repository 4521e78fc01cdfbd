"""A ticket's deadline, explained: opened from the ticket, counted anew from its history each time."""

from __future__ import annotations

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.parts import page_header, panel
from pages.components.why_deadline import deadline_chip, why_deadline
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal
from services.accounts.permissions import Permission, Principal
from services.tickets.sla.why import Why, why

PATH = "/console/tickets/{reference}/deadline"


@console_page(PATH, title="Why this deadline", permission=Permission.TICKETS_READ)
async def why_page(reference: str, actor: Principal) -> None:
    shown = await in_transaction(why, actor=actor, reference=reference, now=utc_now())
    with page_header("Why this deadline", back=(f"/console/tickets/{shown.reference}", f"Ticket {shown.reference}")):
        pass
    place = ui.element("div").classes("stack")

    def draw(found: Why) -> None:
        place.clear()
        with place, panel("How it was counted"), ui.element("div").classes("stack"):
            with ui.element("div"):
                deadline_chip(found)
            why_deadline(found)

    async def refresh() -> None:
        with silent_on_refusal():
            draw(await in_transaction(why, actor=await current_staff(), reference=reference, now=utc_now()))

    draw(shown)
    refresh_on(("tickets", "sla"), refresh)
