"""The words of messages: what is in use for each event, medium and language, and writing a new version with a preview."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import DomainError
from pages.components.dialogs import confirm, dialog_card
from pages.components.drafts import keep_draft
from pages.components.forms import form_buttons
from pages.components.parts import action_button, moment, page_header, panel, tone_chip
from pages.notifications import MEDIA, PATH
from pages.shell import console_page, current_staff, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.notifications import templates
from services.notifications.models import Medium
from services.notifications.rendering import MAX_BODY
from services.notifications.segments import Cost
from services.notifications.templates import Wording
from services.notifications.wording import LANGUAGES

WORDS_PATH = f"{PATH}/words"


@console_page(WORDS_PATH, title="Words of messages", permission=Permission.NOTIFICATIONS_READ, group="Help")
async def templates_page(actor: Principal) -> None:
    lead = "What people are told, by event, medium and language. A language without words of its own falls back to English."
    with page_header("Words of messages", lead=lead, back=(PATH, "Messages")):
        pass
    body = ui.element("div").classes("stack").mark("wordings")

    async def show() -> None:
        found = await in_transaction(templates.list_wordings, actor=await current_staff())
        body.clear()
        with body:
            _by_event(found, actor, show)

    await show()


def _by_event(found: list[Wording], actor: Principal, changed: Callable[[], Awaitable[None]]) -> None:
    for event in dict.fromkeys(wording.event for wording in found):
        aside = "to staff" if event.audience == "staff" else "to customers"
        with panel(event.title, aside=aside, flush=True), ui.element("div").classes("rows q-mt-sm"):
            for wording in (one for one in found if one.event is event):
                _line(wording, actor, changed)


def _line(wording: Wording, actor: Principal, changed: Callable[[], Awaitable[None]]) -> None:
    with ui.element("div").classes("item").mark(f"wording-{wording.event.name}-{wording.medium.value}-{wording.language}"):
        ui.label(f"{MEDIA[wording.medium]} · {LANGUAGES.get(wording.language, wording.language)}").classes("strong")
        tone_chip(f"version {wording.version}" if wording.version else "as shipped", "good" if wording.version else "off")
        with ui.element("div").classes("end"):
            if actor.may(Permission.DESK_EDIT):
                edit = partial(_edit, wording, changed)
                action_button("Change", edit).mark(f"edit-{wording.event.name}-{wording.medium.value}-{wording.language}")
        ui.label(wording.words.body).classes("soft small full-width as-written")
        if wording.made_at is not None:
            with ui.element("div").classes("soft small full-width"):
                ui.label(f"by {(wording.made_by or '').partition(':')[2]} ").classes("flow")
                moment(wording.made_at)


def cost_words(cost: Cost) -> str:
    """`1 text, 98 of 160 characters`, or why it costs more."""
    room = (160 if cost.segments == 1 else 153 * cost.segments) if cost.is_gsm7 else (70 if cost.segments == 1 else 67 * cost.segments)
    texts = "1 text" if cost.segments == 1 else f"{cost.segments} texts"
    why = "" if cost.is_gsm7 else f". Only 70 fit into a text because of {' '.join(cost.foreign[:8])}"
    return f"{texts}, {cost.units} of {room} characters{why}"


async def _edit(wording: Wording, changed: Callable[[], Awaitable[None]]) -> None:
    event, medium = wording.event, wording.medium
    with dialog_card(f"{event.title}: {MEDIA[medium].lower()}") as dialog:
        if event.sample:
            ui.label("It may name " + ", ".join(f"{{{name}}}" for name in event.sample)).classes("soft small")
        language = ui.select(dict(LANGUAGES), label="Language", value=wording.language).props("outlined").classes("w-full")
        language.mark("field-language")
        subject = ui.input("Subject" if medium is Medium.EMAIL else "Title", value=wording.words.subject)
        subject.props("outlined hide-bottom-space maxlength=200").classes("w-full").mark("field-subject")
        subject.set_visibility(medium in (Medium.EMAIL, Medium.PUSH))
        body = ui.textarea("Words", value=wording.words.body)
        body.props(f"outlined autogrow hide-bottom-space maxlength={MAX_BODY[medium]}").classes("w-full").mark("field-body")
        preview = ui.element("div").classes("stack").mark("preview")

        def show() -> None:
            preview.clear()
            with preview:
                _preview(wording, subject.value or "", body.value or "")

        async def save() -> None:
            is_same = language.value == wording.language
            await in_transaction(
                templates.save,
                actor=await current_staff(),
                event=event.name,
                medium=medium,
                language=language.value,
                subject=subject.value or "",
                body=body.value or "",
                after_version=wording.version if is_same else None,
                now=utc_now(),
            )
            ui.notify("These words are used from now on.", type="positive")
            await changed()

        async def restore() -> None:
            with toast_on_refusal():
                if await confirm("Go back to the words as shipped?", "Your versions stay in the history.", yes="Go back") is None:
                    return
                await in_transaction(
                    templates.restore,
                    actor=await current_staff(),
                    event=event.name,
                    medium=medium,
                    language=wording.language,
                    after_version=wording.version,
                    now=utc_now(),
                )
                dialog.close()
                await changed()

        for field in (subject, body):
            field.on_value_change(show)
        show()
        if wording.version:
            ui.button("Back to the words as shipped", on_click=restore).props("flat color=link").mark("restore")
        draft = keep_draft(f"words:{event.name}:{medium}:{wording.language}", {"subject": subject, "body": body})
        fields = {"bad_template": body, "language": language}
        form_buttons(dialog, fields, yes="Use these words", act=save, marker="keep-words", draft=draft)
    dialog.open()


def _preview(wording: Wording, subject: str, body: str) -> None:
    try:
        shown = templates.preview(wording.event.name, wording.medium, subject=subject, body=body)
    except DomainError as refusal:
        ui.label(refusal.text).classes("small text-danger").mark("refusal")
        return
    ui.label("With sample values").classes("soft small")
    if shown.words.subject and wording.medium in (Medium.EMAIL, Medium.PUSH):
        ui.label(shown.words.subject).classes("strong small")
    ui.label(shown.words.body).classes("small as-written").mark("sample")
    if shown.cost is not None:
        ui.label(cost_words(shown.cost)).classes("soft small").mark("cost")
