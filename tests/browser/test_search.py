"""The search over every page, with nothing but the keyboard, at a desk and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.browsers import DESKTOP, PHONE, Browsers, Screen
from tests.browser.console import at_the_desk
from tests.browser.world import World

_PATIENCE_MS = 20_000


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everything_is_reached_with_the_keyboard_alone(world: World, browsers: Browsers, screen: Screen) -> None:
    page = at_the_desk(world, browsers, "root", screen=screen).opens("/tickets").page
    field, palette = page.get_by_role("combobox", name="Search the console"), page.get_by_role("dialog", name="Search the console")
    chosen = palette.locator('[role="option"][aria-selected="true"]')

    # Also while somebody writes in a field, whose words stay.
    page.locator(".search input").first.focus()
    page.keyboard.type("half a wo")
    page.keyboard.press("Control+k")
    expect(field).to_be_focused()
    expect(chosen).to_have_count(1, timeout=_PATIENCE_MS)
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()
    expect(page.locator("input:focus")).to_have_value("half a wo")

    page.keyboard.press("Meta+k")
    page.keyboard.type("refnuds")
    expect(chosen).to_contain_text("Refunds", timeout=_PATIENCE_MS)
    expect(field).to_have_attribute("aria-activedescendant", re.compile("palette-"))
    box = palette.bounding_box()
    assert box is not None
    if screen is PHONE:
        assert (box["x"], box["y"], box["width"]) == (0, 0, page.viewport_size["width"] if page.viewport_size else 0)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/refunds", timeout=_PATIENCE_MS)

    # Up and down go round; an action is begun where it belongs, with its dialog open.
    page.keyboard.press("Control+k")
    page.keyboard.type("issue a vou")
    expect(chosen).to_contain_text("Issue a voucher", timeout=_PATIENCE_MS)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(chosen).to_contain_text("Issue a voucher")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/vouchers", timeout=_PATIENCE_MS)
    expect(page.get_by_role("dialog").get_by_role("button", name="Make it")).to_be_visible(timeout=_PATIENCE_MS)

    # Over that dialog, which stays. Enter may come before the answer: it means the first of it.
    page.keyboard.press("Control+k")
    page.keyboard.type("vouchers")
    page.keyboard.press("Control+a")
    page.keyboard.type("dark mode")
    page.keyboard.press("Enter")
    expect(page.locator("body.body--dark")).to_be_visible(timeout=_PATIENCE_MS)
    expect(palette).to_be_hidden()
    expect(page.get_by_role("dialog").get_by_role("button", name="Make it")).to_be_visible()

    # What nobody and nothing is called says so, and what was open lately comes first before anything is typed.
    page.keyboard.press("Control+k")
    page.keyboard.type("qqzzxxqq")
    expect(palette.get_by_text("Nothing found for")).to_be_visible(timeout=_PATIENCE_MS)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("light mode")
    expect(chosen).to_contain_text("Light mode", timeout=_PATIENCE_MS)
    page.keyboard.press("Enter")
    expect(page.locator("body.body--light")).to_be_visible(timeout=_PATIENCE_MS)
