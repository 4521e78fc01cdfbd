"""The staff console as its people use it."""

from __future__ import annotations

import re
from typing import Self

from playwright.sync_api import Locator, Page, expect

from app.settings import DEMO_PASSWORD
from tests.browser.world import World

_PATIENCE_MS = 20_000


class Staff:
    """A staff member at the console."""

    def __init__(self, world: World, page: Page) -> None:
        self.world, self.page = world, page

    def logs_in(self, who: str = "root", password: str = DEMO_PASSWORD) -> Self:
        self.page.goto(f"{self.world.url}/console/login")
        self.page.get_by_label("E-mail").fill(f"{who}@inet.demo")
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Log in", exact=True).click()
        return self

    def is_in(self) -> Self:
        expect(self.page).to_have_url(f"{self.world.url}/console", timeout=_PATIENCE_MS)
        return self

    def opens(self, path: str) -> Self:
        self.page.goto(f"{self.world.url}/console{path}")
        return self

    def sees(self, *texts: str | re.Pattern[str]) -> Self:
        for text in texts:
            expect(self.main).to_contain_text(text, timeout=_PATIENCE_MS)
        return self

    def presses(self, name: str) -> Self:
        self.page.get_by_role("button", name=name, exact=True).click()
        return self

    @property
    def main(self) -> Locator:
        return self.page.get_by_role("main")

    @property
    def scrolls_sideways(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))
