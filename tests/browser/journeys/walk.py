"""A job of the help (pages/help/journeys.py), walked in a browser exactly as the help tells it, with its pictures taken on the way.

Each thing that a step names in bold has to be used under that name in that step, and each picture has to be taken, or the walk fails:
so the help says what is on the screen, always. Each job is walked once at each width, in alternating light, and its pictures are only
counted; `JOURNEY_ALL=1` walks it in all four screens. `JOURNEY_PICTURES=1` walks it once, at a desk, and keeps each picture at both
widths and in both lights where the help serves them from: the four show the same things, because they are of the same moment.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from itertools import cycle
from typing import Self, cast

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from pages.help.journeys import BY_ID, SCHEMES, SCREENS
from pages.help.parts import PICTURES
from tests.browser.browsers import DESKTOP, PHONE, Browsers
from tests.browser.console import Staff, at_the_desk
from tests.browser.world import World

KEEPS_PICTURES = bool(os.environ.get("JOURNEY_PICTURES"))
_IN_ALL = bool(os.environ.get("JOURNEY_ALL"))
_SIZES = {"desktop": DESKTOP, "phone": PHONE}
# For a picture only: a toast that says "done" or a hint under the mouse is not what a step is about. The menu folds itself away when a
# window gets narrow, but not while a dialog is open; a phone never had it.
_STILL = """
.q-notifications { display: none !important }
* { caret-color: transparent !important }
@media (max-width: 1023px) { .q-drawer { display: none !important } .q-page-container { padding-left: 0 !important } }
"""
# Nor is a router's key shown to everybody who opens the help. What was there is put back after the picture.
_HIDES_KEYS = """() => {
    window.hidden = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const node = texts.currentNode, without = node.data.replace(/(faskey ')[^']+/g, "$1••••••••••••••••");
        if (without !== node.data) { window.hidden.push([node, node.data]); node.data = without; }
    }
}"""
_SHOWS_KEYS = "() => window.hidden.forEach(([node, text]) => { node.data = text; })"
_QUALITY = 50
_SETTLING_MS = 500
PATIENCE_MS = 30_000
_LIGHTS = cycle((0, 1))
Test = Callable[..., None]


def walked(journey_id: str) -> Callable[[Test], Test]:
    """Give a test the walk of that job, once for each screen that is due."""
    every = [(screen, scheme) for screen in SCREENS for scheme in SCHEMES]
    first = next(_LIGHTS)
    alternating = [(screen, SCHEMES[(first + number) % 2]) for number, screen in enumerate(SCREENS)]
    due = every[:1] if KEEPS_PICTURES else every if _IN_ALL else alternating
    wanted = [(journey_id, *one) for one in due]
    mark = pytest.mark.parametrize("walk", wanted, indirect=True, ids=["-".join(one) for one in due])
    return cast("Callable[[Test], Test]", mark)


class Walk:
    """One job on one screen. `says` what a person does, in the order of the help's steps."""

    def __init__(self, world: World, browsers: Browsers, journey_id: str, screen: str, scheme: str) -> None:
        self.world, self.journey = world, BY_ID[journey_id]
        self.browsers, self._screen, self.scheme = browsers, screen, scheme
        self._step = 0
        self._used: set[str] = set()
        self._taken: set[int] = set()
        self.staff: Staff

    @property
    def is_phone(self) -> bool:
        return self._screen == "phone"

    @property
    def page(self) -> Page:
        return self.staff.page

    @property
    def main(self) -> Locator:
        return self.staff.main

    def sits_down(self, who: str, *, to_decide: bool = False) -> Self:
        """Another person takes the seat; `to_decide` is somebody who has just proved who they are, for what is worth money."""
        screen = _SIZES[self._screen]
        if to_decide:
            self.staff = Staff(self.world, self.browsers.open(screen=screen, is_touch=self.is_phone, may_keep_cookies=True))
            self._lights(self.staff.page, self.scheme)
            self.staff.logs_in(who).is_in()
        else:
            self.staff = at_the_desk(self.world, self.browsers, who, screen=screen, is_touch=self.is_phone)
            self._lights(self.staff.page, self.scheme)
            self.staff.opens("")
        return self

    def _lights(self, page: Page, scheme: str) -> None:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")

    def step(self, number: int) -> Self:
        """The next step begins; the one before has used all that it names."""
        assert number == self._step + 1, f"step {number} of {self.journey.id} after step {self._step}"
        self._end_step()
        self._step = number
        self._used = set()
        return self

    def _end_step(self) -> None:
        if not self._step:
            return
        step = self.journey.steps[self._step - 1]
        unused = [name for name in step.named if name not in self._used]
        assert not unused, f"step {self._step} of {self.journey.id} names what was not used: {unused}"
        assert not step.picture or self._step in self._taken, f"step {self._step} of {self.journey.id} has no picture"

    def ends(self) -> None:
        """The whole job was walked."""
        assert self._step == len(self.journey.steps), f"{self.journey.id} has {len(self.journey.steps)} steps"
        self._end_step()

    def goes_to(self, title: str) -> Self:
        """By the navigation."""
        self._used.add(title)
        link = self.page.get_by_role("navigation", name="Console").get_by_role("link", name=title, exact=True)
        if self.is_phone:
            self.page.get_by_role("button", name="Menu", exact=True).click()
        link.click()
        expect(self.main.get_by_role("heading", level=1)).to_contain_text(title, timeout=PATIENCE_MS)
        return self

    def presses(self, name: str, within: Locator | None = None) -> Self:
        self._used.add(name)
        (within or self.page).get_by_role("button", name=name, exact=True).click()
        return self

    def turns_to(self, tab: str) -> Self:
        self._used.add(tab)
        self.page.get_by_role("tab", name=tab, exact=True).click()
        return self

    def fills(self, label: str, words: str) -> Self:
        """A field of the page, or of the dialog that is open, by how its label begins."""
        self._field(label).fill(words)
        return self

    def _field(self, label: str) -> Locator:
        self._used.add(label)
        # Not asked whether a dialog is open: it may be on its way.
        return self.page.get_by_label(re.compile(f"^{re.escape(label)}")).last

    def types(self, label: str, words: str) -> Self:
        """Letter by letter, into a field that answers to letters."""
        self._field(label).click()
        self._field(label).press_sequentially(words, delay=20)
        return self

    def picks(self, label: str, option: str) -> Self:
        """From a menu of the page itself."""
        self._used.add(label)
        self.main.get_by_label(label, exact=True).first.click()
        self.page.get_by_role("option", name=option, exact=True).click()
        return self

    def opens_row(self, text: str) -> Self:
        """What a list shows under that name."""
        self.staff.follows(self.main.get_by_role("link").filter(has_text=text).first)
        return self

    def sees(self, *texts: str | re.Pattern[str]) -> Self:
        self.staff.sees(*texts)
        return self

    def sees_state(self, state: str) -> Self:
        self.staff.sees_state(state)
        return self

    def picture(self) -> Self:
        """Of this step, as it is now. It must not scroll sideways, whoever looks."""
        assert self.journey.steps[self._step - 1].picture, f"step {self._step} of {self.journey.id} is to have no picture"
        self._taken.add(self._step)
        assert not self.staff.scrolls_sideways, f"step {self._step} of {self.journey.id} scrolls sideways"
        if KEEPS_PICTURES:
            self._keep()
        return self

    def _keep(self) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        still = self.page.add_style_tag(content=_STILL)
        self.page.evaluate(_HIDES_KEYS)
        self.page.mouse.move(0, 0)
        for screen in SCREENS:
            self.page.set_viewport_size(_SIZES[screen])
            self.page.wait_for_timeout(_SETTLING_MS)  # the menu goes to its place
            for scheme in SCHEMES:
                self._lights(self.page, scheme)
                self.page.wait_for_timeout(_SETTLING_MS)
                with Image.open(io.BytesIO(self.page.screenshot(animations="disabled"))) as taken:
                    file = PICTURES / f"{self.journey.picture(self._step, screen, scheme)}.webp"
                    taken.convert("RGB").save(file, "WEBP", quality=_QUALITY, method=6)
        self.page.set_viewport_size(_SIZES[self._screen])
        self._lights(self.page, self.scheme)
        self.page.evaluate(_SHOWS_KEYS)
        still.evaluate("element => element.remove()")
