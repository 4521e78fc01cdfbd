"""Text to put into a router: shown as it is, copied with one touch, or saved as a file."""

from __future__ import annotations

from html import escape

from nicegui import ui

from pages.components.parts import copy_button


def snippet(text: str, *, can_copy: bool = True) -> None:
    """Settings to paste. Not to be copied while their key is hidden."""
    with ui.element("div").classes("w-full"):
        ui.element("pre").classes("snippet mono").mark("snippet").props('tabindex=0 role=region aria-label="Settings to paste"').props[
            "innerHTML"
        ] = escape(text, quote=False)
        if can_copy:
            with ui.element("div").classes("row justify-end q-mt-sm"):
                copy_button(text, label="Copy the settings")
