"""What came in and waits for a person: held mails and texts with the reason, and whether we hold all that the mailbox has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.settings import get_settings
from pages.components.columns import Column, time_cell
from pages.components.dialogs import dialog_card
from pages.components.list_file import list_file
from pages.components.list_state import Choice, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import Facts, moment, notice, page_header, panel, tone_chip
from pages.components.table import ServerTable
from pages.components.words import Words, size
from pages.live import refresh_on
from pages.shell import console_page, current_staff, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.tickets import inbound_desk
from services.tickets.inbound_desk import InboundRow, Overview, SourceCount
from services.tickets.intake_models import InboundSource, InboundState

PATH = "/console/inbound"
SOURCES = {InboundSource.IMAP: "Mail", InboundSource.SMS: "Text"}
PLACES = {InboundSource.IMAP: "Mailbox", InboundSource.SMS: "Text gateway"}
STATES = {
    InboundState.HELD: Words("Held", "wait"),
    InboundState.STORED: Words("Being read", "busy"),
    InboundState.TAKEN: Words("In a ticket", "good"),
    InboundState.IGNORED: Words("Needs no answer", "off"),
    InboundState.DISCARDED: Words("Thrown away", "off"),
}
COLUMNS = (
    Column("subject", "Message", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("why", "Why"),
    Column("sender", "From"),
    Column("received", "Came", "time", sortable=True),
    Column("look", "", "action"),
)
_ALL = "all"
_FILTERS = (Choice("state", "Shown", {_ALL: "All that came in"} | {state.value: words.text for state, words in STATES.items()}),)
VIEWS: tuple[BuiltIn, ...] = (("Held", {}), ("Being read", {"state": InboundState.STORED.value}), ("All that came in", {"state": _ALL}))


def row_cells(row: InboundRow) -> dict[str, Any]:
    message, words = row.message, STATES[row.message.state]
    return {
        "id": message.id,
        "subject": " · ".join(filter(None, (message.subject or SOURCES[message.source], row.words))),
        "state": {"text": words.text, "tone": words.tone},
        "why": message.why,
        "sender": row.sender,
        "received": time_cell(message.received_at),
        "look": "Look",
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    chosen = state.filters.get("state") or InboundState.HELD
    wanted = None if chosen == _ALL else InboundState(chosen)
    found = await in_transaction(inbound_desk.list_inbound, actor=actor, state=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


_DEFAULT = ListState(sort="received")
FILE = list_file(PATH, "inbound", columns=COLUMNS, load=load, default=_DEFAULT, filters=_FILTERS)


@console_page(
    PATH, title="Held messages", permission=Permission.NOTIFICATIONS_READ, icon="mark_email_unread", group="Help", in_navigation=True
)
async def inbound_page(actor: Principal) -> None:
    lead = "Mails and texts that did not become a ticket by themselves. Each says why; nothing that came in is ever deleted."
    with page_header("Held messages", lead=lead):
        pass
    head = ui.element("div").classes("stack").mark("sources")

    async def refresh() -> None:
        found = await in_transaction(inbound_desk.overview, actor=await current_staff())
        head.clear()
        with head:
            _head(found)
        await table.refresh()

    async def look(inbound_id: int) -> None:
        with toast_on_refusal():
            await _look(inbound_id, refresh)

    with head:
        _head(await in_transaction(inbound_desk.overview, actor=actor))
    table = ServerTable(
        path=PATH,
        marker="inbound",
        file=FILE,
        views=VIEWS,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        filters=_FILTERS,
        empty=("Nothing is held", "What needs a person waits here: likely spam, loops, and what could not be read."),
        on_act=look,
    )
    await table.first()
    refresh_on(("inbound",), refresh)


def _head(found: Overview) -> None:
    if get_settings().imap_url is None:
        text = "Set INET_IMAP_URL to imaps://user:password@host:993/INBOX, the mailbox that customers write to, and restart."
        notice("busy", text, title="No mailbox is read")
    for source in found.sources:
        _source(source)
    reading = f" · {found.waiting:,} being read" if found.waiting else ""
    ui.label(f"{found.held:,} held{reading}").classes("soft small").mark("held-count")


def _source(source: SourceCount) -> None:
    name = PLACES[source.source]
    if source.error:
        notice("bad", source.error, title=f"{name} {source.place}")
    with panel(), ui.element("div").classes("item"):
        ui.label(f"{name} says {source.theirs:,}, we hold {source.ours:,}").classes("strong").mark(f"count-{source.source.value}")
        tone_chip("All of it", "good") if source.theirs == source.ours else tone_chip(f"{source.theirs - source.ours:,} to come", "wait")
        ui.label(source.place).classes("soft small")
        with ui.element("div").classes("end line small soft"):
            ui.label("newest")
            moment(source.newest_at)
            ui.label("· counted")
            moment(source.counted_at)


async def _look(inbound_id: int, refresh: Callable[[], Awaitable[None]]) -> None:
    actor = await current_staff()
    row = await in_transaction(inbound_desk.inbound_row, actor=actor, inbound_id=inbound_id)
    message, words = row.message, STATES[row.message.state]
    with dialog_card(message.subject or f"{SOURCES[message.source]} without a subject") as dialog:
        tone_chip(words.text, words.tone)
        facts = Facts()
        facts.add("Why", message.why)
        facts.add("From", row.sender)
        facts.add_time("Came", message.received_at)
        facts.add("Size", size(message.raw_bytes))
        if message.handled_by:
            facts.add("By", message.handled_by.partition(":")[2] or message.handled_by)
        if row.ticket_reference:
            facts.add_link("Ticket", row.ticket_reference, f"/console/tickets/{row.ticket_reference}")
        ui.label(row.words or "(nothing to show)").classes("small as-written").mark("words")

        async def act(service: Any, said: str) -> None:
            with toast_on_refusal():
                await in_transaction(service, actor=await current_staff(), inbound_id=inbound_id, now=utc_now())
                dialog.close()
                ui.notify(said, type="positive")
                await refresh()

        with ui.element("div").classes("buttons"):
            ui.button("Close", on_click=dialog.close).props("flat color=link")
            if actor.may(Permission.TICKETS_REPLY):
                _buttons(row, act)
    dialog.open()


def _buttons(row: InboundRow, act: Callable[[Any, str], Awaitable[None]]) -> None:
    if row.may_be_discarded:
        gone = ui.button("Throw away", on_click=lambda: act(inbound_desk.discard, "It is thrown away; it stays kept."))
        gone.props("outline color=danger").mark("discard")
    if row.may_be_released:
        through = ui.button("Make it a ticket", on_click=lambda: act(inbound_desk.release, "It becomes a ticket now."))
        through.props("unelevated color=primary").mark("release")
