"""Views above a list: those that everybody needs, those that were saved, and saving what is shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import confirm, dialog_card
from pages.components.forms import form_buttons, text_field
from pages.shell import current_staff, query_address, toast_on_refusal
from services.accounts.permissions import Principal
from services.console import views
from services.console.lists import rules_of
from services.console.views import View

BuiltIn = tuple[str, Mapping[str, str]]
"""A view's name, and what it shows as the list's address says it."""
Go = Callable[[Mapping[str, str]], Awaitable[None]]
ALL: tuple[BuiltIn, ...] = (("All", {}),)
# These say where one is in a view, not which it is.
_NOT_OF_A_VIEW = ("page", "rows")
# A plain press changes what is shown in place; with a key held the browser does with the address what it always does.
_PRESS = "(e) => { if (!(e.ctrlKey || e.metaKey || e.shiftKey || e.button)) { e.preventDefault(); emit(); } }"


class ViewTabs:
    """A row of links above the list; the one that is shown is marked, and what is shown can be saved."""

    def __init__(self, page: str, path: str, built_in: Sequence[BuiltIn], *, go: Go) -> None:
        self._page, self._path, self._built_in, self._go = page, path, built_in, go
        self._query: dict[str, str] = {}
        self._saved: tuple[View, ...] = ()
        self._may_share = False
        self._tabs: list[tuple[Mapping[str, str], View | None, ui.element]] = []
        self._here: View | None = None
        with ui.element("nav").classes("view-tabs").props('aria-label="Views"').mark("views"):
            self._row = ui.element("div").classes("view-links")
            ui.element("div").classes("grow")
            self._delete_button = ui.button("Delete this view", icon="delete_outline", on_click=self._delete)
            self._delete_button.props("flat dense no-caps color=link").mark("delete-view")
            self._save_button = ui.button("Save this view", icon="bookmark_add", on_click=self._save)
            self._save_button.props("flat dense no-caps color=link").mark("save-view")
        self._draw()

    def found(self, saved: tuple[View, ...], actor: Principal) -> None:
        """The views that were saved."""
        self._may_share = actor.may(rules_of(self._page).share)
        if saved != self._saved:
            self._saved = saved
            self._draw()

    def mark_here(self, query: Mapping[str, str]) -> None:
        """What the list shows now, as its address says it. Changed in place: whoever pressed a tab keeps it under the focus."""
        self._query = {name: value for name, value in query.items() if name not in _NOT_OF_A_VIEW}
        exact = next((view for view in self._saved if dict(view.query) == self._query), None)
        self._here = exact or next((view for view in self._saved if self._is_here(view.query)), None)
        for own, view, tab in self._tabs:
            is_here = view is self._here if view else exact is None and self._is_here(own)
            tab.classes(replace="here" if is_here else "")
            tab.props(add="aria-current=page") if is_here else tab.props(remove="aria-current")
        self._delete_button.set_visibility(self._here is not None and (self._here.is_own or self._may_share))
        self._save_button.set_visibility(exact is None and self._query not in [query for _, query in self._built_in])

    def _is_here(self, query: Mapping[str, str]) -> bool:
        """A view that says nothing of columns is the same with any."""
        here = self._query if "columns" in query else {name: value for name, value in self._query.items() if name != "columns"}
        return dict(query) == here

    def _draw(self) -> None:
        self._row.clear()
        self._tabs = []
        with self._row:
            for name, query in self._built_in:
                self._tab(name, query, None)
            for view in self._saved:
                self._tab(view.name, view.query, view)

    def _tab(self, name: str, query: Mapping[str, str], view: View | None) -> None:
        tab = ui.element("a")
        tab.props["href"] = query_address(self._path, dict(query))
        tab.on("click", partial(self._go, query), js_handler=_PRESS).mark(f"view-{name}")
        with tab:
            if view is not None:
                tab.props["title"] = "For everybody" if view.is_shared else "Your own"
                ui.icon("group" if view.is_shared else "bookmark")
            ui.label(name)
        self._tabs.append((query, view, tab))

    def _save(self) -> None:
        query = dict(self._query)
        with dialog_card("Save this view") as dialog:
            ui.label("Its filters, search, order and columns come back with one press.").classes("soft")
            name = text_field("Name", "view-name", props="autofocus maxlength=40")
            shared = ui.switch("For everybody").mark("field-shared")
            shared.set_visibility(self._may_share)

            async def act() -> None:
                by, is_shared = await current_staff(), bool(shared.value)
                await in_transaction(
                    views.save_view, actor=by, page=self._page, name=name.value or "", query=query, is_shared=is_shared, now=utc_now()
                )
                ui.notify("Saved.", type="positive")
                await self._read()

            form_buttons(dialog, {"name": name, views.ViewNameTaken.code: name}, yes="Save it", act=act)
        dialog.open()

    async def _delete(self) -> None:
        view = self._here
        if view is None:
            return
        with ui.context.client.content, toast_on_refusal():
            text = "Nobody will have it any more." if view.is_shared else "Only you have it."
            if await confirm(f"Delete the view “{view.name}”?", text, yes="Delete", danger=True) is None:
                return
            await in_transaction(views.delete_view, actor=await current_staff(), view_id=view.id, now=utc_now())
            ui.notify("Deleted.", type="positive")
            await self._read()

    async def _read(self) -> None:
        by = await current_staff()
        self.found(await in_transaction(views.list_views, actor=by, page=self._page), by)
        self.mark_here(self._query)
