"""Why a ticket lies where it does, who else was weighed, and what a person can have the routing do about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import confirm, dialog_card
from pages.components.drafts import keep_draft
from pages.components.forms import form_buttons
from pages.components.parts import action_button, panel
from pages.shell import current_staff, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.tickets import rerouting
from services.tickets.drafts import place_of
from services.tickets.models import Ticket

Refresh = Callable[[], Awaitable[None]]


def draw_routing(ticket: Ticket, routed: Mapping[str, Any] | None, actor: Principal, refresh: Refresh) -> None:
    """Where there is nothing to say or do, nothing is drawn."""
    may_route, may_escalate = actor.may(Permission.TICKETS_ASSIGN), actor.may(Permission.TICKETS_EDIT)
    if not routed and not (ticket.is_open and (may_route or may_escalate)):
        return
    with panel("Routing"), ui.element("div").classes("stack near").mark("routing-panel"):
        if routed:
            ui.label(str(routed.get("why") or "")).mark("routing-why")
            _weighed(routed)
        else:
            ui.label("No rule was asked about it.").classes("soft")
        if ticket.is_open:
            with ui.element("div").classes("line"):
                if may_route:
                    action_button("Route again", partial(_again, ticket, refresh), icon="alt_route").props("dense").mark("route-again")
                if may_escalate:
                    action_button("Escalate", partial(escalate_form, ticket, refresh), icon="priority_high").props("dense").mark("escalate")


def _weighed(routed: Mapping[str, Any]) -> None:
    candidates = [one for one in routed.get("candidates") or [] if isinstance(one, dict)]
    if not candidates:
        return
    more = ui.expansion(f"Who was weighed ({len(candidates)})").props("dense").classes("full-width").mark("weighed")
    with more, ui.element("div").classes("rows"):
        for one in candidates:
            with ui.element("div").classes("item"):
                ui.icon("check" if one.get("fits") else "close").classes("soft")
                ui.label(str(one.get("person"))).classes("strong small" if one.get("fits") else "faint small")
                ui.label(str(one.get("reason"))).classes("soft small end")


async def _again(ticket: Ticket, refresh: Refresh) -> None:
    # On the page itself: news of the change may redraw the panel before this is done.
    with ui.context.client.content, toast_on_refusal():
        text = "The rules are asked anew, also over what a person chose. Whoever has it now may lose it to somebody who fits better."
        if await confirm(f"Route {ticket.reference} again?", text, yes="Route it") is None:
            return
        by = await current_staff()
        _, decision = await in_transaction(rerouting.reroute, actor=by, reference=ticket.reference, now=utc_now())
        ui.notify(decision.why, type="positive", multi_line=True)
        await refresh()


def escalate_form(ticket: Ticket, refresh: Refresh) -> None:
    """Tell those who lead, with a reason."""
    with dialog_card(f"Escalate {ticket.reference}") as dialog:
        ui.label("Whoever leads its team hears of it at once; without a team, the System Admins do. It stays with whoever has it.").classes(
            "soft"
        )
        reason = ui.textarea("Why").props(f"outlined autofocus autogrow hide-bottom-space maxlength={rerouting.REASON_LENGTH[1]}")
        reason.classes("w-full").mark("field-escalate-reason")

        async def act() -> None:
            by = await current_staff()
            told = await in_transaction(rerouting.escalate, actor=by, reference=ticket.reference, reason=reason.value or "", now=utc_now())
            ui.notify(f"{', '.join(told)} will hear of it.", type="positive")
            await refresh()

        draft = keep_draft(place_of(ticket.reference, "escalate"), {"reason": reason})
        form_buttons(dialog, {"reason": reason}, yes="Escalate", act=act, marker="escalate-it", draft=draft)
    dialog.open()
