"""Dialogs: confirm a step that cannot be taken back, show a secret once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui

from pages.components.parts import copy_button

MIN_REASON = 3


def enable_again(button: ui.button) -> None:
    """After an action: its dialog may be gone by then."""
    if not button.is_deleted:
        button.enable()


@contextmanager
def dialog_card(title: str, *, is_wide: bool = False) -> Iterator[ui.dialog]:
    """A dialog of the page itself: it outlives the panel or the other dialog from which it was opened, and goes when it is closed.

    `is_wide` for one that holds a list.
    """
    with ui.context.client.content, ui.dialog() as dialog, ui.card().classes("dialog wide" if is_wide else "dialog"):
        with ui.element("h2") as heading:
            ui.label(title)
        # Whoever cannot see it hears what was opened.
        dialog.props(f"aria-labelledby={heading.html_id}")
        yield dialog
    dialog.on("hide", dialog.delete)


async def confirm(title: str, text: str, *, yes: str, danger: bool = False, ask_reason: bool = False) -> str | None:
    """The reason that was given ("" when none was asked for), or None when the person thought better of it."""
    with dialog_card(title) as dialog:
        ui.label(text).classes("soft")
        reason = ui.input("Reason").props("outlined autofocus maxlength=200").classes("w-full").mark("reason") if ask_reason else None

        def accept() -> None:
            given = (reason.value or "").strip() if reason else ""
            if reason is not None and len(given) < MIN_REASON:
                reason.props('error error-message="Say in a few words why."')
                return
            dialog.submit(given)

        with ui.element("div").classes("buttons"):
            ui.button("Cancel", on_click=lambda: dialog.submit(None)).props("flat color=link")
            ui.button(yes, on_click=accept).props(f"unelevated color={'negative' if danger else 'primary'}").mark("confirm")
    answer = await dialog
    return answer if isinstance(answer, str) else None


def show_secret(title: str, text: str, secret: str, *, marker: str = "secret") -> None:
    """Show something that will not be shown again; it leaves the page's memory with the dialog."""
    with dialog_card(title) as dialog:
        ui.label(text).classes("soft")
        ui.label(secret).classes("big-code mono").mark(marker)
        with ui.element("div").classes("buttons"):
            copy_button(secret)
            ui.button("Done", on_click=dialog.close).props("unelevated color=primary").mark("done")
    dialog.props("persistent").open()
