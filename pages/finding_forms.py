"""What is asked before a finding is given to somebody, or left as it is."""

from __future__ import annotations

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons
from pages.shell import current_staff
from services.payments.reconciliation import desk


def assign_form(finding_id: int, people: dict[int, str], *, now_with: int | None = None) -> None:
    with dialog_card("Give to") as dialog:
        ui.label("Their bell rings. Only people who may decide findings stand here.").classes("soft")
        field = ui.select({0: "Nobody", **people}, label="Person", value=now_with or 0)
        field.props("outlined hide-bottom-space").classes("w-full")
        field.mark("field-assignee")

        async def act() -> None:
            by = await current_staff()
            await in_transaction(desk.assign, actor=by, finding_id=finding_id, staff_id=field.value or None, now=utc_now())

        form_buttons(dialog, {"assignee": field}, yes="Give", act=act, marker="assign")
    dialog.open()


def reject_form(finding_id: int) -> None:
    with dialog_card("Leave as it is") as dialog:
        ui.label("It is left as it stands. Nothing is changed; the reason is kept in the audit.").classes("soft")
        note = ui.input("Why").props(f"outlined autofocus hide-bottom-space maxlength={desk.MAX_NOTE}").classes("w-full").mark("field-note")

        async def act() -> None:
            by = await current_staff()
            await in_transaction(desk.reject, actor=by, finding_id=finding_id, note=note.value or "", now=utc_now())

        form_buttons(dialog, {"note": note}, yes="Reject", act=act, danger=True, marker="reject")
    dialog.open()
