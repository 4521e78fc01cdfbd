"""The console's keys and the help that `?` shows. What they do is pressing something on the page (`data-key`, pages/static/keys.js)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nicegui import ui

from pages.components.dialogs import dialog_card

Keys = Sequence[tuple[str, str]]
_OWN = "keys"
EVERYWHERE: Keys = (
    ("?", "This help"),
    ("Ctrl K", "Search everything, and go anywhere"),
    ("/", "Search in this list"),
    ("n", "Something new, where the page has it"),
    ("Esc", "Close what is open; leave a field"),
    ("Tab", "Next link, button or field"),
)
LISTS: Keys = (("j", "Next row"), ("k", "Previous row"), ("Enter", "Open the row"), ("x", "Choose the row, for changing many at once"))
GO: Mapping[str, str] = {
    "/console": "d",
    "/console/customers": "c",
    "/console/vouchers": "v",
    "/console/packages": "k",
    "/console/compensation": "y",
    "/console/payments": "p",
    "/console/money": "m",
    "/console/ledger": "l",
    "/console/batches": "b",
    "/console/refunds": "r",
    "/console/reconciliation": "x",
    "/console/sessions": "s",
    "/console/gateways": "w",
    "/console/network": "n",
    "/console/access-points": "a",
    "/console/sites": "z",
    "/console/incidents": "i",
    "/console/uptime": "u",
    "/console/tickets": "t",
    "/console/messages": "o",
    "/console/staff": "f",
    "/console/audit": "q",
    "/console/errors": "e",
    "/console/jobs": "j",
    "/console/health": "h",
}
"""The letter that leads to a page after g, by its address."""


def keys_help(title: str, keys: Keys) -> None:
    """Have `?` show these keys of the page itself as well, under `title`. What has such a key carries it in `data-key`."""
    storage = ui.context.client.storage
    storage[_OWN] = (*(one for one in storage.get(_OWN, ()) if one[0] != title), (title, tuple(keys)))


def keys_button(places: Sequence[tuple[str, str]]) -> None:
    """Into the header: shows the keys; `?` presses it. `places` are the addresses and names of the pages that the person may open."""
    client = ui.context.client

    def show() -> None:
        _show(client.storage.get(_OWN, ()), [(f"g {GO[path]}", name) for path, name in places if path in GO])

    button = ui.button(icon="keyboard", color=None, on_click=show).classes("keys-button")
    button.props('flat round dense aria-label="Keys" data-key="?"').mark("keys").tooltip("Keys (?)")


def _show(own: Sequence[tuple[str, Keys]], places: Keys) -> None:
    with dialog_card("Keys", is_wide=True) as dialog:
        ui.label("They work while you are not writing.").classes("soft")
        with ui.element("div").classes("keys-card"):
            for title, keys in (*own, ("Everywhere", EVERYWHERE), ("Lists", LISTS), ("Go to: g, then a letter", places)):
                _section(title, keys)
        with ui.element("div").classes("buttons"):
            ui.button("Close", on_click=dialog.close).props("unelevated color=primary autofocus")
    dialog.open()


def _section(title: str, keys: Keys) -> None:
    with ui.element("h3"):
        ui.label(title)
    with ui.element("dl").classes("keys-list"):
        for key, what in keys:
            with ui.element("div"):
                with ui.element("dt"):
                    for part in key.split(" "):
                        ui.element("kbd").props["innerHTML"] = part
                with ui.element("dd"):
                    ui.label(what)
