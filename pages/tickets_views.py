"""Views of the list of tickets: those that everybody needs, and those that were saved."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import confirm, dialog_card
from pages.components.forms import form_buttons, text_field
from pages.shell import current_staff, query_address, toast_on_refusal
from pages.ticket_words import PATH
from services.accounts.permissions import Permission, Principal
from services.tickets import views
from services.tickets.views import View

PAGE = "tickets"
_BUILT_IN: tuple[tuple[str, dict[str, str]], ...] = (
    ("Not done", {}),
    ("Mine", {"assigned": "me"}),
    ("My teams", {"team": "mine"}),
    ("Nobody's", {"assigned": "nobody"}),
    ("Late", {"due": "late"}),
)
_OF_A_TECHNICIAN = (_BUILT_IN[0], _BUILT_IN[4])


class ViewTabs:
    """A row of links above the list; the one that is shown is marked, and what is shown can be saved."""

    def __init__(self, actor: Principal, *, all_of_them: bool) -> None:
        self._built_in = _BUILT_IN if all_of_them else _OF_A_TECHNICIAN
        self._may_share = actor.may(Permission.DESK_EDIT)
        self._query: Mapping[str, str] = {}
        self._saved: tuple[View, ...] = ()
        self._row = ui.element("nav").classes("view-tabs").props('aria-label="Views"').mark("views")

    async def load(self) -> None:
        self._saved = await in_transaction(views.list_views, actor=await current_staff(), page=PAGE)
        self._draw()

    def mark_here(self, query: Mapping[str, str]) -> None:
        """What the list shows now, as its address says it."""
        self._query = {name: value for name, value in query.items() if name not in ("page", "rows")}
        self._draw()

    def _draw(self) -> None:
        self._row.clear()
        with self._row:
            for name, query in self._built_in:
                self._tab(name, query)
            here = None
            for view in self._saved:
                self._tab(view.name, view.query, icon="group" if view.is_shared else "bookmark")
                here = view if dict(view.query) == dict(self._query) else here
            ui.element("div").classes("grow")
            if here is not None and (here.is_own or self._may_share):
                gone = ui.button("Delete this view", icon="delete_outline", on_click=partial(self._delete, here))
                gone.props("flat dense no-caps color=link").mark("delete-view")
            elif dict(self._query) not in [query for _, query in self._built_in]:
                ui.button("Save this view", icon="bookmark_add", on_click=self._save).props("flat dense no-caps color=link").mark(
                    "save-view"
                )

    def _tab(self, name: str, query: Mapping[str, str], *, icon: str = "") -> None:
        is_here = dict(query) == dict(self._query)
        tab = ui.element("a").classes("here" if is_here else "").props(f'href="{query_address(PATH, dict(query))}"')
        if is_here:
            tab.props("aria-current=page")
        with tab:
            if icon:
                ui.icon(icon)
            ui.label(name)

    def _save(self) -> None:
        query = dict(self._query)
        with dialog_card("Save this view") as dialog:
            ui.label("Its filters, search and order come back with one click.").classes("soft")
            name = text_field("Name", "view-name", props="autofocus maxlength=40")
            shared = ui.switch("For everybody").mark("field-shared")
            shared.set_visibility(self._may_share)

            async def act() -> None:
                by = await current_staff()
                is_shared = bool(shared.value)
                await in_transaction(
                    views.save_view, actor=by, page=PAGE, name=name.value or "", query=query, is_shared=is_shared, now=utc_now()
                )
                ui.notify("Saved.", type="positive")
                await self.load()

            form_buttons(dialog, {"name": name, views.ViewNameTaken.code: name}, yes="Save it", act=act)
        dialog.open()

    async def _delete(self, view: View) -> None:
        with ui.context.client.content, toast_on_refusal():
            text = "Nobody will have it any more." if view.is_shared else "Only you have it."
            if await confirm(f"Delete the view “{view.name}”?", text, yes="Delete", danger=True) is None:
                return
            await in_transaction(views.delete_view, actor=await current_staff(), view_id=view.id, now=utc_now())
            ui.notify("Deleted.", type="positive")
            await self.load()
