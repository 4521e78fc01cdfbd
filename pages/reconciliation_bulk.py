"""Several findings at once: given to one person, or rejected for one reason."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons
from pages.components.parts import action_button
from pages.components.table import ServerTable
from pages.shell import current_staff
from services.payments.reconciliation import desk


def pick_cell(*, is_on: bool) -> dict[str, str]:
    """A box to tick: a cell of its own shape, because an empty one cannot be ticked."""
    return {"on": "1" if is_on else ""}


class Picked:
    """Which findings are ticked on this page, and what can be done with them."""

    def __init__(self, people: dict[int, str]) -> None:
        self._people, self._ids = people, set[int]()
        self._table: ServerTable | None = None
        self._bar: ui.element | None = None
        self._words: ui.label | None = None

    @property
    def ids(self) -> frozenset[int]:
        return frozenset(self._ids)

    def belongs_to(self, table: ServerTable) -> None:
        self._table = table

    def keep_to(self, shown: set[int]) -> None:
        """What is not shown any more is not ticked: nobody acts on what they do not see."""
        self._ids &= shown
        self._tell()

    def draw_bar(self) -> None:
        with ui.element("div").classes("row items-center q-gutter-sm q-px-md q-pb-sm").mark("bulk") as self._bar:
            self._words = ui.label().classes("strong")
            action_button("Give to", lambda: assign_form(self._chosen(), self._people, self._done), icon="person_add").mark("bulk-assign")
            action_button("Reject", lambda: reject_form(self._chosen(), self._done), icon="close", danger=True).mark("bulk-reject")
        self._tell()

    async def toggle(self, finding_id: int) -> None:
        self._ids ^= {finding_id}
        self._tell()
        assert self._table is not None
        for row in self._table.rows:
            if row["id"] == finding_id and row["pick"]:
                row["pick"] = pick_cell(is_on=finding_id in self._ids)
        self._table.show_again()

    def _chosen(self) -> list[int]:
        return sorted(self._ids)

    def _done(self) -> None:
        self._ids.clear()
        self._tell()

    def _tell(self) -> None:
        if self._bar is not None and self._words is not None:
            self._bar.set_visibility(bool(self._ids))
            self._words.text = f"{len(self._ids)} chosen"


def assign_form(finding_ids: list[int], people: dict[int, str], done: Callable[[], None], *, now_with: int | None = None) -> None:
    with dialog_card("Give to") as dialog:
        ui.label("Their bell rings. Only people who may decide findings stand here.").classes("soft")
        field = ui.select({0: "Nobody", **people}, label="Person", value=now_with or 0)
        field.props("outlined hide-bottom-space").classes("w-full")
        field.mark("field-assignee")

        async def act() -> None:
            by = await current_staff()
            await in_transaction(desk.assign_all, actor=by, finding_ids=finding_ids, staff_id=field.value or None, now=utc_now())
            done()

        form_buttons(dialog, {"assignee": field}, yes="Give", act=act, marker="assign")
    dialog.open()


def reject_form(finding_ids: list[int], done: Callable[[], None]) -> None:
    many = f"{len(finding_ids)} findings are left as they stand" if len(finding_ids) > 1 else "It is left as it stands"
    with dialog_card("Leave as it is") as dialog:
        ui.label(f"{many}. Nothing is changed; the reason is kept in the audit.").classes("soft")
        note = ui.input("Why").props(f"outlined autofocus hide-bottom-space maxlength={desk.MAX_NOTE}").classes("w-full").mark("field-note")

        async def act() -> None:
            by = await current_staff()
            bulk = await in_transaction(desk.reject_all, actor=by, finding_ids=finding_ids, note=note.value or "", now=utc_now())
            done()
            if bulk.refused:
                ui.notify(f"{bulk.done} rejected, {len(bulk.refused)} were decided already.", type="warning")

        form_buttons(dialog, {"note": note}, yes="Reject", act=act, danger=True, marker="reject")
    dialog.open()
