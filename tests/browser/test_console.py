"""Staff see what customers did, and mend it, on a desk and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.browsers import DESKTOP, PHONE, Browsers, Screen
from tests.browser.console import Staff
from tests.browser.portal import Customer
from tests.browser.world import World, wait_for

SCREENS = pytest.mark.parametrize(("screen", "is_touch"), [(DESKTOP, False), (PHONE, True)], ids=["desk", "phone"])


def at_the_console(world: World, browsers: Browsers, who: str = "root", screen: Screen = DESKTOP, is_touch: bool = False) -> Staff:
    return Staff(world, browsers.open(screen=screen, is_touch=is_touch, may_keep_cookies=True)).logs_in(who).is_in()


def bought(world: World, browsers: Browsers) -> Customer:
    customer = Customer(world, browsers.open(), world.join())
    return customer.arrives().buys()


def test_a_wrong_password_is_told_and_lets_nobody_in(world: World, browsers: Browsers) -> None:
    staff = Staff(world, browsers.open(screen=DESKTOP, is_touch=False, may_keep_cookies=True)).logs_in(password="not-it")
    staff.page.get_by_role("alert").filter(has_text=re.compile(r"\w")).wait_for()
    staff.opens("/payments")
    expect(staff.page).to_have_url(re.compile(r"/console/login\?next=/console/payments"))


@SCREENS
def test_staff_see_every_step_of_a_payment(world: World, browsers: Browsers, screen: Screen, is_touch: bool) -> None:
    customer = bought(world, browsers)
    receipt = customer.receipt
    customer.goes_to_wave().pays().is_online()
    staff = at_the_console(world, browsers, screen=screen, is_touch=is_touch).opens("/payments")
    staff.follows(staff.main.get_by_role("link", name=receipt))
    staff.sees(
        f"Payment {receipt}",
        "The customer chose a package",
        "Wave: open a session",
        "Wave opened the session",
        "Paid",
        "PortaBilling is asked to issue the voucher",
        "PortaBilling issued the voucher",
        "Charged in PortaBilling",
        "The voucher is blocked against a second use",
        "The time was given to the customer",
        "A router confirmed: the customer is online",
    )
    (number,) = world.ask_database("SELECT id FROM payment WHERE reference = %s", receipt)[0]
    recorded = sum(
        world.ask_database(query, number)[0][0]
        for query in (
            "SELECT count(*) FROM payment_event WHERE payment_id = %s",
            "SELECT count(*) FROM outbound_call WHERE payment_id = %s",
        )
    )
    expect(staff.main.get_by_role("list").first.get_by_role("listitem")).to_have_count(recorded)
    assert not staff.scrolls_sideways


def test_ask_wave_now_finds_a_payment_whose_news_was_lost(world: World, browsers: Browsers) -> None:
    receipt = bought(world, browsers).receipt
    staff = at_the_console(world, browsers, "billing").opens(f"/payments/{receipt}")
    staff.sees("Ask Wave now")
    world.sandbox.pay(receipt, no_webhook=True)
    staff.presses("Ask Wave now").sees("A router confirmed: the customer is online")
    staff.sees("Retried by hand")
    expect(staff.page.get_by_role("button", name="Ask Wave now")).to_have_count(0)


def test_retry_now_goes_on_when_billing_is_back(world: World, browsers: Browsers) -> None:
    customer = bought(world, browsers)
    receipt = customer.receipt
    world.has_no_stock()
    world.sandbox.fault("portabilling", down=True)
    customer.goes_to_wave().pays().reads("The billing system is not answering")
    staff = at_the_console(world, browsers, "billing").opens(f"/payments/{receipt}").sees("Delayed")
    world.mend("portabilling")
    staff.presses("Retry now").sees("A router confirmed: the customer is online", "Retried by hand")
    customer.paid_once(receipt)


@SCREENS
def test_gateways_show_their_last_poll(world: World, browsers: Browsers, screen: Screen, is_touch: bool) -> None:
    staff = at_the_console(world, browsers, "tech", screen, is_touch).opens("/gateways")
    slugs = [slug for level in (3, 4) for slug in world.routers(level)]
    staff.sees(*slugs)
    assert len(slugs) == 4
    # Other tests may have registered more: each of these four says it of itself.
    polling = staff.main.get_by_role("row").or_(staff.main.locator(".q-table__grid-item")).filter(has_text="Polling")
    for slug in slugs:
        expect(polling.filter(has_text=slug).first).to_be_visible()
    assert not staff.scrolls_sideways


def test_a_new_gateway_gets_its_settings_and_its_first_call_is_seen(world: World, browsers: Browsers) -> None:
    staff = at_the_console(world, browsers).opens("/gateways").presses("Register a router")
    page = staff.page
    page.get_by_label("Name, such as").fill("Brikama Bus Stop")
    slug = page.get_by_label("Address part").input_value()
    page.get_by_role("button", name="Register", exact=True).click()
    staff.sees("/etc/config/opennds", f"/fas/{slug}", "The router has not called yet")
    name, faskey = (re.search(rf"{option} '([^']+)'", staff.main.inner_text())[1] for option in ("gatewayname", "faskey"))  # type: ignore[index]
    world.sandbox.http.post(
        "/_control/routers", json={"slug": slug, "gateway_name": name, "faskey": faskey, "level": 3, "version": "10.2.0"}
    ).raise_for_status()
    staff.sees("The router has called", "10.2.0")
    staff.presses("To the gateway's page").sees("Brikama Bus Stop", "Polling")


def test_a_voucher_made_at_the_console_lets_a_phone_in(world: World, browsers: Browsers) -> None:
    staff = at_the_console(world, browsers, "care").opens("/vouchers").presses("Make a voucher")
    dialog = staff.page.get_by_role("dialog")
    dialog.get_by_label("Note: why it is made").fill("Queue at the counter")
    dialog.get_by_role("button", name=re.compile("^Make")).click()
    shown = staff.page.get_by_text(re.compile(r"^\w{4}-\w{5}-\w{5}$"))
    code = shown.inner_text()
    staff.page.get_by_role("button", name="Done").click()
    expect(shown).to_have_count(0)
    issued = "SELECT count(*) FROM voucher WHERE note = 'Queue at the counter' AND state = 'active'"
    wait_for(lambda: world.ask_database(issued)[0][0], "the voucher in PortaBilling")
    customer = Customer(world, browsers.open(), world.join(level=4))
    customer.arrives().page.get_by_role("link", name="Have a voucher?").click()
    customer.page.get_by_label("Voucher code").fill(code)
    customer.page.get_by_role("button", name="Go online").click()
    customer.is_online()


def test_a_role_without_the_permission_sees_no_payments(world: World, browsers: Browsers) -> None:
    receipt = bought(world, browsers).receipt
    staff = at_the_console(world, browsers, "tech")
    expect(staff.page.get_by_role("navigation").get_by_role("link", name="Payments")).to_have_count(0)
    for path in ("/payments", f"/payments/{receipt}"):
        staff.opens(path).sees(re.compile("not allowed|may not", re.IGNORECASE))
        expect(staff.main).not_to_contain_text(receipt)
