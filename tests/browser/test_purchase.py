"""From the router's redirect to a phone that is online, however the captive window behaves."""

from __future__ import annotations

import pytest

from tests.browser.browsers import Browsers
from tests.browser.portal import Customer
from tests.browser.world import World


@pytest.mark.parametrize("level", [3, 4])
def test_a_phone_at_a_hotspot_pays_with_wave_and_is_online(world: World, browsers: Browsers, level: int) -> None:
    customer = Customer(world, browsers.open(), world.join(level))
    customer.arrives().buys()
    receipt = customer.receipt
    customer.goes_to_wave().pays().is_online().paid_once(receipt)
    assert customer.receipt == receipt


def _leaves_the_captive_window_at_wave(world: World, browsers: Browsers, level: int = 3) -> tuple[Customer, str]:
    customer = Customer(world, browsers.open(), world.join(level))
    customer.arrives().buys()
    receipt = customer.receipt
    customer.goes_to_wave()
    browsers.shut(customer.page)
    return customer, receipt


def _session_at_wave(world: World, receipt: str) -> dict[str, str]:
    return next(dict(session) for session in world.sandbox.state()["wave"]["sessions"] if session["client_reference"] == receipt)


def test_waves_way_back_works_in_another_browser_with_nothing_stored(world: World, browsers: Browsers) -> None:
    customer, receipt = _leaves_the_captive_window_at_wave(world, browsers)
    customer.page = browsers.open()
    customer.page.goto(_session_at_wave(world, receipt)["wave_launch_url"])
    customer.pays().is_online().paid_once(receipt)
    assert "?c=" not in customer.page.url


def test_the_hotspots_page_leads_back_to_the_purchase(world: World, browsers: Browsers) -> None:
    customer, receipt = _leaves_the_captive_window_at_wave(world, browsers, level=4)
    customer.page = browsers.open()
    customer.arrives().page.get_by_role("link", name="Go on with it").click()
    customer.sees("in Wave")
    assert customer.receipt == receipt
    world.sandbox.pay(receipt)
    customer.is_online().paid_once(receipt)


def test_phone_number_and_receipt_code_bring_the_purchase_to_another_device(world: World, browsers: Browsers) -> None:
    customer, receipt = _leaves_the_captive_window_at_wave(world, browsers)
    world.sandbox.pay(receipt)
    assert world.receipt_sent_to(customer.number) == receipt
    other = Customer(world, browsers.open(), world.join(level=4), customer.number)
    other.arrives().page.get_by_role("link", name="Already paid?").click()
    other.sees("Find your purchase")
    form = other.form("With phone number and receipt code")
    form.get_by_label("Phone number").fill(other.number)
    form.get_by_label("Receipt code").fill(receipt.lower())
    form.get_by_role("button", name="Find it").click()
    other.is_online().paid_once(receipt)


def test_with_javascript_off_the_pages_bring_themselves_up_to_date(world: World, browsers: Browsers) -> None:
    customer = Customer(world, browsers.open(javascript=False), world.join(level=4))
    customer.arrives().buys()
    receipt = customer.receipt
    customer.goes_to_wave().pays().is_online().paid_once(receipt)
