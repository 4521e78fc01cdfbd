"""Checklists: what technicians look at on a visit, by what the ticket is about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import orjson
from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import confirm, dialog_card
from pages.components.drafts import keep_draft
from pages.components.forms import form_buttons, text_field
from pages.components.parts import action_button, page_header, panel, tone_chip
from pages.shell import console_page, current_staff, toast_on_refusal
from pages.ticket_words import CATEGORY_WORDS
from services.accounts.permissions import Permission
from services.fieldwork import checklists
from services.fieldwork.checklists import ALL_OTHERS, MAX_ITEMS, MAX_TEXT, Item, Shown
from services.tickets.models import Category

PATH = "/console/checklists"


def name_of(kind: str) -> str:
    """What the tickets of this list are about."""
    return "All others" if kind == ALL_OTHERS else CATEGORY_WORDS[Category(kind)]


@console_page(PATH, title="Checklists", permission=Permission.DESK_EDIT, icon="checklist", group="Help", in_navigation=True)
async def checklists_page() -> None:
    with page_header("Checklists", lead="What technicians look at on a visit. Their phones have a new list with the next sync."):
        pass
    box = ui.element("div").classes("stack")

    async def reload() -> None:
        found = await in_transaction(checklists.all_lists, actor=await current_staff())
        box.clear()
        with box:
            for one in found:
                _list(one, reload)

    await reload()


def _list(one: Shown, reload: Callable[[], Awaitable[None]]) -> None:
    name = name_of(one.category)
    with panel(name, aside=f"{len(one.items)}"):
        with ui.element("ol").classes("items"):
            for item in one.items:
                with ui.element("li"):
                    ui.label(item.text)
        with ui.element("div").classes("line q-mt-sm"):
            if one.is_own:
                tone_chip("Written here", "good")
                ui.label(f"by {one.changed_by.partition(':')[2] or one.changed_by}").classes("soft small")
            else:
                tone_chip("As it comes with INET", "off")
            ui.element("div").classes("col-grow")
            if one.is_own:
                action_button("Take ours again", partial(_reset, one, reload), icon="restart_alt").mark(f"reset-{one.category}")
            action_button("Change", partial(_Form, one, reload), icon="edit").props(f'aria-label="Change {name}"').mark(
                f"edit-{one.category}"
            )


async def _reset(one: Shown, reload: Callable[[], Awaitable[None]]) -> None:
    with ui.context.client.content, toast_on_refusal():
        words = "What was written here is lost. What was ticked on tickets keeps its words."
        if await confirm(f"Take our list for “{name_of(one.category)}” again?", words, yes="Take it", danger=True) is None:
            return
        actor = await current_staff()
        await in_transaction(
            checklists.reset, actor=actor, category=one.category, expected_revision=one.revision if one.is_own else None, now=utc_now()
        )
        ui.notify("Our list counts again.", type="positive")
        await reload()


class _Form:
    """The items in their order, each with its words; an item that is moved or reworded stays the same item."""

    def __init__(self, one: Shown, saved: Callable[[], Awaitable[None]]) -> None:
        self._one, self._saved = one, saved
        self._items = [(item.key, item.text) for item in one.items]
        self._fields: list[ui.input] = []
        with dialog_card(f"Checklist: {name_of(one.category)}") as dialog:
            self._box = ui.element("div").classes("stack w-full")
            self._add = action_button("Add an item", self._append, icon="add").mark("add-item")
            # The whole list as one text, which is what a draft of it is.
            self._whole = ui.input(value=self._text()).classes("hidden").props("tabindex=-1 aria-hidden=true").mark("whole-list")
            self._whole.on_value_change(self._put_back)
            draft = keep_draft(f"checklist:{one.category}", {"items": self._whole})
            form_buttons(dialog, {}, yes="Keep it", act=self._act, marker="keep-checklist", draft=draft)
        self._draw()
        dialog.open()

    def _draw(self, at: int | None = None) -> None:
        """The keyboard goes on in the item `at`: the button that was pressed is drawn anew, and gone."""
        self._box.clear()
        self._fields = []
        with self._box:
            for place, (_, text) in enumerate(self._items):
                with ui.element("div").classes("line one w-full"):
                    props = f"dense maxlength={MAX_TEXT}{' autofocus' if place == at else ''}"
                    self._fields.append(text_field(f"Item {place + 1}", f"item-{place}", value=text, props=props))
                    self._button("arrow_upward", f"Move item {place + 1} up", partial(self._move, place, -1), f"up-{place}", place > 0)
                    is_last = place == len(self._items) - 1
                    self._button(
                        "arrow_downward", f"Move item {place + 1} down", partial(self._move, place, 1), f"down-{place}", not is_last
                    )
                    self._button("delete_outline", f"Remove item {place + 1}", partial(self._remove, place), f"remove-{place}", True)
        for field in self._fields:
            field.on_value_change(self._typed)
        self._whole.value = self._text()
        self._add.set_visibility(len(self._items) < MAX_ITEMS)

    def _button(self, icon: str, label: str, act: Callable[[], None], marker: str, is_on: bool) -> None:
        button = ui.button(icon=icon, color=None, on_click=act).props(f'flat round dense aria-label="{label}"').mark(marker)
        button.set_enabled(is_on)

    def _read(self) -> None:
        self._items = [(key, str(field.value or "")) for (key, _), field in zip(self._items, self._fields, strict=True)]

    def _text(self) -> str:
        return orjson.dumps(self._items).decode()

    def _typed(self) -> None:
        self._read()
        self._whole.value = self._text()

    def _put_back(self) -> None:
        """A draft is back: its list is drawn."""
        if self._whole.value != self._text():
            self._items = [(str(key), str(text)) for key, text in orjson.loads(self._whole.value)]
            self._draw()

    def _append(self) -> None:
        self._read()
        self._items.append(("", ""))
        self._draw(len(self._items) - 1)

    def _move(self, place: int, by: int) -> None:
        self._read()
        self._items.insert(place + by, self._items.pop(place))
        self._draw(place + by)

    def _remove(self, place: int) -> None:
        self._read()
        del self._items[place]
        self._draw(min(place, len(self._items) - 1))

    async def _act(self) -> None:
        self._read()
        await in_transaction(
            checklists.save,
            actor=await current_staff(),
            category=self._one.category,
            items=[Item(key, text) for key, text in self._items],
            expected_revision=self._one.revision,
            now=utc_now(),
        )
        ui.notify("Kept. Phones have it with their next sync.", type="positive")
        await self._saved()
