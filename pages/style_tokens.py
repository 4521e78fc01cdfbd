"""The visual language's tokens, shown from the file that the browser gets: what the guide says is what counts."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from nicegui import ui

_FILE = Path(__file__).parent / "static" / "tokens.css"
_TOKEN = re.compile(r"--([\w-]+): ([^;]+);")
_MEANINGS = {
    "bg": "the page",
    "surface": "what lies on it",
    "raised": "what floats above it",
    "hover": "under the pointer",
    "code": "code, empty tracks",
    "ink": "to read",
    "soft": "beside it",
    "faint": "hardly there",
    "link": "can be followed",
    "line": "between things",
    "edge": "around a field",
    "accent": "the one thing to do",
    "good": "as it should be",
    "busy": "goes on by itself",
    "wait": "is awaited",
    "bad": "a person must look",
    "off": "over",
}


@lru_cache(maxsize=1)
def tokens() -> dict[str, dict[str, str]]:
    """By scheme (`light`, `dark`) the tokens' values; what a scheme does not say is as in the light one."""
    light, _, dark = _FILE.read_text(encoding="utf-8").partition(".body--dark")
    said = dict(_TOKEN.findall(light))
    return {"light": said, "dark": said | dict(_TOKEN.findall(dark))}


def colours() -> None:
    with ui.element("div").classes("swatches"):
        for name, value in tokens()["light"].items():
            if not value.startswith("#"):
                continue
            with ui.element("div").classes("line one"):
                ui.element("span").classes("swatch").style(f"background: var(--{name})").props("aria-hidden=true")
                with ui.element("div").classes("room"):
                    ui.label(name).classes("mono small")
                    ui.label(_MEANINGS.get(name, "")).classes("soft small")


def sizes() -> None:
    for name, value in tokens()["light"].items():
        if name.startswith("text-"):
            ui.label(f"{name} · {value}").style(f"font-size: var(--{name})").classes("anywhere")


def spaces() -> None:
    with ui.element("div").classes("stack near"):
        for name, value in tokens()["light"].items():
            if name.startswith("space-"):
                with ui.element("div").classes("line one"):
                    ui.element("span").classes("swatch").style(f"width: {value}").props("aria-hidden=true")
                    ui.label(name).classes("mono small")
