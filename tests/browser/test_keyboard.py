"""The console without a mouse: its keys, where the focus is, and where it goes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsers import DESKTOP, Browsers
from tests.browser.console import Staff, at_the_desk
from tests.browser.world import World


@pytest.fixture
def care(world: World, browsers: Browsers) -> Staff:
    return at_the_desk(world, browsers)


def focused(page: Page) -> str:
    """What the focus is on, in words."""
    return str(page.evaluate("(document.activeElement?.getAttribute('aria-label') || document.activeElement?.innerText || '').trim()"))


def settled(staff: Staff) -> Page:
    """The page answers: its socket is there."""
    staff.page.wait_for_function("window.socket?.connected")
    return staff.page


def test_letters_lead_to_pages_and_through_lists(care: Staff) -> None:
    page = settled(care.opens("/tickets"))
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url(re.compile("/console/customers"))
    settled(care)
    rows = care.main.locator("tr.opens")
    rows.first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("j")
    wanted = rows.nth(1).locator("a.open")
    expect(wanted).to_be_focused()
    address = wanted.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(re.escape(str(address).split("?")[0])))


def test_keys_do_nothing_while_somebody_writes_and_escape_leaves_the_field(care: Staff) -> None:
    page = settled(care.opens("/tickets"))
    page.keyboard.press("/")
    search = page.locator("[data-key='/']").locator("visible=true").first
    expect(search).to_be_focused()
    page.keyboard.type("gpn?")
    expect(search).to_have_value("gpn?")
    expect(care.dialog).to_have_count(0)
    page.keyboard.press("Escape")
    expect(search).not_to_be_focused()
    page.keyboard.press("?")
    expect(care.dialog).to_contain_text("Next row")


def test_the_focus_goes_into_a_dialog_and_back_to_what_opened_it(care: Staff) -> None:
    page = settled(care.opens("/tickets"))
    page.get_by_role("button", name="New ticket", exact=True).focus()
    page.keyboard.press("Enter")
    expect(care.dialog).to_be_visible()
    page.wait_for_function("document.querySelector('[role=dialog]').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(care.dialog).to_have_count(0)
    page.wait_for_function("document.activeElement?.innerText?.includes('New ticket')")


def test_after_a_page_change_the_focus_is_at_the_heading_and_a_fresh_page_begins_at_the_skip_link(care: Staff) -> None:
    page = settled(care.opens("/tickets"))
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement?.id === 'content'")
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url(re.compile("/console/customers"))
    page.wait_for_function("document.activeElement?.tagName === 'H1'")
    assert focused(page) == "Customers"


def test_the_page_that_is_open_stands_in_sight_in_the_menu(world: World, browsers: Browsers) -> None:
    staff = Staff(world, browsers.open(screen=DESKTOP, may_keep_cookies=True)).logs_in("admin").is_in()
    page = settled(staff.opens("/jobs"))
    here = page.locator(".side a.nav.here")
    expect(here).to_be_in_viewport(ratio=1)
    # It is one of the last: without being brought there, it would stand below the screen.
    assert page.evaluate("document.querySelector('.q-drawer__content').scrollTop") > 0
