"""Steps on many rows that wait for a second person: above the list, with what they would do, to agree to or to decline."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import anyio.to_thread
from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction, transaction
from pages.components.bulk_dialog import Told, list_rows, many, show_result
from pages.components.dialogs import dialog_card, enable_again
from pages.components.parts import moment, notice
from pages.components.prove import proven_staff
from pages.refund_actions import person_of
from pages.shell import current_staff, toast_on_refusal
from services.console.bulk import agreeing
from services.console.bulk.agreeing import Asked
from services.console.bulk.registry import action_named


def draw_asked(waiting: Sequence[Asked], told: Told) -> None:
    """A line for each; `told` hears what became of one."""
    for step in waiting:
        action = action_named(step.action)
        what = f"{action.label}: {many(action, len(step.rows))}. “{step.reason}”"
        title = "Waits for a second person" if step.is_own else f"{person_of(step.by)} asks for a second person"
        with notice("wait", what, title=title).props("role=status").mark("bulk-asked"):
            ui.element("div").classes("grow")
            with ui.element("span").classes("soft small"):
                moment(step.at)
            button = ui.button("Look …" if step.is_own else "Decide …", on_click=partial(_open, step, told))
            button.props("outline dense no-caps color=link").mark("bulk-decide")


def _draw_name(name: str) -> None:
    ui.label(name).classes("small q-pa-sm")


def _open(step: Asked, told: Told) -> None:
    action = action_named(step.action)
    with ui.context.client.content, dialog_card(f"{action.label}: {many(action, len(step.rows))}", is_wide=True) as dialog:
        ui.label(action.meaning).classes("soft")
        ui.label(f"{person_of(step.by)} asked for it: “{step.reason}”").classes("anywhere")
        notice("wait", action.stays, title="This cannot be taken back")
        list_rows(step.rows, _draw_name)

        async def agree() -> None:
            agrees.disable()
            with ui.context.client.content, toast_on_refusal():
                by = await (proven_staff() if action.needs_proof else current_staff())
                if by is not None:
                    work = partial(agreeing.agree, transaction, actor=by, operation_id=step.operation_id, clock=utc_now)
                    outcome = await anyio.to_thread.run_sync(work)
                    dialog.close()
                    show_result(outcome, told)
                    await told(outcome)
            enable_again(agrees)

        async def decline() -> None:
            with ui.context.client.content, toast_on_refusal():
                by = await current_staff()
                outcome = await in_transaction(agreeing.decline, actor=by, operation_id=step.operation_id, clock=utc_now)
                dialog.close()
                await told(outcome)
                ui.notify("Nothing of it was done.")

        with ui.element("div").classes("buttons"):
            ui.button("Cancel", on_click=dialog.close).props("flat color=link")
            if not step.is_agreed:
                ui.button("Call it off" if step.is_own else "Decline", on_click=decline).props("outline color=link").mark("bulk-decline")
            if not step.is_own:
                agrees = ui.button("Go on" if step.is_agreed else f"Agree: {action.label}", on_click=agree)
                agrees.props("unelevated color=negative").mark("bulk-agree")
    dialog.open()
