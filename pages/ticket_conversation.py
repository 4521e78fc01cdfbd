"""What was said in a ticket: who, when, by which way, with which files, and whether our answers arrived."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.parts import moment, tone_chip
from pages.components.region import Region
from pages.shell import current_staff, toast_on_refusal
from pages.ticket_data import Shown
from pages.ticket_words import CHANNEL_WORDS, PATH
from services.accounts.permissions import Permission, Principal
from services.notifications.models import NotificationState
from services.tickets import replies
from services.tickets.intake_models import Attachment
from services.tickets.models import MessageKind, TicketMessage
from services.tickets.replies import NO_WAY, Delivery

Refresh = Callable[[], Awaitable[None]]
FILE_PATH = "/console/attachments"
_MEDIA = {"sms": "SMS", "email": "mail", "push": "the app"}


class Conversation:
    """Oldest first. Each message is drawn once; later only what changed about one is drawn anew, and new ones are added below."""

    def __init__(self, refresh: Refresh) -> None:
        self._refresh = refresh
        self._box = ui.element("div").classes("conversation").mark("conversation").props('role=log aria-label="Conversation"')
        self._drawn: dict[int, Region] = {}

    def draw(self, shown: Shown, actor: Principal) -> None:
        messages = {message.id or 0: message for message in shown.story.messages}
        if list(self._drawn) != list(messages)[: len(self._drawn)]:
            # Some have moved away, by a split or by undoing a merge.
            self._box.clear()
            self._drawn = {}
        for number, message in messages.items():
            if number not in self._drawn:
                with self._box:
                    self._drawn[number] = Region("w-full")
            delivery, files = shown.deliveries.get(number), shown.files.get(number, ())
            said_in = shown.said_in.get(message.said_in_id or 0)
            key = (delivery, [(one.id, one.why) for one in files], said_in, actor.may(Permission.TICKETS_REPLY))
            self._drawn[number].draw(key, partial(self._message, message, delivery, files, said_in, actor))

    def _message(
        self, message: TicketMessage, delivery: Delivery | None, files: tuple[Attachment, ...], said_in: str | None, actor: Principal
    ) -> None:
        with ui.element("article").classes(f"message {message.kind.value}").props(f"id=message-{message.id}"):
            with ui.element("header"):
                ui.label(_author(message)).classes("strong")
                ui.label(_way(message)).classes("soft small")
                if said_in:
                    ui.link(f"said in {said_in}", f"{PATH}/{said_in}").classes("small")
                with ui.element("div").classes("end soft small"):
                    moment(message.created_at)
            ui.label(message.body).classes("text")
            if files:
                with ui.element("div").classes("attached"):
                    for one in files:
                        _file(one)
            if message.kind is MessageKind.REPLY and delivery is not None:
                self._delivery(message, delivery, actor)

    def _delivery(self, message: TicketMessage, delivery: Delivery, actor: Principal) -> None:
        with ui.element("footer").mark(f"delivery-{message.id}"):
            if delivery.state == NO_WAY:
                tone_chip("Not sent", "wait")
            else:
                state = NotificationState(delivery.state)
                found = words.words_of(state)
                tone_chip(f"{found.text} by {_MEDIA[delivery.medium]}" if delivery.medium in _MEDIA else found.text, found.tone)
            if delivery.error:
                ui.label(delivery.error).classes("soft small")
            if delivery.may_be_resent and actor.may(Permission.TICKETS_REPLY):
                again = ui.button("Send again", icon="refresh", on_click=partial(self._resend, message.id or 0))
                again.props("flat dense size=sm color=link").mark(f"resend-{message.id}")

    async def _resend(self, message_id: int) -> None:
        with ui.context.client.content, toast_on_refusal():
            await in_transaction(replies.resend, actor=await current_staff(), message_id=message_id, now=utc_now())
            ui.notify("It is sent again.", type="positive")
            await self._refresh()


def _author(message: TicketMessage) -> str:
    if message.kind is MessageKind.SYSTEM:
        return "INET"
    if message.kind is MessageKind.CUSTOMER:
        return "Customer" if message.author in ("", "customer") else message.author
    return message.author


def _way(message: TicketMessage) -> str:
    if message.kind is MessageKind.NOTE:
        return "note, staff only"
    if message.kind is MessageKind.SYSTEM:
        return "by itself"
    return f"by {CHANNEL_WORDS[message.channel]}"


def _file(one: Attachment) -> None:
    if one.why is not None or one.file is None:
        with ui.element("div").classes("file refused").mark(f"refused-file-{one.id}"):
            ui.icon("block")
            with ui.element("div"):
                ui.label(one.name).classes("strong")
                ui.label(one.why or "It was not kept.").classes("small")
        return
    address = f"{FILE_PATH}/{one.id}"
    with ui.element("a").classes("file").props(f'href="{address}" target=_blank rel=noopener').mark(f"file-{one.id}"):
        if one.media_type.startswith("image/"):
            ui.element("img").props(f'src="{address}?thumb=1" alt="" loading=lazy')
        else:
            ui.icon("description")
        with ui.element("div"):
            ui.label(one.name).classes("strong")
            ui.label(words.size(one.size_bytes)).classes("small soft")
