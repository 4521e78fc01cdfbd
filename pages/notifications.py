"""The outbox: every message to customers and staff, what became of it, and what waits for a person."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.settings import get_settings
from pages.components.bulk_bar import bulk_of
from pages.components.columns import Column, state_cell, time_cell
from pages.components.dialogs import confirm, dialog_card
from pages.components.list_file import list_file
from pages.components.list_state import Choice, Day, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import Facts, action_button, chip, notice, page_header
from pages.components.table import ServerTable
from pages.components.words import STATES, words_of
from pages.live import refresh_on
from pages.shell import console_page, current_staff, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.notifications.desk import dismiss, retry
from services.notifications.events import EVENTS
from services.notifications.models import Medium, NotificationState
from services.notifications.queries import (
    NotificationFilter,
    NotificationRow,
    Outlook,
    list_notifications,
    notification_row,
    outlook,
    words_sent,
)

PATH = "/console/messages"
MEDIA = {Medium.SMS: "Text", Medium.EMAIL: "Mail", Medium.PUSH: "Push", Medium.BELL: "Bell"}
COLUMNS = (
    Column("what", "Message", "text", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("created", "Made", "time", sortable=True),
    Column("medium", "By"),
    Column("to", "To"),
    Column("ticket", "Ticket", "code"),
    Column("why", "Why"),
    Column("tries", "Tries", "number", hidden=True),
    Column("sent", "Sent", "time", hidden=True),
    Column("delivered", "Delivered", "time", hidden=True),
    Column("look", "", "action", phone="line"),
)
_GIVEN_UP = "given_up"
_FILTERS = (
    Choice(
        "state",
        "State",
        {_GIVEN_UP: "Waits for a person"} | {state.value: words.text for state, words in STATES[NotificationState].items()},
    ),
    Choice("medium", "By", {medium.value: name for medium, name in MEDIA.items() if medium is not Medium.BELL}),
    Choice("event", "Event", {event.name: event.title for event in EVENTS.values()}),
    Day("since", "From"),
    Day("until", "Until"),
)
VIEWS: tuple[BuiltIn, ...] = (("All", {}), ("Wait for a person", {"state": _GIVEN_UP}))


def row_cells(row: NotificationRow) -> dict[str, Any]:
    message = row.notification
    cells = {
        "id": message.id,
        "what": row.title,
        "state": state_cell(message.state),
        "medium": MEDIA[message.medium],
        "to": row.to,
        "ticket": row.ticket_reference,
        "why": message.error,
        "created": time_cell(message.created_at),
        "tries": str(message.attempts),
        "sent": time_cell(message.sent_at),
        "delivered": time_cell(message.delivered_at),
        "look": "Look",
    }
    # Only what waits for a person can be chosen.
    return cells if row.is_given_up else cells | {"pick": None}


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    chosen, medium = state.filters.get("state"), state.filters.get("medium")
    wanted = NotificationFilter(
        state=NotificationState(chosen) if chosen and chosen != _GIVEN_UP else None,
        given_up=chosen == _GIVEN_UP,
        medium=Medium(medium) if medium else None,
        event=state.filters.get("event"),
        since=state.day("since"),
        until=state.day("until", after=True),
        search=state.search,
    )
    found = await in_transaction(list_notifications, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


_DEFAULT = ListState(sort="created")
FILE = list_file(PATH, "messages", columns=COLUMNS, load=load, default=_DEFAULT, filters=_FILTERS)


@console_page(PATH, title="Messages", permission=Permission.NOTIFICATIONS_READ, icon="outgoing_mail", group="Help", in_navigation=True)
async def notifications_page(actor: Principal) -> None:
    lead = "Texts, mails and pushes, written with the change they tell of. What could not be sent waits here for a person."
    with page_header("Messages", lead=lead):
        action_button("Words", lambda: ui.navigate.to(f"{PATH}/words"), icon="edit_note").mark("to-words")
    head = ui.element("div").classes("stack").mark("outlook")

    async def show_outlook() -> None:
        found = await in_transaction(outlook, actor=await current_staff(), now=utc_now())
        head.clear()
        with head:
            _outlook(found)

    async def again() -> None:
        await show_outlook()
        await table.reload()

    async def look(notification_id: int) -> None:
        with toast_on_refusal():
            await _look(notification_id, again)

    await show_outlook()
    table = ServerTable(
        path=PATH,
        marker="messages",
        file=FILE,
        bulk=bulk_of("messages", actor),
        views=VIEWS,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Phone, ticket or event",
        filters=_FILTERS,
        empty=("No messages yet", "The first purchase sends the first one."),
        on_act=look,
    )
    await table.first()
    refresh_on(("notifications",), table.refresh)


def _outlook(found: Outlook) -> None:
    cap = get_settings().sms_per_hour
    if found.held_by_budget:
        notice(
            "bad",
            f"{found.held_by_budget:,} wait until the hour has room again. Receipts and codes go on. INET_SMS_PER_HOUR is the limit.",
            title="This hour's texts are used up",
        )
    if found.given_up:
        with notice("wait", "Each says why. Send it once more, or take it off the list.", title=f"{found.given_up:,} wait for a person"):
            ui.link("Show them", f"{PATH}?state={_GIVEN_UP}").mark("show-given-up")
    limit = f" of {cap:,}" if cap else ""
    ui.label(f"{found.waiting:,} to be sent · {found.texts_this_hour:,}{limit} text segments in the last hour").classes("soft small")


async def _look(notification_id: int, again: Any) -> None:
    actor = await current_staff()
    row = await in_transaction(notification_row, actor=actor, notification_id=notification_id)
    subject, body = await in_transaction(words_sent, actor=actor, notification_id=notification_id)
    message = row.notification
    with dialog_card(row.title) as dialog:
        chip(message.state)
        if words_of(message.state).explanation:
            ui.label(words_of(message.state).explanation).classes("soft small")
        facts = Facts()
        facts.add("By", MEDIA[message.medium] + (f", {message.provider}" if message.provider else ""))
        facts.add("To", row.to)
        facts.add("Why", message.error)
        facts.add("Tries", message.attempts)
        facts.add_time("Made", message.created_at)
        facts.add_time("Sent", message.sent_at)
        facts.add_time("Delivered", message.delivered_at)
        if message.next_attempt_at and message.state is NotificationState.QUEUED:
            facts.add_time("Next try", message.next_attempt_at)
        if row.ticket_reference:
            facts.add_link("Ticket", row.ticket_reference, f"/console/tickets/{row.ticket_reference}")
        if subject:
            ui.label(subject).classes("strong")
        ui.label(body).classes("small as-written").mark("words")

        async def act(service: Any, said: str) -> None:
            with toast_on_refusal():
                await in_transaction(service, actor=await current_staff(), notification_id=notification_id, now=utc_now())
                dialog.close()
                ui.notify(said, type="positive")
                await again()

        async def send_again() -> None:
            if message.state is NotificationState.UNKNOWN:
                text = "Its answer was lost, so it may have arrived. Sent once more, it may come twice."
                if await confirm("Send it once more?", text, yes="Send it") is None:
                    return
            await act(retry, "It is being sent.")

        with ui.element("div").classes("buttons"):
            ui.button("Close", on_click=dialog.close).props("flat color=link")
            if actor.may(Permission.NOTIFICATIONS_EDIT):
                if row.is_given_up:
                    taken = partial(act, dismiss, "It is off the list.")
                    ui.button("Take off the list", on_click=taken).props("outline color=link").mark("dismiss")
                if row.may_be_retried:
                    ui.button("Send once more", on_click=send_again).props("unelevated color=primary").mark("retry")
    dialog.open()
