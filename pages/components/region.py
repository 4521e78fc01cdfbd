"""A part of a page that is drawn anew only when what it shows has changed: news must not move what a person reads or types in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui


class Region:
    """`key` is everything that the part shows; equal keys leave it alone."""

    def __init__(self, classes: str = "stack") -> None:
        self.box = ui.element("div").classes(classes)
        self._key: Any = None
        self._is_drawn = False

    def draw(self, key: Any, build: Callable[[], object]) -> None:
        if self._is_drawn and key == self._key:
            return
        self._key, self._is_drawn = key, True
        self.box.clear()
        with self.box:
            build()

    def forget(self) -> None:
        """Draw it at the next call in any case."""
        self._is_drawn = False
