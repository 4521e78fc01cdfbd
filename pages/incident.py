"""One outage: what happened when, what was down, what came of it for customers, and what staff says about it."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.columns import Column, time_cell
from pages.components.dialogs import dialog_card
from pages.components.drafts import keep_draft
from pages.components.forms import form_buttons
from pages.components.list_state import ListState
from pages.components.parts import Facts, action_button, chip, moment, notice, page_header, panel
from pages.components.states import empty_state
from pages.components.table import ServerTable
from pages.components.timeline import timeline
from pages.incident_story import story
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.access.compensation import CompensationFilter, CompensationRow, list_compensations
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.network import incident_desk
from services.network.incident_models import Incident, IncidentState
from services.network.incident_queries import FalseAlarmPreview, IncidentPage, Stretch, incident_page, preview_false_alarm
from services.tickets.models import Channel, Ticket

PATH = "/console/incidents"
_SUMMARY = 120
_GIVEN_COLUMNS = (
    Column("phone", "Customer", "link", phone="title"),
    Column("given", "Given back", phone="corner"),
    Column("lost_from", "Clock stood from", "time"),
    Column("lost_until", "Until", "time"),
    Column("worth", "Worth", "money"),
)


@console_page("/console/incidents/{reference}", title="Incident", permission=Permission.NETWORK_READ)
async def incident_page_(reference: str, actor: Principal) -> None:
    shown = await in_transaction(incident_page, actor=actor, reference=reference)
    body = ui.element("div").classes("stack")
    table = await _given_rows(shown, actor) if shown.given is not None else None

    def draw(page: IncidentPage, by: Principal) -> None:
        body.clear()
        with body:
            _draw(page, by)

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await in_transaction(incident_page, actor=by, reference=reference), by)
        if table is not None:
            await table.refresh()

    draw(shown, actor)
    refresh_on(("incidents", "sessions", "tickets"), refresh)


def _draw(shown: IncidentPage, actor: Principal) -> None:
    incident = shown.row.incident
    may_edit = actor.may(Permission.INCIDENTS_EDIT)
    with page_header(f"Incident {incident.reference}", back=(PATH, "Incidents"), state=incident.state, lead=shown.row.place):
        if may_edit and incident.state is not IncidentState.FALSE_ALARM:
            action_button("False alarm", partial(_false_alarm, incident.reference), icon="undo", danger=True).mark("false-alarm")
    found = words.words_of(incident.state)
    notice(found.tone, "", title=found.explanation)
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            with panel("What happened"):
                timeline(story(shown))
            _stretches(shown)
        with ui.element("div").classes("stack"):
            _facts(shown)
            _note(incident, may_edit=may_edit)
            if shown.tickets is not None:
                _tickets(shown.tickets)
            _messages(shown)


def _facts(shown: IncidentPage) -> None:
    row, incident = shown.row, shown.row.incident
    with panel("Facts"):
        facts = Facts()
        if incident.site_id is not None:
            facts.add_link("Place", row.site_name, f"/console/sites/{incident.site_id}")
        facts.add("Access points", f"{row.access_points:,}")
        facts.add_time("Down since" if incident.state is IncidentState.OPEN else "Down from", incident.started_at)
        facts.add_time("Over", incident.resolved_at, otherwise="not yet")
        facts.add("Lasted", words.span(int(row.lasted(now=utc_now()).total_seconds())))
        facts.add("Customers hit", f"{row.hit:,}")
        with facts.row("Clocks standing now"):
            ui.label(f"{shown.standing:,}").mark("standing")
        if shown.given is not None:
            facts.add("Time given back", words.span(shown.given.seconds) if shown.given.seconds else "none")
            facts.add("Worth", words.money(shown.given.worth_bututs))


def _stretches(shown: IncidentPage) -> None:
    aside = f"the newest {len(shown.stretches)} of {shown.stretch_count:,}" if shown.stretch_count > len(shown.stretches) else ""
    with panel("What was down", aside=aside, flush=True), ui.element("div").classes("rows q-mt-sm").mark("stretches"):
        for stretch in shown.stretches:
            _stretch(stretch)


def _stretch(stretch: Stretch) -> None:
    with ui.element("a").classes("item").props(f'href="/console/access-points/{stretch.access_point_id}"'):
        ui.label(stretch.name).classes("strong")
        if stretch.gateway_name:
            ui.label(f"gateway {stretch.gateway_name}").classes("soft small")
        with ui.element("div").classes("end soft small"):
            moment(stretch.started_at)
            if stretch.ended_at is None:
                ui.label("still down").classes("text-danger")
            else:
                ui.label(f"for {words.span(int((stretch.ended_at - stretch.started_at).total_seconds()))}")


def _note(incident: Incident, *, may_edit: bool) -> None:
    with panel("Post-mortem"):
        if incident.note:
            ui.label(incident.note).classes("as-written").mark("note")
        else:
            ui.label("Nobody has written down yet what it was and what is done about it.").classes("soft")
        if may_edit:
            with ui.element("div").classes("q-mt-md"):
                text = "Change the note" if incident.note else "Write a note"
                action_button(text, partial(_edit_note, incident), icon="edit_note").mark("edit-note")


def _edit_note(incident: Incident) -> None:
    """Meant for the note that is shown: one that somebody changed meanwhile is not overwritten."""
    with dialog_card("What was it, and what is done about it?") as dialog:
        field = ui.textarea("Note", value=incident.note or "").props("outlined autogrow autofocus maxlength=4000 counter")
        field.classes("w-full").mark("note-text")

        async def save() -> None:
            await in_transaction(
                incident_desk.note,
                actor=await current_staff(),
                reference=incident.reference,
                text=field.value or "",
                expected_revision=incident.revision,
                now=utc_now(),
            )
            ui.notify("Kept.", type="positive")

        draft = keep_draft(f"incident:{incident.reference}", {"note": field})
        form_buttons(dialog, {"note": field}, yes="Keep", act=save, marker="keep-note", draft=draft)
    dialog.open()


async def _false_alarm(reference: str) -> None:
    with toast_on_refusal():
        preview = await in_transaction(preview_false_alarm, actor=await current_staff(), reference=reference, now=utc_now())
        _ask_about(reference, preview)


def _ask_about(reference: str, preview: FalseAlarmPreview) -> None:
    with dialog_card("Was there no outage?") as dialog:
        with ui.element("ul").classes("preview").mark("preview"):
            for line in preview_lines(preview):
                with ui.element("li"):
                    ui.label(line)
        reason = ui.input("How do you know?").props("outlined autofocus maxlength=200 hide-bottom-space").classes("w-full").mark("reason")

        async def call() -> None:
            await in_transaction(
                incident_desk.call_false_alarm,
                actor=await current_staff(),
                reference=reference,
                reason=reason.value or "",
                now=utc_now(),
            )
            ui.notify("It is called a false alarm.", type="positive")

        form_buttons(dialog, {"reason": reason}, yes="It was a false alarm", act=call, danger=True, marker="call-false-alarm")
    dialog.open()


def preview_lines(preview: FalseAlarmPreview) -> list[str]:
    """What calling it a false alarm does, one thing a line."""
    lines = []
    if preview.clocks:
        lines.append(f"Clocks that stand now and run on as if they never had: {preview.clocks:,}.")
        if preview.used_up:
            lines.append(f"Of these, customers who then have no time left: {preview.used_up:,}.")
    else:
        lines.append("No clock stands because of it now.")
    lines.append(f"Up-time gets {words.span(preview.down_seconds)} of down time back.")
    if preview.own_tickets:
        lines.append("Its own ticket is closed.")
    if preview.reports:
        lines.append(f"Reports of customers that stand for themselves again: {preview.reports:,}.")
    if preview.given.count:
        given, worth = words.span(preview.given.seconds), words.money(preview.given.worth_bututs)
        lines.append(f"What was given back stays with the customers: {given}, worth {worth}. Customers told of it: {preview.told:,}.")
    return lines


def _tickets(tickets: tuple[Ticket, ...]) -> None:
    with panel("Tickets", flush=True):
        if not tickets:
            empty_state("None", "No ticket about it that you may know of.", icon="support_agent")
        with ui.element("div").classes("rows q-mt-sm").mark("tickets"):
            for ticket in tickets:
                with ui.element("a").classes("item").props(f'href="/console/tickets/{ticket.reference}"'):
                    chip(ticket.state)
                    ui.label(ticket.reference).classes("mono strong")
                    ui.label("its own" if ticket.channel is Channel.INCIDENT else "a customer's").classes("end soft small")
                    ui.label(" ".join(ticket.body.split())[:_SUMMARY]).classes("soft small full-width")


def _messages(shown: IncidentPage) -> None:
    with panel("Customers told", flush=True):
        if not shown.messages.total:
            empty_state("Nobody yet", "When it is over, everybody who was given time back gets one SMS.", icon="sms")
        with ui.element("div").classes("rows q-mt-sm").mark("messages"):
            for state, number in shown.messages.by_state.items():
                with ui.element("div").classes("item"):
                    chip(state)
                    ui.label(f"{number:,}").classes("end strong")


def given_cells(row: CompensationRow, *, may_see_customers: bool) -> dict[str, Any]:
    given, customer = row.compensation, row.customer
    return {
        "id": given.id,
        "href": f"/console/customers/{customer.id}" if customer and may_see_customers else None,
        "phone": customer.masked_phone if customer else "By voucher",
        "given": words.span(given.seconds),
        "lost_from": time_cell(given.lost_from),
        "lost_until": time_cell(given.lost_until),
        "worth": words.money(given.worth_bututs),
    }


async def _given_rows(shown: IncidentPage, actor: Principal) -> ServerTable:
    incident = shown.row.incident

    async def load(by: Principal, state: ListState) -> Listing[dict[str, Any]]:
        wanted = CompensationFilter(incident_id=incident.id)
        found = await in_transaction(list_compensations, actor=by, wanted=wanted, part=state.part)
        may = by.may(Permission.CUSTOMERS_READ)
        return Listing(tuple(given_cells(row, may_see_customers=may) for row in found.rows), found.total, found.is_estimate)

    with panel("Time given back", flush=True):
        table = ServerTable(
            path=PATH,
            marker="given",
            columns=_GIVEN_COLUMNS,
            load=load,
            default=ListState(sort="created"),
            empty=("Nothing yet", "Time is given back when the network returns, to everybody whose clock stood long enough."),
            in_address=False,
        )
        await table.first()
    return table
