"""From "it does not work" to an answer: the customer's own page of a ticket, on the smallest phone and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsers import SMALL_PHONE, Browsers, Screen
from tests.browser.test_every_page import flaws
from tests.browser.world import World, new_number

NARROW: Screen = {"width": 360, "height": 740}


def reports(page: Page, world: World) -> None:
    page.goto(f"{world.url}/portal/help")
    page.get_by_label("What is wrong?").fill("No page comes up")
    page.get_by_label("Phone number").fill(new_number())
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="See your report").click()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_report_leads_to_its_own_page_where_more_can_be_said(world: World, browsers: Browsers, javascript: bool) -> None:
    page = browsers.open(screen=NARROW, javascript=javascript)
    reports(page, world)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Your request T-")
    expect(page.get_by_role("listitem")).to_contain_text("No page comes up")
    page.get_by_label("Your answer or anything to add").fill("It is the house by the well")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("status").filter(has_text="We have your message.")).to_be_visible()
    expect(page.get_by_role("listitem")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_usable_on_a_small_phone(world: World, browsers: Browsers, scheme: str) -> None:
    page = browsers.open(screen=SMALL_PHONE)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    reports(page, world)
    page.get_by_role("heading", name="Your request").wait_for()
    assert flaws(page, "ticket") == []
