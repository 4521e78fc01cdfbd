"""A list as people work with it all day: by keyboard, with their own columns and views, while news come in; at a desk and on a phone."""

from __future__ import annotations

import json
import re

import psycopg
import redis
from playwright.sync_api import Locator, expect

from app.events import CHANNEL
from tests.browser.browsers import DESKTOP, PHONE, Browsers, Screen
from tests.browser.console import Staff
from tests.browser.world import World

_PATIENCE_MS = 20_000


def at_the_vouchers(world: World, browsers: Browsers, screen: Screen = DESKTOP, query: str = "") -> Staff:
    page = browsers.open(screen=screen, is_touch=screen is PHONE, may_keep_cookies=True)
    staff = Staff(world, page).logs_in("root").is_in().opens(f"/vouchers{query}")
    expect(rows(staff)).not_to_have_count(0, timeout=_PATIENCE_MS)
    return staff


def rows(staff: Staff) -> Locator:
    return staff.main.locator(".list tbody tr")


def news_of_a_note(world: World, voucher_id: int, note: str) -> None:
    """Somebody else writes a note, and open pages hear of it."""
    with psycopg.connect(world.stack.environment["INET_DATABASE_URL"].replace("+psycopg", "")) as connection:
        connection.execute("UPDATE voucher SET note = %s WHERE id = %s", (note, voucher_id))
    with redis.Redis.from_url(world.stack.environment["INET_REDIS_URL"]) as connection:
        connection.publish(CHANNEL, json.dumps({"topic": "vouchers", "id": voucher_id}))


def test_a_list_is_sorted_narrowed_and_laid_out_by_keyboard_and_stays_so(world: World, browsers: Browsers) -> None:
    world.has_stock()
    staff = at_the_vouchers(world, browsers)
    page = staff.page
    made = staff.main.get_by_role("button", name="Made", exact=True)
    made.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("sort=created"))
    expect(staff.main.get_by_role("columnheader", name="Made", exact=True)).to_have_attribute("aria-sort", "ascending")
    # The header was drawn anew under the focus.
    expect(made).to_be_focused()

    staff.main.get_by_role("button", name="Columns").focus()
    page.keyboard.press("Enter")
    note = page.get_by_role("checkbox", name="Note")
    note.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    expect(staff.main.get_by_role("columnheader", name="Note", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile("columns=.*note"))

    whole = rows(staff).count()
    staff.main.get_by_role("link", name="Blocked", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("state=blocked"))
    chip = staff.main.get_by_role("button", name="Take off State: Blocked")
    expect(chip).to_be_visible()
    chip.focus()
    page.keyboard.press("Enter")
    expect(rows(staff)).to_have_count(whole)
    expect(page).not_to_have_url(re.compile("state="))

    # Another computer: what was chosen goes with the person.
    elsewhere = at_the_vouchers(world, browsers)
    expect(elsewhere.main.get_by_role("columnheader", name="Note", exact=True)).to_be_visible()
    elsewhere.presses("Columns")
    elsewhere.page.get_by_role("button", name="As the list has them").click()
    expect(elsewhere.main.get_by_role("columnheader", name="Note", exact=True)).to_have_count(0)


def test_news_leave_the_focus_and_the_place_where_they_are(world: World, browsers: Browsers) -> None:
    world.has_stock()
    staff = at_the_vouchers(world, browsers, query="?columns=number,note,created")
    page = staff.page
    last = rows(staff).last.get_by_role("link")
    number = int(re.sub(r"\D", "", last.inner_text()))
    last.focus()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    place = page.evaluate("scrollY")
    news_of_a_note(world, number, "seen at the market")
    expect(rows(staff).last).to_contain_text("seen at the market", timeout=_PATIENCE_MS)
    expect(rows(staff).last.get_by_role("link")).to_be_focused()
    assert page.evaluate("scrollY") == place
    # The header stays in sight under the console's own.
    head = staff.main.locator(".list th").first.bounding_box()
    assert head is not None
    assert head["y"] >= 0


def test_on_a_phone_a_list_is_cards_that_can_be_sorted_and_narrowed(world: World, browsers: Browsers) -> None:
    world.has_stock()
    staff = at_the_vouchers(world, browsers, PHONE)
    page = staff.page
    assert not staff.scrolls_sideways
    page.get_by_role("combobox", name="Sorted by").click()
    page.get_by_role("option", name="Made ↑").click()
    expect(page).to_have_url(re.compile("sort=created"))
    staff.main.get_by_role("link", name="Blocked", exact=True).click()
    chip = staff.main.get_by_role("button", name="Take off State: Blocked")
    expect(chip).to_be_visible()
    assert not staff.scrolls_sideways
    with page.expect_download() as download:
        staff.presses("Download CSV")
    assert re.fullmatch(r"vouchers-\d{4}-\d\d-\d\d\.csv", download.value.suggested_filename)
    chip.click()
    expect(page).not_to_have_url(re.compile("state="))
