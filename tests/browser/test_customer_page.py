"""Customer Care on one page: found by the old number, paid and not online, let in again, and a ticket opened; at a desk and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.browsers import DESKTOP, PHONE, Browsers, Screen
from tests.browser.console import at_the_desk
from tests.browser.portal import Customer
from tests.browser.world import World


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_who_paid_and_is_not_online_is_found_by_the_old_number_and_helped(world: World, browsers: Browsers, screen: Screen) -> None:
    slug = world.routers(4)[-1]
    customer = Customer(world, browsers.open(), world.join(4, slug=slug))
    customer.arrives().buys().goes_to_wave().pays().is_online()
    world.sandbox.http.post(f"/_control/routers/{slug}/restart").raise_for_status()
    care = at_the_desk(world, browsers, screen=screen, is_touch=screen is PHONE).opens("/customers")
    care.page.get_by_label(re.compile("^Phone, such as")).fill(customer.number)
    wanted = f"••• {customer.number.replace(' ', '')[-4:]}"
    care.follows(care.main.get_by_role("link", name=re.compile(re.escape(wanted))).first)
    care.sees(f"83 {customer.number}", "Paid, and no device is online with it", "Bought 1 hour for D 10")
    assert not care.scrolls_sideways
    care.presses("Let in again")
    care.dialog.get_by_role("button", name="Let it in").click()
    care.reads("The router is asked to let it in.").sees("The router was asked to let the device in again")
    care.presses("Open a ticket")
    expect(care.dialog).to_contain_text("1 hour, D 10")
    care.dialog.get_by_label("What they say").fill("Was thrown out of the Wi-Fi after ten minutes")
    care.presses("Keep it").hears("thrown out of the Wi-Fi").sees("Lately", "Online at")
    care.main.get_by_role("link", name="The whole story").click()
    care.sees("Asked for help: Was thrown out", "Open tickets", "SMS: Receipt of a purchase")
