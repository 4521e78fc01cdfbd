"""The keys of the help desk. They press what stands on the page with their name (`data-key`, pages/static/console.js)."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from pages.components.dialogs import dialog_card

Keys = Sequence[tuple[str, str]]
ON_LIST: Keys = (
    ("j", "Next ticket"),
    ("k", "Previous ticket"),
    ("Enter", "Open the ticket"),
    ("x", "Choose the ticket, for changing many at once"),
    ("/", "Search"),
    ("c", "New ticket"),
    ("?", "This help"),
)
ON_TICKET: Keys = (
    ("r", "Reply to the customer"),
    ("n", "Note among staff"),
    ("a", "Assign it to me"),
    ("e", "Resolve"),
    ("m", "Merge into another"),
    ("w", "Watch, or watch no more"),
    ("u", "Back to the list"),
    ("?", "This help"),
)
ON_BOARD: Keys = (
    ("Tab", "Next ticket or button"),
    ("Enter", "Open the ticket"),
    ("Space", "On “Move”: to which column"),
    ("?", "This help"),
)


def keys_button(keys: Keys) -> None:
    """A small button that shows the keys; `?` presses it too."""
    button = ui.button(icon="keyboard", color=None, on_click=lambda: _show(keys))
    button.props('flat round dense aria-label="Keys" data-key="?"').mark("keys").tooltip("Keys (?)")


def _show(keys: Keys) -> None:
    with dialog_card("Keys") as dialog:
        ui.label("They work while you are not writing.").classes("soft")
        with ui.element("dl").classes("facts keys"):
            for key, what in keys:
                with ui.element("dt"):
                    ui.element("kbd").props["innerHTML"] = key
                with ui.element("dd"):
                    ui.label(what)
        with ui.element("div").classes("buttons"):
            ui.button("Close", on_click=dialog.close).props("unelevated color=primary")
    dialog.open()
