"""What customers do besides paying: buy more, ask for help, find again what they bought."""

from __future__ import annotations

import re

from tests.browser.browsers import Browsers
from tests.browser.portal import Customer
from tests.browser.world import World, wait_for


def online_customer(world: World, browsers: Browsers) -> tuple[Customer, str]:
    customer = Customer(world, browsers.open(), world.join())
    customer.arrives().buys()
    receipt = customer.receipt
    world.sandbox.pay(receipt)
    return customer.is_online(), receipt


def test_who_is_online_can_buy_more_and_stays_online(world: World, browsers: Browsers) -> None:
    customer, first = online_customer(world, browsers)
    customer.page.get_by_role("link", name="Buy more time").click()
    customer.sees("You are online").reads("A package bought now is used when your time is up.").buys("3 hours")
    second = customer.receipt
    assert second != first
    world.sandbox.pay(second)
    customer.sees("Your time is ready").reads("3 hours").paid_once(first).paid_once(second)
    # The second hour has not begun: the clock runs on the first.
    customer.page.get_by_role("link", name="INET").click()
    customer.is_online()


def test_a_problem_report_is_kept_for_the_help_desk(world: World, browsers: Browsers) -> None:
    customer, receipt = online_customer(world, browsers)
    customer.page.get_by_role("link", name="Report a problem with this payment").click()
    customer.sees("Report a problem").reads(receipt)
    customer.page.get_by_label("What is wrong?").fill("Slow since this morning")
    customer.page.get_by_label("Phone number").fill(customer.number)
    customer.page.get_by_role("button", name="Send").click()
    customer.sees("Thank you")
    ticket = re.search(r"T-[0-9A-Z]{7}", customer.page.get_by_role("main").inner_text())
    assert ticket is not None
    rows = world.ask_database(
        "SELECT ticket.body, payment.reference FROM ticket JOIN payment ON payment.id = ticket.payment_id WHERE ticket.reference = %s",
        ticket[0],
    )
    assert rows == [("Slow since this morning", receipt)]


def test_a_purchase_is_found_again_by_the_code_in_an_sms(world: World, browsers: Browsers) -> None:
    customer, receipt = online_customer(world, browsers)
    world.receipt_sent_to(customer.number)
    received = len(world.texts_to(customer.number))
    other = Customer(world, browsers.open(), world.join(level=4), customer.number)
    other.arrives().page.get_by_role("link", name="Already paid?").click()
    form = other.form("No receipt code?")
    form.get_by_label("Phone number").fill(other.number)
    form.get_by_role("button", name="Send me the code by SMS").click()
    other.sees("Look at your messages")
    wait_for(lambda: len(world.texts_to(other.number)) > received, "the SMS that was asked for")
    other.page.get_by_role("link", name="Back").click()
    form = other.form("With phone number and receipt code")
    form.get_by_label("Phone number").fill(other.number)
    form.get_by_label("Receipt code").fill(world.receipt_sent_to(other.number))
    form.get_by_role("button", name="Find it").click()
    other.is_online().paid_once(receipt)
