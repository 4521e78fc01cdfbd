"""What Customer Care does most."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.journeys.buying import buys, has_waited, is_in_state
from tests.browser.journeys.walk import PATIENCE_MS, Walk, walked
from tests.browser.portal import reported
from tests.browser.world import World


@walked("paid-not-online")
def test_a_customer_who_paid_is_put_online(walk: Walk, world: World) -> None:
    purchase = buys(world)
    world.has_no_stock()
    world.sandbox.fault("portabilling", down=True)
    world.sandbox.pay(purchase.reference)
    is_in_state(world, purchase, "paid")
    has_waited(world, purchase)
    digits = purchase.number.replace(" ", "")
    walk.sits_down("care").step(1).goes_to("Customers").fills("Phone, such as 83 301 2345", digits)
    walk.step(2).opens_row(digits[-4:]).sees("Paid, and not served yet", purchase.reference).picture()
    world.mend("portabilling")
    walk.step(3).presses("Try again now")
    walk.step(4)
    expect(walk.main).not_to_contain_text("Paid, and not served yet", timeout=PATIENCE_MS)
    is_in_state(world, purchase, "served")
    walk.picture()
    walk.step(5).main.locator(f'a[href$="/payments/{purchase.reference}"]').first.click()
    walk.sees_state("Served").sees("A router confirmed: the customer is online").picture()
    walk.ends()


@walked("answer-with-macro")
def test_a_ticket_is_answered_with_a_macro(walk: Walk, world: World) -> None:
    for words in ("The page to pay stays white", "How many phones may I use?"):
        reported(world, words)
    report = reported(world, "I joined the Wi-Fi and nothing loads")
    walk.sits_down("care").step(1).goes_to("Tickets").sees(report.reference).picture()
    walk.step(2).opens_row(report.reference).sees("I joined the Wi-Fi")
    walk.step(3).types("Your answer to the customer", "/try")
    walk.step(4).presses("Try once more")
    expect(walk.staff.answer).to_have_value(re.compile("Please turn your Wi-Fi off"))
    walk.picture()
    walk.step(5).presses("Send and wait").sees_state("Waits for the customer")
    walk.staff.hears("Please turn your Wi-Fi off and on again")
    walk.ends()
