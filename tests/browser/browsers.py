"""Browsers as customers and staff have them, and what no page may ever do in one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import TypedDict

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, WebError

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Chromium reports every refusal that a script's request meets; the page is where it must be told.
_REFUSAL = "Failed to load resource"


class Screen(TypedDict):
    """Width and height in CSS pixels."""

    width: int
    height: int


PHONE: Screen = {"width": 390, "height": 844}
SMALL_PHONE: Screen = {"width": 320, "height": 640}
DESKTOP: Screen = {"width": 1280, "height": 800}


def find_chromium() -> str | None:
    """Debian's Chromium or its relatives; `CHROMIUM` names another one."""
    return os.environ.get("CHROMIUM") or next((found for name in _NAMES if (found := shutil.which(name))), None)


class Browsers:
    """Each `open` is another browser with nothing stored. `complaints` collects what no page may do: errors, foreign requests, cookies."""

    def __init__(self, chromium: Browser, origins: Sequence[str]) -> None:
        self._chromium, self._origins = chromium, tuple(origins)
        self._contexts: list[BrowserContext] = []
        self._without_cookies: list[BrowserContext] = []
        self.complaints: list[str] = []

    def open(self, *, javascript: bool = True, screen: Screen = PHONE, is_touch: bool = True, may_keep_cookies: bool = False) -> Page:
        context = self._chromium.new_context(viewport=screen, java_script_enabled=javascript, has_touch=is_touch, is_mobile=is_touch)
        context.set_default_timeout(20_000)
        context.on("request", self._look_at_request)
        context.on("console", self._look_at_message)
        context.on("weberror", self._look_at_error)
        self._contexts.append(context)
        if not may_keep_cookies:
            self._without_cookies.append(context)
        return context.new_page()

    def shut(self, page: Page) -> None:
        """Close the whole browser of a page, as a captive window closes: nothing of it is left."""
        context = page.context
        if context in self._without_cookies:
            self.complaints.extend(f"set the cookie {cookie.get('name')}" for cookie in context.cookies())
        self._contexts.remove(context)
        context.close()

    def close(self) -> None:
        for context in list(self._contexts):
            self.shut(context.pages[0])

    def _look_at_request(self, request: Request) -> None:
        if not request.url.startswith((*self._origins, "data:")):
            self.complaints.append(f"asked for {request.url}")

    def _look_at_message(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_REFUSAL):
            self.complaints.append(f"console: {message.text}")

    def _look_at_error(self, error: WebError) -> None:
        self.complaints.append(f"script: {error.error}")
