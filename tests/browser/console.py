"""The staff console as its people use it."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Self

from playwright.sync_api import Locator, Page, TimeoutError, expect

from app.settings import DEMO_PASSWORD
from tests.browser.browsers import DESKTOP, Browsers, Screen
from tests.browser.world import World

_PATIENCE_MS = 20_000
_MENU_MS = 5_000
# By product and account: a person who logged in once today opens the console again without a password.
_kept: dict[tuple[str, str], dict[str, str]] = {}


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

    def follows(self, link: Locator) -> Self:
        """A link in a list that news redraw: a row that goes between the press and its end takes the click along, and one clicks again."""
        here = self.page.url
        for _ in range(3):
            link.click()
            with suppress(TimeoutError):
                self.page.wait_for_url(lambda url: url != here, timeout=_MENU_MS, wait_until="commit")
                break
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

    def says(self, words: str, then: str = "Send and wait") -> Self:
        """Answer the customer of the ticket that is open."""
        self.writes(words)
        return self.presses(then)

    def writes(self, words: str) -> Self:
        self.answer.fill(words)
        return self

    @property
    def answer(self) -> Locator:
        return self.page.get_by_label("Your answer to the customer")

    def notes(self, words: str) -> Self:
        """Keep a note that only staff read."""
        self.page.get_by_role("tab", name="Internal note").click()
        self.page.get_by_label("Only staff read it").fill(words)
        self.presses("Keep the note")
        return self.hears(words)

    def hears(self, *words: str) -> Self:
        """It stands in the ticket's conversation, without anybody asking for it."""
        for text in words:
            expect(self.conversation).to_contain_text(text, timeout=_PATIENCE_MS)
        return self

    @property
    def conversation(self) -> Locator:
        return self.page.get_by_role("log", name="Conversation")

    def sees_state(self, state: str) -> Self:
        """What is said beside the ticket's reference."""
        expect(self.page.locator(".heading .chip").first).to_have_text(state, timeout=_PATIENCE_MS)
        return self

    def reads_in_history(self, *texts: str | re.Pattern[str]) -> Self:
        """The ticket's history, which is folded away until it is asked for."""
        history = self.main.locator(".q-expansion-item").filter(has_text="History")
        if history.locator(".q-expansion-item__content").is_hidden():
            history.get_by_role("button").first.click()
        for text in texts:
            expect(history).to_contain_text(text, timeout=_PATIENCE_MS)
        return self

    def reads(self, toast: str | re.Pattern[str]) -> Self:
        """A word that the console says and takes away again."""
        expect(self.page.locator(".q-notification").filter(has_text=toast).first).to_be_visible(timeout=_PATIENCE_MS)
        return self

    def chooses(self, label: str, option: str) -> Self:
        """From a menu of the dialog that is open."""
        wanted = self.page.get_by_role("option", name=option)
        # On a busy machine the menu may close again while the dialog still settles; a person opens it once more.
        for _ in range(3):
            self.dialog.get_by_label(label, exact=True).click()
            with suppress(TimeoutError):
                wanted.wait_for(timeout=_MENU_MS)
                break
        wanted.click()
        return self

    def more(self, entry: str) -> Self:
        """From the ticket's menu of further things to do."""
        self.presses("More to do")
        self.page.get_by_role("menu").get_by_text(entry).click()
        return self

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def row(self, text: str) -> Locator:
        """The line of the list in which that stands."""
        return self.main.get_by_role("row").filter(has_text=text)


def at_the_desk(world: World, browsers: Browsers, who: str = "care", *, screen: Screen = DESKTOP, is_touch: bool = False) -> Staff:
    """Somebody at the console; the password is asked for at the first time only."""
    staff = Staff(world, browsers.open(screen=screen, is_touch=is_touch, may_keep_cookies=True))
    kept = _kept.get((world.url, who))
    if kept is not None:
        staff.page.context.add_cookies([{"name": name, "value": value, "url": world.url} for name, value in kept.items()])
        return staff
    staff.logs_in(who).is_in()
    _kept[world.url, who] = {one["name"]: one["value"] for one in staff.page.context.cookies()}
    return staff
